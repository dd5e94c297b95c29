# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMmanager 6 (ISPsystem) as a platform, by public material: no real one has been reached."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime

from ..._model.snapshot import Snapshot
from ..errors import NoResponse, NotFound, Refused
from ..protocol import Capacities, ClusterNow, MigrationRequest, MigrationState, Prepared
from .api.circuit_breaker import CircuitBreaker
from .api.connection import VMManagerConnection
from .api.lists import Lists
from .api.permissions import require_admin
from .api.session import Session
from .migrate.poll import TaskPoller
from .migrate.precheck import Cluster, Preconditions, preconditions
from .migrate.start import CONSUL, start, under_way
from .read.clusters import ClusterPlace, cluster_ids, find_cluster
from .read.guests import GuestDisk, disks_of
from .read.live_state import LISTING_SECONDS, LiveStateReader
from .read.loads import LoadReader
from .read.nodes import in_maintenance, nodes_of
from .read.snapshot import Reader

# How long a list of all disks counts as present, and how often a task is looked for that may not be listed.
DISKS_SECONDS = 60.0
FINDING_STEP_SECONDS = 0.5


class VMManagerPlatform:
    """The Platform protocol over one cluster. Hosts are nodes, guests the platform's "hosts", by their
    numbers. A task's name is its consul id.
    """

    # Nothing is published. Disks usually lie on the nodes and are copied, so one migration fills a node; the
    # series of the statistics are of whole minutes.
    capacities = Capacities(cluster=4, per_host=1, settling_seconds=60.0)

    def __init__(
        self,
        connection: VMManagerConnection,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._connection = connection
        self._now = now
        self._sleep = sleep
        self._monotonic = monotonic
        self._began = monotonic()
        self._session = Session(connection, sleep=sleep, monotonic=monotonic, rng=rng)
        self._lists = Lists(self._session)
        self._poller = TaskPoller(self._session, self._lists, monotonic)
        self._found: ClusterPlace | None = None
        self._live_state_reader: LiveStateReader | None = None
        self._disks: tuple[float, Mapping[str, list[GuestDisk]]] | None = None
        self._doubts: dict[str, tuple[float, MigrationRequest]] = {}

    def read(self) -> Snapshot:
        self._found = None
        notice = require_admin(self._session)
        reader = Reader(self._session, self._lists, self._connection, self._place, self._now)
        if notice is not None:
            reader.notices.append(notice)
        return reader.read()

    def look(self, guests: Collection[str]) -> ClusterNow:
        now = self._monotonic()
        doubtful = {
            guest: "a start of its migration got no answer"
            for guest, (since, _request) in self._doubts.items()
            if now - since < LISTING_SECONDS
        }
        seen = self._live_state.read(guests, doubtful)
        for guest, (_since, request) in list(self._doubts.items()):
            arrived = guest in seen.guests and seen.guests[guest].host == request.target
            if arrived or guest not in doubtful:
                del self._doubts[guest]
        return seen

    def prepare(self, request: MigrationRequest) -> Prepared:
        """With the Preconditions as details. VMmanager moves no guest along."""
        found = self._preconditions(request)
        return Prepared(request=request, objection=found.objection, details=found)

    def start(self, prepared: Prepared) -> str:
        prepared.require_no_objection()
        request, found = prepared.request, prepared.details
        try:
            task = start(self._session, self._lists, request.guest, found.body, found.newest)
        except NoResponse:
            # Until it is listed, or it is certain that nothing will be, the guest counts as busy.
            self._doubts[request.guest] = self._monotonic(), request
            raise
        self._live_state.started[task.removeprefix(CONSUL)] = request.guest
        return task

    def find(self, request: MigrationRequest) -> str | None:
        while True:
            task = under_way(self._session, self._lists, request.guest)
            # Who asked a moment before we came may have been killed before its task was listed.
            if task is not None or self._monotonic() - self._began >= LISTING_SECONDS:
                break
            self._sleep(FINDING_STEP_SECONDS)
        if task is not None:
            self._doubts.pop(request.guest, None)
        return task

    def poll(self, tasks: Mapping[str, MigrationRequest]) -> Mapping[str, MigrationState]:
        return self._poller.poll(tasks) if tasks else {}

    def cancel(self, task: str) -> None:
        self._poller.cancel(task)

    def in_maintenance(self, host: str) -> bool:
        nodes = nodes_of(self._lists, self._place)
        if host not in nodes:
            raise NotFound(f"there is no node {host} in this cluster", where="GET vm/v3/node")
        return in_maintenance(nodes[host])

    def require_maintenance(self, host: str, *, on: bool) -> None:
        raise _no_call(host, on=on)

    def set_maintenance(self, host: str, *, on: bool, timeout: float) -> None:
        raise _no_call(host, on=on)

    def shut_down(self, guest: str, *, timeout: float) -> None:
        """Return for a guest that is off already; raise Refused for any other one."""
        now = self._live_state.read([guest], {}).guests.get(guest)
        if now is None:
            raise NotFound(f"there is no guest {guest} in this cluster", where="GET vm/v3/host")
        if now.power in ("running", "unknown"):
            raise Refused(
                "VMmanager's call that asks a guest's operating system to shut down is not public, and the"
                " one that stops a guest may cut its power, so the guest was not shut down",
                where=f"guest {guest}",
                hint="Shut it down from inside or in VMmanager's interface, and run this again",
            )

    def clusters(self) -> tuple[str, ...]:
        """By id: names need not be unique."""
        return cluster_ids(self._lists)

    def close(self) -> None:
        self._session.close()

    @property
    def _place(self) -> ClusterPlace:
        if self._found is None:
            self._found = find_cluster(self._lists, self._connection.cluster, self._session.url)
        return self._found

    @property
    def _live_state(self) -> LiveStateReader:
        if self._live_state_reader is None:
            meter = LoadReader(self._session, self._connection, CircuitBreaker(self._session, strict=True))
            self._live_state_reader = LiveStateReader(self._session, self._lists, self._place, meter)
        return self._live_state_reader

    def _preconditions(self, request: MigrationRequest) -> Preconditions:
        cluster = Cluster(self._session, self._lists, self._connection, self._place, self._live_state)
        return preconditions(cluster, request, self._disks_of(request.guest))

    def _disks_of(self, guest: str) -> list[GuestDisk]:
        if self._disks is None or self._monotonic() - self._disks[0] > DISKS_SECONDS:
            self._disks = self._monotonic(), disks_of(self._lists, self._place)
        return self._disks[1].get(guest, [])


def _no_call(host: str, *, on: bool) -> Refused:
    hint = (
        "Empty the node first (role evacuate), then switch it on in VMmanager's interface"
        if on
        else "Switch it off in VMmanager's interface"
    )
    return Refused(
        "VMmanager's call for maintenance mode is not public, and without an evacuation VMmanager stops"
        " every virtual machine of the node, so maintenance mode was not switched",
        where=f"node {host}",
        hint=hint,
    )
