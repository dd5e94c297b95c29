# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests in the state database: taken, begun, ended.

A request is in the database before its acceptance is reported. Whoever works on it holds a claim;
without the claim nobody can end it, and when its holder is gone it is handed on again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..._state.database import Database, now
from ..._state.library import sa
from ..._state.owner import Owner, owner_text
from ..._state.tables import SERVICE_DELIVERIES, SERVICE_REQUESTS
from ..callbacks.outbox import announce
from ..errors import ClaimLost, RequestDiffers, UnknownRequest
from ..request import ParsedRequest
from .promises import SparePlace, promise_removal, write_place
from .retry_policy import FINAL, NO_ROOM
from .task import Task, Terms, task_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

HEARTBEAT_SECONDS = 120.0
"""A server on another machine counts as running for this time after its last heartbeat."""

Rng = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The task, and whether it is there only now."""

    task: Task
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a try failed: the name of the error's type, which decides whether it is tried again, and words."""

    kind: str
    message: str

    def to_json(self) -> dict[str, str]:
        return {"type": self.kind, "message": self.message}


def accept(database: Database, asked: ParsedRequest, terms: Terms) -> Accepted:
    """Let a request be there; the same one again is the same request. Raises RequestDiffers."""

    def write(connection: Connection) -> Accepted:
        known = find(connection, asked.id)
        if known is not None:
            if (known.kind, known.work, known.notify) != (asked.kind, asked.work, asked.notify):
                raise RequestDiffers(
                    "Another request with this id exists already",
                    where=f"request {asked.id}",
                    hint="Use a new id for each request",
                )
            return Accepted(known, False)
        insert(connection, asked, terms)
        return Accepted(_needed(connection, asked.id), True)

    return database.transaction(write)


def insert(connection: Connection, asked: ParsedRequest, terms: Terms) -> str:
    """Write a request that is not there yet, in a transaction that is under way. Returns its id."""
    moment = now(connection)
    row = {
        "id": asked.id,
        "body": asked.text,
        "terms": terms.to_text(),
        "status": "processing",
        "received_at": moment,
        "due_at": moment,
        "tries": 0,
    }
    connection.execute(sa.insert(SERVICE_REQUESTS).values(**row))
    if asked.kind == "spare":
        promise_removal(connection, asked.id, moment)
    return asked.id


def task_named(database: Database, name: str) -> Task | None:
    """A request by its id."""
    return database.read(lambda connection: find(connection, name))


def listed(database: Database, seconds: float) -> Sequence[Task]:
    """Unfinished requests and those that ended within this number of seconds, in order of arrival."""

    def read(connection: Connection) -> list[Task]:
        ended = SERVICE_REQUESTS.c.ended_at
        wanted = sa.select(SERVICE_REQUESTS).where(ended.is_(None) | (ended >= now(connection) - seconds))
        rows = connection.execute(wanted.order_by(SERVICE_REQUESTS.c.received_at, SERVICE_REQUESTS.c.id))
        return [task_of(row) for row in rows]

    return database.read(read)


def find(connection: Connection, name: str) -> Task | None:
    """A request by its id, in a transaction that is under way."""
    row = connection.execute(sa.select(SERVICE_REQUESTS).where(SERVICE_REQUESTS.c.id == name)).first()
    return None if row is None else task_of(row)


def change(connection: Connection, name: str, **columns: Any) -> Task:
    """Write columns of a request, in a transaction that is under way. Returns the task, changed.

    Raises UnknownRequest.
    """
    connection.execute(sa.update(SERVICE_REQUESTS).where(SERVICE_REQUESTS.c.id == name).values(**columns))
    return _needed(connection, name)


def start(
    database: Database, name: str, claim: str, worker: Owner | None, place: SparePlace | None = None
) -> tuple[Task, float]:
    """The worker has begun: a try counts. Called again by the same worker it only writes down the place of a
    spare VM, before that is created. Returns the task, and for how many seconds it may still wait.

    Raises UnknownRequest and ClaimLost.
    """

    def write(connection: Connection) -> tuple[Task, float]:
        task = _claimed(connection, name, claim)
        moment = now(connection)
        left = max(0.0, task.received_at + task.terms.wait - moment)
        if task.begun_at is None:
            task = change(
                connection,
                name,
                worker=owner_text(worker),
                begun_at=moment,
                tries=task.tries + 1,
                until=moment + HEARTBEAT_SECONDS,
            )
        elif worker != task.worker:
            raise _lost(name)
        if place is not None:
            write_place(connection, name, place)
        return task, left

    return database.transaction(write)


