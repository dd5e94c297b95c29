# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves guests of low priority in the place of those of high priority, where it makes no difference else."""

from __future__ import annotations

from ..model.problem import Problem
from ..model.solution import Solution
from ..tolerances import POINTS


def swap_by_priority(state: Solution) -> None:
    """Let guests that need not leave stay where a less important one of their host can go instead."""
    problem = state.problem
    ranks = priorities(problem)
    if len(set(ranks)) < 2:
        return
    for unit in sorted(state.away(), key=lambda unit: (-ranks[unit], -problem.unit_bytes[unit], unit)):
        if not state.must_move(unit):
            _replace(state, unit, ranks)


def priorities(problem: Problem) -> list[int]:
    """By unit, that of the most important guest."""
    return [max(problem.guests[guest].priority for guest in guests) for guests in problem.members]


def _replace(state: Solution, unit: int, ranks: list[int]) -> None:
    problem = state.problem
    home, there = problem.unit_home[unit], state.where[unit]
    others = [
        other
        for other in state.on[home]
        if problem.unit_home[other] == home
        and ranks[other] < ranks[unit]
        and len(problem.members[other]) <= len(problem.members[unit])
    ]
    most, keeps_rules = max(state.total_excess, POINTS), state.keeps_rules()
    for other in sorted(others, key=lambda other: (ranks[other], problem.unit_bytes[other], other)):
        swap = [(unit, home), (other, there)]
        if state.try_moves(swap, lambda: state.total_excess <= most and keeps_rules()):
            return
