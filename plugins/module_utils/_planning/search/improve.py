# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a cluster into the band, by one way or another, and then with fewer migrations."""

from __future__ import annotations

from random import Random

from ..bounds.combinatorial import band_migrations_lower_bound, is_out_of_reach
from ..model.problem import Problem
from ..model.solution import Solution, best_floor
from ..model.stopping import StoppingCriterion
from ..tolerances import POINTS
from .annealing import Annealer
from .deviation_annealing import DeviationAnnealer
from .fixed_count_annealing import FixedCountAnnealer
from .local_search import local_search, revert_redundant_moves
from .neighbourhood import score
from .params import PARAMS

Kept = tuple[list[int], tuple[float, ...]]


def improve(state: Solution, rng: Random, budget: int, stop: StoppingCriterion) -> int:
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
    steps = effort * min(PARAMS.max_steps, max(PARAMS.min_steps, len(problem.members)))
    steps = _no_more_than_see_all(problem, steps)
    flat = not any(problem.metrics.limits)
    if _outside(state) and not flat and not is_out_of_reach(problem):
        _restart_until_fewer(state, rng, budget, stop, origin)
    if _outside(state) and flat:
        DeviationAnnealer(state, rng, budget, stop).run(steps, share=0.9)
    elif _outside(state):
        Annealer(state, rng, budget, stop, PARAMS.less_excess).run(steps, share=0.8)
        _descend(state, budget)
    return 0 if _outside(state) else _reduce_migrations(state, rng, budget, stop, steps)


def _no_more_than_see_all(problem: Problem, steps: int) -> int:
    """These steps, or fewer where there is only a handful of placements, and soon nothing new to be seen."""
    enough = PARAMS.steps_per_placement
    for mask in problem.unit_mask:
        enough *= max(1, bin(mask).count("1"))
        if enough >= steps:
            return steps
    return enough


def _outside(state: Solution) -> bool:
    return state.total_excess > POINTS


def _descend(state: Solution, budget: int) -> None:
    local_search(state, budget, steps=4 * len(state.problem.members) + 100)
    revert_redundant_moves(state)


def _reduce_migrations(state: Solution, rng: Random, budget: int, stop: StoppingCriterion, steps: int) -> int:
    """Anneal with a price on each migration, then with a number of them; then for fewer bytes. Returns a
    lower bound on the migrations.
    """
    problem = state.problem
    least = band_migrations_lower_bound(problem, banded=True)
    priced = min(steps, PARAMS.priced_steps * max(1, len(problem.members)))
    left = steps - priced
    Annealer(state, rng, budget, stop, PARAMS.fewer_migrations).run(priced, share=0.2 if left else 0.8)
    if left:
        FixedCountAnnealer(state, rng, budget, stop, least).run(left, share=0.85)
        Annealer(state, rng, budget, stop, PARAMS.fewer_bytes).run(min(left // 8, priced), share=0.8)
    return least


def _restart_until_fewer(
    state: Solution, rng: Random, budget: int, stop: StoppingCriterion, origin: Kept
) -> None:
    """Descend from the beginning into bands that lie elsewhere, until one is reached.

    A few large guests decide which bands can be reached at all; the best-looking one need not be among them.
    """
    problem = state.problem
    best, rank = _kept(state), score(state)
    units = max(1, len(problem.members))
    for _attempt in range(
        min(PARAMS.attempts, int(1 + PARAMS.attempts_per_unit * units), PARAMS.attempted_units // units)
    ):
        if not _outside(state) or stop.elapsed_share() >= 0.5:
            break
        _restore(state, origin)
        middle = Annealer(state, rng, budget, stop, PARAMS.quick_less_excess).mean
        limits = problem.metrics.limits
        state.set_band([mean - limit * rng.random() for mean, limit in zip(middle, limits, strict=True)])
        _descend(state, budget)
        if _outside(state):
            Annealer(state, rng, budget, stop, PARAMS.quick_less_excess).run(
                min(PARAMS.attempt_steps, PARAMS.attempt_steps_per_unit * units)
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
