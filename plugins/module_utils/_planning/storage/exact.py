# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small clusters: looks at every end that could have fewer bytes, by branch and bound."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from .bounds import Prices
from .order import order_moves
from .problem import NO_LIMIT
from .state import State

MAX_UNITS = 80
# By effort. Each of them costs several times as much where datastores are levelled.
NODES = 10_000
LEVELLING = 10
# Bytes of the ends that are looked at first, by the bound for them.
BUDGETS = (1.03, 1.15, 1.5)
# Units of one datastore whose subsets are all listed.
MAX_LISTED = 12
# Halvings in the search of the cheapest band.
ZOOMS = 9
# Part of a bound that was reckoned with fractions which is certain.
EXACTLY = 1 - 1e-9


def improve_exactly(state: State, movable: Sequence[int]) -> tuple[int | None, bool]:
    """Bring the state to the end in order that has a safe order and the fewest bytes, detours among them, if
    it is better than the present one. Returns the fewest bytes of any end in order, with a safe order or
    not, if all of them were looked at; and whether there are some, but none with a safe order.
    """
    if len(movable) > MAX_UNITS or state.soft:
        return None, False
    tree = _Tree(state, movable)
    whole = tree.search()
    state.restore(tree.best)
    least = min(tree.least, tree.bound[0]) if whole and tree.found else None
    return least, not tree.found and tree.least < NO_LIMIT


class _Tree:
    """Decides one unit after the other: datastore by datastore, the largest first."""

    def __init__(self, state: State, movable: Sequence[int]) -> None:
        self.state = state
        problem = state.problem
        self.best = list(state.where)
        in_order = state.is_in_order()
        self.bound = (NO_LIMIT, NO_LIMIT)
        self.least = NO_LIMIT
        self.found = False
        if in_order:
            self._judge()
        self.nodes = 0
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
        self.forced = [0]
        for unit in reversed(self.order):
            leaves = state.bytes_of[unit] if problem.units[unit].must_leave else 0
            self.forced.insert(0, self.forced[0] + leaves)
        """By position, the bytes of the units from there on that have to leave."""
        self.max_nodes = NODES * problem.effort
        self.levels = state.max_spread is not None and bool(state.groups)
        if self.levels:
            self.max_nodes //= LEVELLING
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
        """Whether all ends were seen that could be better: first those with few bytes, then others."""
        least = self._rest(0)
        if least is None:
            return True
        if self.levels:
            least = max(least, self._band_rest())
        known = self.bound
        whole = False
        for budget in (*((round(least * factor), NO_LIMIT) for factor in BUDGETS), known):
            self.nodes, self.bound = 0, min(known, budget)
            whole = self._visit(0)
            if self.bound < min(known, budget) or known <= budget:
                return whole
        self.bound = known
        return whole

    def _visit(self, position: int) -> bool:
        state = self.state
        self.nodes += 1
        if self.nodes > self.max_nodes:
            return False
        more = self._rest(position)
        if more is None or (state.bytes + more, state.moves + (more > 0)) >= self.bound:
            return True
        if self.levels:
            more = max(more, self._band_rest())
            if (state.bytes + more, state.moves + (more > 0)) >= self.bound:
                return True
        if position == len(self.order):
            if state.is_in_order() and not state.soft:
                self._judge()
            return True
        unit = self.order[position]
        here = state.where[unit]
        # What is on a datastore that is too full leaves it at first, anything else stays.
        leaves = state.judged[here] and state.load[here] > state.limit[here]
        whole = leaves or self._stay(unit, position)
        whole &= self._leave(unit, position)
        return (not leaves or self._stay(unit, position)) and whole

    def _stay(self, unit: int, position: int) -> bool:
        if self.state.problem.units[unit].must_leave or self._meets(unit, position):
            return True
        return self._visit(position + 1)

    def _leave(self, unit: int, position: int) -> bool:
        state = self.state
        here = state.where[unit]
        whole = True
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

    def _judge(self) -> None:
        """Take an end in order for the best one, if it has a safe order and fewer bytes with its detours."""
        state = self.state
        self.least = min(self.least, state.bytes)
        order = order_moves(state)
        cost = (sum(step.part.bytes for step in order.steps), len(order.steps))
        if not order.left and cost < self.bound:
            self.bound = cost
            self.found = True
            self.best = list(state.where)

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
        forced = self.forced[position]
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
        return max(total, forced)

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
