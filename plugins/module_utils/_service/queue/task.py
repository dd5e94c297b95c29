# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request that was taken: how far it has come, and on which terms."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from ..._capacity.lease import moment
from ..._model.codec import decode, encode
from ..._state.owner import Owner, owner_of
from .retry_policy import RetryPolicy

Status = Literal["processing", "completed", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Decisions made when the request was taken. `wait` in seconds; `message` as it came, which goes to the
    dead letters when the request fails; None when there was none.
    """

    origin: str
    receivers: tuple[str, ...] = ()
    budget: RetryPolicy = field(default_factory=RetryPolicy)
    wait: float = 0.0
    message: str | None = None

    def to_text(self) -> str:
        return json.dumps(encode(self), separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Moments in seconds since 1970 on the database's clock. `error` is also that of a try that failed while
    others are to come. `desk` is the server that dispatched it, `worker` the process that began it.
    """

    id: str
    kind: str
    work: dict[str, Any]
    notify: tuple[str, ...]
    terms: Terms
    status: Status
    received_at: float
    due_at: float
    tries: int
    result: Any = None
    error: dict[str, str] | None = None
    ended_at: float | None = None
    claim: str | None = None
    desk: Owner | None = None
    worker: Owner | None = None
    begun_at: float | None = None
    until: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As callers see it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "status": self.status,
            "received_at": moment(self.received_at),
            "ended_at": moment(self.ended_at),
            "tries": self.tries,
            "result": self.result,
            "error": self.error,
        }


def task_of(row: Any) -> Task:
    """From a row of the table."""
    body = json.loads(row.body)
    return Task(
        id=row.id,
        kind=body["kind"],
        work=body["work"],
        notify=tuple(body["notify"]),
        terms=decode(Terms, json.loads(row.terms), "terms"),
        status=row.status,
        received_at=row.received_at,
        due_at=row.due_at,
        tries=row.tries,
        result=None if row.result is None else json.loads(row.result),
        error=None if row.error is None else json.loads(row.error),
        ended_at=row.ended_at,
        claim=row.claim,
        desk=owner_of(row.desk),
        worker=owner_of(row.worker),
        begun_at=row.begun_at,
        until=row.until,
    )
