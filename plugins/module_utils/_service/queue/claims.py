# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which requests are handed on to be worked on, and which come back."""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..._state.database import Database, now
from ..._state.library import sa
from ..._state.owner import Owner, is_gone, owner_text
from ..._state.tables import SERVICE_REQUESTS as ROWS
from ..config import Work
from .repository import SIGN_OF_LIFE_SECONDS, Failure, Rng, change, defer_unchanged, retry_or_fail
from .task import Task, task_of

if TYPE_CHECKING:
    from sqlalchemy import Connection


def dispatch(database: Database, desk: Owner, work: Work, rng: Rng = random.random) -> Sequence[Task]:
    """Take back what nobody works on any more, and claim what is due, as far as this desk has hands left.

    A task that was handed on and never begun counts as a try only where the desk that has handed it on is
    still there: otherwise it died in between.
    """
    if not database.read(lambda connection: _anything(connection, desk, work)):
        return []

    def write(connection: Connection) -> list[Task]:
        moment = now(connection)
        for task in _held(connection):
            _take_back(connection, task, moment, rng)
        own = [task for task in _held(connection) if task.desk == desk]
        # What has just come back may be due by now.
        due = _due(connection, now(connection), max(0, work.running - len(own)))
        until, text = moment + work.begin_within, owner_text(desk)
        return [
            change(connection, task.id, claim=secrets.token_hex(16), desk=text, until=until) for task in due
        ]

    return database.transaction(write)


def renew_claims(database: Database, desk: Owner, work: Work) -> None:
    """A sign of life of a desk, for all that it has handed on and that was begun, while its try may last."""
    mine = (ROWS.c.desk == owner_text(desk)) & ROWS.c.begun_at.is_not(None) & ROWS.c.ended_at.is_(None)

    def write(connection: Connection) -> None:
        until = now(connection) + SIGN_OF_LIFE_SECONDS
        for task in _held(connection):
            if task.desk == desk and task.begun_at is not None:
                change(connection, task.id, until=min(until, task.begun_at + work.at_most))

    if database.read(lambda connection: connection.execute(sa.select(ROWS.c.id).where(mine)).first()):
        database.transaction(write)


def _anything(connection: Connection, desk: Owner, work: Work) -> bool:
    moment = now(connection)
    held = _held(connection)
    if any(_left(task, moment) is not None for task in held):
        return True
    hands = work.running - sum(task.desk == desk for task in held)
    return hands > 0 and bool(_due(connection, moment, 1))


def _due(connection: Connection, moment: float, most: int) -> list[Task]:
    wanted = sa.select(ROWS).where(ROWS.c.ended_at.is_(None), ROWS.c.claim.is_(None), ROWS.c.due_at <= moment)
    rows = connection.execute(wanted.order_by(ROWS.c.due_at, ROWS.c.received_at).limit(most))
    return [task_of(row) for row in rows]


def _held(connection: Connection) -> list[Task]:
    wanted = sa.select(ROWS).where(ROWS.c.ended_at.is_(None), ROWS.c.claim.is_not(None))
    return [task_of(row) for row in connection.execute(wanted)]


def _left(task: Task, moment: float) -> Failure | None:
    """Why nobody works on a task that was handed on; None where somebody may."""
    if task.begun_at is None:
        if task.desk is not None and is_gone(task.desk):
            return Failure(kind="DeskGone", message=f"{task.desk} has ended before it began")
        if task.until is not None and task.until < moment:
            return Failure(kind="NotBegun", message="the playbook that was called has not begun in time")
        return None
    if task.worker is not None and is_gone(task.worker):
        return Failure(kind="WorkerGone", message=f"{task.worker} has ended without telling how it went")
    if task.until is not None and task.until < moment:
        return Failure(kind="TookTooLong", message="there was no sign of life, or one try took too long")
    return None


def _take_back(connection: Connection, task: Task, moment: float, rng: Rng) -> None:
    failure = _left(task, moment)
    if failure is None:
        return
    if failure.kind == "DeskGone":
        defer_unchanged(connection, task)
    elif failure.kind == "NotBegun":
        retry_or_fail(connection, change(connection, task.id, tries=task.tries + 1), failure, rng)
    else:
        retry_or_fail(connection, task, failure, rng)
