# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot with disks on other datastores: the one answer to what a move of disks does to both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from .datastores import datastore_ids, datastores_of
from .snapshot import Datastore, Disk, Guest, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedDisks:
    """Disks of a guest, by id, and the id of the datastore that they are on now."""

    guest: str
    disks: tuple[str, ...]
    target: str


def is_copied_whole(disk: Disk, *, migrated: bool = False) -> bool:
    """Whether a copy of a disk may take its full size. migrated: when its guest takes it to another host."""
    return disk.migrated_whole if migrated else disk.copied_whole


def copied_bytes(disk: Disk, *, migrated: bool = False) -> int:
    """Bytes that are copied when a disk is moved. migrated: as in is_copied_whole."""
    if disk.used is None:
        return disk.size or 0
    return max(disk.size or 0, disk.used) if is_copied_whole(disk, migrated=migrated) else disk.used


def taken_on(disk: Disk, place: Datastore, *, migrated: bool = False) -> int:
    """Bytes that a disk takes on a datastore once it has been copied there: all of it, unless it is known
    that only what was written is copied. migrated: as in is_copied_whole.
    """
    if place.thin and disk.thin is not False and disk.used is not None:
        return copied_bytes(disk, migrated=migrated)
    return max(disk.size or 0, disk.used or 0)


def taken_by(disk: Disk) -> int | None:
    """Bytes that a disk takes where it is; None where that is not known."""
    if disk.used is not None:
        return disk.used
    return disk.size if disk.thin is False else None


def estimated_share(place: Datastore, disks: Iterable[Disk]) -> float | None:
    """The share of their size that disks of unknown use take on a datastore, so that all disks together take
    what is in use; None where all are known.
    """
    unknown = known = 0
    for disk in disks:
        taken = taken_by(disk)
        if taken is None:
            unknown += disk.size or 0
        else:
            known += taken
    if not unknown:
        return None
    if place.capacity is None or place.free is None:
        return 1.0
    return min(1.0, max(0.0, (place.capacity - place.free - known) / unknown))


def snapshot_after_disk_moves(snapshot: Snapshot, moves: Iterable[MovedDisks]) -> Snapshot:
    """The snapshot once each move has ended and the old copies have been deleted.

    The latency of the datastores that a move touches is not known until it is measured again. A disk whose
    use is not known frees what it is estimated to take.
    """
    moves = tuple(moves)
    if not moves:
        return snapshot
    places = {place.id: place for place in datastores_of(snapshot)}
    ids = datastore_ids(snapshot)
    guests = {guest.id: guest for guest in snapshot.guests}
    shares = estimated_shares(snapshot)
    more: dict[str, int] = {}
    traffic: dict[str, float] = {}
    for move in moves:
        guest, target = guests[move.guest], places[move.target]
        disks = []
        for disk in guest.disks:
            source = ids.get((guest.host, disk.datastore))
            if disk.id not in move.disks or source is None or source == target.id:
                disks.append(disk)
                continue
            more[source] = more.get(source, 0) - freed_by(disk, shares[source])
            more[target.id] = more.get(target.id, 0) + taken_on(disk, target)
            traffic[source] = traffic.get(source, 0) - (disk.disk_io or 0)
            traffic[target.id] = traffic.get(target.id, 0) + (disk.disk_io or 0)
            disks.append(disk_on(disk, target))
        guests[guest.id] = replace(guest, disks=tuple(disks))
    return with_space_taken(
        replace(snapshot, guests=tuple(guests[guest.id] for guest in snapshot.guests)), more, traffic
    )


def estimated_shares(snapshot: Snapshot) -> Mapping[str, float]:
    """By id of a datastore, the share of their size that disks of unknown use take there."""
    ids = datastore_ids(snapshot)
    on: dict[str, list[Disk]] = {}
    for guest in snapshot.guests:
        for disk in guest.disks:
            on.setdefault(ids.get((guest.host, disk.datastore), ""), []).append(disk)
    return {
        place.id: estimated_share(place, on.get(place.id, ())) or 0.0 for place in datastores_of(snapshot)
    }


def with_estimated_io(snapshot: Snapshot) -> Snapshot:
    """The snapshot in which each disk whose I/O was not measured has its share, by size, of what the other
    disks on its datastore do not explain. Guests that do not run read and write nothing.
    """
    ids = datastore_ids(snapshot)
    rest = {place.id: place.disk_io for place in datastores_of(snapshot) if place.disk_io is not None}
    sizes: dict[str, int] = {}
    for guest in snapshot.guests:
        for disk in guest.disks:
            place = ids.get((guest.host, disk.datastore), "")
            if place not in rest:
                continue
            if disk.disk_io is not None:
                rest[place] = max(0.0, rest[place] - disk.disk_io)
            elif guest.is_on_host:
                sizes[place] = sizes.get(place, 0) + (disk.size or 0)

    def estimated(guest: Guest, disk: Disk) -> Disk:
        place = ids.get((guest.host, disk.datastore), "")
        if disk.disk_io is not None or not sizes.get(place):
            return disk
        share = (disk.size or 0) / sizes[place] if guest.is_on_host else 0.0
        return replace(disk, disk_io=rest[place] * share)

    if not sizes:
        return snapshot
    guests = tuple(
        replace(guest, disks=tuple(estimated(guest, disk) for disk in guest.disks))
        for guest in snapshot.guests
    )
    return replace(snapshot, guests=guests)


def freed_by(disk: Disk, share: float) -> int:
    """Bytes that are free on its datastore once a disk has left it. share: as in estimated_shares."""
    taken = taken_by(disk)
    return round((disk.size or 0) * share) if taken is None else taken


def disk_on(disk: Disk, target: Datastore, *, migrated: bool = False) -> Disk:
    """A disk once it has been copied to a datastore. migrated: as in is_copied_whole."""
    known = disk.used is not None or target.thin is not True
    thin = disk.thin if target.thin is not False else False
    used = taken_on(disk, target, migrated=migrated) if known else None
    return replace(disk, datastore=target.name, used=used, thin=thin, last_failed_at=None)


def with_space_taken(snapshot: Snapshot, more: Mapping[str, int], traffic: Mapping[str, float]) -> Snapshot:
    """The snapshot with more bytes in use on datastores, and more bytes per second read and written, by their
    ids; where it is less, the amount is below 0.
    """
    ids = datastore_ids(snapshot)
    after = [
        _carrying(place, more[place.id], traffic.get(place.id, 0.0)) if place.id in more else place
        for place in snapshot.datastores
    ]
    hosts = []
    for host in snapshot.hosts:
        seen = {}
        for name, entry in host.datastores.items():
            identity = ids.get((host.id, name))
            if identity is not None and identity in more and entry.free is not None:
                entry = replace(entry, free=max(0, entry.free - more[identity]))
            seen[name] = entry
        hosts.append(replace(host, datastores=seen))
    return replace(
        snapshot,
        hosts=tuple(hosts),
        datastores=tuple(after),
    )


def _carrying(place: Datastore, more: int, traffic: float) -> Datastore:
    return replace(
        place,
        free=None if place.free is None else max(0, place.free - more),
        provisioned=None,
        latency=None,
        disk_io=None if place.disk_io is None else max(0.0, place.disk_io + traffic),
    )
