# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Datastores of a snapshot file whose disks move: the space that copies take, and what may go wrong.

A file beside that of the snapshot, `NAME.storage.json`, says how fast copies are and which fail. It holds the
moves under way, too, so that a run that was killed finds them. Without it a move is over at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from .._model.blockers import in_words
from .._model.codec import Bounds
from .._model.datastores import datastore_ids, datastores_of
from .._model.disk_moves import MovedDisks, snapshot_after_disk_moves, taken_on
from .._model.snapshot import Datastore, Disk, Guest, Snapshot
from .protocol import Objection
from .storage_protocol import (
    DatastoreNow,
    DiskMoveRequest,
    DiskMoveState,
    DisksNow,
    StorageNow,
    breach_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFault:
    """What goes wrong with the next move of disks of a guest. `copy`: the copy fails at `percent`, and stays
    where `stays` says so. `delete`: the old copy can't be deleted.
    """

    guest: str
    what: Literal["copy", "delete"]
    percent: Annotated[float, Bounds(0, 100)] = 50
    stays: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """A move under way; `room` is what the copy takes on the target, `ends` when it has ended."""

    guest: str
    disks: tuple[str, ...]
    source: str
    target: str
    room: int
    began: float
    ends: float
    fault: DiskFault | None = None

    @property
    def task(self) -> str:
        return task_of(self.guest, self.disks, self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedCopy:
    """How a move ended; `left` are the copies that nothing uses."""

    state: Literal["migrated", "failed", "cancelled"]
    why: str = ""
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedStorage:
    """The file: bytes per second that one move copies (None: it is over at once), what is to go wrong, and
    what is and was under way. `unused` are, by guest, copies that it does not use. `snapshot` is what the
    snapshot's own file has to hold: a process may have been killed before it could write it.
    """

    bandwidth: Annotated[float, Bounds(least=1)] | None = None
    faults: tuple[DiskFault, ...] = ()
    copying: tuple[Copying, ...] = ()
    ended: Mapping[str, EndedCopy] = field(default_factory=dict)
    unused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    snapshot: Snapshot | None = field(default=None, metadata={"omit": True})


def task_of(guest: str, disks: Collection[str], target: str) -> str:
    return f"rehearsal:{guest}:{','.join(disks)}:{target}"


def storage_busy(storage: RehearsedStorage, guest: str) -> str | None:
    """What a move of its disks says to all who want to do something with the guest."""
    found = next((copy for copy in storage.copying if copy.guest == guest), None)
    return None if found is None else f"its disks are being moved to {found.target}"


def as_reported(guest: Guest, storage: RehearsedStorage) -> Guest:
    """The guest as platforms report it: locked while its disks are being moved."""
    if storage_busy(storage, guest.id) is None or "locked" in guest.blockers:
        return guest
    return replace(guest, migratable=False, blockers=(*guest.blockers, "locked"))


def storage_now(snapshot: Snapshot, storage: RehearsedStorage, guests: Collection[str]) -> StorageNow:
    ids = datastore_ids(snapshot)
    wanted = set(guests)
    return StorageNow(
        cluster=snapshot.cluster.id,
        guests={
            guest.id: DisksNow(
                host=guest.host,
                disks={
                    disk.id: ids.get((guest.host, disk.datastore), disk.datastore)
                    for disk in guest.disks
                    if disk.id is not None
                },
                busy=(
                    storage_busy(storage, guest.id)
                    if guest.migrating_to is None
                    else f"it is being migrated to {guest.migrating_to}"
                ),
                unused=tuple(storage.unused.get(guest.id, ())),
            )
            for guest in snapshot.guests
            if guest.id in wanted
        },
        datastores={
            place.id: DatastoreNow(
                capacity=place.capacity, free=place.free, closed_because=_closed_because(place)
            )
            for place in datastores_of(snapshot)
        },
    )


def disk_objection(
    snapshot: Snapshot, storage: RehearsedStorage, request: DiskMoveRequest
) -> Objection | None:
    """Why a real cluster would not move these disks; None where it would."""
    guest = next((one for one in snapshot.guests if one.id == request.guest), None)
    place = next((one for one in datastores_of(snapshot) if one.id == request.target), None)
    if guest is None:
        return Objection(f"there is no guest {request.guest}")
    if place is None:
        return Objection(f"there is no datastore {request.target}")
    now = storage_now(snapshot, storage, [guest.id]).guests[guest.id]
    if now.busy is not None:
        return Objection(now.busy, passing=True)
    if guest.host != request.host:
        return Objection(f"the guest is on {guest.host}, not on {request.host}", passing=True)
    if guest.host not in place.hosts:
        return Objection(f"host {guest.host} does not have datastore {place.name}")
    for disk in request.disks:
        here = now.disks.get(disk)
        if here not in (request.source, request.target):
            there = "no datastore" if here is None else here
            return Objection(f"disk {disk} is on {there}, not on {request.source}", passing=True)
    moving = _moving(snapshot, guest, request)
    blocked = [f"{disk.id}: {in_words(disk.blockers)}" for disk in moving if disk.blockers]
    if blocked:
        return Objection(f"disks can't be moved: {'; '.join(blocked)}")
    if (closed := _closed_because(place)) is not None:
        return Objection(f"datastore {place.name} takes no disks: {closed}", passing=True)
    room = sum(taken_on(disk, place) for disk in moving)
    if place.free is not None and room > place.free:
        return Objection(
            f"datastore {place.name} has {place.free} bytes free, and the copy needs {room}", passing=True
        )
    refusal = next(
        (
            one
            for one in snapshot.disk_refusals
            if (one.guest, one.datastore) == (guest.id, place.id) and set(one.disks) & set(request.disks)
        ),
        None,
    )
    return None if refusal is None else Objection(refusal.why)


def policy_breach(snapshot: Snapshot, request: DiskMoveRequest) -> str | None:
    """Why the target does not comply with the storage policies of the disks; None where it does."""
    broken = [
        (disk.storage_policy or "(without a name)", disk.id)
        for guest in snapshot.guests
        for disk in guest.disks
        if guest.id == request.guest
        and disk.id in request.disks
        and disk.targets is not None
        and request.target not in disk.targets
    ]
    return breach_of(request, broken)


def begin(
    snapshot: Snapshot, storage: RehearsedStorage, request: DiskMoveRequest, now: float
) -> tuple[Snapshot, RehearsedStorage]:
    """Once the copy has begun and taken its room."""
    guest = next(one for one in snapshot.guests if one.id == request.guest)
    place = next(one for one in datastores_of(snapshot) if one.id == request.target)
    moving = _moving(snapshot, guest, request)
    room = sum(taken_on(disk, place) for disk in moving)
    seconds = room / storage.bandwidth if storage.bandwidth else 0.0
    fault = next((one for one in storage.faults if one.guest == guest.id), None)
    if fault is not None and fault.what == "copy":
        seconds *= fault.percent / 100
    copy = Copying(
        guest=guest.id,
        disks=request.disks,
        source=request.source,
        target=request.target,
        room=room,
        began=now,
        ends=now + seconds,
        fault=fault,
    )
    return _with_space(snapshot, request.target, -room), replace(
        storage,
        faults=tuple(one for one in storage.faults if one is not fault),
        copying=(*storage.copying, copy),
        ended={task: ended for task, ended in storage.ended.items() if task != copy.task},
    )


def advance(snapshot: Snapshot, storage: RehearsedStorage, now: float) -> tuple[Snapshot, RehearsedStorage]:
    """With all that has happened until now."""
    for copy in sorted(storage.copying, key=lambda one: one.ends):
        if copy.ends <= now:
            snapshot, storage = _end(snapshot, storage, copy)
    return snapshot, storage


def cancel(snapshot: Snapshot, storage: RehearsedStorage, task: str) -> tuple[Snapshot, RehearsedStorage]:
    """Without the move: its half of a copy is deleted."""
    for copy in storage.copying:
        if copy.task == task:
            ended = EndedCopy(state="cancelled", why="it was cancelled")
            return _with_space(snapshot, copy.target, copy.room), _ended(storage, copy, ended)
    return snapshot, storage


def state_of(
    snapshot: Snapshot, storage: RehearsedStorage, task: str, request: DiskMoveRequest, now: float
) -> DiskMoveState:
    """Of a started move."""
    copy = next((one for one in storage.copying if one.task == task), None)
    if copy is not None:
        whole = (copy.ends - copy.began) or 1.0
        reached = copy.fault.percent if copy.fault is not None and copy.fault.what == "copy" else 100.0
        percent = min(99.0, reached * (now - copy.began) / whole)
        return DiskMoveState(state="running", percent=percent, copied=int(copy.room * percent / 100))
    guest = storage_now(snapshot, storage, [request.guest]).guests.get(request.guest)
    places = {} if guest is None else guest.disks
    moved = tuple(disk for disk in request.disks if places.get(disk) == request.target)
    ended = storage.ended.get(task)
    if ended is not None:
        return DiskMoveState(state=ended.state, why=ended.why, moved=moved, left_behind=ended.left)
    if moved == request.disks:
        return DiskMoveState(state="migrated", percent=100, moved=moved)
    return DiskMoveState(state="failed", why="the disks are not on the target", moved=moved)


def _moving(snapshot: Snapshot, guest: Guest, request: DiskMoveRequest) -> list[Disk]:
    """Those of the disks that are not on the target."""
    ids = datastore_ids(snapshot)
    return [
        disk
        for disk in guest.disks
        if disk.id in request.disks and ids.get((guest.host, disk.datastore)) != request.target
    ]


def _closed_because(place: Datastore) -> str | None:
    return "it is in maintenance" if place.maintenance else place.closed_because


def _end(snapshot: Snapshot, storage: RehearsedStorage, copy: Copying) -> tuple[Snapshot, RehearsedStorage]:
    fault = copy.fault
    name = ", ".join(copy.disks)
    if fault is not None and fault.what == "copy":
        why = f"the copy failed at {fault.percent:g} %"
        if not fault.stays:
            ended = EndedCopy(state="failed", why=why)
            return _with_space(snapshot, copy.target, copy.room), _ended(storage, copy, ended)
        left = f"half a copy of {name}: {copy.target}"
        return snapshot, _ended(storage, copy, EndedCopy(state="failed", why=why, left=(left,)))
    before = _with_space(snapshot, copy.target, copy.room)
    after = snapshot_after_disk_moves(
        before, [MovedDisks(guest=copy.guest, disks=copy.disks, target=copy.target)]
    )
    if fault is None:
        return after, _ended(storage, copy, EndedCopy(state="migrated"))
    free = {place.id: place.free for place in datastores_of(before)}
    freed = next((place.free for place in datastores_of(after) if place.id == copy.source), None)
    left = f"old copy of {name}: {copy.source}"
    gained = (freed or 0) - (free.get(copy.source) or 0)
    ended = EndedCopy(state="migrated", why="the old copy could not be deleted", left=(left,))
    return _with_space(after, copy.source, -gained), _ended(storage, copy, ended)


def _ended(storage: RehearsedStorage, copy: Copying, ended: EndedCopy) -> RehearsedStorage:
    unused = dict(storage.unused)
    if ended.left:
        unused[copy.guest] = (*unused.get(copy.guest, ()), *ended.left)
    return replace(
        storage,
        copying=tuple(one for one in storage.copying if one.task != copy.task),
        ended={**storage.ended, copy.task: ended},
        unused=unused,
    )


def _with_space(snapshot: Snapshot, datastore: str, more: int) -> Snapshot:
    """With so many more bytes free on a datastore."""
    ids = datastore_ids(snapshot)

    def freed(free: int | None) -> int | None:
        return None if free is None else max(0, free + more)

    return replace(
        snapshot,
        datastores=tuple(
            replace(place, free=freed(place.free)) if place.id == datastore else place
            for place in snapshot.datastores
        ),
        hosts=tuple(
            replace(
                host,
                datastores={
                    name: replace(place, free=freed(place.free))
                    if ids.get((host.id, name)) == datastore
                    else place
                    for name, place in host.datastores.items()
                },
            )
            for host in snapshot.hosts
        ),
    )
