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
from .lease import Lease
from .leases import HEARTBEAT_SECONDS, Requester, heartbeat, request_lease, stop_waiting
from .request import Request
from .reservations import Placement
from .store.repository import Repository
from .store.transaction import read_transaction, write_transaction

_LOOK_AROUND_SECONDS = 10.0
# Where this process has had its first look.
_INSPECTED: WeakSet[Database] = WeakSet()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitOptions:
    """For how long to wait, how often to look, and for how long to keep the place afterwards, in seconds."""

    wait: float = 0.0
    poll: float = 1.0
    keep: float = 0.0
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    rng: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True, kw_only=True)
class Obtained:
    """A lease before (None when there was none, or it had ended) and after."""

    before: Lease | None
    after: Lease


def wait_for_lease(
    database: Database,
    name: str,
    request: Request,
    requester: Requester,
    options: WaitOptions,
    *,
    placement: Placement | None = None,
    resize: bool = False,
    dry: bool = False,
) -> Obtained:
    """The lease, fulfilled; or pending, when there was no room in time and its place is kept, or when this is
    a dry run, which changes nothing and waits for nobody.

    Raises NotFulfilled when there was no room in time, and what `ask` raises.
    """

    def first(repository: Repository) -> Obtained:
        before = repository.live(name)
        lease = request_lease(repository, name, request, requester, placement=placement, resize=resize)
        if options.wait <= 0:
            lease = stop_waiting(repository, lease, 0, options.keep)
        return Obtained(before=before, after=lease)

    start = options.monotonic()
    if database not in _INSPECTED:
        read_transaction(database, lambda repository: _first_look(repository, name, request))
        _INSPECTED.add(database)
    obtained = write_transaction(database, first, undo=dry)
    lease = obtained.after
    if lease.phase == "Pending" and options.wait > 0 and not dry:
        lease = _Waiter(database, name, request, requester, options, placement).wait(lease, start)
    if lease.phase not in ("Fulfilled", "Pending"):
        raise failure_of(lease)
    return Obtained(before=obtained.before, after=lease)


def _first_look(repository: Repository, name: str, request: Request) -> None:
    """Raises what `ask` would raise of a request that is impossible, before waiting for anybody, and gets
    ready for it: what is read and understood here takes less time when everybody else waits for us.
    """
    pools = repository.pools()
    if repository.live(name) is None:
        check_possible(request, pools)
    repository.free_capacities(pools)
    repository.network_book()
    repository.queue()
    repository.any_expired()


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
        requester: Requester,
        options: WaitOptions,
        placement: Placement | None,
    ) -> None:
        self._database = database
        self._name = name
        self._request = request
        self._requester = requester
        self._options = options
        self._placement = placement

    def wait(self, lease: Lease, start: float) -> Lease:
        """The lease when it waits no more, or when the time is over."""
        options = self._options
        end, beaten, looked = start + options.wait, start, start
        while lease.phase == "Pending":
            left = end - options.monotonic()
            try:
                if left <= 0:
                    return self._over(lease)
                options.sleep(min(left, options.poll * (0.5 + options.rng())))
                moment = options.monotonic()
                around = moment - looked >= _LOOK_AROUND_SECONDS
                looked = moment if around else looked
                if moment - beaten >= HEARTBEAT_SECONDS / 3 or self._has_a_reason(lease, around=around):
                    lease = self._beaten(lease)
                    beaten = moment
            except (StateBusy, StateUnavailable):
                # It may be back before the time is over.
                if options.monotonic() >= end:
                    raise
        return lease

    def _has_a_reason(self, lease: Lease, *, around: bool) -> bool:
        """Whether something has happened to the lease, or should happen to another; processes are looked for
        only when looking around.
        """

        def seen(repository: Repository) -> bool:
            present = repository.find(lease.id)
            if present is None or present.phase != "Pending" or repository.any_expired():
                return True
            return around and bool(without_process(repository))

        return read_transaction(self._database, seen)

    def _beaten(self, lease: Lease) -> Lease:
        return write_transaction(self._database, lambda repository: self._beat(repository, lease))

    def _beat(self, repository: Repository, lease: Lease) -> Lease:
        present = repository.find(lease.id)
        if present is None or present.end_cause in ("lapsed", "unclaimed"):
            # We are alive after all, and begin again at the end of the queue.
            return request_lease(
                repository, self._name, self._request, self._requester, placement=self._placement
            )
        return heartbeat(repository, present, self._requester, self._placement)

    def _over(self, lease: Lease) -> Lease:
        """The last look: it may be there after all."""

        def stop(repository: Repository) -> Lease:
            return stop_waiting(
                repository, self._beat(repository, lease), self._options.wait, self._options.keep
            )

        return write_transaction(self._database, stop)
