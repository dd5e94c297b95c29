# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ending what is over, and serving who waits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from .._state.owner import Owner, is_gone
from .backfill_queue import backfill
from .errors import CapacityError
from .explain import check_possible, why_waiting
from .free_capacity import NetworkBook
from .lease import Lease, Phase, moment
from .store.repository import Repository

LAPSED = "its place in the queue lapsed"
UNCLAIMED = "nobody came for it"


def expire_and_grant(books: Repository) -> list[Lease]:
    """End what is over and serve the queue. Gives what was ended.

    Processes are looked for only when somebody has to wait: until then nobody misses what they have.
    """
    return [*end_expired(books), *grant_all(books)]


def grant_all(books: Repository) -> list[Lease]:
    """Serve the queue, if need be at the cost of those that are gone. Gives what was ended."""
    if not grant_queue(books):
        return []
    gone = end_without_process(books)
    if gone:
        grant_queue(books)
    return gone


def end_expired(books: Repository) -> list[Lease]:
    return [_end_over(books, lease) for lease in books.expired()]


def _end_over(books: Repository, lease: Lease) -> Lease:
    return books.end(lease, *_fate_over(books, lease))


def _fate_over(books: Repository, lease: Lease) -> tuple[Phase, str]:
    if lease.phase == "Pending":
        return "Failed", f"{LAPSED} at {moment(lease.place_until)}, without a sign of life"
    if lease.place_until is not None and lease.place_until <= books.now:
        return "Released", f"{UNCLAIMED} when it was its turn"
    return "Released", f"its lifetime of {lease.request.lifetime:g} s was over at {moment(lease.until)}"


def disregard_ended(books: Repository) -> list[Lease]:
    """Read the books from here on as if what is over, and what depends on a process that has ended, had been
    ended already. Gives those leases as they will be when somebody ends them.
    """
    ended = [(lease, _fate_over(books, lease)) for lease in books.expired()]
    known = {lease.id for lease, _fate in ended}
    for identity, process in without_process(books).items():
        if identity not in known:
            lease = books.lease(identity)
            ended.append((lease, _fate_without(lease, process)))
    books.disregard([lease.id for lease, _fate in ended])
    return [
        replace(lease, phase=phase, reason=reason, ended_at=_end_of(books, lease), held=())
        for lease, (phase, reason) in ended
    ]


def _end_of(books: Repository, lease: Lease) -> float:
    """When its time was over; now, where it was not."""
    return min([books.now, *(end for end in (lease.until, lease.place_until) if end is not None)])


def without_process(books: Repository) -> dict[str, Owner]:
    """The leases, by id, of which a process that they depend on has certainly ended."""
    # Nearly always the same process waits for a lease and holds it, and is looked for once.
    gone: dict[tuple[str, int, str], bool] = {}
    found = {}
    for identity, process in books.processes():
        key = process.place, process.pid, process.born
        if key not in gone:
            gone[key] = is_gone(process)
        if gone[key]:
            found[identity] = process
    return found


def end_without_process(books: Repository) -> list[Lease]:
    """End those."""
    ended = []
    for identity, process in without_process(books).items():
        lease = books.lease(identity)
        ended.append(books.end(lease, *_fate_without(lease, process)))
    return ended


def _fate_without(lease: Lease, process: Owner) -> tuple[Phase, str]:
    if lease.phase == "Pending":
        return "Failed", f"{LAPSED}: {process} has ended"
    if lease.holder == process:
        return "Released", f"its owner is gone: {process} has ended"
    return "Released", f"{UNCLAIMED}: {process} has ended"


def end_without_owner(
    books: Repository, gone: Collection[str], living: Collection[str] | None, grace: float
) -> list[Lease]:
    """End the leases of owners that are gone: those named, and those that are not among the living unless
    they asked within the last `grace` seconds, when they may be younger than the list of the living.
    """
    ended = []
    for lease in books.leases():
        owner = lease.request.owner
        if owner is None:
            continue
        missing = living is not None and owner not in living and lease.requested_at <= books.now - grace
        if owner in gone or missing:
            phase: Phase = "Failed" if lease.phase == "Pending" else "Released"
            ended.append(books.end(lease, phase, f"its owner {owner} is gone"))
    return ended


def fail_impossible(books: Repository) -> None:
    """End the requests that the pools, which have changed, can never fulfil any more."""
    pools = books.pools()
    for waiting in books.queue():
        try:
            check_possible(waiting.request, pools)
        except CapacityError as error:
            books.end(books.lease(waiting.lease), "Failed", str(error))


def grant_queue(books: Repository) -> bool:
    """Give those in the queue what there is for them. Whether somebody still waits."""
    queue = books.queue()
    if not queue:
        return False
    networks = any(waiting.request.networks for waiting in queue)
    book = books.network_book() if networks else NetworkBook()
    served = backfill(queue, books.free_capacities(books.pools()), book, books.now)
    for identity, allotments in served.allotments.items():
        books.grant(books.lease(identity), allotments)
    return bool(served.waiting)


def queue_position(books: Repository) -> dict[str, tuple[int, str]]:
    """By the id of each lease that waits: its position in the queue, from 1, and why it waits."""
    rooms, book = books.free_capacities(books.pools()), books.network_book()
    waiting = backfill(books.queue(), rooms, book, books.now).waiting
    return {
        one.lease: (number + 1, why_waiting(one, waiting[:number], rooms, book))
        for number, one in enumerate(waiting)
    }
