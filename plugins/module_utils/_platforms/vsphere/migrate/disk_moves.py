# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves of disks under way, and how they ended: vCenter is believed only when the disks are seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...storage_protocol import DiskMoveRequest, DiskMoveState
from ...waiting import WaitLimits
from ..api.collector import Found, properties, retrieve, step
from ..api.errors import localized
from ..api.library import vim
from ..api.session import Session
from ..api.values import find, type_of
from ..read.clusters import ClusterPlace
from ..read.recent_tasks import TASK_PATHS, is_active, is_move, migrations
from ..read.storage_now import DISK_PATHS, Stores
from .left_behind import left_behind

_TASK_PATHS = ("info.state", "info.progress", "info.error")
_GUEST_PATHS = (*DISK_PATHS, "layoutEx.file", "layoutEx.disk")


def under_way(session: Session, place: ClusterPlace, request: DiskMoveRequest) -> str | None:
    """The task that moves disks of this guest. A task does not say what it moves where; one that takes the
    guest to another host is none of these.
    """
    found = retrieve(
        session,
        [vim.VirtualMachine(request.guest)],
        [
            properties(vim.VirtualMachine, "runtime.host", "recentTask"),
            properties(vim.Task, *TASK_PATHS),
        ],
        step(vim.VirtualMachine, "recentTask"),
    )
    tasks = {item.id: item for item in found if item.kind == "Task"}
    running = next((task.id for task in tasks.values() if is_move(task) and is_active(task)), None)
    guests = {item.id: item for item in found if item.kind == "VirtualMachine"}
    if running is None or request.guest not in guests:
        return None
    target = migrations(session, place, guests, tasks).targets.get(request.guest)
    return running if target in (None, guests[request.guest].text("runtime.host")) else None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of datastores, and of guests before their disks were moved."""

    stores: Stores
    before: Mapping[str, Found]
    limits: WaitLimits


def poll(
    session: Session, tasks: Mapping[str, DiskMoveRequest], around: Surroundings
) -> dict[str, DiskMoveState]:
    """The state of each task, in one call; for those that have ended the guests are looked at."""
    found = _tasks(session, tasks)
    states = {task: _running(found.get(task)) for task in tasks}
    ended = {task: request for task, request in tasks.items() if states[task] is None}
    guests = as_they_are(session, {request.guest for request in ended.values()})
    doubtful = {
        request.guest
        for task, request in ended.items()
        if _says_success(found.get(task)) and not _is_done(guests.get(request.guest), request, around)
    }
    # The place of disks may be shown a moment later than the end of the task.
    guests |= as_they_are(session, doubtful)
    return {
        task: state
        if state is not None
        else _ended(session, found.get(task), guests.get(request.guest), request, around)
        for (task, request), state in zip(tasks.items(), states.values())
    }


def _tasks(session: Session, tasks: Iterable[str]) -> dict[str, Found]:
    found = retrieve(session, [vim.Task(task) for task in tasks], [properties(vim.Task, *_TASK_PATHS)])
    return {item.id: item for item in found}


def as_they_are(session: Session, guests: Iterable[str]) -> dict[str, Found]:
    """Guests with their files, by reference."""
    starts = [vim.VirtualMachine(guest) for guest in sorted(guests)]
    if not starts:
        return {}
    found = retrieve(session, starts, [properties(vim.VirtualMachine, *_GUEST_PATHS)])
    return {item.id: item for item in found}


def copies_left(session: Session, request: DiskMoveRequest, around: Surroundings) -> tuple[str, ...]:
    """Files of these disks on the source that the guest does not use."""
    guest = as_they_are(session, {request.guest}).get(request.guest)
    return () if guest is None else _left(session, guest, request, request.disks, request.source, around)


def _running(task: Found | None) -> DiskMoveState | None:
    if task is not None and task.text("info.state") in ("queued", "running"):
        return DiskMoveState(state="running", percent=task.whole("info.progress"))
    return None


def _says_success(task: Found | None) -> bool:
    return task is not None and task.text("info.state") == "success"


def _moved(guest: Found | None, request: DiskMoveRequest, around: Surroundings) -> tuple[str, ...]:
    places = {} if guest is None else around.stores.places(guest)
    return tuple(disk for disk in request.disks if places.get(disk) == request.target)


def _is_done(guest: Found | None, request: DiskMoveRequest, around: Surroundings) -> bool:
    return _moved(guest, request, around) == request.disks


def _ended(
    session: Session,
    task: Found | None,
    guest: Found | None,
    request: DiskMoveRequest,
    around: Surroundings,
) -> DiskMoveState:
    moved = _moved(guest, request, around)
    error = None if task is None else task.values.get("info.error")
    if moved == request.disks:
        # It may have failed after that, such as to delete the old files.
        why = "" if error is None else localized(error)
        left = _left(session, guest, request, moved, request.source, around)
        return DiskMoveState(state="migrated", percent=100, why=why, moved=moved, left_behind=left)
    rest = tuple(disk for disk in request.disks if disk not in moved)
    left = _left(session, guest, request, rest, request.target, around)
    if guest is None:
        return DiskMoveState(state="failed", why=f"guest {request.guest} is gone")
    if error is not None and type_of(find(error, "fault")) == "RequestCanceled":
        return DiskMoveState(state="cancelled", why="the task was cancelled", moved=moved, left_behind=left)
    if error is not None:
        return DiskMoveState(state="failed", why=localized(error), moved=moved, left_behind=left)
    said = "vCenter reports success" if task is not None else "vCenter no longer reports the task"
    places = around.stores.places(guest)
    seen = ", ".join(f"disk {disk} is on {places.get(disk, 'no datastore')}" for disk in rest)
    return DiskMoveState(state="failed", why=f"{said}, but {seen}", moved=moved, left_behind=left)


def _left(
    session: Session,
    guest: Found | None,
    request: DiskMoveRequest,
    disks: tuple[str, ...],
    datastore: str,
    around: Surroundings,
) -> tuple[str, ...]:
    reference = around.stores.reference(datastore)
    if guest is None or reference is None:
        return ()
    before = around.before.get(request.guest)
    known = (guest,) if before is None else (before, guest)
    copies = datastore == request.target
    return left_behind(session, around.stores, known, disks, reference, around.limits, copies=copies)
