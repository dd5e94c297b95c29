# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on hosts that leases hold for guests to come.

Whoever thinks of a placement reads what is held in the cluster, and when it holds the result says what it has
seen: when somebody else was faster, it is told so, and thinks again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .._model.errors import InputError
from .._model.reservation import Reservation, cluster_names
from .errors import HoldsChanged
from .lease import HeldPlacement, Lease
from .store.repository import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What a lease is to hold, and by cluster the count of holds when it was thought of, 0 where there is
    none; None when that does not matter. `placement_of` makes one.
    """

    held: tuple[HeldPlacement, ...]
    seen: Mapping[str, int] | None = None


def placement_of(
    reservations: Iterable[tuple[str, Reservation]], seen: Mapping[str, int] | None = None
) -> Placement:
    """From reservations, each with its cluster. Raises InputError for a guest that comes twice."""
    clusters: dict[str, dict[str, Reservation]] = {}
    for cluster, reservation in reservations:
        guests = clusters.setdefault(cluster, {})
        if reservation.guest in guests:
            raise InputError("placements", reservation.guest, f"named once in cluster {cluster}")
        guests[reservation.guest] = reservation
    held = tuple(
        HeldPlacement(cluster=cluster, reservations=tuple(guests[guest] for guest in sorted(guests)))
        for cluster, guests in sorted(clusters.items())
    )
    return Placement(held=held, seen=seen)


def hold(repository: Repository, lease: Lease, placement: Placement) -> Lease:
    """Let a lease hold this, and nothing that it held before.

    Raises HoldsChanged when others were faster, and InputError for more than the lease has of its pools.
    """
    if placement.held == lease.held:
        return lease
    _refuse_excess(lease, [one for held in placement.held for one in held.reservations])
    counts = repository.holds.counts()
    for held in placement.held:
        count = counts.get(held.cluster, 0)
        seen = count if placement.seen is None else placement.seen.get(held.cluster, 0)
        if seen != count:
            raise HoldsChanged(
                f"others were promised room since: holds were added {count} times, {seen} were seen",
                where=f"cluster {held.cluster}",
                hint="Place again, then ask again",
            )
        names = cluster_names(held.cluster)
        own = [before for before in lease.held if before.cluster in names]
        mine = {one.guest for before in own for one in before.reservations}
        others = {one.guest for name in names for one in repository.holds.of_cluster(name)} - mine
        for one in held.reservations:
            if one.guest in others:
                raise HoldsChanged(
                    f"another lease holds room for a guest {one.guest}",
                    where=f"cluster {held.cluster}",
                    hint="Guests to come need names of their own",
                )
    return repository.hold(lease, placement.held)


def _refuse_excess(lease: Lease, reservations: Sequence[Reservation]) -> None:
    request = lease.request
    if request.pools == 0:
        return
    sums = {
        "vcpus": sum(one.cpu for one in reservations),
        "memory": sum(one.memory for one in reservations),
        "storage": sum(disk.size or 0 for one in reservations for disk in one.disks),
    }
    for name, amount in sums.items():
        leased = getattr(request, name) * request.pools
        if amount > leased:
            raise InputError("placements", amount, f"within what is leased: {leased} {name}")
