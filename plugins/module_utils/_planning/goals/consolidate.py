# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal consolidate: as few hosts as possible run guests."""

from __future__ import annotations

from ..._model.plan import ClusterState, MigrationKind, Unresolved
from ..model.problem import Problem
from ..model.solution import Solution
from ..report.consolidate import kept_on
from .goal import EndState, Goal


class Consolidate(Goal):
    """Repairs rules and empties hosts in maintenance. Which further hosts are emptied, and what is proven of
    them, is decided around it: see consolidation.py.
    """

    def _own_unresolved(self, end: EndState) -> list[Unresolved]:
        return super()._own_unresolved(end) + kept_on(end.solution, end.places, end.findings)

    def hot_hosts(self, problem: Problem, after: ClusterState) -> set[int]:
        return set()

    def _other_kind(self, state: Solution, unit: int) -> MigrationKind:
        return "consolidate" if state.problem.hosts_to_empty else "balance"
