# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves of a solution are made as a whole or not at all."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.builder import build_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.solution import Solution
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate


@pytest.fixture
def solution() -> Solution:
    return Solution(build_problem(generate(Shape(hosts=4, guests=20, seed=3)), Policy()))


def contents(solution: Solution) -> tuple[object, ...]:
    """Everything that a move changes; sums are rounded, for terms that return do so in another order."""
    return (
        list(solution.where),
        [set(units) for units in solution.on],
        list(solution.came),
        [[round(value, 6) for value in points] for points in solution.points],
        [[round(value, 3) for value in need] for need in solution.need],
        [{host: many for host, many in counts.at.items() if many} for counts in solution.counts],
        (solution.moves, solution.bytes, solution.misplaced, solution.broken),
        round(solution.total_excess, 6),
    )


def first_move(solution: Solution) -> tuple[int, int]:
    """A unit and a host other than its own that would take it."""
    for unit, home in enumerate(list(solution.where)):
        solution.remove(unit)
        hosts = [host for host in range(len(solution.on)) if host != home and solution.fits(unit, host)]
        solution.insert(unit, home)
        if hosts:
            return unit, hosts[0]
    raise AssertionError("no unit can move")


def test_accepted_moves_stay(solution: Solution) -> None:
    unit, host = first_move(solution)
    assert solution.try_moves([(unit, host)], lambda: solution.where[unit] == host)
    assert (solution.where[unit], unit in solution.on[host], solution.came[host]) == (host, True, 1)
    assert solution.moves == len(solution.problem.members[unit])


def test_refused_moves_are_undone(solution: Solution) -> None:
    before = contents(solution)
    assert not solution.try_moves([first_move(solution)], lambda: False)
    assert contents(solution) == before


def test_moves_of_which_one_does_not_fit_are_undone_without_asking(solution: Solution) -> None:
    unit, host = first_move(solution)
    other = next(number for number in range(len(solution.where)) if number != unit)
    solution.forbidden.add((other, solution.where[other]))
    before = contents(solution)
    asked: list[bool] = []
    moves = [(unit, host), (other, solution.where[other])]
    assert not solution.try_moves(moves, lambda: bool(asked.append(True)))
    assert (contents(solution), asked) == (before, [])


def test_moves_are_undone_when_the_condition_raises(solution: Solution) -> None:
    before = contents(solution)

    def fails() -> bool:
        raise ArithmeticError("not decided")

    with pytest.raises(ArithmeticError, match="not decided"):
        solution.try_moves([first_move(solution)], fails)
    assert contents(solution) == before
