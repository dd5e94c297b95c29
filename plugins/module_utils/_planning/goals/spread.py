# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal spread: every metric inside its band."""

from __future__ import annotations

from ..._model.plan import Unresolved
from ..bounds.combinatorial import band_migrations_lower_bound, is_out_of_reach
from ..model.problem import Problem
from ..model.solution import Solution
from ..report.unresolved import out_of_band
from .goal import EndState, Goal


class Spread(Goal):
    """Repairs rules, empties hosts in maintenance, then brings every host into the band of each metric."""

    def _own_unresolved(self, end: EndState) -> list[Unresolved]:
        stuck = super()._own_unresolved(end)
        problem = end.solution.problem
        return stuck + out_of_band(problem, end.places, end.cluster, impossible=end.impossible)

    def lower_bound(self, state: Solution) -> tuple[int, str]:
        fewest = band_migrations_lower_bound(state.problem, banded=True)
        return fewest, "fewest departures and arrivals that bring every host into the band, rules included"

    def is_hopeless(self, problem: Problem) -> bool:
        return super().is_hopeless(problem) or is_out_of_reach(problem)
