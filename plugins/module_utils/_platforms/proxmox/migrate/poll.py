# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following migrations to their end, and stopping them.

What ended is judged by what is there: where the guest is, whether it runs as before, whether it is locked.

A task of type hamigrate only hands the request to HA and ends at once: HA then migrates in its own time, or
drops the request without a word. It is followed by where the guest is and by what state HA has it in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ...errors import PlatformError
from ...protocol import MigrationRequest, MigrationState
from ...values import Row
from ..api.session import Session
from ..api.task_log import last_lines, was_cancelled
from ..api.values import Upid, row, rows
from ..read.guests import id_of, path_of
from .co_migration import arrived, in_motion, label, not_yet_arrived
from .progress import TransferProgress
from .start import HA_REQUEST, newest_task
from .task_ends import End, TaskEnds, silent, with_reason

# HA takes requests up in rounds of 10 s; only a change of its master takes longer, up to its lock's 120 s.
MAX_HA_SECONDS = 180.0
# Where handing over has failed: HA may have noted the request all the same, and drops it in its next rounds.
MAX_HA_ACCEPT_SECONDS = 25.0
# What HA starts itself after the migration: it looks every 5 s, and a container takes its time.
MAX_HA_START_SECONDS = 120.0
# A task takes the lock off before it ends; the lists may be a moment behind.
LOCK_SECONDS = 5.0
RUNNING = MigrationState(state="running")


@dataclass(slots=True)
class _PolledTask:
    """Facts of a migration that can't be read again. `since` is when we began to wait for HA, `before` what
    the guest did before it was started: running, stopped, or the platform's word for another state.
    `end_seen`: the end of HA's own migration was known before the places were read.
    """

    since: float
    before: str | None = None
    seen_moving: bool = False
    handed_over: End | None = None
    real: str | None = None
    arrived_at: float | None = None
    locked_since: float | None = None
    end_seen: bool = False


