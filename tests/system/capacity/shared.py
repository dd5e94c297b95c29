# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools and requests in short, and what time does to leases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.lease import Lease
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.leases import Requester, release
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.pool import Pool
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.pools import save_pool
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.request import Request
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.transaction import (
    write_transaction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.wait_for_lease import (
    WaitOptions,
    wait_for_lease,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process

GIB = 1024**3
_MOMENTS = ("requested_at", "granted_at", "until", "ended_at", "place_until")


def pool(name: str, values: Mapping[str, Any] | None = None) -> Pool:
    """Sizes are GiB; a network is its name and what of it is not usual."""
    body = {"vcpus": 10, "memory": 100, "storage": 1000, **(values or {})}
    networks = [{"name": key, **(more or {})} for key, more in dict(body.pop("networks", {})).items()]
    for size in ("memory", "storage"):
        body[size] = body[size] * GIB
    return Pool.from_json({"name": name, **body, "networks": networks})


def request(**values: Any) -> Request:
    """Sizes are GiB."""
    for size in ("memory", "storage"):
        if size in values:
            values[size] = int(values[size] * GIB)
    return Request.from_json(values)


def describe(database: Database, *pools: Pool) -> None:
    for one in pools:
        write_transaction(database, lambda books: save_pool(books, one, below_leased=False))  # noqa: B023


def get(database: Database, name: str, patience: WaitOptions | None = None, **values: Any) -> Lease:
    asker = Requester(waiter=this_process())
    return wait_for_lease(database, name, request(**values), asker, patience or WaitOptions()).after


def give_back(database: Database, name: str) -> None:
    write_transaction(database, lambda books: release(books, name, None))


def pass_time(database: Database, seconds: float) -> None:
    """All moments lie so much further back: for leases that is the same as if time had passed."""
    moved = ", ".join(f"{moment} = {moment} - {float(seconds)}" for moment in _MOMENTS)
    statement = sqlalchemy.text(f"UPDATE capacity_lease SET {moved}")
    database.transaction(lambda connection: connection.execute(statement))
