# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot file that behaves as a cluster: a migration changes the file, atomically."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from .._model.codec import decode, encode
from .._model.errors import InputError
from .._model.loads import guest_used
from .._model.moves import snapshot_after_moves
from .._model.snapshot import Guest, Host, Snapshot
from . import rehearsal_storage
from .errors import NotFound, PlatformError, Refused, StartRefused
from .protocol import (
    Capacities,
    ClusterNow,
    GuestNow,
    HostNow,
    MigrationRequest,
    MigrationState,
    Objection,
    Prepared,
)
from .rehearsal_storage import RehearsedStorage
from .storage_protocol import DiskMoveRequest, DiskMoveState, PreparedDiskMove, StorageNow

# Blockers that are states, which pass.
_PASSING = frozenset({"being_migrated", "disconnected", "ha_error", "locked", "not_readable", "paused"})


class RehearsalPlatform:
    """The Platform protocol over a snapshot file. A migration takes no time; one that the file has under way
    (`migrating_to`) ends when it is followed.

    `prepare` objects to what `refusals` of the file names, and `prepare_disk_move` to what `disk_refusals`
    names. A refusal that is later than the snapshot has not happened yet: no snapshot that is read shows it.
    Moves of disks are as rehearsal_storage.py says; `now` is the time by which they go on.
    """

    capacities = Capacities(cluster=8, per_host=4)

    def __init__(self, path: str, cluster: str | None = None, now: Callable[[], float] = time.time) -> None:
        self._path = Path(path)
        self._cluster = cluster
        self._now = now

    @property
    def _storage_path(self) -> Path:
        return self._path.with_suffix(".storage.json")

    def read(self) -> Snapshot:
        snapshot, storage = self._own_storage()
        happened = tuple(one for one in snapshot.refusals if one.at <= snapshot.taken_at)
        of_disks = tuple(one for one in snapshot.disk_refusals if one.at <= snapshot.taken_at)
        guests = tuple(rehearsal_storage.as_reported(guest, storage) for guest in snapshot.guests)
        return replace(snapshot, refusals=happened, disk_refusals=of_disks, guests=guests)

    def _own(self) -> Snapshot:
        snapshot = self._load_storage().snapshot or self._load()
        if self._cluster not in (None, snapshot.cluster.name, snapshot.cluster.id):
            raise NotFound(
                f"there is no cluster {self._cluster!r}", where=str(self._path), hint=_names(snapshot)
            )
        return snapshot

    def _own_storage(self) -> tuple[Snapshot, RehearsedStorage]:
        """As they are now, with what has ended since they were written."""
        return rehearsal_storage.advance(self._own(), self._load_storage(), self._now())

    def look(self, guests: Collection[str]) -> ClusterNow:
        snapshot, storage = self._own_storage()
        wanted = set(guests)
        return ClusterNow(
            cluster=snapshot.cluster.id,
            guests={
                guest.id: GuestNow(
                    host=guest.host,
                    power=guest.power,
                    busy=_busy(guest) or rehearsal_storage.storage_busy(storage, guest.id),
                    run_state=guest.run_state,
                )
                for guest in snapshot.guests
                if guest.id in wanted
            },
            hosts={host.id: _host_now(host) for host in snapshot.hosts},
        )

    def prepare(self, request: MigrationRequest) -> Prepared:
        return Prepared(request=request, objection=_objection(self._own(), request))

    def start(self, prepared: Prepared) -> str:
        request = prepared.request
        with self._locked():
            snapshot = self._own()
            # The file may have changed since: what counts is what it holds now.
            Prepared(request=request, objection=_objection(snapshot, request)).require_no_objection()
            goes = {request.guest: request.target}
            self._store(snapshot_after_moves(snapshot, goes, {request.guest: request.storage}))
        return _task(request.guest, request.target)

    def find(self, request: MigrationRequest) -> str | None:
        """Only one that the file has under way: what is started here is over at once."""
        guest = _guest(self._own(), request.guest)
        return None if guest is None or guest.migrating_to is None else _task(guest.id, guest.migrating_to)

    def poll(self, tasks: Mapping[str, MigrationRequest]) -> Mapping[str, MigrationState]:
        with self._locked():
            snapshot = self._own()
            arriving = {
                guest.id: guest.migrating_to
                for guest in snapshot.guests
                if guest.migrating_to is not None and _task(guest.id, guest.migrating_to) in tasks
            }
            if arriving:
                snapshot = _arrived(snapshot, arriving)
                self._store(snapshot)
        places = {guest.id: guest.host for guest in snapshot.guests}
        return {
            task: MigrationState(state="migrated", percent=100)
            if places.get(request.guest) == request.target
            else MigrationState(state="failed", why=f"the guest is on {places.get(request.guest, 'no host')}")
            for task, request in tasks.items()
        }

    def cancel(self, task: str) -> None:
        """A migration that was started here is over; one that the file has under way is no more."""
        with self._locked():
            snapshot = self._own()
            guests = tuple(
                replace(guest, migrating_to=None)
                if guest.migrating_to is not None and _task(guest.id, guest.migrating_to) == task
                else guest
                for guest in snapshot.guests
            )
            if guests != snapshot.guests:
                self._store(replace(snapshot, guests=guests))

    def look_at_storage(self, guests: Collection[str]) -> StorageNow:
        snapshot, storage = self._own_storage()
        return rehearsal_storage.storage_now(snapshot, storage, guests)

    def policy_breach(self, request: DiskMoveRequest) -> str | None:
        return rehearsal_storage.policy_breach(self._own_storage()[0], request)

    def prepare_disk_move(self, request: DiskMoveRequest) -> PreparedDiskMove:
        snapshot, storage = self._own_storage()
        objection = rehearsal_storage.disk_objection(snapshot, storage, request)
        return PreparedDiskMove(request=request, objection=objection)

    def start_disk_move(self, prepared: PreparedDiskMove) -> str:
        request = prepared.request
        with self._locked():
            snapshot, storage = self._own_storage()
            objection = prepared.objection or rehearsal_storage.disk_objection(snapshot, storage, request)
            if objection is not None:
                where = f"guest {request.guest}"
                raise StartRefused(objection.why, where=where, passing=objection.passing)
            now = self._now()
            snapshot, storage = rehearsal_storage.begin(snapshot, storage, request, now)
            self._store_all(*rehearsal_storage.advance(snapshot, storage, now))
        return rehearsal_storage.task_of(request.guest, request.disks, request.target)

    def find_disk_move(self, request: DiskMoveRequest) -> str | None:
        _snapshot, storage = self._own_storage()
        return next(
            (
                copy.task
                for copy in storage.copying
                if copy.guest == request.guest and set(copy.disks).intersection(request.disks)
            ),
            None,
        )

    def poll_disk_moves(self, tasks: Mapping[str, DiskMoveRequest]) -> Mapping[str, DiskMoveState]:
        with self._locked():
            before = self._own(), self._load_storage()
            now = self._now()
            snapshot, storage = rehearsal_storage.advance(*before, now)
            if (snapshot, storage) != before:
                self._store_all(snapshot, storage)
        return {
            task: rehearsal_storage.state_of(snapshot, storage, task, request, now)
            for task, request in tasks.items()
        }

    def copies_left(self, request: DiskMoveRequest) -> tuple[str, ...]:
        """None: migrations leave nothing behind here."""
        return ()

    def cancel_disk_move(self, task: str) -> None:
        with self._locked():
            self._store_all(*rehearsal_storage.cancel(*self._own_storage(), task))

    def in_maintenance(self, host: str) -> bool:
        return any(entry.maintenance for entry in self._own().hosts if entry.id == host)

    def require_maintenance(self, host: str, *, on: bool) -> None:
        """It can be switched."""

    def set_maintenance(self, host: str, *, on: bool, timeout: float) -> None:
        """The platform's own agents on the host are shut down, as vCenter does with vCLS."""
        with self._locked():
            snapshot = self._own()
            hosts = (_switched(entry, on=on) if entry.id == host else entry for entry in snapshot.hosts)
            snapshot = replace(snapshot, hosts=tuple(hosts))
            for guest in snapshot.guests if on else ():
                if guest.host == host and guest.platform_managed and guest.is_on_host:
                    snapshot = _switched_off(snapshot, guest)
            self._store(snapshot)

    def shut_down(self, guest: str, *, timeout: float) -> None:
        with self._locked():
            snapshot = self._own()
            found = _guest(snapshot, guest)
            if found is None:
                raise NotFound(f"there is no guest {guest}", where=str(self._path), hint=_names(snapshot))
            if not found.is_on_host:
                return
            if found.power == "unknown" or found.run_state is not None or found.migrating_to is not None:
                state = found.run_state or ("unknown" if found.power == "unknown" else "being migrated")
                raise Refused(
                    f"its state is {state}, in which its operating system can't be asked to shut down",
                    where=f"guest {found.name} ({guest})",
                    hint="Resume it, or shut it down by hand",
                )
            self._store(_switched_off(snapshot, found))

    def clusters(self) -> tuple[str, ...]:
        return (self._load().cluster.name,)

    def close(self) -> None:
        """There is no session."""

    def _load(self) -> Snapshot:
        try:
            return Snapshot.from_json(json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise NotFound(
                "there is no such file", where=str(self._path), hint="rehearsal_path names a snapshot file"
            ) from None
        except OSError as error:
            raise PlatformError(f"can't be read: {error.strerror}", where=str(self._path)) from None
        except (ValueError, RecursionError) as error:
            raise PlatformError(f"is not JSON: {error}", where=str(self._path)) from None
        except InputError as error:
            raise PlatformError(str(error), where=str(self._path)) from None

    def _load_storage(self) -> RehearsedStorage:
        path = self._storage_path
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            return decode(RehearsedStorage, value, "storage")
        except FileNotFoundError:
            return RehearsedStorage()
        except OSError as error:
            raise PlatformError(f"can't be read: {error.strerror}", where=str(path)) from None
        except (ValueError, RecursionError) as error:
            raise PlatformError(f"is not JSON: {error}", where=str(path)) from None
        except InputError as error:
            raise PlatformError(str(error), where=str(path)) from None

    def _store(self, snapshot: Snapshot) -> None:
        self._store_all(snapshot, self._load_storage())

    def _store_all(self, snapshot: Snapshot, storage: RehearsedStorage) -> None:
        """Both files or none: the first of them holds what belongs into the second one until it is there."""
        if not self._storage_path.exists():
            _write(self._path, snapshot.to_json())
            return
        _write(self._storage_path, encode(replace(storage, snapshot=snapshot)))
        _write(self._path, snapshot.to_json())
        _write(self._storage_path, encode(replace(storage, snapshot=None)))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps two runs from changing the file at once. The lock is the folder's, for the file itself is
        replaced.
        """
        try:
            descriptor = os.open(self._path.parent, os.O_RDONLY)
        except OSError as error:
            raise PlatformError(f"can't be locked: {error.strerror}", where=str(self._path.parent)) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _write(path: Path, value: object) -> None:
    """Atomically, with the mode that the file has."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(value, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, path.stat().st_mode & 0o777)
        os.replace(name, path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise PlatformError(f"can't be written: {error.strerror}", where=str(path)) from None


def _names(snapshot: Snapshot) -> str:
    return f"The file holds {snapshot.cluster.name!r}"


def _guest(snapshot: Snapshot, identity: str) -> Guest | None:
    return next((guest for guest in snapshot.guests if guest.id == identity), None)


def _task(guest: str, target: str) -> str:
    return f"rehearsal:{guest}:{target}"


def _busy(guest: Guest) -> str | None:
    return None if guest.migrating_to is None else f"it is being migrated to {guest.migrating_to}"


def _arrived(snapshot: Snapshot, targets: Mapping[str, str]) -> Snapshot:
    """Once migrations that the file has under way have ended."""
    there = snapshot_after_moves(snapshot, targets)
    return replace(
        there,
        guests=tuple(
            replace(guest, migrating_to=None) if guest.id in targets else guest for guest in there.guests
        ),
    )


def _switched(host: Host, *, on: bool) -> Host:
    """The host with maintenance mode on or off, without the reason of the mode that has ended."""
    return replace(host, maintenance=on, closed_because=None if host.maintenance else host.closed_because)


def _switched_off(snapshot: Snapshot, guest: Guest) -> Snapshot:
    """The host without what the guest used: as if it had gone to a host that nobody counts, without its
    disks.
    """
    nowhere = Host(
        id=f"without {guest.id}",
        name="nowhere",
        status="offline",
        maintenance=False,
        schedulable=False,
        capacity={},
        used={},
    )
    guests = tuple(replace(other, disks=()) if other is guest else other for other in snapshot.guests)
    away = snapshot_after_moves(
        replace(snapshot, hosts=(*snapshot.hosts, nowhere), guests=guests), {guest.id: nowhere.id}
    )
    off = replace(guest, power="stopped", run_state=None, used=dict.fromkeys(guest.used, 0.0), sources={})
    return replace(
        snapshot,
        hosts=away.hosts[:-1],
        guests=tuple(off if other is guest else other for other in snapshot.guests),
    )


def _host_now(host: Host) -> HostNow:
    capacity, used = host.capacity.get("memory"), host.used.get("memory")
    return HostNow(
        active=host.active,
        memory_capacity=None if capacity is None else int(capacity),
        memory_used=None if used is None else int(used),
    )


def _objection(snapshot: Snapshot, request: MigrationRequest) -> Objection | None:
    """Why a real cluster would not run this migration; None where it would."""
    guest = _guest(snapshot, request.guest)
    target = next((host for host in snapshot.hosts if host.id == request.target), None)
    if guest is None:
        return Objection(f"there is no guest {request.guest}")
    if target is None:
        return Objection(f"there is no host {request.target}")
    if guest.host != request.source:
        return Objection(f"the guest is on {guest.host}, not on {request.source}", passing=True)
    if (busy := _busy(guest)) is not None:
        return Objection(busy, passing=True)
    if not target.active:
        return Objection(f"{target.name} takes no guests: {_inactive(target)}", passing=True)
    refusal = next(
        (entry for entry in snapshot.refusals if (entry.guest, entry.host) == (guest.id, target.id)), None
    )
    return _unfit(guest, target, request.storage) if refusal is None else Objection(refusal.why)


def _inactive(host: Host) -> str:
    if host.status != "online":
        return f"it is {host.status}"
    plain = "it is in maintenance" if host.maintenance else "it is not schedulable"
    return plain if host.closed_because is None else f"{plain} ({host.closed_because})"


def _unfit(guest: Guest, target: Host, storage: Mapping[str, str]) -> Objection | None:
    # Disks that are sent to a datastore by name are copied.
    stays = [blocker for blocker in guest.blockers if blocker != "local_disk" or not storage]
    if not guest.migratable and (stays or not guest.blockers):
        blockers = ", ".join(stays) or "the platform does not say why"
        passing = bool(stays) and _PASSING.issuperset(stays)
        return Objection(f"the guest can't be migrated: {blockers}", passing)
    if guest.targets is not None and target.id not in guest.targets:
        return Objection(f"the guest can be migrated to {', '.join(guest.targets) or 'no host'} only")
    missing = sorted(set(guest.cpu_features) - set(target.cpu_features or guest.cpu_features))
    if missing:
        return Objection(f"{target.name} lacks CPU feature {', '.join(missing)}")
    wanted = {storage.get(disk.datastore, disk.datastore) for disk in guest.disks}
    missing = sorted(wanted - set(target.datastores))
    if missing:
        return Objection(f"{target.name} lacks datastore {', '.join(missing)}")
    missing = sorted(set(guest.networks) - set(target.networks))
    if missing:
        return Objection(f"{target.name} lacks network {', '.join(missing)}")
    capacity, used = target.capacity.get("memory"), target.used.get("memory")
    needed = guest_used(guest, "memory") or 0
    if guest.is_on_host and capacity is not None and used is not None and used + needed > capacity:
        return Objection(f"{target.name} has no room for {needed:.0f} bytes of memory", passing=True)
    return None
