# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of a vCenter."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from ..._model.snapshot import Notice, Snapshot
from ..._model.text.wording import sentence
from ..errors import (
    AuthenticationFailed,
    PermissionMissing,
    Refused,
    StartRefused,
    UnexpectedAnswer,
    Unreachable,
)
from ..protocol import Capacities, ClusterNow, MigrationRequest, MigrationState, Prepared, all_of
from ..storage_protocol import DiskMoveRequest, DiskMoveState, PreparedDiskMove, StorageNow
from ..waiting import WaitLimits
from .api.collector import Found
from .api.connection import VSphereConnection, endpoint_of
from .api.errors import Lacking
from .api.library import require, vim
from .api.permissions import MIGRATE, MIGRATE_OFF, READ, STORE, names, require_privileges
from .api.rest import Rest
from .api.session import Session
from .migrate import disk_moves
from .migrate.disk_spec import disk_move
from .migrate.maintenance import in_maintenance, set_maintenance
from .migrate.poll import poll
from .migrate.precheck import objections
from .migrate.relocation import relocation
from .migrate.shutdown import shut_down
from .migrate.start import cancel, relocate, start, under_way
from .read.clusters import ClusterPlace, clusters, find_cluster
from .read.datastore_loads import StoreLoads, read_store_loads
from .read.disk_loads import DiskLoads, read_disk_loads
from .read.features import Features, read_features
from .read.history import MigrationHistory, read_history
from .read.inventory import Inventory, read_inventory
from .read.live_state import read_live_state
from .read.loads import Loads, read_loads, read_offer
from .read.recent_tasks import Moves, migrations
from .read.snapshot import snapshot_of
from .read.storage_now import DISK_PATHS, Stores, read_storage, refresh
from .read.storage_policies import StoragePolicies, breach, disks_of, read_storage_policies
from .read.tags import Tags, read_tags

T = TypeVar("T")


