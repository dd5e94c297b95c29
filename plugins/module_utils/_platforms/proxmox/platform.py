# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE 8 and 9 as a platform."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from ..._model.snapshot import Snapshot
from ..errors import NotFound
from ..protocol import (
    Capacities,
    ClusterNow,
    MigrationRequest,
    MigrationState,
    Objection,
    Prepared,
    all_of,
)
from ..storage_protocol import DiskMoveRequest, DiskMoveState, PreparedDiskMove, StorageNow
from ..values import Row
from ..waiting import WaitLimits
from .api.connection import ProxmoxConnection
from .api.notices import ONE_CALL
from .api.permissions import Privileges
from .api.session import Session
from .api.values import row, rows, whole
from .migrate.co_migration import Partners, label
from .migrate.disk_moves import DiskMover
from .migrate.disk_precheck import Storages, storage_name
from .migrate.left_behind import copies_left
from .migrate.maintenance import await_maintenance, in_maintenance, require_maintenance, shut_down
from .migrate.poll import TaskPoller
from .migrate.precheck import Cluster, Preconditions, is_ha_managed, preconditions, sent_elsewhere
from .migrate.start import can_receive_conntrack, start, under_way
from .read.cluster import Membership, Resources
from .read.cluster_facts import replicas
from .read.guests import id_of
from .read.ha import NodeStates
from .read.hosts import status_of
from .read.live_state import LiveStateReader
from .read.nodes import Bridges
from .read.snapshot import read_snapshot
from .read.storage_now import read_storage_now
from .read.storages import Storage, all_storages, storages

# Proxmox VE's default of max_workers in the datacenter's options.
DEFAULT_WORKERS = 4
# The nodes themselves have no limit; two streams fill a migration network of 10 Gbit/s.
PER_HOST = 2
# pvestatd measures every 10 s.
STABILISATION_SECONDS = 10.0
# How long what was seen counts as present for a check; the API itself looks again before it starts anything.
PRESENT_SECONDS = 5.0
# Replication jobs change seldom, and migrations start in bursts.
REPLICAS_SECONDS = 30.0


