# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many bytes any plan that puts everything in order has to copy at least."""

from __future__ import annotations

from collections.abc import Sequence

from .cover import cover, fractional_cost
from .problem import Problem
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
        if problem.units[unit].targets
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
            state.bytes_of[unit] if problem.units[unit].targets else 1 << 80
        )
    # The dearest one stays.
    return sum(cost for cost in sorted(costs.values())[:-1] if cost < 1 << 80)


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
    places = state.problem.places
    used = [state.used(place) for place in group]
    least, most = min(used) - spread, max(used)
    if most - min(used) <= spread:
        return 0, max(0, most - spread)
    cheap = _cheapest(state, group)
    givers = [place for place in group if places[place].gives]
    takers = [place for place in group if places[place].takes]
    bound: int | None = None
    low = least
    for _zoom in range(2):
        width = max(1, -(-(most - least) // STEPS))
        best: int | None = None
        for start in range(least, most + 1, width):
            come = _below(state, takers, start, cheap)
            if _zoom == 0:
                step = max(_above(state, givers, start + width + spread, cheap), come)
                bound = step if bound is None else min(bound, step)
            cost = max(_above(state, givers, start + spread, cheap), come)
            if best is None or cost < best:
                best, low = cost, start
        least, most = low - width, low + width
    return bound or 0, max(0, low)


def _cheapest(state: State, group: Sequence[int]) -> tuple[int, int]:
    """The fewest bytes to copy for a byte that arrives, as a fraction."""
    best = (1, 1)
    for place in group:
        for unit in state.at[place]:
            room = max(state.room_full[unit], state.weight[unit])
            if state.problem.units[unit].targets and room and state.bytes_of[unit] * best[1] < best[0] * room:
                best = (state.bytes_of[unit], room)
    return best


def _above(state: State, group: Sequence[int], top: int, cheap: tuple[int, int]) -> int:
    total = sum(
        max(0, state.load[p] - min(state.limit[p], top * state.capacity[p] // FINE + 1)) for p in group
    )
    return total * cheap[0] // cheap[1]


def _below(state: State, group: Sequence[int], low: int, cheap: tuple[int, int]) -> int:
    total = sum(max(0, low * state.capacity[p] // FINE - state.load[p]) for p in group)
    return total * cheap[0] // cheap[1]
