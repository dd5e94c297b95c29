# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot as it would be: a datastore more or fewer, fuller or closed, disks grown, guests added."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from ..._model.datastores import datastore_id, datastore_ids, datastores_of
from ..._model.disk_moves import estimated_share, taken_by
from ..._model.errors import InputError
from ..._model.loads import guest_load
from ..._model.lookup import find_one
from ..._model.overrides import ChangedDatastore, GrownDisks, NewDatastore, NewDisk, NewGuest, Overrides
from ..._model.snapshot import Datastore, Disk, Guest, Host, HostDatastore, Snapshot
from ..errors import PlanningError

# Blockers that a copy of a guest does not have: they are about what happens to the guest now.
_OF_THE_ORIGINAL = frozenset({"being_migrated", "locked"})


def with_datastores_changed(snapshot: Snapshot, overrides: Overrides) -> Snapshot:
    """The snapshot after all changes of datastores and disks, in its own tuple and as hosts see them.

    A removed datastore is one in maintenance: its disks are still there, and have to go somewhere. Free space
    becomes negative where a datastore would have to hold more than it can.
    """
    before = {place.id: place for place in datastores_of(snapshot)}
    places = dict(before)
    known = tuple(before.values())
    for identity, place in _opened_or_removed(known, overrides).items():
        places[identity] = place
    for index, change in enumerate(overrides.datastores_changed):
        field = f"what_if.datastores_changed[{index}]"
        found = find_one(known, "datastore", change.datastore, f"{field}.datastore")
        if any(
            find_one(known, "datastore", other.datastore, field) is found
            for other in overrides.datastores_changed[:index]
        ):
            raise PlanningError(f"datastore {change.datastore!r} is named twice", where=f"{field}.datastore")
        places[found.id] = _changed(places[found.id], change, field)
    comply: dict[str, list[str]] = {}
    for place, like in _added(snapshot, known, overrides.datastores_added):
        places[place.id] = place
        if like is not None:
            comply.setdefault(like.id, []).append(place.id)
    return _with_places(_with_more_targets(snapshot, comply), before, places)


def _with_more_targets(snapshot: Snapshot, comply: Mapping[str, Sequence[str]]) -> Snapshot:
    """The snapshot in which added datastores comply with storage policies as those that they are like.
    comply: ids of the added ones, by that of the other.
    """

    def extended(_guest: Guest, disk: Disk) -> Disk:
        more = [new for old in disk.targets or () for new in comply.get(old, ())]
        return replace(disk, targets=(*disk.targets, *more)) if disk.targets and more else disk

    if not comply:
        return snapshot
    return replace(snapshot, guests=tuple(_with_disks(guest, extended) for guest in snapshot.guests))


def _opened_or_removed(known: Sequence[Datastore], overrides: Overrides) -> Mapping[str, Datastore]:
    def named(names: Iterable[str], field: str) -> dict[str, Datastore]:
        found = [find_one(known, "datastore", name, f"what_if.{field}[{n}]") for n, name in enumerate(names)]
        return {place.id: place for place in found}

    removed = named(overrides.datastores_removed, "datastores_removed")
    returned = named(overrides.datastores_returned, "datastores_returned")
    for identity in sorted(removed.keys() & returned.keys()):
        raise PlanningError(
            f"datastore {identity} is removed and returned at once", where="what_if.datastores_returned"
        )
    return {
        **{name: replace(place, maintenance=True) for name, place in removed.items()},
        **{name: replace(place, maintenance=False, closed_because=None) for name, place in returned.items()},
    }


