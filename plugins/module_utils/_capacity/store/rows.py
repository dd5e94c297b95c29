# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools and leases as rows of the database, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..._model.codec import decode
from ..._model.reservation import Reservation
from ..._state.owner import owner_of, owner_text
from ..lease import ClusterReservations, EndCause, Lease
from ..pool import Pool
from ..request import Request

# Version 0.1.0 decides by how a reason begins, and may share the database. So the reasons of these ends begin
# in its words, and of the ends that it has written they are all there is.
_WORDS_OF_0_1_0: dict[EndCause, str] = {
    "lapsed": "its place in the queue lapsed",
    "unclaimed": "nobody came for it",
    "unfulfilled": "not fulfilled",
}
_OTHER_WORDS_OF_0_1_0: dict[str, EndCause] = {
    "its lifetime of ": "expired",
    "its owner ": "owner gone",
    "given back": "released",
    "withdrawn from the queue": "withdrawn",
}


@lru_cache(maxsize=1024)
def pool_of(body: str) -> Pool:
    return decode(Pool, json.loads(body), "pool")


@lru_cache(maxsize=4096)
def request_of(body: str) -> Request:
    return decode(Request, json.loads(body), "request")


@lru_cache(maxsize=4096)
def reservation_of(body: str) -> Reservation:
    return decode(Reservation, json.loads(body), "reservation")


def lease_of(row: Any, reservations: Sequence[ClusterReservations]) -> Lease:
    return Lease(
        id=row.id,
        name=row.name,
        number=row.number,
        phase=row.phase,
        reason=_reason_of(row),
        end_cause=_end_cause_of(row),
        request=request_of(row.request),
        pools=() if row.result is None else tuple(map(pool_of, json.loads(row.result))),
        reservations=tuple(reservations),
        requested_at=row.requested_at,
        granted_at=row.granted_at,
        until=row.until,
        ended_at=row.ended_at,
        place_until=row.place_until,
        waiter=owner_of(row.waiter),
        holder=owner_of(row.holder),
    )


def row_of(lease: Lease) -> dict[str, Any]:
    # A list of texts, so that each is read once however many leases have the same pool.
    result = [json.dumps(pool.to_json(), sort_keys=True) for pool in lease.pools]
    return {
        "id": lease.id,
        "name": lease.name,
        "number": lease.number,
        "phase": lease.phase,
        "reason": _stored_reason(lease),
        "end_cause": lease.end_cause,
        "request": json.dumps(lease.request.to_json(), sort_keys=True),
        "result": json.dumps(result) if result else None,
        "requested_at": lease.requested_at,
        "granted_at": lease.granted_at,
        "until": lease.until,
        "ended_at": lease.ended_at,
        "place_until": lease.place_until,
        "waiter": owner_text(lease.waiter),
        "holder": owner_text(lease.holder),
    }


def _stored_reason(lease: Lease) -> str:
    if lease.end_cause is not None and lease.end_cause in _WORDS_OF_0_1_0:
        return f"{_WORDS_OF_0_1_0[lease.end_cause]}: {lease.reason}"
    return lease.reason


def _reason_of(row: Any) -> str:
    """The reason as it was before it was stored; of version 0.1.0 as that has written it."""
    reason: str = row.reason
    words = None if row.end_cause is None else _WORDS_OF_0_1_0.get(row.end_cause)
    return reason if words is None else reason.removeprefix(f"{words}: ")


def _end_cause_of(row: Any) -> EndCause | None:
    if row.ended_at is None or row.end_cause is not None:
        cause: EndCause | None = row.end_cause
        return cause
    words = {text: cause for cause, text in _WORDS_OF_0_1_0.items()} | _OTHER_WORDS_OF_0_1_0
    return next((cause for text, cause in words.items() if row.reason.startswith(text)), "impossible")
