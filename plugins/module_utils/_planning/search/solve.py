# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From where every guest is to where it shall be. Private to the collection."""

from __future__ import annotations

from random import Random

from ..bounds.exact import refine
from ..model.band import best_floor
from ..model.problem import SETTLED, Problem
from ..model.solution import APART_AT_HOME, State
from .improve import into_band
from .insertion import go_home
from .local_search import trim
from .move_reduction import economise
from .repair import clear, mend, squeeze, unplaced
from .stopping import Spending


def solve(problem: Problem, spent: Spending, forbidden: frozenset[tuple[int, int]] = frozenset()) -> State:
    """The best placement found: rules mended, then every metric inside its band, with few migrations.

    spent: what is left to spend on it.
    forbidden: units and hosts between which there was no safe way.
    """
    policy = problem.policy
    dice = Random(policy.seed)
    budget = problem.budget
    state = State(problem)
    state.forbidden = set(forbidden)
    levels = policy.levels and bool(problem.metrics.names) and any(problem.roles.receives)
    if levels:
        state.set_band(best_floor(state))
    if problem.makes_room:
        clear(state, dice, budget=budget)
        while trim(state, floor_free=True):
            pass
        return state
    if needs_nothing(state):
        return state
    # Relief touches the hosts above a threshold and no others; goal evacuate empties those in maintenance.
    empties = policy.goal not in ("rules", "relieve")
    mend(state, budget=budget, empty_hosts=empties)
    squeeze(state, dice, budget=budget, empty_hosts=empties)
    if levels:
        into_band(state, dice, budget, spent)
    _settle(state)
    if levels and policy.goal == "spread":
        economise(state, spent)
    if policy.engine == "exact" and policy.goal in ("spread", "rules"):
        refine(state, policy.max_migrations, spent)
    return state


def needs_nothing(state: State) -> bool:
    return (
        state.total_excess <= SETTLED
        and not state.broken
        and not unplaced(state)
        and state.soft_cost <= SETTLED
    )


def _settle(state: State) -> None:
    """Where the band can't be reached, keep only the migrations that pay, and none when they pay too
    little."""
    problem, gain = state.problem, state.problem.policy.min_gain
    if state.total_excess <= SETTLED or not gain:
        return
    for unit in sorted(
        (u for u, h in enumerate(state.where) if h >= 0 and h != problem.unit_home[u]),
        key=lambda u: (problem.unit_bytes[u], u),
    ):
        home = problem.unit_home[unit]
        if home < 0:
            continue
        excess, broken, wishes = state.total_excess, state.broken, state.soft_cost
        here = state.take(unit)
        if state.fits(unit, home):
            state.put(unit, home)
            cheap = state.total_excess - excess < gain * len(problem.members[unit])
            if cheap and state.broken <= broken and state.soft_cost <= wishes + SETTLED:
                continue
            state.take(unit)
        state.put(unit, here)


def place_like(problem: Problem, places: list[int]) -> State:
    """The state in which every guest is on the host of this index."""
    state = State(problem)
    if problem.policy.levels and problem.metrics.names:
        state.set_band(best_floor(state))
    for unit, guests in enumerate(problem.members):
        hosts = {places[guest] for guest in guests}
        target = hosts.pop() if len(hosts) == 1 else APART_AT_HOME
        if target != state.where[unit]:
            state.take(unit)
            if target == APART_AT_HOME:
                go_home(state, unit)
            else:
                state.put(unit, target)
    if problem.policy.levels and problem.metrics.names:
        state.set_band(best_floor(state))
    return state