def _changed(place: Datastore, change: ChangedDatastore, field: str) -> Datastore:
    capacity, free = place.capacity, place.free
    if change.capacity is not None:
        used = None if capacity is None or free is None else capacity - free
        if used is None and change.free is None:
            raise InputError.required(
                f"{field}.free", when="the platform does not report the free space of the datastore"
            )
        capacity, free = change.capacity, change.capacity - (used or 0)
    if change.free is not None:
        _refuse_more_than(capacity, change.free, field)
        free = change.free
    more = change.filled_by or 0
    if change.filled_by_percent is not None:
        if capacity is None:
            raise InputError.required(
                f"{field}.capacity", when="filled_by_percent is set and the platform does not report it"
            )
        more += round(capacity * change.filled_by_percent / 100)
    if more and free is None:
        raise InputError.required(
            f"{field}.free", when="the datastore is filled and the platform does not report its free space"
        )
    closed = "it is closed by what_if" if change.closed else place.closed_because
    return replace(
        place, capacity=capacity, free=None if free is None else free - more, closed_because=closed
    )


def _refuse_more_than(capacity: int | None, free: int, field: str) -> None:
    if capacity is not None and free > capacity:
        raise InputError.exceeds(f"{field}.free", free, "capacity", capacity, unit=" bytes")


def _added(
    snapshot: Snapshot, known: Sequence[Datastore], items: Sequence[NewDatastore]
) -> Iterable[tuple[Datastore, Datastore | None]]:
    """The added datastores, each with the one that it is like."""
    taken = {name for place in known for name in (place.id, place.name)}
    for index, item in enumerate(items):
        field = f"what_if.datastores_added[{index}]"
        if item.name in taken:
            raise PlanningError(
                f"a datastore has the name or id {item.name!r} already", where=f"{field}.name"
            )
        taken.add(item.name)
        like = None if item.like is None else find_one(known, "datastore", item.like, f"{field}.like")
        yield _new(snapshot, item, like, field), like


def _new(snapshot: Snapshot, item: NewDatastore, like: Datastore | None, field: str) -> Datastore:
    capacity = item.capacity
    if capacity is None and like is not None:
        capacity = like.capacity
    if capacity is None:
        when = "like is left out" if like is None else f"the capacity of {item.like} is not reported"
        raise InputError.required(f"{field}.capacity", when=when, hint="Set it to a size, such as 4T")
    if item.free is not None:
        _refuse_more_than(capacity, item.free, field)
    hosts = tuple(
        find_one(snapshot.hosts, "host", name, f"{field}.hosts[{n}]").id for n, name in enumerate(item.hosts)
    )
    if hosts:
        shared = len(hosts) > 1
    elif like is not None:
        hosts, shared = like.hosts, like.shared
    else:
        hosts, shared = tuple(host.id for host in snapshot.hosts), True
    model = like or Datastore(id=item.name, name=item.name, shared=shared, hosts=hosts)
    return replace(
        model,
        id=datastore_id(item.name, hosts[0] if hosts else "", shared=shared),
        name=item.name,
        shared=shared,
        hosts=hosts,
        type=item.type or model.type,
        kind=item.kind or model.kind,
        capacity=capacity,
        free=capacity if item.free is None else item.free,
        provisioned=None if model.provisioned is None else 0,
        latency=None,
        iops=None if model.iops is None else 0.0,
        disk_io=None if model.disk_io is None else 0.0,
        maintenance=False,
        closed_because=None,
    )


def _with_places(
    snapshot: Snapshot, before: Mapping[str, Datastore], places: Mapping[str, Datastore]
) -> Snapshot:
    """The snapshot with these datastores, and what its hosts see of those that differ."""
    changed = [place for name, place in places.items() if before.get(name) != place]
    if not changed:
        return snapshot
    by_host: dict[str, list[Datastore]] = {}
    for place in changed:
        for host in place.hosts:
            by_host.setdefault(host, []).append(place)
    hosts = tuple(
        replace(
            host,
            datastores={
                **host.datastores,
                **{place.name: _seen(host, place) for place in by_host[host.id]},
            },
        )
        if host.id in by_host
        else host
        for host in snapshot.hosts
    )
    return replace(snapshot, hosts=hosts, datastores=tuple(places.values()))


