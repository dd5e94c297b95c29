# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request as callers see it, with what follows its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._capacity.lease import moment
from .._state.database import Database
from .callbacks.outbox import deliveries
from .queue.promises import CHANNEL, promise_of
from .queue.repository import find
from .queue.task import Task

if TYPE_CHECKING:
    from sqlalchemy import Connection


def request_report(database: Database, task: Task) -> dict[str, Any]:
    """A task with the call-backs about its end and, of a spare VM, its removal."""
    callbacks = [one.to_json() for one in deliveries(database, task.id) if one.channel != CHANNEL]
    report = {**task.to_json(), "callbacks": callbacks}
    if task.kind == "spare":
        report["removal"] = database.read(lambda connection: _removal(connection, task.id))
    return report


def _removal(connection: Connection, spare: str) -> dict[str, Any] | None:
    """`waiting` for the end of the lease, and then the status of the request that removes the VM."""
    promise = promise_of(connection, spare)
    if promise is None:
        return None
    removal = find(connection, promise.removal)
    if removal is not None:
        facts = removal.to_json()
        return {name: facts[name] for name in ("id", "status", "ended_at", "tries", "error")}
    status = "waiting" if promise.kept is None else "completed"
    return {"id": None, "status": status, "ended_at": moment(promise.kept), "tries": 0, "error": None}