def complete(database: Database, name: str, claim: str, result: object) -> tuple[Task, bool]:
    """Done. Returns the task, and whether it was not done before. Raises UnknownRequest and ClaimLost."""

    def write(connection: Connection) -> tuple[Task, bool]:
        done = _needed(connection, name)
        if done.status == "completed" and done.claim == claim:
            return done, False
        task = _claimed(connection, name, claim)
        return _end(connection, task, "completed", result=json.dumps(result), error=None), True

    return database.transaction(write)


def fail(
    database: Database, name: str, claim: str, failure: Failure, rng: Rng = random.random
) -> tuple[Task, bool]:
    """A try has failed: it is tried again, as far as that is of use and tries are left, or has failed.

    Returns the task, and whether anything changed. Raises UnknownRequest and ClaimLost.
    """

    def write(connection: Connection) -> tuple[Task, bool]:
        done = _needed(connection, name)
        if done.status == "failed" and done.claim == claim:
            return done, False
        task = _claimed(connection, name, claim)
        return retry_or_fail(connection, task, failure, rng), True

    return database.transaction(write)


def defer(database: Database, name: str, claim: str, seconds: float, why: Failure) -> tuple[Task, bool]:
    """It waits, which is no failed try. Returns the task, changed. Raises UnknownRequest and ClaimLost."""

    def write(connection: Connection) -> tuple[Task, bool]:
        task = _claimed(connection, name, claim)
        return _again(connection, task, seconds, why, tries=task.tries - 1), True

    return database.transaction(write)


def retry_or_fail(connection: Connection, task: Task, failure: Failure, rng: Rng) -> Task:
    """End a try that came to nothing, in a transaction that is under way."""
    budget = task.terms.budget
    if failure.kind in NO_ROOM:
        left = task.received_at + task.terms.wait - now(connection)
        if left > 0:
            pause = min(left, budget.delay(task.tries, rng()))
            # Waiting for room is no failed try, but the pauses grow all the same.
            return _again(connection, task, pause, failure, tries=task.tries)
    elif (failure.kind not in FINAL or task.kind == "remove") and task.tries < budget.tries:
        # A VM that could not be removed is not left behind for a mistake that can be corrected.
        return _again(connection, task, budget.delay(task.tries, rng()), failure, tries=task.tries)
    error = failure.to_json()
    if failure.kind not in FINAL | NO_ROOM:
        error["message"] = f"Failed after {task.tries} tries; the last error was: {error['message']}"
    return _end(connection, task, "failed", result=None, error=json.dumps(error))


def defer_unchanged(connection: Connection, task: Task) -> None:
    """Nobody had begun: it is due again, as if it had never been handed on."""
    _again(connection, task, 0, None, tries=task.tries)


def purge(database: Database, days: float) -> int:
    """Delete requests that ended this number of seconds ago, and their call-backs. Returns their number."""

    def write(connection: Connection) -> int:
        old = sa.select(SERVICE_REQUESTS.c.id).where(
            SERVICE_REQUESTS.c.ended_at < now(connection) - days * 86_400
        )
        open_ = sa.select(SERVICE_DELIVERIES.c.request).where(SERVICE_DELIVERIES.c.ended_at.is_(None))
        names: Sequence[str] = connection.execute(
            old.where(SERVICE_REQUESTS.c.id.not_in(open_)).limit(500)
        ).scalars().all()  # fmt: skip
        connection.execute(sa.delete(SERVICE_DELIVERIES).where(SERVICE_DELIVERIES.c.request.in_(names)))
        connection.execute(sa.delete(SERVICE_REQUESTS).where(SERVICE_REQUESTS.c.id.in_(names)))
        return len(names)

    return database.transaction(write)


def _end(connection: Connection, task: Task, status: str, **columns: Any) -> Task:
    moment = now(connection)
    ended = change(
        connection, task.id, status=status, ended_at=moment, desk=None, worker=None, until=None, **columns
    )
    announce(connection, ended, moment)
    return ended


def _again(connection: Connection, task: Task, seconds: float, why: Failure | None, *, tries: int) -> Task:
    columns: dict[str, Any] = {"claim": None, "desk": None, "worker": None, "begun_at": None, "until": None}
    if why is not None:
        columns["error"] = json.dumps(why.to_json())
    return change(connection, task.id, **columns, due_at=now(connection) + seconds, tries=tries)


def _claimed(connection: Connection, name: str, claim: str) -> Task:
    task = _needed(connection, name)
    if task.status != "processing" or task.claim is None or task.claim != claim:
        raise _lost(name)
    return task


def _lost(name: str) -> ClaimLost:
    return ClaimLost("The request has ended, or another process works on it now", where=f"request {name}")


def _needed(connection: Connection, name: str) -> Task:
    task = find(connection, name)
    if task is None:
        raise UnknownRequest("No request has this id", where=f"request {name}")
    return task