def _seen(host: Host, place: Datastore) -> HostDatastore:
    why = place.closed_because or ("it is in maintenance mode" if place.maintenance else None)
    entry = host.datastores.get(place.name)
    if entry is None:
        entry = HostDatastore(shared=place.shared, kind=place.kind, disk_io=place.disk_io)
    return replace(entry, capacity=place.capacity, free=place.free, closed_because=why)


def with_new_host(snapshot: Snapshot, name: str, like: str) -> Snapshot:
    """The snapshot in which a host that is like another one has the shared datastores of that one."""
    return replace(
        snapshot,
        datastores=tuple(
            replace(place, hosts=(*place.hosts, name)) if place.shared and like in place.hosts else place
            for place in snapshot.datastores
        ),
    )


def with_guests_added(snapshot: Snapshot, items: Sequence[NewGuest]) -> Snapshot:
    """The snapshot with more guests, which take their part of hosts and datastores."""
    if not items:
        return snapshot
    taken = {name for guest in snapshot.guests for name in (guest.id, guest.name)}
    space = _Space(snapshot)
    guests = list(snapshot.guests)
    loads: dict[str, dict[str, float]] = {}
    for index, item in enumerate(items):
        field = f"what_if.guests_added[{index}]"
        model = find_one(snapshot.guests, "guest", item.like, f"{field}.like")
        host = model.host
        if item.host is not None:
            host = find_one(snapshot.hosts, "host", item.host, f"{field}.host").id
        disks = _disks_of(space, item, model, host, field)
        for name in _names(item):
            if name in taken:
                raise PlanningError(f"a guest has the name or id {name!r} already", where=f"{field}.name")
            taken.add(name)
            guest = _copy(model, name, host, disks)
            guests.append(guest)
            for disk in disks:
                space.take(host, disk)
            if guest.is_on_host:
                more = loads.setdefault(host, {})
                for resource in guest.used:
                    more[resource] = more.get(resource, 0.0) + (guest_load(guest, resource) or 0.0)
    hosts = tuple(
        replace(
            host,
            used={
                name: value if value is None else value + loads[host.id].get(name, 0.0)
                for name, value in host.used.items()
            },
        )
        if host.id in loads
        else host
        for host in snapshot.hosts
    )
    return space.applied(replace(snapshot, hosts=hosts, guests=tuple(guests)))


def _names(item: NewGuest) -> list[str]:
    if item.count == 1:
        return [item.name]
    return [f"{item.name}{number}" for number in range(1, item.count + 1)]


def _disks_of(space: _Space, item: NewGuest, model: Guest, host: str, field: str) -> tuple[Disk, ...]:
    if item.disks is None:
        for disk in model.disks:
            if host != model.host and space.place(host, disk) is None:
                raise InputError(
                    f"{field}.host",
                    item.host,
                    f"a host that has {disk.datastore}, where a disk of {model.name} is",
                    hint=f"Use another host, or set {field}.disks",
                )
        return model.disks
    return tuple(
        _new_disk(space, disk, number, host, f"{field}.disks[{number}]")
        for number, disk in enumerate(item.disks)
    )


def _new_disk(space: _Space, item: NewDisk, number: int, host: str, field: str) -> Disk:
    place = find_one(space.places_of(host), "datastore", item.datastore, f"{field}.datastore")
    if item.used is not None and item.used > item.size:
        raise InputError.exceeds(f"{field}.used", item.used, "size", item.size, unit=" bytes")
    used = item.size if item.used is None else item.used
    return Disk(
        id=f"disk{number}",
        datastore=place.name,
        size=item.size,
        used=used,
        thin=item.used is not None,
    )


def _copy(model: Guest, name: str, host: str, disks: tuple[Disk, ...]) -> Guest:
    return replace(
        model,
        id=name,
        name=name,
        host=host,
        disks=tuple(replace(disk, last_failed_at=None) for disk in disks),
        blockers=tuple(blocker for blocker in model.blockers if blocker not in _OF_THE_ORIGINAL),
        last_migrated_at=None,
        last_failed_at=None,
        migrating_to=None,
    )