class ProxmoxPlatform:
    """The Platform and StoragePlatform protocols over one cluster (or a single node). A task's name is its
    UPID.
    """

    def __init__(
        self,
        connection: ProxmoxConnection,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._sleep = sleep
        self._session = Session(connection)
        self._poller = TaskPoller(
            self._session,
            monotonic,
            self._why_not,
            connection.bandwidth_limit,
        )
        self._live_state = LiveStateReader(self._session)
        self._bridges = Bridges(self._session, monotonic)
        self._monotonic = monotonic
        self._seen: tuple[float, Resources, NodeStates] | None = None
        self._replicas: tuple[float, Mapping[str, frozenset[str]] | None] | None = None
        self._conntrack: dict[str, bool] = {}
        self._storages: Mapping[str, Storage] | None = None
        self._listed: Mapping[str, Storage] | None = None
        self._mover = DiskMover(self._session, connection, monotonic, self._entry, self._all_storages)
        self._privileges: Privileges | None = None
        self._capacities: Capacities | None = None

    @property
    def capacities(self) -> Capacities:
        if self._capacities is None:
            options = row(self._session.get("cluster/options"), "cluster/options")
            workers = whole(options.get("max_workers")) or DEFAULT_WORKERS
            self._capacities = Capacities(
                cluster=workers, per_host=PER_HOST, settling_seconds=STABILISATION_SECONDS
            )
        return self._capacities

    def read(self) -> Snapshot:
        return read_snapshot(self._session, self._connection, self._clock())

    def look(self, guests: Collection[str]) -> ClusterNow:
        membership = Membership.read(self._session)
        membership.require_name(self._connection.cluster)
        seen = self._live_state.read(membership, guests)
        self._seen = self._monotonic(), seen.resources, seen.states
        return seen.now

    def prepare(self, request: MigrationRequest) -> Prepared:
        """With the Preconditions as details. HA moves the partners of positive affinity rules along."""
        self._require_permission(request)
        found = self._with_partners(request, self._preconditions(request))
        if found.objection is None:
            self._require_storage_permission(request, found)
        partners = self._partners(request, found).moved_along()
        return Prepared(request=request, objection=found.objection, partners=partners, details=found)

    def start(self, prepared: Prepared) -> str:
        prepared.require_no_objection()
        request, found = prepared.request, prepared.details
        entry = self._entry(request.guest)
        conntrack = (
            found.conntrack
            and not is_ha_managed(entry, self._present_states())
            and self._receives_conntrack(request.target)
        )
        task = start(self._session, self._connection, request, entry, found, conntrack=conntrack)
        # The list is up to 10 s old, the node's own word is not.
        before = str(entry.get("status") or "") or None
        if found.running is not None and found.running == (before == "stopped"):
            before = "running" if found.running else "stopped"
        self._poller.register(task, prepared.partner_ids, before)
        return task

    def find(self, request: MigrationRequest) -> str | None:
        return under_way(self._session, request, self._entry(request.guest))

    def poll(self, tasks: Mapping[str, MigrationRequest]) -> Mapping[str, MigrationState]:
        states = self._poller.poll(tasks)
        if any(state.state != "running" for state in states.values()):
            self._seen = None
        return states

    def cancel(self, task: str) -> None:
        self._poller.cancel(task)

    def look_at_storage(self, guests: Collection[str]) -> StorageNow:
        membership = Membership.read(self._session)
        membership.require_name(self._connection.cluster)
        seen = self._live_state.read(membership, guests)
        self._seen = self._monotonic(), seen.resources, seen.states
        return read_storage_now(self._session, seen)

    def policy_breach(self, request: DiskMoveRequest) -> str | None:
        """None: Proxmox VE has no storage policies."""
        return None

    def prepare_disk_move(self, request: DiskMoveRequest) -> PreparedDiskMove:
        """With the DiskFacts as details."""
        privileges = self._known_privileges()
        privileges.require_disk_move(request.guest, storage_name(request.target))
        prepared = self._mover.prepare(request)
        if prepared.details.shut_down:
            privileges.require_power(request.guest)
        return prepared

    def start_disk_move(self, prepared: PreparedDiskMove) -> str:
        return self._mover.start(prepared)

    def find_disk_move(self, request: DiskMoveRequest) -> str | None:
        return self._mover.find(request)

    def poll_disk_moves(self, tasks: Mapping[str, DiskMoveRequest]) -> Mapping[str, DiskMoveState]:
        states = self._mover.poll(tasks)
        if any(state.state != "running" for state in states.values()):
            self._seen = None
        return states

    def copies_left(self, request: DiskMoveRequest) -> tuple[str, ...]:
        replicated = self._known_replicas()
        if replicated is None or request.guest in replicated:
            # Replicas are copies that the guest does not use, and are wanted.
            return ()
        return copies_left(self._session, request, self._entry(request.guest))

    def cancel_disk_move(self, task: str) -> None:
        self._mover.cancel(task)

    def in_maintenance(self, host: str) -> bool:
        return in_maintenance(self._session, host)

    def require_maintenance(self, host: str, *, on: bool) -> None:
        """It is switched on a node, and waited for here."""
        require_maintenance(self._session, host)

    def set_maintenance(self, host: str, *, on: bool, timeout: float) -> None:
        await_maintenance(self._session, host, self._wait_limits(timeout), on=on)

    def shut_down(self, guest: str, *, timeout: float) -> None:
        self._seen = None
        shut_down(self._session, self._entry(guest), self._present_states(), self._wait_limits(timeout))
        self._seen = None

    def clusters(self) -> tuple[str, ...]:
        return (Membership.read(self._session).name,)

    def close(self) -> None:
        self._session.close()

    def _wait_limits(self, seconds: float) -> WaitLimits:
        return WaitLimits(sleep=self._sleep, monotonic=self._monotonic, seconds=seconds)

    def _partners(self, request: MigrationRequest, found: Preconditions) -> Partners:
        return Partners.of(found.partners, request.target, self._present().guests)

    def _with_partners(self, request: MigrationRequest, found: Preconditions) -> Preconditions:
        """HA asks nothing of those that it moves along: they may lack storage there, or a bridge."""
        if found.objection is not None or not found.partners:
            return found
        partners = self._partners(request, found)
        objections = [
            Objection(f"HA would move {sid} along, which the account does not see") for sid in partners.unseen
        ]
        for entry, theirs in partners.requests(request.target):
            objection = self._preconditions(theirs).objection
            if objection is not None:
                why = f"HA would move {label(entry)} along: {objection.why}"
                objections.append(replace(objection, why=why))
        return replace(found, objection=all_of(objections))

    def _why_not(self, request: MigrationRequest) -> str | None:
        objection = self._preconditions(request).objection
        return None if objection is None else objection.why

    def _preconditions(self, request: MigrationRequest) -> Preconditions:
        present = self._present()
        cluster = Cluster(
            session=self._session,
            connection=self._connection,
            nodes={str(entry.get("node")): status_of(entry) for entry in present.nodes},
            ha=self._present_states(),
            storages=self._known_storages(),
            bridges=self._bridges,
            replicas=self._known_replicas,
        )
        return preconditions(cluster, request, self._entry(request.guest))

    def _require_permission(self, request: MigrationRequest) -> None:
        self._known_privileges().require_migrate(request.guest)

    def _known_privileges(self) -> Privileges:
        if self._privileges is None:
            path = "access/permissions"
            self._privileges = Privileges(row(self._session.get(path), path))
        return self._privileges

    def _require_storage_permission(self, request: MigrationRequest, found: Preconditions) -> None:
        """Of those that disks are sent to by name, before the platform finds it out."""
        targets = frozenset(sent_elsewhere(found, request, self._connection).values())
        if targets and self._privileges is not None:
            self._privileges.require_migrate(request.guest, targets)

    def _receives_conntrack(self, node: str) -> bool:
        if node not in self._conntrack:
            self._conntrack[node] = can_receive_conntrack(self._session, node)
        return self._conntrack[node]

    def _entry(self, guest: str) -> Row:
        """The guest's line in /cluster/resources, as it was a moment ago."""
        entry = next((entry for entry in self._present().guests if id_of(entry) == guest), None)
        if entry is None:
            raise NotFound(
                f"there is no guest {guest} in this cluster, or the account does not see it",
                where="GET cluster/resources",
            )
        return entry

    def _present(self) -> Resources:
        return self._look_at_all()[1]

    def _present_states(self) -> NodeStates:
        return self._look_at_all()[2]

    def _look_at_all(self) -> tuple[float, Resources, NodeStates]:
        if self._seen is None or self._monotonic() - self._seen[0] > PRESENT_SECONDS:
            resources = Resources.read(self._session)
            self._seen = self._monotonic(), resources, NodeStates.read(self._session)
        return self._seen

    def _known_replicas(self) -> Mapping[str, frozenset[str]] | None:
        """Where guests are replicated to; None where the list can't be read: the node itself then refuses a
        start to elsewhere.
        """
        now = self._monotonic()
        if self._replicas is None or now - self._replicas[0] > REPLICAS_SECONDS:
            path = "cluster/replication"
            try:
                found = replicas(rows(self._session.get(path), path))
            except ONE_CALL:
                found = None
            self._replicas = now, found
        return self._replicas[1]

    def _known_storages(self) -> Mapping[str, Storage]:
        if self._storages is None:
            entries = rows(self._session.get("storage"), "storage")
            self._storages = storages(entries, self._present().storages)
        return self._storages

    def _all_storages(self) -> Storages:
        """Those too that are disabled or hold nothing of guests."""
        if self._listed is None:
            entries = rows(self._session.get("storage"), "storage")
            self._listed = all_storages(entries, self._present().storages)
        return Storages(
            self._session,
            self._listed,
            self._known_replicas,
            restart_containers=self._connection.restart_containers,
        )
