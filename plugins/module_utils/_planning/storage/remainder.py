# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The least bytes that have to be copied besides what is decided: the bound of the branch and bound.

Units are decided in a fixed order, and a position in it means that those before it are decided. What is too
much on a datastore has to leave it in whole units that are not decided yet; what is missing has to come.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from .problem import NO_LIMIT
from .state import State

# Units of one datastore whose subsets are all listed.
MAX_LISTED = 12
# Positions for which arrivals are reckoned with separately.
MAX_CURVES = 32
# Part of a bound that was reckoned with fractions which is certain.
EXACTLY = 1 - 1e-9

# Sizes in ascending order, and the least cost of each of them or more.
Steps = tuple[list[int], list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What each datastore holds at the end, in bytes: at most `top`, at least `bottom`."""

    top: Sequence[int]
    bottom: Sequence[int]


class Remainder:
    """Bounds for units that are decided in the order given, which have to be at home when this is made."""

    def __init__(self, state: State, order: Sequence[int]) -> None:
        self.state, self.order = state, order
        units, places = state.problem.units, state.problem.places
        self.positions: dict[int, list[int]] = {}
        for position, unit in enumerate(order):
            self.positions.setdefault(units[unit].home, []).append(position)
        self.space = {home: self._departures(home, state.weight) for home in self.positions}
        self.io = {home: self._departures(home, state.io_of) for home in self.positions if state.io[home]}
        self.forced = {home: self._forced(positions) for home, positions in self.positions.items()}
        self.stride = 1 + len(order) // MAX_CURVES
        self.arrivals = [self._arrivals(place) if one.takes else [] for place, one in enumerate(places)]
        self.io_limits = [place.io_limit for place in places]
        self.takes = [place.takes for place in places]
        # Units take no less on their targets than they free at home: then the sum of all loads only grows.
        self.grows = all(
            state.size(unit, target) >= state.weight[unit] for unit in order for target in units[unit].targets
        )

    def _departures(self, home: int, sizes: Sequence[int]) -> list[Steps | None]:
        """By number of units of a datastore that are decided, what the rest can free together at which cost;
        None where these are too many to list all their sums.
        """
        positions = self.positions[home]
        found: list[Steps | None] = []
        sums = {0: 0}
        for number, position in enumerate((None, *reversed(positions))):
            if number > MAX_LISTED:
                found.append(None)
                continue
            if position is not None:
                unit = self.order[position]
                for size, cost in list(sums.items()):
                    total, price = size + sizes[unit], cost + self.state.bytes_of[unit]
                    if total not in sums or price < sums[total]:
                        sums[total] = price
            found.append(_steps(sums))
        return found[::-1]

    def _forced(self, positions: Sequence[int]) -> list[int]:
        """By number of units of a datastore that are decided, the bytes of the rest that must leave it."""
        found = [0]
        for position in reversed(positions):
            unit = self.order[position]
            leaves = self.state.problem.units[unit].must_leave
            found.append(found[-1] + leaves * self.state.bytes_of[unit])
        return found[::-1]

    def _arrivals(self, place: int) -> list[Steps]:
        """By position, divided by the stride: sizes and costs of the cheapest units that can still come to a
        datastore, as sums over more and more of them.
        """
        state, units = self.state, self.state.problem.units
        coming = [
            (position, state.size(unit, place), state.bytes_of[unit])
            for position, unit in enumerate(self.order)
            if place in units[unit].targets and state.size(unit, place) > 0
        ]
        coming.sort(key=lambda item: item[2] / item[1])
        found = []
        for first in range(0, len(self.order) + self.stride, self.stride):
            sizes, costs = [0], [0]
            for position, size, cost in coming:
                if position >= first:
                    sizes.append(sizes[-1] + size)
                    costs.append(costs[-1] + cost)
            found.append((sizes, costs))
        return found

    def least(self, position: int, limits: Limits) -> int | None:
        """The least bytes of units from a position on that bring every datastore inside its limits; None
        where nothing can.
        """
        state = self.state
        leaving = coming = room = 0
        for place, load in enumerate(state.load):
            top = limits.top[place]
            if self.grows:
                room += (top if self.takes[place] else min(load, top)) - load
            excess = load - top
            hot = state.io[place] - self.io_limits[place] if state.judged[place] else 0
            positions = self.positions.get(place)
            if positions is None:
                if excess > 0 or hot > 0:
                    return None
            else:
                decided = bisect_left(positions, position)
                cost = self.forced[place][decided]
                for need, table, sizes in (
                    (excess, self.space, state.weight),
                    (hot, self.io, state.io_of),
                ):
                    if need > 0:
                        more = self._cover(table[place][decided], need, positions[decided:], sizes)
                        if more is None:
                            return None
                        cost = max(cost, more)
                leaving += cost
            missing = limits.bottom[place] - load
            if missing > 0:
                if limits.bottom[place] > top:
                    return None
                more = self._comes(place, missing, position)
                if more is None:
                    return None
                coming += more
        if self.grows and room < 0:
            return None
        return max(leaving, coming)

    def _cover(
        self, steps: Steps | None, need: int, positions: Sequence[int], sizes: Sequence[int]
    ) -> int | None:
        if steps is not None:
            number = bisect_left(steps[0], need)
            return None if number == len(steps[0]) else steps[1][number]
        units = [self.order[position] for position in positions if sizes[self.order[position]] > 0]
        if sum(sizes[unit] for unit in units) < need:
            return None
        return int(need * min(self.state.bytes_of[unit] / sizes[unit] for unit in units) * EXACTLY)

    def _comes(self, place: int, missing: int, position: int) -> int | None:
        """The least cost if units could be cut, rounded down."""
        if not self.takes[place]:
            return None
        sizes, costs = self.arrivals[place][position // self.stride]
        number = bisect_right(sizes, missing) - 1
        if sizes[number] == missing:
            return costs[number]
        if number + 1 == len(sizes):
            return None
        step, more = sizes[number + 1] - sizes[number], costs[number + 1] - costs[number]
        return costs[number] + more * (missing - sizes[number]) // step


def _steps(sums: dict[int, int]) -> Steps:
    """Every sum with the least cost of it or more."""
    sizes = sorted(sums)
    costs = [0] * len(sizes)
    least = NO_LIMIT
    for number in range(len(sizes) - 1, -1, -1):
        least = costs[number] = min(least, sums[sizes[number]])
    return sizes, costs
