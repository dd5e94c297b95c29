# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves of the disks of a guest to another storage: Proxmox VE moves one at a time, by a task for each.

A move goes by the name of its first task. What ended is judged by what is there: on which storage each disk
is, and which volumes nothing uses any more.

A running container is shut down for it, where that is allowed: then the first task is its shutdown, and a
move of that name ends only when the container has been started again, whatever became of its volumes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ...errors import Refused, StartRefused
from ...protocol import Objection
from ...storage_protocol import DiskMoveRequest, DiskMoveState, PreparedDiskMove
from ...values import Row
from ..api.connection import ProxmoxConnection
from ..api.notices import ONE_CALL
from ..api.session import Session
from ..api.task_log import last_lines, was_cancelled
from ..api.values import Upid, row, rows, size
from ..read.guest_config import Volume, volumes
from ..read.guests import id_of, path_of
from ..read.task_history import DISK_MOVE_TASKS
from .disk_precheck import DiskFacts, Storages, disk_facts, is_running, storage_name
from .disk_start import (
    SHUTDOWN,
    moved_disk,
    running_move,
    shut_down_container,
    start_container,
    start_disk,
)
from .left_behind import left_behind
from .progress import TransferProgress
from .task_ends import End, TaskEnds, with_reason

# For how long what passes may keep the next disk of a guest from being started, or the end from being judged.
NEXT_SECONDS = 30.0


@dataclass(slots=True)
class _Followed:
    """A move under way. `current` is the task of the disk that is copied now, `disk` which one that is, None
    where it was found and is not known; `unused` are the volumes that the guest did not use before, None
    where nobody has looked. `waiting_since`: the next disk could not be started yet. `result` is how it has
    ended, as soon as the container runs again.
    """

    current: str
    disk: str | None = None
    unused: frozenset[str] | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    tried: frozenset[str] = frozenset()
    cancelled: bool = False
    waiting_since: float | None = None
    result: DiskMoveState | None = None
    ended: DiskMoveState | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """A guest after a task: its line in the list, its configuration and the volumes in it."""

    entry: Row
    config: Row
    found: Mapping[str, Volume]

    def on(self, request: DiskMoveRequest) -> tuple[str, ...]:
        """Those of the disks that are on the target."""
        target = storage_name(request.target)
        return tuple(key for key in request.disks if key in self.found and self.found[key].storage == target)


