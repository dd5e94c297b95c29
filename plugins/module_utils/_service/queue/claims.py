# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims on requests: which are dispatched to a playbook, and which are taken back."""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..._state.database import Database, now
from ..._state.library import sa
from ..._state.owner import Owner, is_gone, owner_text
from ..._state.tables import SERVICE_REQUESTS as ROWS
from ..config import Work
from .repository import HEARTBEAT_SECONDS, Failure, Rng, change, defer_unchanged, find, retry_or_fail
from .task import Task, task_of

if TYPE_CHECKING:
    from sqlalchemy import Connection


def dispatch(database: Database, server: Owner, work: Work, rng: Rng = random.random) -> Sequence[Task]:
    """Take back the claims that nobody works on any more, and claim the tasks that are due, up to the number
    that this server may run at the same time. Returns the claimed tasks.

    A task that was dispatched and never begun counts as a try only if the server that dispatched it is still
    running.
    """
    if not database.read(lambda connection: _anything(connection, server, work)):
        return []

    def write(connection: Connection) -> list[Task]:
        moment = now(connection)
        for task in _held(connection):
            _take_back(connection, task, moment, rng)
        own = [task for task in _held(connection) if task.desk == server]
        # What has just come back may be due by now.
        due = _due(connection, now(connection), max(0, work.running - len(own)))
        until, text = moment + work.begin_within, owner_text(server)
        return [
            change(connection, task.id, claim=secrets.token_hex(16), desk=text, until=until) for task in due
        ]

    return database.transaction(write)


def renew_claims(database: Database, server: Owner, work: Work) -> None:
    """Extend the claims on the tasks of a server that were begun, up to the time that one try may take."""
    mine = (ROWS.c.desk == owner_text(server)) & ROWS.c.begun_at.is_not(None) & ROWS.c.ended_at.is_(None)

    def write(connection: Connection) -> None:
        until = now(connection) + HEARTBEAT_SECONDS
        for task in _held(connection):
            if task.desk == server and task.begun_at is not None:
                change(connection, task.id, until=min(until, task.begun_at + work.at_most))

    if database.read(lambda connection: connection.execute(sa.select(ROWS.c.id).where(mine)).first()):
        database.transaction(write)


def hand_over(database: Database, server: Owner) -> int:
    """Give up the claims of a server that ends as it should, whose playbooks have ended: this is no failed
    try. Returns their number.
    """

    def write(connection: Connection) -> int:
        own = [task for task in _held(connection) if task.desk == server]
        for task in own:
            tries = task.tries if task.begun_at is None else task.tries - 1
            defer_unchanged(connection, replace(task, tries=tries))
        return len(own)

    return database.transaction(write)


def end_try(database: Database, name: str, claim: str, why: str, rng: Rng = random.random) -> bool:
    """The playbook of a try has ended. Without a result the try has failed. Returns whether that is so."""

    def write(connection: Connection) -> bool:
        task = find(connection, name)
        if task is None or task.status != "processing" or task.claim != claim:
            return False
        if task.begun_at is None:
            task = change(connection, task.id, tries=task.tries + 1)
        kind = "NotBegun" if task.begun_at is None else "WorkerGone"
        retry_or_fail(connection, task, Failure(kind=kind, message=why), rng)
        return True

    return database.transaction(write)


def _anything(connection: Connection, server: Owner, work: Work) -> bool:
    moment = now(connection)
    held = _held(connection)
    if any(_left(task, moment) is not None for task in held):
        return True
    free = work.running - sum(task.desk == server for task in held)
    return free > 0 and bool(_due(connection, moment, 1))


def _due(connection: Connection, moment: float, most: int) -> list[Task]:
    wanted = sa.select(ROWS).where(ROWS.c.ended_at.is_(None), ROWS.c.claim.is_(None), ROWS.c.due_at <= moment)
    rows = connection.execute(wanted.order_by(ROWS.c.due_at, ROWS.c.received_at).limit(most))
    return [task_of(row) for row in rows]


def _held(connection: Connection) -> list[Task]:
    wanted = sa.select(ROWS).where(ROWS.c.ended_at.is_(None), ROWS.c.claim.is_not(None))
    return [task_of(row) for row in connection.execute(wanted)]


def _left(task: Task, moment: float) -> Failure | None:
    """Why nobody works on a claimed task any more; None while somebody may."""
    if task.begun_at is None:
        if task.desk is not None and is_gone(task.desk):
            return Failure(kind="ServerGone", message=f"{task.desk} ended before the request was begun")
        if task.until is not None and task.until < moment:
            return Failure(kind="NotBegun", message="The playbook did not begin the request in time")
        return None
    if task.worker is not None and is_gone(task.worker):
        return Failure(kind="WorkerGone", message=f"{task.worker} ended without reporting a result")
    if task.until is not None and task.until < moment:
        return Failure(kind="TookTooLong", message="There was no heartbeat, or one try took too long")
    return None


def _take_back(connection: Connection, task: Task, moment: float, rng: Rng) -> None:
    failure = _left(task, moment)
    if failure is None:
        return
    if failure.kind == "ServerGone":
        defer_unchanged(connection, task)
    elif failure.kind == "NotBegun":
        retry_or_fail(connection, change(connection, task.id, tries=task.tries + 1), failure, rng)
    else:
        retry_or_fail(connection, task, failure, rng)
