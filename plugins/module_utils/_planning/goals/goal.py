# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions that every goal answers: which placement, what is unresolved, what is proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..._model.plan import ClusterState, MigrationKind, Unresolved
from ..bounds.combinatorial import band_migrations_lower_bound
from ..model.problem import Problem
from ..model.solution import Solution
from ..report.search_findings import SearchFindings
from ..report.unresolved import above_band, contradicts, over_limits, stranded
from ..tolerances import WISHES


@dataclass(frozen=True, slots=True, kw_only=True)
class EndState:
    """Where a plan ends, or the cluster as it is.

    places: by guest, its host; findings: None where no plan was searched for; impossible: whether it is
    proven that no placement is inside the band.
    """

    solution: Solution
    places: Sequence[int]
    cluster: ClusterState
    findings: SearchFindings | None
    impossible: bool = False


class Goal:
    """The answers that most goals share. What the stages below must know of a goal is in its GoalTraits."""

    def unresolved(self, end: EndState) -> list[Unresolved]:
        """Returns what the goal wants besides rules, and the placement does not provide."""
        return [*self._own_unresolved(end), *over_limits(end.solution.problem, end.places)]

    def _own_unresolved(self, end: EndState) -> list[Unresolved]:
        empties = end.solution.problem.traits.empties_maintenance
        return stranded(end.solution, end.places, end.findings) if empties else []

    def lower_bound(self, state: Solution) -> tuple[int, str]:
        """Returns a number of migrations that every plan which reaches as much needs, and the method."""
        fewest = band_migrations_lower_bound(state.problem, banded=False)
        return fewest, "fewest departures that restore every rule"

    def hot_hosts(self, problem: Problem, after: ClusterState) -> set[int]:
        """Returns the hosts that stay too full for the goal."""
        return above_band(problem, after)

    def is_hopeless(self, problem: Problem) -> bool:
        """Whether it is proven that the goal can't be reached."""
        return not any(problem.roles.receives) or contradicts(problem)

    def migration_kind(self, state: Solution, unit: int) -> MigrationKind:
        """Returns what the migration of this unit is for: what would be wrong again if it alone returned."""
        problem = state.problem
        home = problem.unit_home[unit]
        if home < 0:
            return "rule"
        if unit in problem.against_pins and home not in problem.hosts_to_empty:
            return "rule"
        if not problem.unit_mask[unit] >> home & 1:
            if home in problem.hosts_to_empty:
                return "consolidate"
            return "evacuate" if problem.roles.leaving[home] else "rule"
        return "rule" if _restores_rule(state, unit) else self._other_kind(state, unit)

    def _other_kind(self, state: Solution, unit: int) -> MigrationKind:
        """Returns the kind of a migration that no rule and no maintenance requires."""
        return "balance"


def _restores_rule(state: Solution, unit: int) -> bool:
    problem = state.problem
    broken, excess, wishes = state.broken, state.total_excess, state.soft_cost
    here = state.remove(unit)
    state.insert(unit, problem.unit_home[unit])
    restores = state.broken > broken
    if problem.traits.counts_spread:
        restores |= state.total_excess <= excess + WISHES and state.soft_cost > wishes + WISHES
    state.relocate(unit, here)
    if not restores and unit in problem.crowded:
        ceiling = problem.needs.ceiling[here]
        # It left where a broken rule wanted fewer, and was let in up to the ceiling that such a guest has.
        restores = any(have > top for have, top in zip(state.need[here], ceiling, strict=True))
    return restores
