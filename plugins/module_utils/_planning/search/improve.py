# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a cluster into the band, by one way or another, and then with fewer migrations."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from ..bounds.combinatorial import band_migrations_lower_bound, is_out_of_reach
from ..model.band import best_floor
from ..model.solution import Solution
from ..tolerances import POINTS
from .annealing import Annealer, CoolingSchedule
from .deviation_annealing import DeviationAnnealer
from .fixed_count_annealing import FixedCountAnnealer
from .local_search import local_search, revert_redundant_moves
from .neighbourhood import score

# Steps of annealing for each effort: one a guest, within reason.
FEWEST, MOST = 1500, 4000
# So many steps a guest lead near; from there it takes another way to go on.
MAX_PRICED = 100
FEWER_MIGRATIONS = CoolingSchedule()
FEWER_BYTES = CoolingSchedule(hot=0.2, cold=0.01)
LESS_EXCESS = CoolingSchedule(hot=5.0, cold=0.05, free=True)
QUICK_LESS_EXCESS = CoolingSchedule(hot=0.5, cold=0.01, free=True)
# Other places for the band, tried where the nearest one leads nowhere; less often in large clusters, which
# have enough guests to fill any gap.
ATTEMPTS, ATTEMPTED_UNITS, ATTEMPT_STEPS = 48, 20_000, 2000
# A tiny cluster has few placements, so few attempts see them all.
ATTEMPTS_PER_UNIT, STEPS_PER_UNIT = 0.6, 24

Kept = tuple[list[int], tuple[float, ...]]


def improve(state: Solution, rng: Random, budget: int, spent: Callable[[], float]) -> int:
    """Level as far as the budget of moved guests lets, then look for fewer migrations that do the same.
    Returns a lower bound on the migrations of a placement inside the band.
    """
    problem = state.problem
    state.set_band(best_floor(state))
    origin = _kept(state)
    _descend(state, budget)
    effort = problem.policy.effort
    if not effort:
        return 0
    steps = effort * min(MOST, max(FEWEST, len(problem.members)))
    flat = not any(problem.metrics.limits)
    if _outside(state) and not flat and not is_out_of_reach(problem):
        _restart_until_fewer(state, rng, budget, spent, origin)
    if _outside(state) and flat:
        DeviationAnnealer(state, rng, budget, spent).run(steps, share=0.9)
    elif _outside(state):
        Annealer(state, rng, budget, spent, LESS_EXCESS).run(steps, share=0.8)
        _descend(state, budget)
    return 0 if _outside(state) else _reduce_migrations(state, rng, budget, spent, steps)


def _outside(state: Solution) -> bool:
    return state.total_excess > POINTS


def _descend(state: Solution, budget: int) -> None:
    local_search(state, budget, steps=4 * len(state.problem.members) + 100)
    while revert_redundant_moves(state):
        pass


def _reduce_migrations(
    state: Solution, rng: Random, budget: int, spent: Callable[[], float], steps: int
) -> int:
    """Anneal with a price on each migration, then with a number of them; then for fewer bytes. Returns a
    lower bound on the migrations.
    """
    problem = state.problem
    least = band_migrations_lower_bound(problem, banded=True)
    priced = min(steps, MAX_PRICED * max(1, len(problem.members)))
    left = steps - priced
    Annealer(state, rng, budget, spent, FEWER_MIGRATIONS).run(priced, share=0.2 if left else 0.8)
    if left:
        FixedCountAnnealer(state, rng, budget, spent, least).run(left, share=0.85)
        Annealer(state, rng, budget, spent, FEWER_BYTES).run(min(left // 8, priced), share=0.8)
    return least


def _restart_until_fewer(
    state: Solution, rng: Random, budget: int, spent: Callable[[], float], origin: Kept
) -> None:
    """Descend from the beginning into bands that lie elsewhere, until one is reached.

    A few large guests decide which bands can be reached at all; the best-looking one need not be among them.
    """
    problem = state.problem
    best, rank = _kept(state), score(state)
    units = max(1, len(problem.members))
    for _attempt in range(min(ATTEMPTS, int(1 + ATTEMPTS_PER_UNIT * units), ATTEMPTED_UNITS // units)):
        if not _outside(state) or spent() >= 0.5:
            break
        _restore(state, origin)
        middle = Annealer(state, rng, budget, spent, QUICK_LESS_EXCESS).mean
        limits = problem.metrics.limits
        state.set_band([mean - limit * rng.random() for mean, limit in zip(middle, limits, strict=True)])
        _descend(state, budget)
        if _outside(state):
            Annealer(state, rng, budget, spent, QUICK_LESS_EXCESS).run(
                min(ATTEMPT_STEPS, STEPS_PER_UNIT * units)
            )
            _descend(state, budget)
        if score(state) < rank:
            best, rank = _kept(state), score(state)
    _restore(state, best)


def _kept(state: Solution) -> Kept:
    return list(state.where), tuple(state.low)


def _restore(state: Solution, kept: Kept) -> None:
    places, floor = kept
    state.restore(places)
    state.set_band(floor)
