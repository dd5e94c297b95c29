# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From where every guest is to where it shall be."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ..bounds.exact import prove_or_improve
from ..model.problem import Problem
from ..model.solution import Solution, best_floor
from ..model.stopping import StoppingCriterion
from ..tolerances import POINTS
from .improve import improve
from .local_search import revert_redundant_moves
from .move_reduction import reduce_moves
from .priority_swap import swap_by_priority
from .relief import relieve_hosts
from .repair import clear_leaving_hosts, repair, ruin_and_recreate, unplaced_units


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A placement, and what is proven beside it. proven: the fewest migrations of any placement inside the
    band, as far as engine exact has proven it; impossible: whether no placement is inside the band.
    """

    solution: Solution
    proven: int | None = None
    impossible: bool = False


def solve(
    problem: Problem, stop: StoppingCriterion, forbidden: frozenset[tuple[int, int]] = frozenset()
) -> SearchResult:
    """Returns the best placement found for the policy's goal: rules restored first, and few migrations.

    stop: what is left to spend on it.
    forbidden: units and hosts between which there was no safe way.
    """
    found = _place(problem, stop, forbidden)
    if problem.traits.relieves:
        relieve_hosts(found.solution)
    elif problem.traits.levels_band:
        swap_by_priority(found.solution)
    return found


def _place(problem: Problem, stop: StoppingCriterion, forbidden: frozenset[tuple[int, int]]) -> SearchResult:
    policy = problem.policy
    rng = Random(policy.seed)
    budget = problem.budget
    state = Solution(problem)
    state.forbidden = set(forbidden)
    levels = policy.levels and bool(problem.metrics.names) and any(problem.roles.receives)
    if levels:
        state.set_band(best_floor(state))
    if problem.makes_room:
        clear_leaving_hosts(state, rng, budget=budget)
        revert_redundant_moves(state, floor_free=True)
        return SearchResult(state)
    if needs_nothing(state):
        return SearchResult(state)
    # Relief touches the hosts above a threshold and no others; goal evacuate empties those in maintenance.
    empties = problem.traits.empties_maintenance
    repair(state, budget=budget, empty_hosts=empties)
    ruin_and_recreate(state, rng, budget=budget, empty_hosts=empties)
    least = improve(state, rng, budget, stop) if levels else 0
    _settle(state)
    if levels and problem.traits.levels_band:
        reduce_moves(state, stop, least)
    if policy.engine == "exact" and problem.traits.proves:
        proven, impossible = prove_or_improve(state, policy.max_migrations, stop)
        return SearchResult(state, proven, impossible)
    return SearchResult(state)


def needs_nothing(state: Solution) -> bool:
    return (
        state.total_excess <= POINTS
        and not state.broken
        and not unplaced_units(state)
        and state.soft_cost <= POINTS
    )


def _settle(state: Solution) -> None:
    """Where the band can't be reached, keep only the migrations that pay, and none when they pay too
    little."""
    problem, gain = state.problem, state.problem.policy.min_gain
    if state.total_excess <= POINTS or not gain:
        return
    for unit in sorted(state.away(), key=lambda unit: (problem.unit_bytes[unit], unit)):
        _return_if_cheap(state, unit, gain * len(problem.members[unit]))


def _return_if_cheap(state: Solution, unit: int, price: float) -> None:
    excess, keeps_rules = state.total_excess, state.keeps_rules()
    state.try_moves(
        [(unit, state.problem.unit_home[unit])],
        lambda: state.total_excess - excess < price and keeps_rules(),
    )
