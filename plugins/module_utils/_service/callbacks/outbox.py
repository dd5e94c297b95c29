# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Call-backs about the end of a request, kept until they are delivered.

Rows are inserted in the same transaction as the end that they report.
"""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..._capacity.lease import moment
from ..._state.database import Database, now
from ..._state.library import sa
from ..._state.owner import Owner, is_gone, owner_of, owner_text
from ..._state.tables import SERVICE_DELIVERIES as ROWS
from ..queue.retry_policy import RetryPolicy
from ..queue.task import Task

if TYPE_CHECKING:
    from sqlalchemy import Connection

Channel = Literal["callback", "dead_letter", "removal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One call-back. `id` is the same for each attempt; `body` is sent byte by byte as it is."""

    id: str
    request: str
    channel: Channel
    receiver: str
    body: str
    status: Literal["pending", "delivered", "failed"]
    created_at: float
    due_at: float
    tries: int
    error: str | None
    ended_at: float | None

    def to_json(self) -> dict[str, Any]:
        """As callers see it."""
        return {
            "id": self.id,
            "channel": self.channel,
            "receiver": self.receiver,
            "status": self.status,
            "tries": self.tries,
            "error": self.error,
            "ended_at": moment(self.ended_at),
        }


def announce(connection: Connection, task: Task, at: float) -> None:
    """Queue the call-backs about the end of a task."""
    news = json.dumps({"type": f"request.{task.status}", "request": task.to_json()}, separators=(",", ":"))
    callbacks: list[tuple[Channel, str, str]] = [
        ("callback", receiver, news) for receiver in task.terms.receivers
    ]
    if task.status == "failed" and task.terms.message is not None:
        letter = {"message": task.terms.message, "error": task.error}
        callbacks.append(("dead_letter", task.terms.origin, json.dumps(letter)))
    for channel, receiver, body in callbacks:
        put(connection, task.id, channel, receiver, body, at)


def put(connection: Connection, request: str, channel: Channel, receiver: str, body: str, at: float) -> None:
    """Queue something that is due from now on, in a transaction that is under way."""
    row = {
        "id": f"msg_{secrets.token_hex(16)}",
        "request": request,
        "channel": channel,
        "receiver": receiver,
        "body": body,
        "status": "pending",
        "created_at": at,
        "due_at": at,
        "tries": 0,
    }
    connection.execute(sa.insert(ROWS).values(**row))


def deliveries(database: Database, request: str) -> Sequence[Delivery]:
    """All of a request."""
    wanted = sa.select(ROWS).where(ROWS.c.request == request).order_by(ROWS.c.channel, ROWS.c.receiver)
    return [_delivery(row) for row in database.read(lambda connection: connection.execute(wanted).all())]


def take_due(
    database: Database, server: Owner, channel: Channel, receiver: str, most: int, seconds: float
) -> Sequence[Delivery]:
    """Up to so many that are due for a receiver. For so many seconds they are nobody else's, unless this desk
    is known to be gone.
    """

    def due(connection: Connection) -> list[Any]:
        moment_ = now(connection)
        own = sa.select(ROWS).where(
            ROWS.c.ended_at.is_(None), ROWS.c.channel == channel, ROWS.c.receiver == receiver
        )
        rows = connection.execute(own.order_by(ROWS.c.due_at).limit(200 + most)).all()
        return [row for row in rows if row.due_at <= moment_ or _orphan(row)][:most]

    def take(connection: Connection) -> list[Delivery]:
        rows = due(connection)
        until = now(connection) + seconds
        for row in rows:
            change = sa.update(ROWS).where(ROWS.c.id == row.id)
            connection.execute(change.values(desk=owner_text(server), due_at=until))
        return [_delivery(row) for row in rows]

    return database.transaction(take) if database.read(due) else []


def delivered(database: Database, delivery: Delivery) -> None:
    """It was."""
    database.transaction(lambda connection: _close(connection, delivery, "delivered", None))


def undelivered(
    database: Database,
    delivery: Delivery,
    why: str,
    budget: RetryPolicy,
    *,
    final: bool = False,
    rng: Callable[[], float] = random.random,
) -> None:
    """It was not: it is tried again while tries are left, unless this is final."""

    def write(connection: Connection) -> None:
        tried = delivery.tries + 1
        if final or tried >= budget.tries:
            _close(connection, delivery, "failed", why)
            return
        due = now(connection) + budget.delay(tried, rng())
        change = sa.update(ROWS).where(ROWS.c.id == delivery.id, ROWS.c.ended_at.is_(None))
        connection.execute(change.values(tries=tried, error=why, due_at=due, desk=None))

    database.transaction(write)


def drop_unknown(database: Database, known: Iterable[str]) -> None:
    """Call-backs to receivers that there are no more have failed."""
    strangers = (ROWS.c.channel == "callback") & ROWS.c.ended_at.is_(None) & ROWS.c.receiver.not_in([*known])

    def write(connection: Connection) -> None:
        change = sa.update(ROWS).where(strangers)
        error = "no receiver of that name is configured any more"
        connection.execute(change.values(status="failed", error=error, ended_at=now(connection), desk=None))

    if database.read(lambda c: c.execute(sa.select(ROWS.c.id).where(strangers).limit(1)).first()):
        database.transaction(write)


def _close(connection: Connection, delivery: Delivery, status: str, error: str | None) -> None:
    change = sa.update(ROWS).where(ROWS.c.id == delivery.id, ROWS.c.ended_at.is_(None))
    ended = now(connection)
    connection.execute(
        change.values(status=status, error=error, tries=delivery.tries + 1, ended_at=ended, desk=None)
    )


def _orphan(row: Any) -> bool:
    desk = owner_of(row.desk)
    return desk is not None and is_gone(desk)


def _delivery(row: Any) -> Delivery:
    return Delivery(
        id=row.id,
        request=row.request,
        channel=row.channel,
        receiver=row.receiver,
        body=row.body,
        status=row.status,
        created_at=row.created_at,
        due_at=row.due_at,
        tries=row.tries,
        error=row.error,
        ended_at=row.ended_at,
    )
