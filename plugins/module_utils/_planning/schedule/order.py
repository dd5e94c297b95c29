# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts migrations into an order in which any interleaving is safe."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from random import Random

from ..model.problem import Problem
from .list_scheduler import Job, ListScheduler, Schedule
from .moves import makespan_lower_bound, seconds_of

ACCEPTED_RATIO = 1.02
# With few migrations many orders are tried; with thousands that takes long, and chance matters less.
MAX_TRIES, MAX_STARTS = 45, 4000
# Where some have to begin first there is less to choose from.
FEWER_TRIES = 6


def schedule_moves(
    problem: Problem,
    moves: Sequence[Job],
    ceilings: Sequence[Sequence[float]],
    first: Collection[int] = (),
) -> Schedule:
    """`moves`: those that belong together (an affinity group) in one tuple; `ceilings`: by host and need;
    `first`: guests that begin before others where the migrations under way are limited.
    """
    best: Schedule | None = None
    single = [move for job in moves for move in job]
    bound = makespan_lower_bound(problem, single, ceilings, detours=False)
    for priority in _priorities(problem, moves, first):
        found = ListScheduler(problem, priority, ceilings).run()
        if best is None or found.rank < best.rank:
            best = found
        if not best.left and best.seconds <= bound * ACCEPTED_RATIO:
            break
    if best is None:
        return Schedule()
    if any(placed.move.parking for placed in best.placed):
        bound = makespan_lower_bound(problem, single, ceilings, detours=True)
    return replace(best, bound=bound)


def _priorities(problem: Problem, moves: Sequence[Job], first: Collection[int]) -> Iterable[list[Job]]:
    """Orders in which waiting moves are tried: busy hosts first, capacity for others first, then by
    chance.
    """
    seconds = [sum(seconds_of(problem, move) for move in job) for job in moves]
    busy: dict[int, float] = {}
    wanted: dict[int, float] = {}
    for job, takes in zip(moves, seconds, strict=True):
        for move in job[:1]:
            busy[move.source] = busy.get(move.source, 0.0) + takes
            busy[move.target] = busy.get(move.target, 0.0) + takes
            wanted[move.target] = wanted.get(move.target, 0.0) + takes
    heads = [job[0] for job in moves]
    work = [busy[move.source] + busy[move.target] + takes for move, takes in zip(heads, seconds, strict=True)]
    # Whoever leaves a host that many want to come to goes before them.
    opens = [w + 2 * wanted.get(move.source, 0.0) for w, move in zip(work, heads, strict=True)]
    rng = Random(problem.policy.seed)
    most = FEWER_TRIES if first else MAX_TRIES
    for attempt in range(max(2, min(most, MAX_STARTS // len(moves))) if moves else 0):
        weights = (opens, work, seconds)[attempt % 3]
        noise = 0.0 if attempt < 3 else 0.4 + 0.8 * (attempt % 2)
        keys = [weight * (1.0 + noise * (rng.random() - 0.5)) for weight in weights]
        ranked = sorted(
            range(len(moves)),
            key=lambda index: (heads[index].guest not in first, -keys[index], heads[index].guest),
        )
        yield [moves[index] for index in ranked]
