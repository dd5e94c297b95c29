# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How full pools are, who has what, and who waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .expire_and_grant import queue_position
from .free_capacity import RESOURCES, FreeCapacity
from .lease import Lease, moment, placements
from .pool import Pool
from .store.repository import Repository


def pools_report(repository: Repository) -> list[dict[str, Any]]:
    """Every pool with what leases have of it."""
    leases = repository.leases()
    users = repository.network_users()
    names = {lease.id: lease.name for lease in leases}
    report = []
    for room in repository.free_capacities(repository.pools()):
        pool = room.pool
        networks = [
            {**facts, "leases": sorted(names[lease] for lease in users.get((pool.place, network.port), ()))}
            for network, facts in zip(pool.networks, _networks(pool))
        ]
        report.append(
            {
                **pool.to_json(),
                "networks": networks,
                "usage": usage(room, networks),
                "leases": sorted(lease.name for lease in leases if lease.is_from(pool)),
            }
        )
    return report


def _networks(pool: Pool) -> list[dict[str, Any]]:
    found: Any = pool.to_json()["networks"]
    return list(found)


def usage(room: FreeCapacity, networks: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By resource: what there is, what can be leased, what is leased, what is available and the percentage
    that is leased, None where there is nothing.
    """
    pool = room.pool
    limits = {"vcpus": pool.vcpu_limit, "memory": pool.memory, "storage": pool.storage}
    result: dict[str, dict[str, Any]] = {}
    for name in RESOURCES:
        result[name] = _usage(getattr(pool, name), limits[name], limits[name] - getattr(room, name))
    used = sum(bool(network["leases"]) for network in networks)
    result["networks"] = _usage(len(networks), len(networks), used)
    return result


def _usage(capacity: int, limit: int, leased: int) -> dict[str, Any]:
    return {
        "capacity": capacity,
        "limit": limit,
        "leased": leased,
        "available": limit - leased,
        "percent": round(100 * leased / limit, 1) if limit else None,
    }


def leases_report(
    repository: Repository, ended_within: float, over: Sequence[Lease] = ()
) -> list[dict[str, Any]]:
    """The leases that go on, and those that ended within these seconds, `over` among them: those whose end
    nobody has written yet.
    """
    after = repository.now - ended_within if ended_within > 0 else None
    leases = repository.leases(ended_after=after)
    if after is not None:
        leases += [lease for lease in over if lease.ended_at is not None and lease.ended_at > after]
    return [lease.to_json() for lease in sorted(leases, key=lambda lease: lease.number)]


def reservations_report(repository: Repository) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The reservations of leases on hosts, each with its lease, and how often any were added, by cluster."""
    placed = [
        {"lease": lease.name, **placement}
        for lease in repository.leases()
        for placement in placements(lease.reservations)
    ]
    return placed, dict(repository.reservations.counts())


def queue_report(repository: Repository) -> list[dict[str, Any]]:
    """The queue, in order, with reasons."""
    by_id: dict[str, Lease] = {lease.id: lease for lease in repository.leases()}
    return [
        {
            "position": position,
            "name": by_id[identity].name,
            "owner": by_id[identity].request.owner,
            "priority": by_id[identity].request.priority,
            "requested_at": moment(by_id[identity].requested_at),
            "waited_seconds": round(max(0.0, repository.now - by_id[identity].requested_at), 3),
            "why": why,
        }
        for identity, (position, why) in queue_position(repository).items()
    ]