class TaskPoller:
    """Remembers for how long HA has been silent, what was cancelled, and how each guest was before."""

    def __init__(
        self,
        session: Session,
        monotonic: Callable[[], float],
        explain: Callable[[MigrationRequest], str | None],
        bandwidth_limit: int | None = None,
    ) -> None:
        self._session = session
        self._monotonic = monotonic
        self._explain = explain
        self._limited = bandwidth_limit is not None
        self._followed: dict[str, _PolledTask] = {}
        self._partners: dict[str, tuple[str, ...]] = {}
        self._cancelled: set[str] = set()
        self._to_stop: set[str] = set()
        self._transferred = TransferProgress(session, monotonic)
        self._task_ends = TaskEnds(session, monotonic)

    def register(self, task: str, partners: tuple[str, ...], before: str | None) -> None:
        """`partners` are the ids of the guests that come along; `before` is what the guest did until then."""
        self._partners[task] = partners
        self._of(task).before = before

    def poll(self, tasks: Mapping[str, MigrationRequest]) -> dict[str, MigrationState]:
        """One call for all that are under way, one more for all that have ended or that HA has; and now and
        then one for each that runs, to see how far it is.
        """
        with_ha = {task for task in tasks if Upid.parse(task).type == HA_REQUEST}
        self._partners.update((task, tasks[task].along) for task in with_ha)
        for task in (self._to_stop | self._cancelled) & with_ha:
            # The first try has reported its errors; what can't be stopped goes on, and is followed.
            with suppress(PlatformError):
                self._stop(task)
        ends = self._task_ends.of_all({task for task in tasks if task not in with_ha})
        states = {task: self._running(task) for task, end in ends.items() if end is None}
        for task in list(states):
            # The list may call a task running for 10 s after its end.
            end = self._transferred.end(task)
            if end is not None:
                ends[task] = End(end)
                del states[task]
        if len(states) == len(tasks):
            return states
        entries = rows(self._session.get("cluster/resources", type="vm"), "cluster/resources")
        places = {id_of(entry): entry for entry in entries}
        for task, request in tasks.items():
            if task in states:
                continue
            entry = places.get(request.guest)
            if entry is None:
                states[task] = MigrationState(state="failed", why="the guest no longer exists")
            elif task in with_ha:
                states[task] = self._ha_state(task, request, places)
            else:
                states[task] = self._judge(task, request, entry, ends[task] or End("unknown", known=False))
        return states

    def cancel(self, task: str) -> None:
        """A migration that HA has not begun, or that is not listed yet, is stopped as soon as it is."""
        self._cancelled.add(task)
        if Upid.parse(task).type == HA_REQUEST:
            self._to_stop.add(task)
        self._stop(task)

    def _of(self, task: str) -> _PolledTask:
        return self._followed.setdefault(task, _PolledTask(self._monotonic()))

    def _stop(self, task: str) -> None:
        """With what HA moves along: stopped alone, it would be torn from its partners."""
        if self._partners.get(task):
            self._stop_partners(self._partners[task])
        real = self._real(task)
        if real is not None:
            self._session.delete(f"nodes/{Upid.parse(real).node}/tasks/{real}")
            self._to_stop.discard(task)
            # It was begun, though perhaps never seen to be: HA is not waited for any more.
            self._of(task).seen_moving = True

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
        real = newest_task(self._session, request, active=True)
        self._of(task).real = real or self._of(task).real
        return real

    def _judge(self, task: str, request: MigrationRequest, entry: Row, end: End) -> MigrationState:
        """Of a task that has ended. What counts is where the guest is, and how."""
        locked = entry.get("lock") == "migrate"
        if locked and not self._lock_stays(task):
            return RUNNING
        now = self._status(entry)
        kept = _same_run_state(self._of(task).before, now)
        here = entry.get("node") == request.target
        if here and kept and not locked and (end.good or not end.known):
            return MigrationState(state="migrated", percent=100, why=_remark(end))
        log = self._log(task) if end.known else ()
        said = _log_ending(end, log)
        if here:
            why = f"it is on {request.target}, but {said}; there it is {now}"
        elif end.good:
            why = f"the task says {end.text}, but the guest is on {entry.get('node')}"
        else:
            why = end.text if not end.known else with_reason(end, log)
        if not here and not kept:
            why += f"; it is {now} on {entry.get('node')}, where it ran before: check it there"
        if locked:
            kind = "qm" if entry.get("type") == "qemu" else "pct"
            why += (
                f"; it is still locked (migrate): check it on {entry.get('node')}, then unlock it"
                f" (`{kind} unlock {request.guest}`)"
            )
        stopped = task in self._cancelled or was_cancelled(end.text, log)
        return MigrationState(state="cancelled" if stopped and not here else "failed", why=why)

    def _lock_stays(self, task: str) -> bool:
        """A lock that is still there some seconds after the end of the task is there to stay."""
        followed = self._of(task)
        now = self._monotonic()
        if followed.locked_since is None:
            followed.locked_since = now
        return now - followed.locked_since >= LOCK_SECONDS

    def _status(self, entry: Row) -> str:
        """The run state of the guest by its node; the lists are up to 10 s old, those of the old node too."""
        path = f"{path_of(entry)}/status/current"
        if entry.get("node") not in self._task_ends.offline():
            with suppress(PlatformError):
                answer = row(self._session.get(path), path)
                return str(answer.get("qmpstatus") or answer.get("status") or "unknown")
        return str(entry.get("status") or "unknown")

    def _log(self, task: str) -> Sequence[str]:
        """The last lines, with what was read of them before."""
        real, lines = self._transferred.has_log(task)
        real = real or self._of(task).real or task
        return (*self._transferred.log(task), *last_lines(self._session, real, start=lines))

    def _ha_state(self, task: str, request: MigrationRequest, places: Mapping[str, Row]) -> MigrationState:
        """It ends when all that HA moves along have come to rest as well."""
        entry = places[request.guest]
        names = [label(places[guest]) for guest in request.along if guest in places]
        remarks = [f"HA moves along: {', '.join(names)}"] if names else []
        remarks += ["HA does not apply bandwidth_limit"] if self._limited else []
        along = "; ".join(remarks)
        followed = self._of(task)
        if in_motion(entry):
            followed.seen_moving = True
            return self._running(task, along)
        if not_yet_arrived(request.along, places) or entry.get("hastate") in ("fence", "recovery"):
            return MigrationState(state="running", why=along)
        there = arrived(request.along, request.target, places)
        if entry.get("node") == request.target:
            return self._arrived_by_ha(task, request, entry, along, there)
        if entry.get("lock") == "migrate" and not self._lock_stays(task):
            return self._running(task, along)
        waited = self._monotonic() - followed.since
        end, log = self._ha_end(task, request)
        if end is None and followed.real is not None:
            return self._running(task, along)
        if end is not None and end.known and not followed.end_seen:
            # The places were read before this end: the next look shows where the guest is after it.
            followed.end_seen = True
            return self._running(task, along)
        begun = followed.seen_moving or (end is not None and end.known)
        if not begun and waited < MAX_HA_SECONDS and not self._not_handed_over(task):
            return MigrationState(state="running", why=along)
        now = self._status(entry)
        why = f"the guest is on {entry.get('node')}: {self._ha_reason(task, request, end, log)}"
        if entry.get("hastate") == "error":
            why += "; HA has it in state error: repair it, then set it to disabled and to started again"
        elif not _same_run_state(followed.before, now):
            why += f"; it is {now} there"
        stopped = task in self._cancelled or (end is not None and was_cancelled(end.text, log))
        return MigrationState(state="cancelled" if stopped else "failed", why=why, along=there)

    def _arrived_by_ha(
        self, task: str, request: MigrationRequest, entry: Row, along: str, there: tuple[str, ...]
    ) -> MigrationState:
        """HA starts a container itself once it has been moved: until then it is not there as it was."""
        followed = self._of(task)
        now = self._monotonic()
        if followed.arrived_at is None:
            followed.arrived_at = now
        wanted = entry.get("type") == "lxc" and entry.get("hastate") == "started"
        runs = followed.before == "running" or (followed.before is None and wanted)
        waited = now - followed.arrived_at
        if runs and waited < MAX_HA_START_SECONDS and self._status(entry) != "running":
            return MigrationState(state="running", why=along)
        if followed.before is None and runs:
            followed.before = "running"
        end, _log = self._ha_end(task, request)
        state = self._judge(task, request, entry, end or End("unknown", known=False))
        if state.state == "migrated":
            # An end that is not known is no news here: HA's own state says that it is through.
            ended = _remark(end) if end is not None and end.known else ""
            why = "; ".join(text for text in (along, ended) if text)
            return MigrationState(state="migrated", percent=100, why=why, along=there)
        return MigrationState(state=state.state, why=state.why, along=there)

    def _not_handed_over(self, task: str) -> bool:
        """Whether HA did not take the request, and had time to drop what it may have noted of it."""
        followed = self._of(task)
        if followed.handed_over is None:
            with suppress(PlatformError):
                followed.handed_over = self._task_ends.of(task)
        end = followed.handed_over
        refused = end is not None and end.known and not end.good
        return refused and self._monotonic() - followed.since >= MAX_HA_ACCEPT_SECONDS

    def _ha_end(self, task: str, request: MigrationRequest) -> tuple[End | None, Sequence[str]]:
        """How the migration that HA started ended, and its last lines; None where it started none, or where
        that runs.
        """
        followed = self._of(task)
        try:
            followed.real = newest_task(self._session, request, active=False, after=task) or followed.real
        except PlatformError:
            return silent(request.source), ()
        if followed.real is None:
            return None, ()
        end = self._task_ends.of(followed.real)
        return end, self._log(task) if end is not None and end.known and not end.good else ()

    def _ha_reason(self, task: str, request: MigrationRequest, end: End | None, log: Sequence[str]) -> str:
        if end is not None:
            return f"HA's migration ended with: {with_reason(end, log)}" if end.known else end.text
        handed_over = self._of(task).handed_over
        if handed_over is not None and handed_over.known and not handed_over.good:
            lines = [line for line in last_lines(self._session, task) if not line.startswith("TASK ")]
            return f"HA refused the request: {'; '.join([*lines[-3:], handed_over.text])}"
        try:
            objection = self._explain(request)
        except PlatformError as error:
            # The node in question may be the one that is away.
            objection = str(error)
        return f"HA dropped the request{': ' + objection if objection else ' without a word'}"


def _same_run_state(before: str | None, now: str) -> bool:
    """Whether the guest does what it did: one that ran runs, one that was paused or the like is on."""
    if before is None or before in ("stopped", "unknown"):
        return True
    return now == "running" if before == "running" else now != "stopped"


def _log_ending(end: End, log: Sequence[str]) -> str:
    return f"the task ended with: {with_reason(end, log)}" if end.known else end.text


def _remark(end: End) -> str:
    if not end.known:
        return f"its end was not seen: {end.text}"
    return "" if end.text == "OK" else f"the task ended with {end.text}: see its log"
