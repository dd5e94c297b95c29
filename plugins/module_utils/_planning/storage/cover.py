# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cheapest units that together are at least so large: what has to leave a datastore that is too full."""

from __future__ import annotations

from collections.abc import Sequence

Item = tuple[int, int, int]
"""A unit, its weight, and what it costs to move it."""

EXACT_STATES = 20_000
FEW_STATES = 500
FEW_ITEMS = 24
NEAR_BITS = 12


def cover(items: Sequence[Item], need: int) -> tuple[list[int], int, bool] | None:
    """Units whose weights are at least `need` together, their cost, and whether that is the least there is.
    None where all together are too small.
    """
    if need <= 0:
        return [], 0, True
    items = [item for item in items if item[1] > 0]
    if sum(weight for _unit, weight, _cost in items) < need:
        return None
    exact = True
    most = EXACT_STATES if len(items) <= FEW_ITEMS else FEW_STATES
    ordered = sorted(items, key=lambda item: (-item[1], item[2], item[0]))
    left = [0]
    for _unit, weight, _cost in reversed(ordered):
        left.append(left[-1] + weight)
    left.reverse()
    dearness = fractional_costs(ordered)
    best_cost, best_count, best = _greedy(ordered, need)
    floor = fractional_cost(ordered, need)
    # Of many units there is nearly always a better cover, by less than anyone would look for.
    near = floor >> NEAR_BITS
    # By weight, the cheapest way to it: cost, number of units, and the units as a chain.
    ways: dict[int, tuple[int, int, object]] = {0: (0, 0, None)}
    for position, (unit, weight, cost) in enumerate(ordered):
        if best_cost - floor <= near and len(items) > FEW_ITEMS:
            break
        found = dict(ways)
        for reached, (spent, count, chain) in ways.items():
            price = spent + cost
            total = reached + weight
            if (price, count + 1) > (best_cost, best_count):
                continue
            if total >= need:
                if (price, count + 1) < (best_cost, best_count):
                    best_cost, best_count, best = price, count + 1, (chain, unit)
                continue
            before = found.get(total)
            if before is None or (price, count + 1) < before[:2]:
                found[total] = (price, count + 1, (chain, unit))
        rest = left[position + 1]
        ways = {
            reached: way
            for reached, way in found.items()
            if reached + rest >= need
            and way[0] + (need - reached) * dearness[position + 1][0] // dearness[position + 1][1]
            <= best_cost
        }
        ways = _undominated(ways)
        if len(ways) > most:
            exact = False
            ways = _thinned(ways, need, most)
    return _units(best), best_cost, exact or best_cost <= floor


def fractional_cost(items: Sequence[Item], need: int) -> int:
    """The least cost if units could be cut, rounded up to a whole number: no cover costs less."""
    left, cost = need, 0
    for _unit, weight, price in sorted(items, key=lambda item: item[2] / item[1] if item[1] else 0):
        if left <= 0:
            break
        if weight <= 0:
            continue
        if weight >= left:
            return cost + -(-price * left // weight)
        left -= weight
        cost += price
    return cost


def fractional_costs(ordered: Sequence[Item]) -> list[tuple[int, int]]:
    """By position, the least cost of a byte among the units from there on, as a fraction."""
    found: list[tuple[int, int]] = [(0, 1)]
    for _unit, weight, cost in reversed(ordered):
        price, size = found[-1]
        found.append((cost, weight) if len(found) == 1 or cost * size < price * weight else (price, size))
    found.reverse()
    return found


def _greedy(ordered: Sequence[Item], need: int) -> tuple[int, int, object]:
    """A first cover: large units that do not reach the need, then the cheapest one that does."""
    best: tuple[int, int, object] | None = None
    chain: object = None
    reached = spent = count = 0
    for unit, weight, cost in ordered:
        if reached + weight >= need:
            if best is None or (spent + cost, count + 1) < best[:2]:
                best = (spent + cost, count + 1, (chain, unit))
            continue
        chain, reached, spent, count = (chain, unit), reached + weight, spent + cost, count + 1
    if best is None:
        raise ValueError("the units are too small")
    return best


def _undominated(ways: dict[int, tuple[int, int, object]]) -> dict[int, tuple[int, int, object]]:
    """Without those than which another one is larger and no dearer."""
    kept: dict[int, tuple[int, int, object]] = {}
    least: tuple[int, int] | None = None
    for reached in sorted(ways, reverse=True):
        way = ways[reached]
        if least is None or way[:2] < least:
            kept[reached] = way
            least = way[:2]
    return kept


def _thinned(
    ways: dict[int, tuple[int, int, object]], need: int, most: int
) -> dict[int, tuple[int, int, object]]:
    """At most so many of them, spread over all weights."""
    kept: dict[int, int] = {}
    for reached in sorted(ways):
        kept[reached * most // need] = reached
    return {reached: ways[reached] for reached in kept.values()}


def _units(chain: object) -> list[int]:
    found = []
    while isinstance(chain, tuple):
        chain, unit = chain
        found.append(unit)
    return found[::-1]
