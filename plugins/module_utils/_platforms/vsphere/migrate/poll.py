# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of started migrations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...protocol import MigrationRequest, MigrationState
from ..api.collector import Found, properties, retrieve
from ..api.errors import localized
from ..api.library import vim
from ..api.session import Session
from ..api.values import find, type_of

_TASK_PATHS = ("info.state", "info.progress", "info.error")


def poll(session: Session, tasks: Mapping[str, MigrationRequest]) -> dict[str, MigrationState]:
    """The state of each task, in one call; a second one when the guests are not where their tasks say."""
    found = _read(session, tasks, {request.guest for request in tasks.values()})
    unsure = {
        request.guest
        for task, request in tasks.items()
        if _state(found.get(task), found.get(request.guest), request) is None
    }
    if unsure:
        # The guest's place may be shown a moment later than the end of the task.
        found |= _read(session, (), unsure)
    return {
        task: _state(found.get(task), found.get(request.guest), request)
        or _elsewhere(found.get(task), found.get(request.guest))
        for task, request in tasks.items()
    }


def _read(session: Session, tasks: Iterable[str], guests: Iterable[str]) -> dict[str, Found]:
    found = retrieve(
        session,
        [*(vim.Task(task) for task in tasks), *(vim.VirtualMachine(guest) for guest in sorted(guests))],
        [properties(vim.Task, *_TASK_PATHS), properties(vim.VirtualMachine, "runtime.host")],
    )
    return {item.id: item for item in found}


def _state(task: Found | None, guest: Found | None, request: MigrationRequest) -> MigrationState | None:
    """None: the task is over, and the guest is not where it should be by now."""
    state = None if task is None else task.text("info.state")
    if task is not None and state in ("queued", "running"):
        return MigrationState(state="running", percent=task.whole("info.progress"))
    if guest is not None and guest.text("runtime.host") == request.target:
        return MigrationState(state="migrated", percent=100)
    if task is None or state != "error":
        return None
    error = task.values.get("info.error")
    if type_of(find(error, "fault")) == "RequestCanceled":
        return MigrationState(state="cancelled", why="the task was cancelled")
    return MigrationState(state="failed", why=localized(error))


def _elsewhere(task: Found | None, guest: Found | None) -> MigrationState:
    said = "vCenter reports success" if task is not None else "vCenter no longer reports the task"
    place = "gone" if guest is None else f"on {guest.text('runtime.host') or 'no host'}"
    return MigrationState(state="failed", why=f"{said}, but the guest is {place}")