class VSpherePlatform:
    """The Platform protocol over the vSphere API. Connects when it is made."""

    # vSphere's "Limits on Simultaneous Migrations": a host takes part in at most 4 vMotions over a network of
    # 1 GbE and 8 over 10 GbE, and vCenter queues what is more. Four fit both.
    # A host's statistics are of its last 20 s.
    capacities = Capacities(cluster=16, per_host=4, settling_seconds=20.0)

    def __init__(
        self,
        connection: VSphereConnection,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        require()
        self._connection = connection
        self._wait_limits = WaitLimits(
            sleep=sleep, monotonic=monotonic, seconds=max(60.0, connection.timeout)
        )
        self._session = Session(endpoint_of(connection), connection.username, connection.password)
        self._found: ClusterPlace | None = None
        self._stores: Stores | None = None
        # Guests as they were before their disks were moved: by their files what is left behind is found.
        self._before: dict[str, Found] = {}

    def read(self) -> Snapshot:
        # Events and samples carry vCenter's time: a controller whose clock is wrong must not matter.
        taken_at = self._asking(self._session.server_time)
        inventory, loads, store_loads, disk_loads, features, moves = self._asking(
            lambda: self._read(taken_at)
        )
        policies = self._policies(inventory)
        tags, no_tags = self._tags(inventory)
        past, no_past = self._past(taken_at)
        window = self._connection.window_seconds
        snapshot = snapshot_of(
            self._place(),
            inventory,
            loads,
            store_loads,
            disk_loads,
            policies,
            features,
            moves,
            tags,
            past,
            taken_at,
            window,
        )
        notices = (*snapshot.notices, *no_tags, *no_past)
        said = tuple(replace(notice, text=sentence(notice.text)) for notice in notices)
        return replace(snapshot, notices=said)

    def look(self, guests: Collection[str]) -> ClusterNow:
        return self._asking(lambda: read_live_state(self._session, self._place(), guests))

    def prepare(self, request: MigrationRequest) -> Prepared:
        """With the RelocateSpec as details. vCenter moves no guest along."""
        return self._asking(lambda: self._prepare(request))

    def start(self, prepared: Prepared) -> str:
        prepared.require_no_objection()
        with self._naming():
            return start(self._session, prepared.request, prepared.details)

    def find(self, request: MigrationRequest) -> str | None:
        return self._asking(lambda: under_way(self._session, request))

    def poll(self, tasks: Mapping[str, MigrationRequest]) -> Mapping[str, MigrationState]:
        return self._asking(lambda: poll(self._session, tasks)) if tasks else {}

    def cancel(self, task: str) -> None:
        cancel(self._session, task)

    def look_at_storage(self, guests: Collection[str]) -> StorageNow:
        now, self._stores = self._asking(lambda: read_storage(self._session, self._place(), guests))
        return now

    def policy_breach(self, request: DiskMoveRequest) -> str | None:
        target = self._asking(self._known_stores).reference(request.target)
        if target is None:
            return f"there is no datastore {request.target} (any more)"
        return self._asking(lambda: breach(self._session, request, target))

    def prepare_disk_move(self, request: DiskMoveRequest) -> PreparedDiskMove:
        """With the DiskMove as details."""
        return self._asking(lambda: self._prepare_disk_move(request))

    def start_disk_move(self, prepared: PreparedDiskMove) -> str:
        request = prepared.request
        if prepared.objection is not None:
            raise StartRefused(
                prepared.objection.why, where=f"guest {request.guest}", passing=prepared.objection.passing
            )
        stores = self._known_stores()

        def arrived(guest: Found) -> bool:
            places = stores.places(guest)
            return all(places.get(disk) == request.target for disk in request.disks)

        self._before[request.guest] = prepared.details.guest
        with self._naming():
            return relocate(self._session, request.guest, prepared.details.spec, DISK_PATHS, arrived)

    def find_disk_move(self, request: DiskMoveRequest) -> str | None:
        return self._asking(lambda: disk_moves.under_way(self._session, self._place(), request))

    def poll_disk_moves(self, tasks: Mapping[str, DiskMoveRequest]) -> Mapping[str, DiskMoveState]:
        if not tasks:
            return {}
        around = disk_moves.Surroundings(self._asking(self._known_stores), self._before, self._wait_limits)
        return self._asking(lambda: disk_moves.poll(self._session, tasks, around))

    def copies_left(self, request: DiskMoveRequest) -> tuple[str, ...]:
        around = disk_moves.Surroundings(self._asking(self._known_stores), self._before, self._wait_limits)
        return self._asking(lambda: disk_moves.copies_left(self._session, request, around))

    def cancel_disk_move(self, task: str) -> None:
        cancel(self._session, task)

    def in_maintenance(self, host: str) -> bool:
        return in_maintenance(self._session, host)

    def require_maintenance(self, host: str, *, on: bool) -> None:
        """It can be switched."""

    def set_maintenance(self, host: str, *, on: bool, timeout: float) -> None:
        with self._naming():
            set_maintenance(self._session, host, on=on, limits=replace(self._wait_limits, seconds=timeout))

    def shut_down(self, guest: str, *, timeout: float) -> None:
        with self._naming():
            shut_down(self._session, guest, replace(self._wait_limits, seconds=timeout))

    def clusters(self) -> tuple[str, ...]:
        """By `datacenter/name`; by reference where two are called the same in one datacenter."""
        wanted = self._connection.datacenter
        places = [place for place in clusters(self._session) if wanted in (None, place.datacenter)]
        names = Counter(map(str, places))
        return tuple(sorted(str(place) if names[str(place)] == 1 else place.id for place in places))

    def close(self) -> None:
        self._session.close()

    def _place(self) -> ClusterPlace:
        if self._found is None:
            self._found = find_cluster(self._session, self._connection.cluster, self._connection.datacenter)
        return self._found

    def _asking(self, action: Callable[[], T]) -> T:
        """The result of an action that only reads, also where the session ends meanwhile."""
        with self._naming():
            return self._session.renewing(action)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Within, an object on which a privilege is missing is named as people know it."""
        try:
            yield
        except Lacking as lacking:
            (name,) = names(self._session, [(lacking.kind, lacking.id)])
            raise Lacking(
                lacking.privilege, lacking.kind, lacking.id, where=lacking.where, name=name
            ) from None

    def _read(self, now: datetime) -> tuple[Inventory, Loads, StoreLoads, DiskLoads, Features, Moves]:
        storage = self._connection.storage
        inventory = read_inventory(self._session, self._place(), with_files=storage)
        hosts = {identity: vim.HostSystem(identity) for identity, found in inventory.hosts.items()}
        kinds = {"HostSystem": vim.HostSystem, "VirtualMachine": vim.VirtualMachine}
        unseen = [kinds[kind](identity) for kind, identity in inventory.unseen]
        cluster = vim.ClusterComputeResource(self._place().id)
        require_privileges(self._session, [cluster, *hosts.values(), *unseen], READ)
        measured = [
            hosts[identity]
            for identity, found in inventory.hosts.items()
            if found.text("runtime.connectionState") == "connected"
        ] + [
            vim.VirtualMachine(identity)
            for identity, found in inventory.guests.items()
            if found.text("runtime.powerState") == "poweredOn"
            and found.text("runtime.connectionState") == "connected"
        ]
        offer = read_offer(self._session)
        window = self._connection.window_seconds
        loads = read_loads(self._session, measured, window, now, offer)
        store_loads, disk_loads = StoreLoads(), {}
        if storage:
            store_loads = read_store_loads(self._session, inventory, window, now, offer, loads.refused)
            disk_loads = read_disk_loads(self._session, inventory, store_loads.latency, offer)
        features = read_features(self._session, inventory)
        moves = migrations(self._session, self._place(), inventory.guests, inventory.tasks)
        return inventory, loads, store_loads, disk_loads, features, moves

    def _policies(self, inventory: Inventory) -> StoragePolicies:
        """The storage policies, or why they were not read: a cluster's hosts can be balanced without them."""
        if not self._connection.storage:
            return StoragePolicies()
        subjects = disks_of(inventory.guests.values())
        try:
            return self._asking(lambda: read_storage_policies(self._session, subjects, inventory.datastores))
        except (PermissionMissing, Refused, UnexpectedAnswer, Unreachable) as error:
            return StoragePolicies(trouble=str(error))

    def _tags(self, inventory: Inventory) -> tuple[Tags, tuple[Notice, ...]]:
        """The tags, or none and a notice: a cluster can be balanced without them."""
        try:
            rest = Rest(self._session.https, *self._session.credentials)
            return read_tags(rest, *map(list, (inventory.hosts, inventory.guests, inventory.datastores))), ()
        except (AuthenticationFailed, PermissionMissing, Refused, UnexpectedAnswer, Unreachable) as error:
            return Tags(), (Notice(text=f"tags were not read: {error}", hides=("tags",)),)

    def _past(self, now: datetime) -> tuple[MigrationHistory, tuple[Notice, ...]]:
        """vCenter's history of migrations; where it cannot be read, an empty one and a notice."""
        if not self._connection.history_seconds:
            return MigrationHistory(), ()
        since = now - timedelta(seconds=self._connection.history_seconds)
        try:
            return self._asking(lambda: read_history(self._session, self._place(), since)), ()
        except (PermissionMissing, Refused, UnexpectedAnswer, Unreachable) as error:
            text = f"vCenter's own record of migrations was not read: {error}"
            return MigrationHistory(), (Notice(text=text, hides=("history",)),)

    def _known_stores(self) -> Stores:
        """The datastores as they were looked at last: which is which does not change in a run."""
        if self._stores is None:
            self._stores = read_storage(self._session, self._place(), ())[1]
        return self._stores

    def _prepare_disk_move(self, request: DiskMoveRequest) -> PreparedDiskMove:
        stores = self._known_stores()
        refresh(self._session, stores, request.target)
        move = disk_move(self._session, stores, request)
        if move.objections:
            return PreparedDiskMove(request=request, objection=all_of(move.objections), details=move)
        runs = move.guest.text("runtime.powerState") == "poweredOn"
        require_privileges(
            self._session, [vim.VirtualMachine(request.guest)], MIGRATE if runs else MIGRATE_OFF
        )
        require_privileges(self._session, [vim.Datastore(move.target)], STORE)
        found = objections(self._session, request.guest, request.host, move.spec, self._wait_limits)
        return PreparedDiskMove(request=request, objection=all_of(found), details=move)

    def _prepare(self, request: MigrationRequest) -> Prepared:
        guest = vim.VirtualMachine(request.guest)
        require_privileges(self._session, [guest], MIGRATE)
        spec = relocation(self._session, request)
        if spec.disk:
            stores = {disk.datastore._GetMoId(): disk.datastore for disk in spec.disk}
            require_privileges(self._session, list(stores.values()), STORE)
            self._before.update(disk_moves.as_they_are(self._session, {request.guest}))
        found = objections(self._session, request.guest, request.target, spec, self._wait_limits)
        return Prepared(request=request, objection=all_of(found), details=spec)
