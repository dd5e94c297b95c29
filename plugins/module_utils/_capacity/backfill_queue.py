# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conservative backfilling with ageing: which requests are granted, in which order.

Requests are looked at in order: the higher priority first, then the older; every ten minutes of waiting count
as one more in priority, so that nobody is overtaken for ever. Whoever has room gets it. For whoever has none,
room is kept: those behind may take only what it would leave, at first of the pools that are nearest to having
room for it, and after five minutes of every pool that it could use. So a small request never lives on what a
large one waits for, and no request waits for pools that it does not want.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .allocate import Allocation, admission_error, allocate, static_shortfall
from .free_capacity import RESOURCES, FreeCapacity, NetworkBook
from .request import Request

AGEING_SECONDS = 600.0
RESERVATION_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRequest:
    """A request in the queue. `number` grows with every request; moments in seconds since 1970."""

    lease: str
    number: int
    request: Request
    requested_at: float

    @property
    def shared_by(self) -> str:
        return shared_by(self.lease, self.request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """The allocations of each granted request, by the id of its lease, and the other requests, in order."""

    allotments: Mapping[str, tuple[Allocation, ...]]
    waiting: tuple[QueuedRequest, ...]


def shared_by(lease: str, request: Request) -> str:
    """The key that leases with the same networks share. One of networks alone has its own."""
    if request.group is None or not (request.vcpus or request.memory):
        return f"lease {lease}"
    return f"group {request.group}"


def in_order(queue: Sequence[QueuedRequest], now: float) -> list[QueuedRequest]:
    def rank(waiting: QueuedRequest) -> tuple[float, int]:
        older = max(0.0, now - waiting.requested_at) // AGEING_SECONDS
        return -(waiting.request.priority + older), waiting.number

    return sorted(queue, key=rank)


def backfill(
    queue: Sequence[QueuedRequest], rooms: Sequence[FreeCapacity], book: NetworkBook, now: float
) -> Grants:
    """Look at the queue once. Subtracts what is granted from `rooms` and `book`."""
    granted: dict[str, tuple[Allocation, ...]] = {}
    blocked: list[QueuedRequest] = []
    left = {room.pool.name: room for room in rooms}
    # What is left when everything is set aside that is kept for somebody: the same until somebody waits.
    spare, spare_book = left, book
    ordered = in_order(queue, now)
    least = _least_of_the_rest(ordered)
    for number, waiting in enumerate(ordered):
        if blocked and _nothing_for(least[number], spare.values()):
            blocked += ordered[number:]
            break
        request, who = waiting.request, waiting.shared_by
        allotments = allocate(request, who, spare.values(), spare_book)
        if allotments is not None:
            granted[waiting.lease] = allotments
            _take(request, who, allotments, left, book)
            if spare is not left:
                _take(request, who, allotments, spare, spare_book)
            continue
        if spare is left:
            spare, spare_book = {name: _copy(room) for name, room in left.items()}, book.copy()
        _reserve(waiting, spare, spare_book, now)
        blocked.append(waiting)
    return Grants(allotments=granted, waiting=tuple(blocked))


def _least_of_the_rest(ordered: Sequence[QueuedRequest]) -> list[tuple[int, ...]]:
    """For each request in the queue: by resource, the minimum that it or any request behind it wants."""
    least: list[tuple[int, ...]] = []
    for waiting in reversed(ordered):
        wanted = tuple(getattr(waiting.request, name) for name in RESOURCES)
        least.append(tuple(map(min, wanted, least[-1])) if least else wanted)
    return least[::-1]


def _nothing_for(wanted: tuple[int, ...], rooms: Collection[FreeCapacity]) -> bool:
    """Whether no pool has enough of some resource: then nobody who wants as much has to be looked at."""
    most = [max((getattr(room, name) for room in rooms), default=0) for name in RESOURCES]
    return any(need > 0 and need > there for need, there in zip(wanted, most))


def _take(
    request: Request,
    who: str,
    allotments: Sequence[Allocation],
    rooms: Mapping[str, FreeCapacity],
    book: NetworkBook,
) -> None:
    for allotment in allotments:
        rooms[allotment.pool.name].subtract(request)
        book.take(allotment.pool, allotment.networks, who)


def _reserve(
    waiting: QueuedRequest, rooms: Mapping[str, FreeCapacity], book: NetworkBook, now: float
) -> None:
    """Subtract what a request waits for, even where that is more than is free now."""
    request, who = waiting.request, waiting.shared_by

    def distance(room: FreeCapacity) -> tuple[float, str]:
        missing = room.shortage(request)
        if request.networks:
            missing += 1 - len(book.choose(room.pool, request, who)) / request.networks
        return missing, room.pool.name

    wanted = [
        room
        for room in rooms.values()
        if admission_error(request, room.pool) is None
        and not room.pool.cordoned
        and static_shortfall(request, room.pool) is None
    ]
    if now - waiting.requested_at < RESERVATION_SECONDS:
        wanted = sorted(wanted, key=distance)[: request.pools]
    for room in wanted:
        room.subtract(request)
        if request.networks:
            book.take(room.pool, book.choose(room.pool, request, who), who)


def _copy(room: FreeCapacity) -> FreeCapacity:
    copy = FreeCapacity(room.pool)
    copy.vcpus, copy.memory, copy.storage = room.vcpus, room.memory, room.storage
    return copy
