# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many bytes any plan that puts everything in order has to copy at least."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from .cover import cover, fractional_cost
from .problem import NO_LIMIT, Problem
from .state import FINE, State

STEPS = 200


def bytes_lower_bound(problem: Problem) -> tuple[int, str]:
    """The bound, and what it rests on. It holds for plans after which nothing is out of order."""
    state = State(problem)
    total = 0
    for place in range(len(problem.places)):
        total += _must_leave(state, place)
    levelled = sum(_levelling_bound(state, places) for places in state.groups.values()) if state.groups else 0
    if levelled > total:
        return levelled, "datastores above or below every possible band have to give or take as much"
    return total, "every datastore has to lose what is too much on it, in whole disks"


def _must_leave(state: State, place: int) -> int:
    """The fewest bytes that have to leave a datastore."""
    problem = state.problem
    units = [
        (unit, state.weight[unit], state.bytes_of[unit])
        for unit in state.at[place]
        if problem.units[unit].targets or problem.units[unit].later
    ]
    forced = [item for item in units if problem.units[item[0]].must_leave]
    rest = [item for item in units if not problem.units[item[0]].must_leave]
    cost = sum(item[2] for item in forced)
    if not state.judged[place]:
        return cost
    need = state.load[place] - state.limit[place] - sum(item[1] for item in forced)
    more = 0
    if need > 0:
        found = cover(rest, need)
        if found is not None:
            more = found[1] if found[2] else fractional_cost(rest, need)
    for rule in {rule for unit, _weight, _cost in units for rule in problem.rules_of.get(unit, ())}:
        more = max(more, _for_rule(state, rule, place))
    return cost + more


def _for_rule(state: State, rule: int, place: int) -> int:
    """Of the owners of a strict anti-affinity rule on one datastore all but one have to leave, each of them
    whole; those that have to leave anyway are not counted.
    """
    problem = state.problem
    members = problem.rules[rule]
    if not members.rule.strict or members.rule.kind != "anti_affinity":
        return 0
    costs: dict[str, int] = {}
    for unit, owners in members.units.items():
        if problem.units[unit].home != place:
            continue
        if len(owners) > 1:
            return 0
        if problem.units[unit].must_leave:
            return 0
        costs[owners[0]] = costs.get(owners[0], 0) + (
            state.bytes_of[unit] if problem.units[unit].targets else NO_LIMIT
        )
    # The dearest one stays.
    return sum(cost for cost in sorted(costs.values())[:-1] if cost < NO_LIMIT)


def best_band(state: State, group: Sequence[int]) -> int:
    """The lower end of the band, in fine parts of a capacity, that the fewest bytes bring a group into."""
    return _band(state, group)[1]


def _levelling_bound(state: State, group: Sequence[int]) -> int:
    return _band(state, group)[0]


def _band(state: State, group: Sequence[int]) -> tuple[int, int]:
    """The least bytes for any band, and the lower end of the best one: above it has to leave what is above
    the upper end, and what is below the lower end has to come. Both are taken at the better end of each
    step, so that no band between two steps is cheaper.
    """
    spread = state.max_spread or 0
    used = [state.use[place] for place in group]
    least, most = min(used) - spread, max(used)
    if most - min(used) <= spread:
        return 0, max(0, most - spread)
    prices = Prices(state, group)
    bound: int | None = None
    low = least
    for _zoom in range(2):
        width = max(1, -(-(most - least) // STEPS))
        best: int | None = None
        for start in range(least, most + 1, width):
            come = prices.below(start)
            if _zoom == 0:
                step = max(prices.above(start + width + spread), come)
                bound = step if bound is None else min(bound, step)
            cost = max(prices.above(start + spread), come)
            if best is None or cost < best:
                best, low = cost, start
        least, most = low - width, low + width
    return bound or 0, max(0, low)


class Prices:
    """The least bytes that have to be copied for so much to leave datastores of a group, or to come to
    them.
    """

    def __init__(self, state: State, group: Sequence[int]) -> None:
        self.state = state
        places = state.problem.places
        self.givers = [place for place in group if places[place].gives]
        self.takers = [place for place in group if places[place].takes]
        units = [
            unit
            for place in group
            for unit in state.at[place]
            if state.problem.units[unit].targets or state.problem.units[unit].later
        ]
        self.leaving = _Curve([(state.weight[unit], state.bytes_of[unit]) for unit in units])
        self.to_thin = _Curve([(state.room_thin[unit], state.bytes_of[unit]) for unit in units])
        self.to_full = _Curve([(state.room_full[unit], state.bytes_of[unit]) for unit in units])

    def above(self, top: int) -> int:
        state = self.state
        return self.leaving.cost(
            sum(
                max(0, state.load[p] - min(state.limit[p], top * state.capacity[p] // FINE + 1))
                for p in self.givers
            )
        )

    def below(self, low: int) -> int:
        state = self.state
        missing = {p: max(0, low * state.capacity[p] // FINE - state.load[p]) for p in self.takers}
        thin = sum(size for p, size in missing.items() if state.thin[p])
        return self.to_thin.cost(thin) + self.to_full.cost(sum(missing.values()) - thin)


class _Curve:
    """The least cost of any total size of units that could be cut."""

    def __init__(self, items: Sequence[tuple[int, int]]) -> None:
        ordered = sorted((item for item in items if item[0] > 0), key=lambda item: item[1] / item[0])
        self.sizes, self.costs = [0], [0]
        for size, cost in ordered:
            self.sizes.append(self.sizes[-1] + size)
            self.costs.append(self.costs[-1] + cost)

    def cost(self, size: int) -> int:
        """Rounded down; of more than there is, the cost of all."""
        number = bisect_right(self.sizes, size) - 1
        if number + 1 >= len(self.sizes):
            return self.costs[-1]
        step = self.sizes[number + 1] - self.sizes[number]
        more = self.costs[number + 1] - self.costs[number]
        return self.costs[number] + more * (size - self.sizes[number]) // step
