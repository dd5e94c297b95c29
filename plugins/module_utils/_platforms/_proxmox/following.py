# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following migrations to their end, and stopping them. Private to the collection.

A task of type hamigrate only hands the request to HA and ends at once: HA then migrates in its own time, or
drops the request without a word. It is followed by where the guest is and by what state HA has it in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from ..errors import NotFound, PlatformError
from ..protocol import MigrationRequest, MigrationState
from .along import arrived, label, still_moving
from .answers import Row, Upid, interrupted, row, rows, succeeded
from .guests import id_of
from .ha import BUSY
from .refusals import NodeSilent
from .session import Session
from .starting import HA_REQUEST, newest_task
from .transferred import Transferred

# HA looks at requests every 10 s or so; one that it has not begun after this time it has dropped.
HA_PATIENCE_SECONDS = 90.0
RUNNING = MigrationState(state="running")


@dataclass(slots=True)
class _HaRequest:
    """A request in HA's hands: since when we wait, and whether it was seen to be carried out."""

    since: float
    seen_moving: bool = False


class Follower:
    """Remembers what `poll` can't see again: for how long HA has been silent, and what was cancelled."""

    def __init__(
        self,
        session: Session,
        monotonic: Callable[[], float],
        explain: Callable[[MigrationRequest], str | None],
    ) -> None:
        self._session = session
        self._monotonic = monotonic
        self._explain = explain
        self._ha: dict[str, _HaRequest] = {}
        self._partners: dict[str, tuple[str, ...]] = {}
        self._cancelled: set[str] = set()
        self._to_stop: set[str] = set()
        self._transferred = Transferred(session, monotonic)

    def began(self, task: str, partners: tuple[str, ...]) -> None:
        """`partners` are the ids of the guests that come along."""
        self._partners[task] = partners
        if Upid.parse(task).type == HA_REQUEST:
            self._ha[task] = _HaRequest(self._monotonic())

    def poll(self, tasks: Mapping[str, MigrationRequest]) -> dict[str, MigrationState]:
        """One call for all that are under way, one more for all that have ended or that HA has; and now and
        then one for each that runs, to tell how far it is.
        """
        with_ha = {task for task in tasks if Upid.parse(task).type == HA_REQUEST}
        self._partners.update((task, tasks[task].along) for task in with_ha)
        for task in (self._to_stop | self._cancelled) & with_ha:
            # Its errors were told by the first try; what can't be stopped goes on, and is followed.
            with suppress(PlatformError):
                self._stop(task)
        ends = self._ends({task for task in tasks if task not in with_ha})
        states = {task: self._running(task) for task, end in ends.items() if end is None}
        if len(states) == len(tasks):
            return states
        entries = rows(self._session.get("cluster/resources", type="vm"), "cluster/resources")
        places = {id_of(entry): entry for entry in entries}
        for task, request in tasks.items():
            entry = places.get(request.guest)
            if task in states:
                continue
            if entry is None:
                states[task] = MigrationState(state="failed", why="the guest is gone")
            elif task in with_ha:
                states[task] = self._ha_state(task, request, places)
            else:
                states[task] = self._state(task, request, entry, ends[task] or "")
        return states

    def cancel(self, task: str) -> None:
        """What HA has not begun yet, or what the list of tasks does not show yet, is stopped when it does."""
        self._cancelled.add(task)
        if Upid.parse(task).type == HA_REQUEST:
            self._to_stop.add(task)
        self._stop(task)

    def _stop(self, task: str) -> None:
        """With what HA moves along: stopped alone, it would be torn from its partners."""
        if self._partners.get(task):
            self._stop_partners(self._partners[task])
        real = self._real(task)
        if real is not None:
            self._session.delete(f"nodes/{Upid.parse(real).node}/tasks/{real}")
            self._to_stop.discard(task)
            if task in self._ha:
                # Carried out it was, though perhaps never seen to be: HA is not waited for any more.
                self._ha[task].seen_moving = True

    def _stop_partners(self, partners: tuple[str, ...]) -> None:
        for entry in rows(self._session.get("cluster/resources", type="vm"), "cluster/resources"):
            if id_of(entry) in partners and entry.get("lock") == "migrate":
                request = MigrationRequest(guest=id_of(entry), source=str(entry.get("node")), target="")
                task = newest_task(self._session, request, active=True)
                if task is not None:
                    self._session.delete(f"nodes/{request.source}/tasks/{task}")

    def _running(self, task: str, why: str = "") -> MigrationState:
        percent = self._transferred.percent(task, lambda: self._real(task))
        return MigrationState(state="running", percent=percent, why=why)

    def _real(self, task: str) -> str | None:
        """The task that migrates: of one that HA has, the one that HA started, None before it does."""
        upid = Upid.parse(task)
        if upid.type != HA_REQUEST:
            return task
        request = MigrationRequest(guest=upid.id, source=upid.node, target="")
        return newest_task(self._session, request, active=True)

    def _ends(self, wanted: set[str]) -> dict[str, str | None]:
        """How each task ended, None for one under way. The list is short: what it lacks is asked for."""
        if not wanted:
            return {}
        listed = {
            str(task.get("upid")): str(task.get("status") or "unknown") if task.get("endtime") else None
            for task in rows(self._session.get("cluster/tasks"), "cluster/tasks")
        }
        return {task: listed[task] if task in listed else self._end(task) for task in wanted}

    def _end(self, task: str) -> str | None:
        path = f"nodes/{Upid.parse(task).node}/tasks/{task}/status"
        try:
            status = row(self._session.get(path), path)
        except NodeSilent:
            return "the node that ran it does not answer"
        except NotFound:
            return "the node that ran it does not know it any more"
        return None if status.get("status") == "running" else str(status.get("exitstatus") or "unknown")

    def _state(self, task: str, request: MigrationRequest, entry: Row, end: str) -> MigrationState:
        """Of a task that has ended. What counts is where the guest is."""
        locked = entry.get("lock") == "migrate"
        if entry.get("node") == request.target:
            # It arrives a moment before its lock is taken off.
            return RUNNING if locked else MigrationState(state="migrated", percent=100)
        why = f"the task says {end}, but the guest is on {entry.get('node')}" if succeeded(end) else end
        if locked:
            why += "; it is still locked (migrate): see to it on its node, then unlock it"
        cancelled = task in self._cancelled or interrupted(end)
        return MigrationState(state="cancelled" if cancelled else "failed", why=why)

    def _ha_state(
        self, task: str, request: MigrationRequest, places: Mapping[str, Row]
    ) -> MigrationState:
        """It ends when all that HA moves along have come to rest as well."""
        entry = places[request.guest]
        names = [label(places[guest]) for guest in request.along if guest in places]
        along = f"HA moves along: {', '.join(names)}" if names else ""
        followed = self._ha.setdefault(task, _HaRequest(self._monotonic()))
        if entry.get("hastate") in BUSY:
            followed.seen_moving = True
            return self._running(task, along)
        if still_moving(request.along, places):
            return MigrationState(state="running", why=along)
        there = arrived(request.along, request.target, places)
        if entry.get("node") == request.target and entry.get("lock") != "migrate":
            return MigrationState(state="migrated", percent=100, why=along, along=there)
        waited = self._monotonic() - followed.since
        if not followed.seen_moving and waited < HA_PATIENCE_SECONDS:
            return MigrationState(state="running", why=along)
        return MigrationState(
            state="cancelled" if task in self._cancelled else "failed",
            why=f"the guest is on {entry.get('node')}: {self._ha_reason(task, request)}",
            along=there,
        )

    def _ha_reason(self, task: str, request: MigrationRequest) -> str:
        real = newest_task(self._session, request, active=False, since=Upid.parse(task).started)
        end = self._end(real) if real else None
        if end is not None:
            return f"HA's migration ended with: {end}"
        try:
            objection = self._explain(request)
        except PlatformError as error:
            # The node in question may be the one that is away.
            objection = str(error)
        return f"HA dropped the request{': ' + objection if objection else ' without a word'}"
