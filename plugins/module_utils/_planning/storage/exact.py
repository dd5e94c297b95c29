# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small clusters: looks at every end that could have fewer bytes, by branch and bound."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from .bounds import Prices
from .problem import NO_LIMIT
from .state import State

MAX_UNITS = 80
MAX_NODES = 60_000
# Where nothing in order was found yet.
MAX_NODES_TO_ORDER = 30_000
# Units of one datastore whose subsets are all listed.
MAX_LISTED = 12
# Halvings in the search of the cheapest band.
ZOOMS = 14
# Part of a bound that was reckoned with fractions which is certain.
EXACTLY = 1 - 1e-9


def improve_exactly(state: State, movable: Sequence[int]) -> bool:
    """Bring the state to an end with fewer bytes, or as many and fewer moves, where there is one; or to one
    in order, where something is not. Returns whether it is proven that there is no better one in order.
    """
    if len(movable) > MAX_UNITS or state.soft:
        return False
    tree = _Tree(state, movable)
    found = tree.search()
    state.restore(tree.best)
    return found


class _Tree:
    """Decides one unit after the other: datastore by datastore, the largest first."""

    def __init__(self, state: State, movable: Sequence[int]) -> None:
        self.state = state
        problem = state.problem
        self.best = list(state.where)
        in_order = state.is_in_order()
        self.bound = (state.bytes, state.moves) if in_order else (NO_LIMIT, NO_LIMIT)
        self.nodes = 0
        self.max_nodes = MAX_NODES if in_order else MAX_NODES_TO_ORDER
        state.restore([unit.home for unit in problem.units])
        excess = {
            place: state.load[place] - state.limit[place] if state.judged[place] else 0
            for place in range(len(state.load))
        }
        self.order = sorted(
            movable,
            key=lambda unit: (
                not problem.units[unit].must_leave,
                not problem.units[unit].restoring,
                -excess[problem.units[unit].home],
                problem.units[unit].home,
                -state.bytes_of[unit],
                unit,
            ),
        )
        self.rank = {unit: position for position, unit in enumerate(self.order)}
        self.homes = [problem.units[unit].home for unit in self.order]
        self.positions: dict[int, list[int]] = {}
        for position, home in enumerate(self.homes):
            self.positions.setdefault(home, []).append(position)
        self.covers = {home: self._covers(home) for home in self.positions}
        self.cheapest = {
            home: min(state.bytes_of[self.order[p]] / max(1, state.weight[self.order[p]]) for p in positions)
            for home, positions in self.positions.items()
        }
        self.levels = state.max_spread is not None and bool(state.groups)
        self.prices = (
            [(group, Prices(state, group)) for group in state.groups.values()] if self.levels else []
        )

    def _covers(self, home: int) -> dict[int, tuple[list[int], list[int]] | None]:
        """By position, the weights that the units of a datastore from there on can have together, and the
        least bytes for each of them or more.
        """
        state = self.state
        found: dict[int, tuple[list[int], list[int]] | None] = {}
        sums: dict[int, int] = {0: 0}
        for listed, position in enumerate(reversed(self.positions[home])):
            unit = self.order[position]
            if listed < MAX_LISTED:
                for weight, cost in list(sums.items()):
                    total, price = weight + state.weight[unit], cost + state.bytes_of[unit]
                    if total not in sums or price < sums[total]:
                        sums[total] = price
                weights = sorted(sums)
                costs = [0] * len(weights)
                least = None
                for number in range(len(weights) - 1, -1, -1):
                    price = sums[weights[number]]
                    least = price if least is None else min(least, price)
                    costs[number] = least
                found[position] = (weights, costs)
            else:
                found[position] = None
        return found

    def search(self) -> bool:
        """Whether all of the tree was seen."""
        return self._visit(0)

    def _visit(self, position: int) -> bool:
        state = self.state
        self.nodes += 1
        if self.nodes > self.max_nodes:
            return False
        more = self._rest(position)
        if more is None or (state.bytes + more, state.moves + (more > 0)) >= self.bound:
            return True
        if position == len(self.order):
            if state.is_in_order() and not state.soft:
                self.bound = (state.bytes, state.moves)
                self.best = list(state.where)
            return True
        unit = self.order[position]
        here = state.where[unit]
        whole = True
        if not state.problem.units[unit].must_leave and not self._meets(unit, position):
            whole &= self._visit(position + 1)
        if state.bytes + state.bytes_of[unit] > self.bound[0]:
            return whole
        targets = [target for target in state.problem.units[unit].targets if self._may_come(unit, target)]
        targets.sort(
            key=lambda target: (state.load[target] * 10**6 // max(1, state.capacity[target]), target)
        )
        for target in targets:
            state.relocate(unit, target)
            if not self._meets(unit, position):
                whole &= self._visit(position + 1)
            state.relocate(unit, here)
            if self.nodes > self.max_nodes:
                return False
        return whole

    def _meets(self, unit: int, position: int) -> bool:
        """Whether another one that may not be beside it is there for good."""
        state = self.state
        for rule in state.problem.rules_of.get(unit, ()):
            members = state.problem.rules[rule]
            if not members.rule.strict or members.rule.kind != "anti_affinity":
                continue
            own = members.units[unit]
            for other, owners in members.units.items():
                if state.where[other] != state.where[unit] or self.rank.get(other, -1) >= position:
                    continue
                if other != unit and owners != own:
                    return True
        return False

    def _may_come(self, unit: int, target: int) -> bool:
        """Whether the target has room for it at last: what is there may still leave."""
        state = self.state
        if (unit, target) in state.forbidden:
            return False
        if state.moves + state.moves_of[unit] > state.max_moves:
            return False
        if state.bytes + state.bytes_of[unit] > state.max_bytes:
            return False
        return state.io[target] + state.io_of[unit] <= state.problem.places[target].io_limit

    def _rest(self, position: int) -> int | None:
        """The least bytes that have to follow; None where nothing can bring this in order."""
        state = self.state
        total = 0
        for place, judged in enumerate(state.judged):
            need = state.load[place] - state.limit[place]
            if not judged or need <= 0:
                continue
            left = self.positions.get(place, [])
            number = bisect_left(left, position)
            if number == len(left):
                return None
            cover = self.covers[place][left[number]]
            if cover is None:
                total += int(need * min(1.0, self.cheapest[place]) * EXACTLY)
                continue
            weights, costs = cover
            number = bisect_left(weights, need)
            if number == len(weights):
                return None
            total += costs[number]
        return max(total, self._band_rest()) if self.levels else total

    def _band_rest(self) -> int:
        """What leaves datastores above the band and what comes to those below it may be the same bytes."""
        state = self.state
        spread = state.max_spread or 0
        total = 0
        for group, prices in self.prices:
            low, high = min(state.use[place] for place in group), max(state.use[place] for place in group)
            if high - low <= spread:
                continue
            # A higher band asks for less to leave and for more to come.
            low -= spread
            for _step in range(ZOOMS):
                middle = (low + high) // 2
                if prices.above(middle + spread) > prices.below(middle):
                    low = middle
                else:
                    high = middle
            least = min(
                prices.above(low + spread),
                prices.below(high),
                max(prices.above(high + spread), prices.below(low)),
            )
            total += least
        return total