class DiskMover:
    """`entry` is the line of a guest in /cluster/resources, as it was a moment ago."""

    def __init__(
        self,
        session: Session,
        connection: ProxmoxConnection,
        monotonic: Callable[[], float],
        entry: Callable[[str], Row],
        storages: Callable[[], Storages],
    ) -> None:
        self._session = session
        self._connection = connection
        self._monotonic = monotonic
        self._entry = entry
        self._storages = storages
        self._ends = TaskEnds(session, monotonic)
        self._transferred = TransferProgress(session, monotonic)
        self._followed: dict[str, _Followed] = {}

    def prepare(self, request: DiskMoveRequest) -> PreparedDiskMove:
        """With the DiskFacts as details."""
        found = disk_facts(self._storages(), request, self._entry(request.guest))
        objection = found.objection
        if objection is None and not found.remaining:
            objection = Objection(f"its disks are on {request.target} already", passing=True)
        return PreparedDiskMove(request=request, objection=objection, details=found)

    def start(self, prepared: PreparedDiskMove) -> str:
        """The name of the first task."""
        request, found = prepared.request, prepared.details
        if prepared.objection is not None:
            where = f"guest {request.guest}"
            raise StartRefused(prepared.objection.why, where=where, passing=prepared.objection.passing)
        if found.shut_down:
            task = shut_down_container(self._session, self._entry(request.guest))
            self._followed[task] = _Followed(current=task, unused=found.unused, sizes=found.sizes or {})
            return task
        task = self._start(request, found)
        self._followed[task] = _Followed(
            current=task,
            disk=found.remaining[0],
            unused=found.unused,
            sizes=found.sizes or {},
            tried=frozenset({found.remaining[0]}),
        )
        return task

    def find(self, request: DiskMoveRequest) -> str | None:
        return running_move(self._session, self._entry(request.guest), request.disks)

    def cancel(self, task: str) -> None:
        """No further disk is started; the task of the present one is stopped. A container that is going down
        or coming up does so, and is started again.
        """
        followed = self._of(task)
        followed.cancelled = True
        upid = Upid.parse(followed.current)
        if upid.type in DISK_MOVE_TASKS:
            self._session.delete(f"nodes/{upid.node}/tasks/{followed.current}")

    def poll(self, tasks: Mapping[str, DiskMoveRequest]) -> dict[str, DiskMoveState]:
        """One call for all that are under way, a few more for each that has ended, and now and then one for
        each that runs, to see how far it is.
        """
        known = {task: self._of(task).ended for task in tasks}
        states = {task: state for task, state in known.items() if state is not None}
        current = {task: self._of(task).current for task in tasks if task not in states}
        ends = self._ends.of_all(set(current.values()))
        ended: dict[str, End] = {}
        for task, upid in current.items():
            running = self._running(task, tasks[task]) if ends[upid] is None else None
            # The list may call a task running for 10 s after its end.
            said = self._transferred.end(upid) if running is not None else None
            if running is not None and said is None:
                states[task] = running
            else:
                ended[task] = ends[upid] or End(said or "unknown")
        if ended:
            entries = rows(self._session.get("cluster/resources", type="vm"), "cluster/resources")
            places = {id_of(entry): entry for entry in entries}
            for task, end in ended.items():
                states[task] = self._after(task, tasks[task], end, places.get(tasks[task].guest))
        return states

    def _of(self, task: str) -> _Followed:
        return self._followed.setdefault(task, _Followed(current=task))

    def _start(self, request: DiskMoveRequest, found: DiskFacts) -> str:
        return start_disk(
            self._session,
            self._connection,
            request,
            self._entry(request.guest),
            found.remaining[0],
            found.digest,
        )

    def _running(self, task: str, request: DiskMoveRequest) -> DiskMoveState:
        followed = self._of(task)
        percent = self._transferred.percent(followed.current, lambda: followed.current)
        done = self._transferred.done(followed.current)
        total = sum(followed.sizes.get(disk, 0) for disk in request.disks)
        before = sum(followed.sizes.get(disk, 0) for disk in followed.tried if disk != followed.disk)
        if total and (done is not None or before):
            copied = before + (done or 0)
            return DiskMoveState(
                state="running", percent=min(99.0, 100 * copied / total), copied=round(copied)
            )
        return DiskMoveState(state="running", percent=percent, copied=None if done is None else round(done))

    def _after(self, task: str, request: DiskMoveRequest, end: End, entry: Row | None) -> DiskMoveState:
        """Of a task that has ended: the next one is started, or the whole has ended."""
        followed = self._of(task)
        if entry is None:
            return self._ended(followed, DiskMoveState(state="failed", why="the guest no longer exists"))
        try:
            if followed.result is not None:
                return self._started_again(followed, followed.result, end, entry)
            return self._judge(task, request, end, self._place(entry))
        except ONE_CALL as error:
            if not self._waited(followed):
                return self._running(task, request)
            why = f"{self._said(followed, end)}; where its disks are could not be read: {error.what}"
            if Upid.parse(task).type == SHUTDOWN:
                why += "; it was shut down for the move: check that it runs"
            return self._ended(followed, DiskMoveState(state="failed", why=why))

    def _judge(self, task: str, request: DiskMoveRequest, end: End, place: _Place) -> DiskMoveState:
        followed = self._of(task)
        moved = place.on(request)
        remaining = [disk for disk in request.disks if disk not in moved]
        if end.good and remaining and not followed.cancelled:
            shut_down = Upid.parse(followed.current).type == SHUTDOWN
            if followed.disk is None and not shut_down:
                # It was found, and not started by us.
                followed.disk = moved_disk(self._session, followed.current)
            stuck = followed.disk is not None and followed.disk in remaining
            if shut_down and is_running(self._session, place.entry):
                end = End("the container runs, though it was shut down")
            elif not stuck:
                return self._next(task, request, end, place)
        return self._judged(task, request, end, place)

    def _next(self, task: str, request: DiskMoveRequest, end: End, place: _Place) -> DiskMoveState:
        """Start the next disk; what passes is waited for."""
        followed = self._of(task)
        # One that another process has started meanwhile.
        running = running_move(self._session, place.entry, request.disks)
        if running is not None and running != followed.current:
            followed.current, followed.disk, followed.waiting_since = running, None, None
            return self._running(task, request)
        prepared = self.prepare(request)
        objection = prepared.objection
        if objection is None:
            found = prepared.details
            if found.remaining[0] in followed.tried:
                why = f"the task says {end.text}, but {found.remaining[0]} is still on {request.source}"
                return self._judged(task, request, End(why), place)
            try:
                followed.current = self._start(request, found)
            except StartRefused as refused:
                objection = Objection(refused.what, refused.passing)
            except Refused as refused:
                objection = Objection(refused.what)
            else:
                followed.disk = found.remaining[0]
                followed.tried |= {found.remaining[0]}
                followed.sizes = followed.sizes or found.sizes or {}
                followed.waiting_since = None
                return self._running(task, request)
        if objection.passing and not self._waited(followed):
            return self._running(task, request)
        return self._judged(task, request, End(f"the next disk was not started: {objection.why}"), place)

    def _waited(self, followed: _Followed) -> bool:
        now = self._monotonic()
        if followed.waiting_since is None:
            followed.waiting_since = now
        return now - followed.waiting_since >= NEXT_SECONDS

    def _place(self, entry: Row) -> _Place:
        path = f"{path_of(entry)}/config"
        config = row(self._session.get(path, current=1), path)
        found = volumes(config, container=entry.get("type") == "lxc")
        return _Place(entry, config, {volume.key: volume for volume in found})

    def _judged(self, task: str, request: DiskMoveRequest, end: End, place: _Place) -> DiskMoveState:
        """The end of the whole move, by where the disks are."""
        followed = self._of(task)
        moved = place.on(request)
        remaining = [disk for disk in request.disks if disk not in moved]
        sizes = {key: size(volume.parts.get("size")) or 0 for key, volume in place.found.items()}
        storages = {storage_name(request.source), storage_name(request.target)}
        left, unread = left_behind(
            self._session, place.entry, place.config, place.found.values(), storages, followed.unused or ()
        )
        if unread and not self._waited(followed):
            return self._running(task, request)
        remarks = [unread] if unread else []
        locked = place.config.get("lock") == "disk"
        if locked:
            remarks.append(
                f"it is still locked (disk): check it, then unlock it (`pct unlock {request.guest}`)"
            )
        log = () if end.good or not end.known else self._log(followed)
        said = self._said(followed, end, log)
        state: Literal["migrated", "failed", "cancelled"]
        if not remaining and not locked:
            state = "migrated"
            if not end.good:
                said = (
                    f"its end was not seen: {end.text}" if not end.known else f"all disks moved, but {said}"
                )
                remarks.insert(0, said)
        else:
            stopped = followed.cancelled or was_cancelled(end.text, log)
            state = "cancelled" if stopped and remaining else "failed"
            if end.good and remaining and not followed.cancelled:
                said = f"the task says {end.text}, but {_places(remaining, place.found)}"
            remarks.insert(0, said)
        result = DiskMoveState(
            state=state,
            percent=None if remaining else 100,
            copied=sum(sizes.get(disk, 0) for disk in moved),
            why="; ".join(remarks),
            moved=moved,
            left_behind=left,
        )
        if Upid.parse(task).type == SHUTDOWN and not is_running(self._session, place.entry):
            return self._start_again(followed, result, place.entry)
        return self._ended(followed, result)

    def _start_again(self, followed: _Followed, result: DiskMoveState, entry: Row) -> DiskMoveState:
        """Start a container that was shut down for the move, also after one that failed."""
        try:
            followed.current = start_container(self._session, entry)
        except Refused as refused:
            return self._ended(followed, _off(result, refused.what))
        followed.result = result
        return DiskMoveState(state="running", copied=result.copied, moved=result.moved)

    def _started_again(
        self, followed: _Followed, result: DiskMoveState, end: End, entry: Row
    ) -> DiskMoveState:
        if is_running(self._session, entry):
            return self._ended(followed, result)
        return self._ended(followed, _off(result, with_reason(end, self._log(followed))))

    def _ended(self, followed: _Followed, state: DiskMoveState) -> DiskMoveState:
        followed.ended = state
        return state

    def _said(self, followed: _Followed, end: End, log: Sequence[str] = ()) -> str:
        if not end.known:
            return end.text
        if followed.cancelled and end.good:
            return "it was stopped"
        return with_reason(end, log)

    def _log(self, followed: _Followed) -> Sequence[str]:
        """The last lines, with what was read of them before."""
        _task, lines = self._transferred.has_log(followed.current)
        rest = last_lines(self._session, followed.current, start=lines)
        return (*self._transferred.log(followed.current), *rest)


def _off(result: DiskMoveState, why: str) -> DiskMoveState:
    """Of a container that did not start again."""
    text = f"the container was shut down for the move and did not start again: {why}; start it by hand"
    return replace(result, state="failed", why="; ".join(part for part in (result.why, text) if part))


def _places(disks: Sequence[str], found: Mapping[str, Volume]) -> str:
    """Where disks are, each."""
    return ", ".join(
        f"{disk} is on {found[disk].storage}" if disk in found else f"{disk} is not there" for disk in disks
    )
