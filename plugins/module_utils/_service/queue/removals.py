# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The removal of spare VMs whose lease has ended, or whose request has failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..._capacity.leases import release
from ..._capacity.store.repository import Repository
from ..._capacity.store.transaction import read_transaction, write_transaction
from ..._model.codec import encode
from ..._state.database import Database
from ..request import ParsedRequest, Remove
from .promises import Promise, keep, open_promises
from .repository import find, insert
from .retry_policy import RetryPolicy
from .task import Task, Terms

if TYPE_CHECKING:
    from sqlalchemy import Connection

# More than a day, even where every pause is as short as it may be: what is left behind takes capacity.
_BUDGET = RetryPolicy(tries=64, first_seconds=5.0, most_seconds=3600.0)


def request_removals(database: Database) -> Sequence[str]:
    """Request the removals that are due. Returns the ids of the requests that are new."""
    ended = database.read(_ended)
    over = [(promise, task) for promise, task in ended if task.status == "failed" or promise.place is None]
    live = [(promise, task) for promise, task in ended if (promise, task) not in over]
    if live:
        leases = read_transaction(database, lambda repository: _live(repository, live))
        over += [
            (promise, task) for promise, task in live if promise.place and promise.place.lease not in leases
        ]

    for _promise, task in [one for one in over if one[0].place is None]:
        _release(database, task)

    def write(connection: Connection) -> list[str]:
        kept = [(promise, task) for promise, task in over if keep(connection, promise)]
        return [insert(connection, *_removal(promise, task)) for promise, task in kept if promise.place]

    return database.transaction(write) if over else []


def _ended(connection: Connection) -> list[tuple[Promise, Task]]:
    """The open promises whose request is not processed any more, with that request."""
    found = [(promise, find(connection, promise.spare)) for promise in open_promises(connection)]
    return [(promise, task) for promise, task in found if task is not None and task.status != "processing"]


def _live(repository: Repository, spares: Sequence[tuple[Promise, Task]]) -> set[str]:
    """The ids of the leases that go on."""
    found = (repository.live(promise.spare) for promise, _task in spares)
    return {lease.id for lease in found if lease is not None}


def _release(database: Database, task: Task) -> None:
    """Release the lease of a request that came to nothing after it had got it."""

    def end(repository: Repository) -> None:
        lease = repository.live(task.id)
        if lease is not None and lease.requested_at >= task.received_at:
            release(repository, task.id, None)

    write_transaction(database, end)


def _removal(promise: Promise, task: Task) -> tuple[ParsedRequest, Terms]:
    if promise.place is None:
        raise AssertionError(f"the spare VM of request {task.id} has no place")
    work = Remove(
        spare=promise.spare,
        vm=promise.place.vm,
        cluster=promise.place.cluster,
        release=task.status == "failed",
    )
    asked = ParsedRequest(id=promise.removal, kind="remove", work=encode(work), wait=0.0, notify=task.notify)
    return asked, Terms(origin="service", receivers=task.terms.receivers, budget=_BUDGET)
