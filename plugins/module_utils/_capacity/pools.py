# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating, changing and removing pools."""

from __future__ import annotations

from .errors import PoolInUse
from .expire_and_grant import expire_and_grant, fail_impossible
from .explain import named, size
from .pool import Pool
from .store.repository import Repository

_MAX_NAMES = 10


def save_pool(repository: Repository, pool: Pool, *, below_leased: bool) -> None:
    """Create or change a pool, and serve the requests that wait for it.

    Raises PoolInUse when leases have more of it than it would offer, unless `below_leased`, and when they
    have networks of it that it would offer no more.
    """
    expire_and_grant(repository)
    before = next((known for known in repository.pools() if known.name == pool.name), None)
    if before is not None:
        if not below_leased:
            _refuse_shrinking(repository, before, pool)
        _refuse_losing_networks(repository, before, pool)
    repository.save_pool(pool)
    fail_impossible(repository)
    expire_and_grant(repository)


def remove_pool(repository: Repository, pool: Pool) -> None:
    """Remove a pool; requests that only it could fulfil fail. Raises PoolInUse when it has leases."""
    expire_and_grant(repository)
    leases = [lease.name for lease in repository.leases() if lease.is_from(pool)]
    if leases:
        raise PoolInUse(
            f"leased by {named(leases, _MAX_NAMES)}",
            where=f"pool {pool.name}",
            hint="Cordon it, and remove it later",
        )
    repository.remove_pool(pool.name)
    fail_impossible(repository)


def _refuse_shrinking(repository: Repository, before: Pool, after: Pool) -> None:
    (now,), (then,) = repository.free_capacities([before]), repository.free_capacities([after])
    over = []
    for what, leased, left, was in (
        ("vCPUs", str(after.vcpu_limit - then.vcpus), then.vcpus, now.vcpus),
        ("memory", size(after.memory - then.memory), then.memory, now.memory),
        ("storage", size(after.storage - then.storage), then.storage, now.storage),
    ):
        # What was allowed before stays as it is.
        if left < 0 and left < was:
            over.append(f"{leased} {what}")
    if over:
        raise PoolInUse(
            f"{', '.join(over)} are leased, more than it would have",
            where=f"pool {after.name}",
            hint="Set allow_below_leased to lease nothing more until enough leases have ended",
        )


def _refuse_losing_networks(repository: Repository, before: Pool, after: Pool) -> None:
    users = repository.network_users()
    here = {lease.id: lease.name for lease in repository.leases() if lease.is_from(before)}
    offered = {(after.place, network.port) for network in after.networks}
    for network in before.networks:
        spot = (before.place, network.port)
        names = [here[lease] for lease in users.get(spot, ()) if lease in here]
        if names and spot not in offered:
            raise PoolInUse(
                f"network {network.name} is leased by {named(names, _MAX_NAMES)}",
                where=f"pool {before.name}",
                hint="Release it first. The server and datacenter of a network, and its port group, are what"
                " it is known by",
            )
