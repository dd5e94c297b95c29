# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a lease, with signs of life."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakSet

from .._state.database import Database
from .._state.errors import StateBusy, StateUnavailable
from .errors import CapacityError, Impossible, LeaseNotHeld, NotFulfilled
from .expire_and_grant import without_process
from .explain import check_possible
from .holds import Placement
from .lease import Lease
from .leases import HEARTBEAT_SECONDS, Requester, heartbeat, request_lease, stop_waiting
from .request import Request
from .store.repository import Repository
from .store.transaction import read_transaction, write_transaction

_LOOK_AROUND_SECONDS = 10.0
# Where this process has had its first look.
_INSPECTED: WeakSet[Database] = WeakSet()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitOptions:
    """For how many seconds to wait, how often to look, and for how long to keep the place afterwards."""

    wait: float = 0.0
    poll: float = 1.0
    keep: float = 0.0
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    rng: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True, kw_only=True)
class Obtained:
    """A lease before, None when there was none that went on, and after."""

    before: Lease | None
    after: Lease


def wait_for_lease(
    database: Database,
    name: str,
    request: Request,
    asker: Requester,
    patience: WaitOptions,
    *,
    placement: Placement | None = None,
    resize: bool = False,
    dry: bool = False,
) -> Obtained:
    """The lease, fulfilled; or pending, when there was no room in time and its place is kept, or when this is
    a dry run, which changes nothing and waits for nobody.

    Raises NotFulfilled when there was no room in time, and what `ask` raises.
    """

    def first(books: Repository) -> Obtained:
        before = books.live(name)
        lease = request_lease(books, name, request, asker, placement=placement, resize=resize)
        if patience.wait <= 0:
            lease = stop_waiting(books, lease, 0, patience.keep)
        return Obtained(before=before, after=lease)

    start = patience.monotonic()
    if database not in _INSPECTED:
        read_transaction(database, lambda books: _first_look(books, name, request))
        _INSPECTED.add(database)
    obtained = write_transaction(database, first, undo=dry)
    lease = obtained.after
    if lease.phase == "Pending" and patience.wait > 0 and not dry:
        lease = _Waiter(database, name, request, asker, patience, placement).wait(lease, start)
    if lease.phase not in ("Fulfilled", "Pending"):
        raise failure_of(lease)
    return Obtained(before=obtained.before, after=lease)


def _first_look(books: Repository, name: str, request: Request) -> None:
    """Raises what `ask` would raise of a request that is impossible, before waiting for anybody, and gets
    ready for it: what is read and understood here takes less time when everybody else waits for us.
    """
    pools = books.pools()
    if books.live(name) is None:
        check_possible(request, pools)
    books.free_capacities(pools)
    books.network_book()
    books.queue()
    books.any_expired()


def failure_of(lease: Lease) -> CapacityError:
    where = f"lease {lease.name}"
    if lease.phase == "Released":
        return LeaseNotHeld(f"The lease ended while this task waited for it: {lease.reason}", where=where)
    if lease.end_cause == "unfulfilled":
        return NotFulfilled(lease.reason, where=where, hint="Ask for less, or wait longer")
    return Impossible(lease.reason, where=where)


class _Waiter:
    """Somebody's stay in the queue."""

    def __init__(
        self,
        database: Database,
        name: str,
        request: Request,
        asker: Requester,
        patience: WaitOptions,
        placement: Placement | None,
    ) -> None:
        self._database = database
        self._name = name
        self._request = request
        self._asker = asker
        self._patience = patience
        self._placement = placement

    def wait(self, lease: Lease, start: float) -> Lease:
        """The lease when it waits no more, or when the time is over."""
        patience = self._patience
        end, beaten, looked = start + patience.wait, start, start
        while lease.phase == "Pending":
            left = end - patience.monotonic()
            try:
                if left <= 0:
                    return self._over(lease)
                patience.sleep(min(left, patience.poll * (0.5 + patience.rng())))
                moment = patience.monotonic()
                around = moment - looked >= _LOOK_AROUND_SECONDS
                looked = moment if around else looked
                if moment - beaten >= HEARTBEAT_SECONDS / 3 or self._has_a_reason(lease, around=around):
                    lease = self._beaten(lease)
                    beaten = moment
            except (StateBusy, StateUnavailable):
                # It may be back before the time is over.
                if patience.monotonic() >= end:
                    raise
        return lease

    def _has_a_reason(self, lease: Lease, *, around: bool) -> bool:
        """Whether something has happened to the lease, or should happen to another; processes are looked for
        only when looking around.
        """

        def seen(books: Repository) -> bool:
            present = books.find(lease.id)
            if present is None or present.phase != "Pending" or books.any_expired():
                return True
            return around and bool(without_process(books))

        return read_transaction(self._database, seen)

    def _beaten(self, lease: Lease) -> Lease:
        return write_transaction(self._database, lambda books: self._beat(books, lease))

    def _beat(self, books: Repository, lease: Lease) -> Lease:
        present = books.find(lease.id)
        if present is None or present.end_cause in ("lapsed", "unclaimed"):
            # We are alive after all, and begin again at the end of the queue.
            return request_lease(books, self._name, self._request, self._asker, placement=self._placement)
        return heartbeat(books, present, self._asker, self._placement)

    def _over(self, lease: Lease) -> Lease:
        """The last look: it may be there after all."""

        def stop(books: Repository) -> Lease:
            return stop_waiting(books, self._beat(books, lease), self._patience.wait, self._patience.keep)

        return write_transaction(self._database, stop)
