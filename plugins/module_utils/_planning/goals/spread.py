# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal spread: every metric inside its band."""

from __future__ import annotations

from collections.abc import Sequence

from ..._model.plan import ClusterState, Unresolved
from ..bounds.combinatorial import band_migrations_lower_bound, is_out_of_reach
from ..model.problem import Problem
from ..model.solution import Solution
from ..report.search_findings import SearchFindings
from ..report.unresolved import out_of_band
from ..search.priority_swap import swap_by_priority
from .goal import Goal


class Spread(Goal):
    """Repairs rules, empties hosts in maintenance, then brings every host into the band of each metric."""

    def _finish(self, state: Solution) -> None:
        swap_by_priority(state)

    def _own_unresolved(
        self,
        state: Solution,
        places: Sequence[int],
        after: ClusterState,
        findings: SearchFindings | None,
        *,
        impossible: bool,
    ) -> list[Unresolved]:
        stuck = super()._own_unresolved(state, places, after, findings, impossible=impossible)
        return stuck + out_of_band(state.problem, places, after, impossible=impossible)

    def lower_bound(self, state: Solution) -> tuple[int, str]:
        fewest = band_migrations_lower_bound(state.problem, banded=True)
        return fewest, "fewest departures and arrivals that bring every host into the band, rules included"

    def is_hopeless(self, problem: Problem) -> bool:
        return super().is_hopeless(problem) or is_out_of_reach(problem)
