# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises to remove spare VMs.

A promise is a row among the deliveries, written in the transaction that accepts the request of the spare VM.
The place is written into it before the VM is created: without one, there is nothing to remove.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..._model.codec import encode
from ..._state.database import now
from ..._state.library import sa
from ..._state.tables import SERVICE_DELIVERIES as ROWS
from ..callbacks.outbox import put

if TYPE_CHECKING:
    from sqlalchemy import Connection

CHANNEL: Final = "removal"


@dataclass(frozen=True, slots=True, kw_only=True)
class SparePlace:
    """The name of a spare VM, its cluster, and the id of the lease that it goes with."""

    vm: str
    cluster: str
    lease: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """The VM of the request `spare` will be removed by the request `removal`, which is there only then: since
    `kept`, in seconds since 1970.
    """

    row: str
    spare: str
    removal: str
    place: SparePlace | None
    kept: float | None


def promise_removal(connection: Connection, spare: str, at: float) -> None:
    """Promise to remove the VM of a request, in a transaction that is under way."""
    put(connection, spare, CHANNEL, "", _text(secrets.token_hex(16), None), at)


def promise_of(connection: Connection, spare: str) -> Promise | None:
    """The promise about a request; None for requests of other kinds."""
    row = connection.execute(
        sa.select(ROWS).where(ROWS.c.request == spare, ROWS.c.channel == CHANNEL)
    ).first()
    return None if row is None else _promise(row)


def open_promises(connection: Connection) -> Sequence[Promise]:
    """Those that are not kept yet."""
    wanted = sa.select(ROWS).where(ROWS.c.channel == CHANNEL, ROWS.c.ended_at.is_(None))
    return [_promise(row) for row in connection.execute(wanted)]


def write_place(connection: Connection, spare: str, place: SparePlace) -> None:
    """Write down where a VM will be, in a transaction that is under way. Other requests have no promise."""
    found = promise_of(connection, spare)
    if found is not None:
        change = sa.update(ROWS).where(ROWS.c.id == found.row)
        connection.execute(change.values(body=_text(found.removal, place)))


def keep(connection: Connection, promise: Promise) -> bool:
    """Whether the promise is kept by this transaction, and not by somebody else's."""
    change = sa.update(ROWS).where(ROWS.c.id == promise.row, ROWS.c.ended_at.is_(None))
    kept = connection.execute(change.values(status="delivered", ended_at=now(connection), tries=1))
    return bool(kept.rowcount)


def _text(removal: str, place: SparePlace | None) -> str:
    return json.dumps({"id": removal, "place": None if place is None else encode(place)})


def _promise(row: Any) -> Promise:
    body = json.loads(row.body)
    place = None if body["place"] is None else SparePlace(**body["place"])
    return Promise(row=row.id, spare=row.request, removal=body["id"], place=place, kept=row.ended_at)
