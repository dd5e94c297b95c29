# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting a move of one disk, once, and finding one that runs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...errors import NoResponse, PlatformError, Refused, StartRefused, UnexpectedAnswer
from ...storage_protocol import DiskMoveRequest
from ...values import Row
from ..api.connection import ProxmoxConnection
from ..api.errors import BadParameter
from ..api.session import Session
from ..api.task_log import disk_of, read_log
from ..api.values import Upid, row, rows
from ..read.guest_config import volumes
from ..read.guests import path_of
from ..read.task_history import DISK_MOVE_TASKS
from .disk_precheck import running_tasks, storage_name

SHUTDOWN = "vzshutdown"
# How long a container has for that, and goes on running otherwise: no longer than a run waits for what it
# stops.
SHUTDOWN_SECONDS = 50
# What may be over in a moment, and what the next look at the guest shows.
_PASSES = re.compile(r"is locked|can't lock file|got timeout|detected modified configuration|is not online")
_OBJECTS = re.compile(
    r"can't move|cannot move|does not (exist|support)|no associated volume|is disabled|is not available"
)
# The first lines name the disk.
_HEAD_LINES = 10


def start_disk(
    session: Session,
    connection: ProxmoxConnection,
    request: DiskMoveRequest,
    entry: Row,
    disk: str,
    digest: str,
) -> str:
    """The UPID of the task. When no answer comes, it is looked for before it is asked for again, once."""
    container = entry.get("type") == "lxc"
    path = f"{path_of(entry)}/{'move_volume' if container else 'move_disk'}"
    parameters: dict[str, object] = {
        "volume" if container else "disk": disk,
        "storage": storage_name(request.target),
        "delete": 1,
    }
    if digest:
        parameters["digest"] = digest
    if connection.bandwidth_limit is not None:
        parameters["bwlimit"] = connection.bandwidth_limit
    before = session.platform_time
    try:
        return named_task(session, path, parameters)
    except NoResponse as unanswered:
        try:
            task = _began(session, entry, request, disk, before)
        except PlatformError:
            raise unanswered from None
    return task or named_task(session, path, parameters)


def running_move(session: Session, entry: Row, disks: tuple[str, ...]) -> str | None:
    """The running move of any of these disks of a guest, as far as its log says which it moves."""
    tasks = [
        str(task.get("upid")) for task in running_tasks(session, entry) if task.get("type") in DISK_MOVE_TASKS
    ]
    for task in sorted(tasks, key=lambda upid: Upid.parse(upid).age, reverse=True):
        disk = moved_disk(session, task)
        if disk is None or disk in disks:
            return task
    return None


def moved_disk(session: Session, task: str) -> str | None:
    """The disk that a task moves; None where its log does not say it, as with containers."""
    try:
        lines = read_log(session, task, limit=_HEAD_LINES)
    except PlatformError:
        return None
    return disk_of(lines)


def _began(
    session: Session, entry: Row, request: DiskMoveRequest, disk: str, before: float | None
) -> str | None:
    """The move that an unanswered call has begun, whether it still runs or not."""
    running = running_move(session, entry, (disk,))
    if running is not None:
        return running
    path = f"{path_of(entry)}/config"
    config = row(session.get(path, current=1), path)
    found = volumes(config, container=entry.get("type") == "lxc")
    there = any(each.key == disk and each.storage == storage_name(request.target) for each in found)
    path = f"nodes/{entry.get('node')}/tasks"
    tasks = [
        str(task.get("upid"))
        for task in rows(session.get(path, vmid=request.guest, source="all"), path)
        if task.get("type") in DISK_MOVE_TASKS
    ]
    newest = max(tasks, key=lambda upid: Upid.parse(upid).age, default=None)
    # Moments are whole seconds. A move that has failed meanwhile is reported as such, not begun anew.
    recent = newest is not None and before is not None and Upid.parse(newest).started >= int(before)
    return newest if there or recent else None


def shut_down_container(session: Session, entry: Row) -> str:
    """The UPID of the task. Its power is never cut."""
    return named_task(session, f"{path_of(entry)}/status/shutdown", {"timeout": SHUTDOWN_SECONDS})


def start_container(session: Session, entry: Row) -> str:
    """The UPID of the task."""
    return named_task(session, f"{path_of(entry)}/status/start", {})


def named_task(session: Session, path: str, parameters: Mapping[str, object]) -> str:
    """Ask for a task once; StartRefused where the node objects."""
    try:
        answer = session.post(path, parameters)
    except Refused as refused:
        passing = _PASSES.search(refused.what) is not None
        if passing or isinstance(refused, BadParameter) or _OBJECTS.search(refused.what):
            raise StartRefused(refused.what, where=refused.where, passing=passing) from None
        raise
    if not isinstance(answer, str):
        raise UnexpectedAnswer("no task was named", where=f"POST {path}")
    Upid.parse(answer)
    return answer
