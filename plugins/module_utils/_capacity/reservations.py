# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reservations on hosts that leases have for new guests.

A task that places guests reads the reservations in the cluster first. When it reserves the result, it states
the count of reservations that it has read: if others were added meanwhile, it fails and has to place again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .._model.errors import InputError
from .._model.reservation import Reservation, cluster_names
from .errors import HoldsChanged
from .lease import ClusterReservations, Lease
from .store.repository import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The reservations that a lease is to have, as `placement_of` makes them. `seen` is, by cluster, the
    count of added reservations when the placement was made, 0 where there are none; None when it does not
    matter.
    """

    reservations: tuple[ClusterReservations, ...]
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
    by_cluster = tuple(
        ClusterReservations(cluster=cluster, reservations=tuple(guests[guest] for guest in sorted(guests)))
        for cluster, guests in sorted(clusters.items())
    )
    return Placement(reservations=by_cluster, seen=seen)


def reserve(repository: Repository, lease: Lease, placement: Placement) -> Lease:
    """Give a lease these reservations instead of those that it has.

    Raises HoldsChanged when other reservations were added meanwhile, and InputError when the reservations
    exceed what the lease has of its pools.
    """
    if placement.reservations == lease.reservations:
        return lease
    _refuse_excess(lease, [one for part in placement.reservations for one in part.reservations])
    counts = repository.reservations.counts()
    for part in placement.reservations:
        count = counts.get(part.cluster, 0)
        seen = count if placement.seen is None else placement.seen.get(part.cluster, 0)
        if seen != count:
            raise HoldsChanged(
                f"Other reservations were added since the placement was made: {count} in all,"
                f" {seen} were seen",
                where=f"cluster {part.cluster}",
                hint="Read the reservations, place the guests and request the lease again",
            )
        names = cluster_names(part.cluster)
        own = [before for before in lease.reservations if before.cluster in names]
        mine = {one.guest for before in own for one in before.reservations}
        others = {one.guest for name in names for one in repository.reservations.of_cluster(name)} - mine
        for one in part.reservations:
            if one.guest in others:
                raise HoldsChanged(
                    f"Another lease has a reservation for a guest {one.guest}",
                    where=f"cluster {part.cluster}",
                    hint="Choose another name for the new guest",
                )
    return repository.reserve(lease, placement.reservations)


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
