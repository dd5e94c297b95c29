# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot file that behaves as a cluster: a migration changes the file, atomically.

Private to the collection.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from .._model.errors import InputError
from .._model.moves import moved
from .._model.outcome import MovedAlong
from .._model.snapshot import Guest, Host, Snapshot
from .errors import NotFound, PlatformError, Refused
from .protocol import Capacities, ClusterNow, GuestNow, HostNow, MigrationRequest, MigrationState


class RehearsalPlatform:
    """The Platform protocol over a snapshot file. A migration takes no time."""

    capacities = Capacities(cluster=8, per_host=4)
    notices: tuple[str, ...] = ()

    def __init__(self, path: str, cluster: str | None = None) -> None:
        self._path = Path(path)
        self._cluster = cluster

    def read(self) -> Snapshot:
        snapshot = self._load()
        if self._cluster not in (None, snapshot.cluster.name, snapshot.cluster.id):
            raise NotFound(
                f"there is no cluster {self._cluster!r}", where=str(self._path), hint=_names(snapshot)
            )
        return snapshot

    def look(self, guests: Collection[str]) -> ClusterNow:
        snapshot = self.read()
        wanted = set(guests)
        return ClusterNow(
            cluster=snapshot.cluster.id,
            guests={
                guest.id: GuestNow(host=guest.host, power=guest.power)
                for guest in snapshot.guests
                if guest.id in wanted
            },
            hosts={host.id: _host_now(host) for host in snapshot.hosts},
        )

    def check(self, request: MigrationRequest) -> str | None:
        return _objection(self.read(), request)

    def partners(self, _request: MigrationRequest) -> tuple[MovedAlong, ...]:
        """It moves nobody along."""
        return ()

    def start(self, request: MigrationRequest) -> str:
        with self._locked():
            snapshot = self.read()
            objection = _objection(snapshot, request)
            if objection:
                raise Refused(objection, where=f"guest {request.guest}")
            self._store(moved(snapshot, {request.guest: request.target}))
        return f"rehearsal:{request.guest}:{request.target}"

    def find(self, request: MigrationRequest) -> str | None:
        """A migration here is over as soon as it has started: none is ever found under way."""
        return None

    def poll(self, tasks: Mapping[str, MigrationRequest]) -> Mapping[str, MigrationState]:
        places = {guest.id: guest.host for guest in self.read().guests}
        return {
            task: MigrationState(state="migrated", percent=100)
            if places.get(request.guest) == request.target
            else MigrationState(state="failed", why=f"the guest is on {places.get(request.guest, 'no host')}")
            for task, request in tasks.items()
        }

    def cancel(self, task: str) -> None:
        """A migration here is over as soon as it has started: there is nothing to stop."""

    def in_maintenance(self, host: str) -> bool:
        return any(entry.maintenance for entry in self.read().hosts if entry.id == host)

    def demand_maintenance(self, host: str, *, on: bool) -> None:
        """It can be switched."""

    def set_maintenance(self, host: str, *, on: bool, timeout: float) -> None:
        with self._locked():
            snapshot = self.read()
            hosts = (
                replace(entry, maintenance=on) if entry.id == host else entry for entry in snapshot.hosts
            )
            self._store(replace(snapshot, hosts=tuple(hosts)))

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

    def _store(self, snapshot: Snapshot) -> None:
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(snapshot.to_json(), stream, indent=1)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(name, self._path.stat().st_mode & 0o777)
            os.replace(name, self._path)
        except OSError as error:
            Path(name).unlink(missing_ok=True)
            raise PlatformError(f"can't be written: {error.strerror}", where=str(self._path)) from None

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


def _names(snapshot: Snapshot) -> str:
    return f"The file holds {snapshot.cluster.name!r}"


def _host_now(host: Host) -> HostNow:
    capacity, used = host.capacity.get("memory"), host.used.get("memory")
    return HostNow(
        active=host.active,
        memory_capacity=None if capacity is None else int(capacity),
        memory_used=None if used is None else int(used),
    )


def _objection(snapshot: Snapshot, request: MigrationRequest) -> str | None:
    """Why a real cluster would not carry this migration out."""
    guest = next((guest for guest in snapshot.guests if guest.id == request.guest), None)
    target = next((host for host in snapshot.hosts if host.id == request.target), None)
    if guest is None:
        return f"there is no guest {request.guest}"
    if target is None:
        return f"there is no host {request.target}"
    if guest.host != request.source:
        return f"the guest is on {guest.host}, not on {request.source}"
    if not target.active:
        return f"{target.name} takes no guests: {_inactive(target)}"
    return _unfit(guest, target)


def _inactive(host: Host) -> str:
    if host.status != "online":
        return f"it is {host.status}"
    return "it is in maintenance" if host.maintenance else "it is not schedulable"


def _unfit(guest: Guest, target: Host) -> str | None:
    if not guest.migratable:
        return f"the guest can't be migrated: {', '.join(guest.blockers) or 'the platform does not say why'}"
    missing = sorted({disk.datastore for disk in guest.disks} - set(target.datastores))
    if missing:
        return f"{target.name} lacks datastore {', '.join(missing)}"
    missing = sorted(set(guest.networks) - set(target.networks))
    if missing:
        return f"{target.name} lacks network {', '.join(missing)}"
    capacity, used = target.capacity.get("memory"), target.used.get("memory")
    needed = guest.used.get("memory") or 0
    if guest.power == "running" and capacity is not None and used is not None and used + needed > capacity:
        return f"{target.name} has no room for {needed:.0f} bytes of memory"
    return None
