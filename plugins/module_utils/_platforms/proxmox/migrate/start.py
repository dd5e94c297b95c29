# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting a migration, once."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import NoResponse, PlatformError, Refused, UnexpectedAnswer
from ...protocol import MigrationRequest
from ...values import Row
from ..api.connection import ProxmoxConnection
from ..api.errors import refused_start
from ..api.notices import ONE_CALL
from ..api.session import Session
from ..api.values import Upid, flag, row, rows
from ..read.guests import id_of, path_of, power_of
from ..read.ha import BUSY
from ..read.migrations_in_progress import MIGRATIONS
from .precheck import Preconditions, sent_elsewhere

HA_REQUEST = "hamigrate"


def start(
    session: Session,
    connection: ProxmoxConnection,
    request: MigrationRequest,
    entry: Row,
    found: Preconditions,
    *,
    conntrack: bool = False,
) -> str:
    """The UPID of the task. When no answer comes, it is looked for before it is asked for again, once."""
    path = f"{path_of(entry)}/migrate"
    parameters = _parameters(connection, request, entry, found, conntrack=conntrack)
    try:
        return _asked(session, path, parameters)
    except NoResponse as unanswered:
        try:
            task = newest_task(session, request, active=not _arrived(session, request))
        except PlatformError:
            raise unanswered from None
    return task or _asked(session, path, parameters)


def under_way(session: Session, request: MigrationRequest, entry: Row) -> str | None:
    """The migration of this guest that has not ended: a task, or a request that HA has in its hands."""
    requested = None
    if entry.get("hastate") in BUSY:
        requested = newest_task(session, request, active=False, types=frozenset({HA_REQUEST}))
    return requested or newest_task(session, request, active=True)


def newest_task(
    session: Session,
    request: MigrationRequest,
    *,
    active: bool,
    after: str | None = None,
    types: frozenset[str] = MIGRATIONS,
) -> str | None:
    """The newest migration of this guest off its source, of those under way or of all; `after`: a task of the
    same node that began no later.
    """
    path = f"nodes/{request.source}/tasks"
    source = "active" if active else "all"
    oldest = Upid.parse(after).age if after else (0, 0)
    tasks = [
        str(task.get("upid"))
        for task in rows(session.get(path, vmid=request.guest, source=source), path)
        if task.get("type") in types
        and Upid.parse(str(task.get("upid"))).age >= oldest
        # A task that has just ended is not archived yet.
        and not (active and task.get("endtime"))
    ]
    return max(tasks, key=lambda upid: Upid.parse(upid).age, default=None)


def can_receive_conntrack(session: Session, node: str) -> bool:
    """Whether a node can take along what the firewall knows of a guest's connections."""
    path = f"nodes/{node}/capabilities/qemu/migration"
    try:
        return flag(row(session.get(path), path).get("has-dbus-vmstate"))
    except ONE_CALL:
        # Without it, as before there was such a thing, connections may have to be made anew.
        return False


def _parameters(
    connection: ProxmoxConnection,
    request: MigrationRequest,
    entry: Row,
    found: Preconditions,
    *,
    conntrack: bool,
) -> dict[str, object]:
    # What is not named keeps its name, and needs no privilege on its storage.
    elsewhere = sent_elsewhere(found, request, connection)
    storages = ",".join(f"{name}:{target}" for name, target in elsewhere.items())
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
    if found.local_storages:
        parameters["with-local-disks"] = 1
    if elsewhere:
        parameters["targetstorage"] = storages
    if conntrack:
        parameters["with-conntrack-state"] = 1
    return parameters


def _arrived(session: Session, request: MigrationRequest) -> bool:
    entries = rows(session.get("cluster/resources", type="vm"), "cluster/resources")
    return any(id_of(entry) == request.guest and entry.get("node") == request.target for entry in entries)


def _asked(session: Session, path: str, parameters: Mapping[str, object]) -> str:
    try:
        return _upid(session.post(path, parameters), path)
    except Refused as refused:
        raise refused_start(refused) from None


def _upid(answer: object, path: str) -> str:
    if not isinstance(answer, str):
        raise UnexpectedAnswer("no task was named", where=f"POST {path}")
    Upid.parse(answer)
    return answer