def with_disks_grown(snapshot: Snapshot, items: Sequence[GrownDisks]) -> Snapshot:
    """The snapshot in which thin disks take more, and their datastores have less free space."""
    seen: set[tuple[str | None, str | None]] = set()
    for index, item in enumerate(items):
        field = f"what_if.disks_grown[{index}]"
        space = _Space(snapshot)
        place = guest = None
        if item.datastore is not None:
            places = datastores_of(snapshot)
            place = find_one(places, "datastore", item.datastore, f"{field}.datastore").id
        if item.guest is not None:
            guest = find_one(snapshot.guests, "guest", item.guest, f"{field}.guest").id
        if (place, guest) in seen:
            raise PlanningError("the same disks are named twice", where=field)
        seen.add((place, guest))
        snapshot = _grown(snapshot, space, item, place, guest, field)
    return snapshot


def _grown(
    snapshot: Snapshot, space: _Space, item: GrownDisks, place: str | None, guest: str | None, field: str
) -> Snapshot:
    found = False

    def grown(owner: Guest, disk: Disk) -> Disk:
        nonlocal found
        home = space.place(owner.host, disk)
        if home is None or (place is not None and home != place) or disk.thin is False or disk.size is None:
            return disk
        found = True
        taken = space.taken(home, disk)
        more = max(0, min(disk.size, round(taken * (1 + item.percent / 100))) - taken)
        space.add(home, more)
        return replace(disk, used=disk.used + more) if disk.used is not None and more else disk

    guests = tuple(
        _with_disks(one, grown) if guest is None or one.id == guest else one for one in snapshot.guests
    )
    if not found:
        raise PlanningError(
            "no thin disk is meant",
            where=field,
            hint="Name a guest or a datastore that has thin disks of known size",
        )
    return space.applied(replace(snapshot, guests=guests))


def _with_disks(guest: Guest, change: Callable[[Guest, Disk], Disk]) -> Guest:
    disks = tuple(change(guest, disk) for disk in guest.disks)
    return guest if disks == guest.disks else replace(guest, disks=disks)


class _Space:
    """What is taken on datastores in addition."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._places = {place.id: place for place in datastores_of(snapshot)}
        self._ids = datastore_ids(snapshot)
        self._more: dict[str, int] = {}
        self._provisioned: dict[str, int] = {}
        on: dict[str, list[Disk]] = {}
        for guest in snapshot.guests:
            for disk in guest.disks:
                on.setdefault(self._ids.get((guest.host, disk.datastore), ""), []).append(disk)
        self._shares = {
            name: estimated_share(place, on.get(name, ())) or 0.0 for name, place in self._places.items()
        }

    def place(self, host: str, disk: Disk) -> str | None:
        return self._ids.get((host, disk.datastore))

    def places_of(self, host: str) -> tuple[Datastore, ...]:
        return tuple(place for place in self._places.values() if host in place.hosts)

    def taken(self, place: str, disk: Disk) -> int:
        """What a disk takes, or is estimated to take as other disks of unknown use there."""
        sure = taken_by(disk)
        return round((disk.size or 0) * self._shares[place]) if sure is None else sure

    def add(self, place: str, more: int) -> None:
        self._more[place] = self._more.get(place, 0) + more

    def take(self, host: str, disk: Disk) -> None:
        """One disk more."""
        place = self.place(host, disk)
        if place is not None:
            self.add(place, self.taken(place, disk))
            size = max(disk.size or 0, disk.used or 0)
            self._provisioned[place] = self._provisioned.get(place, 0) + size

    def applied(self, snapshot: Snapshot) -> Snapshot:
        places = dict(self._places)
        for name, more in self._more.items():
            place = places[name]
            provisioned = place.provisioned
            if provisioned is not None:
                provisioned += self._provisioned.get(name, 0)
            places[name] = replace(
                place, free=None if place.free is None else place.free - more, provisioned=provisioned
            )
        return _with_places(snapshot, self._places, places)
