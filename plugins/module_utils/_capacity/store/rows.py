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
from ..lease import HeldPlacement, Lease
from ..pool import Pool
from ..request import Request


@lru_cache(maxsize=1024)
def pool_of(body: str) -> Pool:
    return decode(Pool, json.loads(body), "pool")


@lru_cache(maxsize=4096)
def request_of(body: str) -> Request:
    return decode(Request, json.loads(body), "request")


@lru_cache(maxsize=4096)
def reservation_of(body: str) -> Reservation:
    return decode(Reservation, json.loads(body), "reservation")


def lease_of(row: Any, held: Sequence[HeldPlacement]) -> Lease:
    return Lease(
        id=row.id,
        name=row.name,
        number=row.number,
        phase=row.phase,
        reason=row.reason,
        request=request_of(row.request),
        pools=() if row.result is None else tuple(map(pool_of, json.loads(row.result))),
        held=tuple(held),
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
        "reason": lease.reason,
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
