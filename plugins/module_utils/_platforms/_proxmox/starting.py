# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting a migration, once. Private to the collection."""

from __future__ import annotations

from ..errors import PlatformError, UnexpectedAnswer
from ..protocol import MigrationRequest
from .answers import Row, Upid, rows, whole
from .checking import Preconditions, storage_for
from .connection import ProxmoxConnection
from .guests import id_of, path_of, power_of
from .ha import BUSY
from .refusals import Unanswered
from .session import Session

MIGRATIONS = frozenset({"qmigrate", "vzmigrate"})
HA_REQUEST = "hamigrate"


def start(
    session: Session,
    connection: ProxmoxConnection,
    request: MigrationRequest,
    entry: Row,
    found: Preconditions,
) -> str:
    """The UPID of the task. When no answer comes, it is looked for before it is asked for again, once."""
    path = f"{path_of(entry)}/migrate"
    parameters = _parameters(connection, request, entry, found)
    try:
        return _upid(session.post(path, parameters), path)
    except Unanswered as unanswered:
        try:
            task = newest_task(session, request, active=not _arrived(session, request))
        except PlatformError:
            raise unanswered from None
    return task or _upid(session.post(path, parameters), path)


def under_way(session: Session, request: MigrationRequest, entry: Row) -> str | None:
    """The migration of this guest that has not ended: a task, or a request that HA has in its hands."""
    if entry.get("hastate") in BUSY:
        return newest_task(session, request, active=False, types=frozenset({HA_REQUEST}))
    return newest_task(session, request, active=True)


def newest_task(
    session: Session,
    request: MigrationRequest,
    *,
    active: bool,
    since: int = 0,
    types: frozenset[str] = MIGRATIONS,
) -> str | None:
    """The newest migration of this guest off its source, of those under way or of all."""
    path = f"nodes/{request.source}/tasks"
    source = "active" if active else "all"
    tasks = [
        task
        for task in rows(session.get(path, vmid=request.guest, source=source), path)
        if task.get("type") in types and (whole(task.get("starttime")) or 0) >= since
    ]
    newest = max(tasks, key=lambda task: whole(task.get("starttime")) or 0, default=None)
    return str(newest["upid"]) if newest else None


def _parameters(
    connection: ProxmoxConnection, request: MigrationRequest, entry: Row, found: Preconditions
) -> dict[str, object]:
    pairs = {name: storage_for(name, request, connection) for name in sorted(found.local_storages)}
    elsewhere = any(name != target for name, target in pairs.items())
    storages = ",".join(f"{name}:{target}" for name, target in pairs.items())
    parameters: dict[str, object] = {"target": request.target}
    if connection.bandwidth_limit is not None:
        parameters["bwlimit"] = connection.bandwidth_limit
    if entry.get("type") == "lxc":
        if power_of(entry) == "running":
            parameters["restart"] = 1
        if elsewhere:
            parameters["target-storage"] = storages
        return parameters
    # Of no effect on one that does not run; and it may have been started since.
    parameters["online"] = 1
    if pairs:
        parameters["with-local-disks"] = 1
    if elsewhere:
        parameters["targetstorage"] = storages
    return parameters


def _arrived(session: Session, request: MigrationRequest) -> bool:
    entries = rows(session.get("cluster/resources", type="vm"), "cluster/resources")
    return any(id_of(entry) == request.guest and entry.get("node") == request.target for entry in entries)


def _upid(answer: object, path: str) -> str:
    if not isinstance(answer, str):
        raise UnexpectedAnswer("no task was named", where=f"POST {path}")
    Upid.parse(answer)
    return answer
