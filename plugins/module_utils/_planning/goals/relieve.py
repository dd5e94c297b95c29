# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal relieve: no host is above its overload threshold."""

from __future__ import annotations

from ..._model.plan import ClusterState, MigrationKind, Unresolved
from ..model.problem import Problem
from ..model.solution import Solution
from ..model.thresholds import overloaded, points_before
from ..report.relieve import hot_after, relief_lower_bound, relieves, still_overloaded
from .goal import EndState, Goal


class Relieve(Goal):
    """Repairs rules, then brings overloaded hosts down to their target, and moves no other guest."""

    def _own_unresolved(self, end: EndState) -> list[Unresolved]:
        return still_overloaded(end.solution, end.findings)

    def lower_bound(self, state: Solution) -> tuple[int, str]:
        fewest, _method = super().lower_bound(state)
        fewest = max(fewest, relief_lower_bound(state))
        return fewest, "fewest departures that bring every overloaded host as far down"

    def hot_hosts(self, problem: Problem, after: ClusterState) -> set[int]:
        return hot_after(problem, after)

    def is_hopeless(self, problem: Problem) -> bool:
        if super().is_hopeless(problem):
            return True
        hot = overloaded(problem, points_before(problem))
        movable = {home for home, stays in zip(problem.home, problem.stays, strict=True) if stays is None}
        return bool(hot) and not movable & set(hot)

    def _other_kind(self, state: Solution, unit: int) -> MigrationKind:
        return "relieve" if relieves(state, unit) else "balance"
