# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a request is not served, and what would be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from .._model.text.wording import listed
from .allocate import (
    Obstacle,
    admission_error,
    allocate,
    choose,
    current_shortfall,
    fitting_networks,
    server_of,
    static_shortfall,
)
from .backfill_queue import QueuedRequest
from .errors import Impossible, UnknownPool
from .free_capacity import FreeCapacity, NetworkBook
from .pool import Pool
from .request import Request

_UNITS = ((1024**5, "P"), (1024**4, "T"), (1024**3, "G"), (1024**2, "M"), (1024, "K"))
_MAX_POOLS = 3


def size(amount: int) -> str:
    """Bytes as an option takes them: the largest unit that makes at least one of it."""
    for unit, letter in _UNITS:
        if abs(amount) >= unit:
            return f"{amount / unit:.1f}".removesuffix(".0") + letter
    return str(amount)


def check_possible(request: Request, pools: Sequence[Pool]) -> None:
    """Raises UnknownPool, or Impossible, when the pools could not fulfil the request even if nobody had
    anything of them; cordoned ones count, since that ends.
    """
    if request.pools == 0:
        return
    if not pools:
        raise Impossible("no pool is defined", where="lease", hint="Create one with capacity_pool")
    _check_names(request, pools)
    admitted, why_not = _without(pools, lambda pool: admission_error(request, pool))
    if not admitted:
        raise Impossible(
            f"no pool accepts this lease: {_counted(why_not, len(pools))}",
            where="lease",
            hint=_admission(pools),
        )
    large, why_not = _without(admitted, lambda pool: static_shortfall(request, pool))
    if not large:
        raise Impossible(
            f"no pool is large enough for {wanted(request)}: {_counted(why_not, len(admitted))}",
            where="lease",
            hint=f"What fits when nothing is leased: {_most(request, admitted)}",
        )
    if choose(large, request) is None:
        servers = len({server_of(pool) for pool in large})
        raise Impossible(
            f"only {named(pool.name for pool in large)} of {servers} server{'s' if servers > 1 else ''}"
            f" can hold {wanted(request)}, but {_spread(request)} required",
            where="lease",
            hint="Request fewer pools or servers, or less of each",
        )


def _without(
    pools: Sequence[Pool], obstacle: Callable[[Pool], Obstacle | None]
) -> tuple[list[Pool], Counter[Obstacle]]:
    """The pools without an obstacle, and the number of the others by obstacle."""
    reasons = [(pool, obstacle(pool)) for pool in pools]
    return [pool for pool, why in reasons if why is None], Counter(why for _pool, why in reasons if why)


def wanted(request: Request) -> str:
    """The resources that a request needs of each pool, in words."""
    parts = [f"{request.vcpus} vCPUs"] if request.vcpus else []
    parts += [f"{size(request.memory)} memory"] if request.memory else []
    parts += [f"{size(request.storage)} storage"] if request.storage else []
    if request.networks:
        parts.append(
            f"{request.networks} {request.network_type} network{'s' if request.networks > 1 else ''}"
        )
    return ", ".join(parts)


def why_waiting(
    waiting: QueuedRequest, before: Sequence[QueuedRequest], rooms: Sequence[FreeCapacity], book: NetworkBook
) -> str:
    """The reason why a request in the queue is not fulfilled yet, from the free capacity and the requests
    before it.
    """
    request, who = waiting.request, waiting.shared_by
    if allocate(request, who, rooms, book) is not None:
        return f"the free capacity is kept for {_requests(len(before))} ahead of it"
    concerned = [room for room in rooms if admission_error(request, room.pool) is None]
    counts = Counter(
        why for room in concerned if (why := current_shortfall(request, who, room, book)) is not None
    )
    free = len(concerned) - sum(counts.values())
    have = "has" if free == 1 else "have"
    text = f"{free} of {len(concerned)} pools {have} enough free capacity for {wanted(request)}"
    if counts:
        text += f": {', '.join(f'{number} {why}' for why, number in _by_number(counts))}"
    if request.pools > 1 or request.min_servers > 1 or request.max_servers is not None:
        text += f", but {_spread(request)} required"
    behind = f"; {_requests(len(before))} ahead of it" if before else ""
    return f"{text}; free now: {_free(request, concerned, book, who)}{behind}"


def _requests(number: int) -> str:
    return "1 request" if number == 1 else f"{number} requests"


def _check_names(request: Request, pools: Sequence[Pool]) -> None:
    known = {pool.name for pool in pools}
    for name in request.required_pools:
        if name not in known:
            raise UnknownPool(
                f"there is no pool {name!r}", where="required_pools", hint=f"Available: {named(known)}"
            )


def _admission(pools: Sequence[Pool]) -> str:
    labels = sorted({f"{key}: {value}" for pool in pools for key, value in pool.labels.items()})
    taints = sorted({taint for pool in pools for taint in pool.taints})
    excluded = [pool.name for pool in pools if pool.exclude]
    parts = [f"name them in required_pools: {named(excluded)}"] if excluded else []
    parts += [f"labels that there are: {', '.join(labels)}"] if labels else []
    parts += [f"taints to tolerate: {', '.join(taints)}"] if taints else []
    return "; ".join(parts).capitalize() if parts else f"Available: {named(pool.name for pool in pools)}"


def _spread(request: Request) -> str:
    text = f"{request.pools} pool{'s are' if request.pools > 1 else ' is'}"
    servers = []
    if request.min_servers > 1:
        servers.append(f"at least {request.min_servers} servers")
    if request.max_servers is not None:
        servers.append(f"at most {request.max_servers} server{'s' if request.max_servers > 1 else ''}")
    if not servers:
        return text
    return f"{request.pools} pool{'s' if request.pools > 1 else ''} on {' and '.join(servers)} are"


def _most(request: Request, pools: Iterable[Pool]) -> str:
    """The maximum that the pools closest to the request could provide."""
    nearest = sorted(pools, key=lambda pool: (FreeCapacity(pool).shortage(request), pool.name))[:_MAX_POOLS]
    return "; ".join(
        f"pool {pool.name} {_amounts(request, FreeCapacity(pool), fitting_networks(request, pool))}"
        for pool in nearest
    )


def _free(request: Request, rooms: Iterable[FreeCapacity], book: NetworkBook, who: str) -> str:
    nearest = sorted(rooms, key=lambda room: (room.pool.cordoned, room.shortage(request), room.pool.name))[
        :_MAX_POOLS
    ]
    return "; ".join(
        f"pool {room.pool.name}{' (cordoned)' if room.pool.cordoned else ''}"
        f" {_amounts(request, room, len(book.choose(room.pool, request, who)))}"
        for room in nearest
    )


def _amounts(request: Request, room: FreeCapacity, networks: int) -> str:
    parts = [
        f"{max(0, room.vcpus)} vCPUs",
        f"{size(max(0, room.memory))} memory",
        f"{size(max(0, room.storage))} storage",
    ]
    if request.networks:
        parts.append(f"{networks} {request.network_type} network{'' if networks == 1 else 's'}")
    return ", ".join(parts)


def _counted(counts: Counter[Obstacle], total: int) -> str:
    return f"0 of {total} pools fit: {', '.join(f'{number} {why}' for why, number in _by_number(counts))}"


def _by_number(counts: Counter[Obstacle]) -> list[tuple[Obstacle, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def named(names: Iterable[str], most: int = 20) -> str:
    """The first names, in their order, and the number of the others."""
    return listed(sorted(names), most)
