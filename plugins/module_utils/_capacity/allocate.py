# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pools a request gets: the least utilised of those that have room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from .free_capacity import FreeCapacity, NetworkBook
from .pool import Network, Pool
from .request import Request

Obstacle = Literal[
    "not asked for", "excluded", "labels", "taints", "cordoned", "vcpus", "memory", "storage", "networks"
]


@dataclass(frozen=True, slots=True)
class Allocation:
    """A pool that a request gets, and the networks that it gets there."""

    pool: Pool
    networks: tuple[Network, ...]


def admission_error(request: Request, pool: Pool) -> Obstacle | None:
    """The reason why a pool does not accept a request, however much is free; None without one."""
    if request.required_pools:
        if pool.name not in request.required_pools:
            return "not asked for"
    elif pool.exclude:
        return "excluded"
    if any(pool.labels.get(label) != value for label, value in request.pool_selector.items()):
        return "labels"
    if not all(_tolerated(taint, request) for taint in pool.taints):
        return "taints"
    return None


def _tolerated(taint: str, request: Request) -> bool:
    """A toleration is the taint itself, or for `key=value` its key alone, or `*` for all taints."""
    return any(word in request.tolerations for word in (taint, taint.partition("=")[0], "*"))


def static_shortfall(request: Request, pool: Pool) -> Obstacle | None:
    """The resource of which even the empty pool has too little; None when the request could fit."""
    short = FreeCapacity(pool).shortages(request)
    if short:
        return short[0]
    if fitting_networks(request, pool) < request.networks:
        return "networks"
    return None


def fitting_networks(request: Request, pool: Pool) -> int:
    """The number of networks of a pool that are of a suitable type, leased ones included."""
    return sum(network.type in request.network_types for network in pool.networks)


def current_shortfall(request: Request, who: str, room: FreeCapacity, book: NetworkBook) -> Obstacle | None:
    """The first thing that keeps a request out of a pool now; None when it has room."""
    barred = admission_error(request, room.pool)
    if barred is not None:
        return barred
    if room.pool.cordoned:
        return "cordoned"
    short = room.shortages(request)
    if short:
        return short[0]
    if request.networks and len(book.choose(room.pool, request, who)) < request.networks:
        return "networks"
    return None


def allocate(
    request: Request, who: str, rooms: Iterable[FreeCapacity], book: NetworkBook
) -> tuple[Allocation, ...] | None:
    """The pools and networks that a request gets now; None when there is no room. Takes nothing yet.

    `who` is what networks are shared by.
    """
    if request.pools == 0:
        return ()
    fitting = [room for room in rooms if current_shortfall(request, who, room, book) is None]
    fitting.sort(key=lambda room: (-room.score, room.pool.name))
    chosen = choose([room.pool for room in fitting], request)
    if chosen is None:
        return None
    if not request.networks:
        return tuple(Allocation(pool, ()) for pool in chosen)
    trial = book.copy() if len(chosen) > 1 else book
    result = []
    for pool in chosen:
        networks = trial.choose(pool, request, who)
        if len(chosen) > 1:
            trial.take(pool, networks, who)
        result.append(Allocation(pool, networks))
    return tuple(result)


def choose(pools: Sequence[Pool], request: Request) -> list[Pool] | None:
    """As many of the pools, given the best first, as the request wants, on as many servers as it allows; None
    when that can't be.
    """
    wanted, least, most = request.pools, request.min_servers, request.max_servers or len(pools)
    groups: dict[str, list[Pool]] = {}
    for pool in pools:
        groups.setdefault(server_of(pool), []).append(pool)
    if len(pools) < wanted or len(groups) < least:
        return None
    chosen = _first(groups, pools, wanted, least, most)
    if len(chosen) < wanted:
        # The best pools are spread over too many servers: then those servers that have the most of them.
        rich = sorted(groups, key=lambda server: -len(groups[server]))[:most]
        groups = {server: groups[server] for server in groups if server in rich}
        chosen = _first(groups, [pool for pool in pools if server_of(pool) in groups], wanted, least, most)
    if len(chosen) < wanted:
        return None
    rank = {pool.name: number for number, pool in enumerate(pools)}
    return sorted(chosen, key=lambda pool: rank[pool.name])


def _first(
    groups: dict[str, list[Pool]], pools: Sequence[Pool], wanted: int, least: int, most: int
) -> list[Pool]:
    """The best pool of each of the `least` best servers, then the best of all that add no server too many."""
    chosen = [group[0] for group in list(groups.values())[: min(least, wanted)]]
    servers = {server_of(pool) for pool in chosen}
    names = {pool.name for pool in chosen}
    for pool in pools:
        if len(chosen) == wanted:
            break
        server = server_of(pool)
        if pool.name in names or (server not in servers and len(servers) >= most):
            continue
        servers.add(server)
        chosen.append(pool)
    return chosen


def server_of(pool: Pool) -> str:
    """The server of a pool; a pool without one counts as a server of its own."""
    return pool.server.lower() if pool.server else f"pool {pool.name}"
