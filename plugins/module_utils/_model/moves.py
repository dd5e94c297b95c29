# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot with guests on other hosts: the one answer to what a migration does to the loads of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from .datastores import datastore_ids, datastores_of
from .disk_moves import disk_on, estimated_shares, freed_by, taken_on, with_space_taken
from .loads import PRESSURES, guest_load, local_storage, pressure_shares
from .snapshot import Datastore, Disk, Guest, Host, HostDatastore, Snapshot

_NO_MOST = float("inf")


def snapshot_after_moves(
    snapshot: Snapshot,
    targets: Mapping[str, str],
    storage: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Snapshot:
    """The snapshot as it is once each guest (key) is on its target host (value), with the loads that its host
    was measured to carry for it: what it uses, its part of the pressure, and its disks on local datastores.
    `storage` says of a guest which datastores its disks leave for which; the others keep their names.

    A load that the host does not report stays unknown. A guest that holds no memory takes its disks alone.
    What disks take there is known as after a move of disks where the use of any of them is reported, or one
    of the two datastores is shared or has another name; it is their whole size otherwise.
    """
    relocated = _relocated_disks(snapshot, targets, storage)
    if relocated:
        return _with_relocated_disks(snapshot, targets, storage, relocated)
    moving = [guest for guest in snapshot.guests if targets.get(guest.id, guest.host) != guest.host]
    if not moving:
        return snapshot
    hosts = {host.id: host for host in snapshot.hosts}
    used = {host.id: dict(host.used) for host in snapshot.hosts}
    pressure = {host.id: dict(host.pressure) for host in snapshot.hosts}
    free = {host.id: {name: place.free for name, place in host.datastores.items()} for host in snapshot.hosts}
    shares = _pressures(snapshot, {guest.host for guest in moving})
    for guest in moving:
        source, target = guest.host, targets[guest.id]
        if guest.is_on_host:
            for resource in set(used[source]) | set(used[target]):
                amount = guest_load(guest, resource) or 0
                _add(used[source], resource, -amount)
                _add(used[target], resource, amount)
            for metric, stall in PRESSURES.items():
                _add(pressure[source], stall, -shares[metric].get(guest.id, 0.0))
                _add(pressure[target], stall, shares[metric].get(guest.id, 0.0), most=100.0)
        arrived = _at(guest, target, storage.get(guest.id, {}))
        for name, size in local_storage(guest, hosts[source]).items():
            _add(used[source], "storage", -(size or 0))
            _add(free[source], name, size or 0)
        for name, size in local_storage(arrived, hosts[target]).items():
            _add(used[target], "storage", size or 0)
            _add(free[target], name, -(size or 0))
    return replace(
        snapshot,
        guests=tuple(
            _at(guest, targets.get(guest.id, guest.host), storage.get(guest.id, {}))
            for guest in snapshot.guests
        ),
        hosts=tuple(
            replace(
                host,
                used=used[host.id],
                pressure=pressure[host.id],
                datastores={
                    name: _with_free(place, free[host.id][name]) for name, place in host.datastores.items()
                },
            )
            for host in snapshot.hosts
        ),
        datastores=tuple(_with_what_moved(place, hosts, free) for place in snapshot.datastores),
    )


def _relocated_disks(
    snapshot: Snapshot, targets: Mapping[str, str], storage: Mapping[str, Mapping[str, str]]
) -> Mapping[str, frozenset[str]]:
    """By guest that migrates, the names of those datastores whose disks count as moved from one datastore to
    another.
    """
    ids, hosts = datastore_ids(snapshot), {host.id: host for host in snapshot.hosts}
    found: dict[str, frozenset[str]] = {}
    for guest in snapshot.guests:
        target = targets.get(guest.id, guest.host)
        goes = storage.get(guest.id, {}) if target != guest.host and target in hosts else {}
        names = set()
        for name in {disk.datastore for disk in guest.disks} & set(goes):
            here, there = hosts[guest.host].datastores.get(name), hosts[target].datastores.get(goes[name])
            places = ids.get((guest.host, name)), ids.get((target, goes[name]))
            if here is None or there is None or None in places or places[0] == places[1]:
                continue
            is_known = any(disk.used is not None for disk in guest.disks if disk.datastore == name)
            if name != goes[name] or here.shared or there.shared or is_known:
                names.add(name)
        if names:
            found[guest.id] = frozenset(names)
    return found


def _with_relocated_disks(
    snapshot: Snapshot,
    targets: Mapping[str, str],
    storage: Mapping[str, Mapping[str, str]],
    relocated: Mapping[str, frozenset[str]],
) -> Snapshot:
    """The guests migrate without these disks; then the disks are where they go."""
    ids, places = datastore_ids(snapshot), {place.id: place for place in datastores_of(snapshot)}
    shares = estimated_shares(snapshot)
    more: dict[str, int] = {}
    traffic: dict[str, float] = {}
    own: dict[str, float] = {}
    arrived: dict[str, tuple[Disk | None, ...]] = {}
    bare = []
    for guest in snapshot.guests:
        names = relocated.get(guest.id, frozenset())
        if not names:
            bare.append(guest)
            continue
        disks: list[Disk | None] = []
        for disk in guest.disks:
            if disk.datastore not in names:
                disks.append(None)
                continue
            host = targets[guest.id]
            source = ids[guest.host, disk.datastore]
            target = places[ids[host, storage[guest.id][disk.datastore]]]
            frees, takes = freed_by(disk, shares[source]), taken_on(disk, target, migrated=True)
            for place, holder, amount, moving in (
                (places[source], guest.host, -frees, -(disk.disk_io or 0.0)),
                (target, host, takes, disk.disk_io or 0.0),
            ):
                more[place.id] = more.get(place.id, 0) + amount
                traffic[place.id] = traffic.get(place.id, 0.0) + moving
                if not place.shared:
                    own[holder] = own.get(holder, 0.0) + amount
            disks.append(disk_on(disk, target, migrated=True))
        arrived[guest.id] = tuple(disks)
        bare.append(replace(guest, disks=tuple(disk for disk in guest.disks if disk.datastore not in names)))
    after = snapshot_after_moves(replace(snapshot, guests=tuple(bare)), targets, storage)
    guests = []
    for guest in after.guests:
        if guest.id in arrived:
            rest = iter(guest.disks)
            guest = replace(
                guest, disks=tuple(next(rest) if disk is None else disk for disk in arrived[guest.id])
            )
        guests.append(guest)
    hosts = []
    for one in after.hosts:
        used = dict(one.used)
        _add(used, "storage", own.get(one.id, 0.0))
        hosts.append(replace(one, used=used))
    return with_space_taken(replace(after, guests=tuple(guests), hosts=tuple(hosts)), more, traffic)


def _with_what_moved(
    place: Datastore, hosts: Mapping[str, Host], free: Mapping[str, Mapping[str, int | None]]
) -> Datastore:
    """A datastore that one host alone has, with what disks have come to it and left it."""
    if place.shared or place.free is None or len(place.hosts) != 1:
        return place
    host = place.hosts[0]
    entry = hosts[host].datastores.get(place.name) if host in hosts else None
    then = free[host].get(place.name) if entry is not None else None
    if entry is None or entry.free is None or then is None or then == entry.free:
        return place
    return replace(place, free=max(0, place.free + then - entry.free))


def _add(
    amounts: dict[str, float | None] | dict[str, int | None],
    name: str,
    more: float,
    most: float = _NO_MOST,
) -> None:
    before = amounts.get(name)
    if before is not None and more:
        amounts[name] = min(most, max(0, before + more))  # type: ignore[assignment]


def _pressures(snapshot: Snapshot, sources: Iterable[str]) -> Mapping[str, Mapping[str, float]]:
    """By pressure metric and guest, of the guests on these hosts."""
    by_host: dict[str, list[Guest]] = {host: [] for host in sources}
    for guest in snapshot.guests:
        if guest.host in by_host:
            by_host[guest.host].append(guest)
    result: dict[str, dict[str, float]] = {metric: {} for metric in PRESSURES}
    for host in snapshot.hosts:
        guests = by_host.get(host.id, [])
        for metric in PRESSURES if guests else ():
            for guest, share in zip(guests, pressure_shares(host, guests, metric), strict=True):
                result[metric][guest.id] = share or 0.0
    return result


def _at(guest: Guest, host: str, storage: Mapping[str, str]) -> Guest:
    if host == guest.host:
        return guest
    disks = guest.disks
    if storage:
        disks = tuple(replace(disk, datastore=storage.get(disk.datastore, disk.datastore)) for disk in disks)
    return replace(guest, host=host, disks=disks)


def _with_free(place: HostDatastore, free: int | None) -> HostDatastore:
    return place if free == place.free else replace(place, free=free)
