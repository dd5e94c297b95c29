# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings every host into the band, one best migration after the other."""

from __future__ import annotations

import heapq

from ..model.solution import Solution
from ..tolerances import POINTS, WISHES
from .insertion import MAX_CANDIDATES, insertion_cost

MAX_SOURCES = 8
MAX_LEAVERS = 6


def local_search(state: Solution, budget: int, steps: int) -> bool:
    """Lower the excess until it is gone or nothing within the budget of moved guests helps. Returns whether
    it is gone.
    """
    while state.total_excess > POINTS and steps > 0:
        steps -= 1
        if not _step(state, budget):
            return False
    return state.total_excess <= POINTS


def _step(state: Solution, budget: int) -> bool:
    """One migration, or one exchange, for the worst hosts first."""
    worst = heapq.nlargest(4, range(len(state.excess)), key=lambda host: (state.excess[host], -host))
    for host in worst:
        if state.excess[host] <= POINTS:
            return False
        move = _best_for(state, host, budget)
        if move is not None:
            state.relocate(*move)
            return True
        if _best_swap(state, host, budget):
            return True
    return False


def _best_for(state: Solution, host: int, budget: int) -> tuple[int, int] | None:
    """The migration from or to this host that lowers the excess most for each guest that it moves."""
    best: tuple[float, int, int] | None = None
    for unit in _departure_candidates(state, host):
        best = _better(best, _best_target(state, unit, budget))
    for unit in _arrival_candidates(state, host):
        best = _better(best, _try(state, unit, host, budget))
    return None if best is None else best[1:]


def _better(
    best: tuple[float, int, int] | None, other: tuple[float, int, int] | None
) -> tuple[float, int, int] | None:
    if best is None or (other is not None and other < best):
        return other
    return best


def _departure_candidates(state: Solution, host: int) -> list[int]:
    """Units whose leaving helps the host most."""
    now = state.excess[host]
    gains = [(state.excess_without(host, state.points_of(unit, host)) - now, unit) for unit in state.on[host]]
    return [unit for gain, unit in heapq.nsmallest(MAX_LEAVERS, gains) if gain < -POINTS]


def _arrival_candidates(state: Solution, host: int) -> list[int]:
    """Units elsewhere whose coming would help the host, from the hosts that are fullest where it is
    emptiest."""
    lacking = [
        index
        for index, (points, low) in enumerate(zip(state.points[host], state.low, strict=True))
        if points < low
    ]
    if not lacking:
        return []
    now = state.excess[host]

    def fullness(other: int) -> float:
        return sum(state.points[other][index] for index in lacking)

    sources = heapq.nlargest(MAX_SOURCES, (h for h in range(len(state.on)) if h != host), key=fullness)
    gains = [
        (
            state.excess_with(host, state.points_of(unit, host))
            - now
            + state.excess_without(source, state.points_of(unit, source))
            - state.excess[source],
            unit,
        )
        for source in sources
        for unit in state.on[source]
    ]
    return [unit for gain, unit in heapq.nsmallest(MAX_LEAVERS, gains) if gain < -POINTS]


def _try(state: Solution, unit: int, host: int, budget: int) -> tuple[float, int, int] | None:
    before = state.remove(unit)
    gained = state.total_excess
    result = None
    base = gained - state.excess[before] + state.excess_with(before, state.points_of(unit, before))
    if state.fits(unit, host):
        change = gained + insertion_cost(state, unit, host) - base
        moved = state.guests_moved(unit, host) - state.guests_moved(unit, before)
        if change < -POINTS and state.moves + state.guests_moved(unit, host) <= budget:
            result = (change / (1 + max(0, moved)), unit, host)
    state.insert(unit, before)
    return result


def _best_target(state: Solution, unit: int, budget: int) -> tuple[float, int, int] | None:
    before = state.remove(unit)
    base = state.excess_with(before, state.points_of(unit, before)) - state.excess[before]
    left = state.guests_moved(unit, before)
    best: tuple[float, int, int] | None = None
    mask, looked = state.problem.unit_mask[unit], 0
    for host in state.hosts_by_free_capacity():
        if host == before or not mask >> host & 1:
            continue
        looked += 1
        if looked > MAX_CANDIDATES:
            break
        moved = state.guests_moved(unit, host)
        change = state.excess_with(host, state.points_of(unit, host)) - state.excess[host] - base
        if change >= -POINTS or state.moves + moved > budget:
            continue
        rank = change / (1 + max(0, moved - left))
        if (best is None or rank < best[0]) and state.fits(unit, host):
            best = (rank, unit, host)
    state.insert(unit, before)
    return best


def _best_swap(state: Solution, host: int, budget: int) -> bool:
    """Swap one unit of this host with one of another where both together help although neither does alone."""
    best: tuple[float, int, int] | None = None
    mine = [(unit, state.points_of(unit, host)) for unit in list(state.on[host])[:40]]
    for other in _swap_candidates(state, host):
        both = state.excess[host] + state.excess[other] - POINTS
        for theirs in list(state.on[other])[:40]:
            coming, leaving = state.points_of(theirs, host), state.points_of(theirs, other)
            for unit, points in mine:
                here = tuple(b - a for a, b in zip(points, coming, strict=True))
                there = tuple(a - b for a, b in zip(state.points_of(unit, other), leaving, strict=True))
                after = state.excess_with(host, here) + state.excess_with(other, there)
                if after < both and (best is None or after - both < best[0]):
                    best = (after - both, unit, theirs)
    return best is not None and _swap(state, best[1], best[2], budget)


def _swap_candidates(state: Solution, host: int) -> list[int]:
    """Hosts that differ most from this one."""
    mine = state.points[host]

    def difference(other: int) -> float:
        return sum(abs(a - b) for a, b in zip(mine, state.points[other], strict=True))

    return heapq.nlargest(4, (h for h in range(len(state.on)) if h != host and state.on[h]), key=difference)


def _swap(state: Solution, first: int, second: int, budget: int) -> bool:
    moves = [(first, state.where[second]), (second, state.where[first])]
    return state.try_moves(moves, lambda: state.moves <= budget)


def revert_redundant_moves(state: Solution, *, floor_free: bool = False) -> None:
    """Send units home whose migration turned out not to be needed, the largest first, until none is left."""
    problem = state.problem
    changed = True
    while changed:
        largest = sorted(
            state.away(), key=lambda unit: (-len(problem.members[unit]), -problem.unit_bytes[unit], unit)
        )
        reverted = [_revert(state, unit, floor_free=floor_free) for unit in largest]
        changed = any(reverted)


def _revert(state: Solution, unit: int, *, floor_free: bool) -> bool:
    most, keeps_rules = max(state.total_excess, POINTS) + POINTS, state.keeps_rules(WISHES)
    return state.try_moves(
        [(unit, state.problem.unit_home[unit])],
        lambda: (floor_free or state.total_excess <= most) and keeps_rules(),
    )
