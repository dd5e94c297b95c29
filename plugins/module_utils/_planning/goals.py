# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The goals: which entries each leaves unresolved, its lower bound, and the kinds of its migrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .._model.plan import ClusterState, MigrationKind, Unresolved
from .bounds.combinatorial import band_migrations_lower_bound, is_out_of_reach
from .model.problem import Problem
from .model.solution import Solution
from .model.thresholds import overloaded, points_before
from .report.consolidate import kept_on
from .report.relieve import hot_after, relief_lower_bound, relieves, still_overloaded
from .report.search_findings import SearchFindings
from .report.unresolved import above_band, contradicts, left_on, out_of_band, over_limits, stranded
from .tolerances import WISHES


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
    """The answers that most goals share. The stages below know a goal by its GoalTraits only."""

    def unresolved(self, end: EndState) -> list[Unresolved]:
        """The goal's wishes besides rules that the placement does not meet."""
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
        """The purpose of this unit's migration: what would be wrong again if it alone returned."""
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


class Spread(Goal):
    """Every metric is inside its band. Repairs rules, empties hosts in maintenance, then brings every host
    into the band of each metric.
    """

    def _own_unresolved(self, end: EndState) -> list[Unresolved]:
        stuck = super()._own_unresolved(end)
        problem = end.solution.problem
        return stuck + out_of_band(problem, end.places, end.cluster, impossible=end.impossible)

    def lower_bound(self, state: Solution) -> tuple[int, str]:
        fewest = band_migrations_lower_bound(state.problem, banded=True)
        return fewest, "fewest departures and arrivals that bring every host into the band, rules included"

    def is_hopeless(self, problem: Problem) -> bool:
        return super().is_hopeless(problem) or is_out_of_reach(problem)


class Relieve(Goal):
    """No host is above its overload threshold. Repairs rules, then brings overloaded hosts down to their
    target, and moves no other guest.
    """

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


class Rules(Goal):
    """Every strict rule holds. No guest moves for another reason."""


class Evacuate(Goal):
    """The hosts that the policy names run no guests. Wants nothing else; a limit that another host exceeds is
    only a notice.
    """

    def unresolved(self, end: EndState) -> list[Unresolved]:
        return stranded(end.solution, end.places, end.findings)

    def lower_bound(self, state: Solution) -> tuple[int, str]:
        leaving = set(_to_leave(state.problem))
        for unit in state.problem.chosen:
            leaving.update(state.problem.members[unit])
        return len(leaving), "every running guest of the hosts that are to be emptied has to leave"

    def is_hopeless(self, problem: Problem) -> bool:
        left = _to_leave(problem)
        return not any(problem.roles.receives) or all(problem.stays[guest] for guest in left)

    def migration_kind(self, state: Solution, unit: int) -> MigrationKind:
        return "evacuate"


def _to_leave(problem: Problem) -> list[int]:
    leaving = [host for host, leaves in enumerate(problem.roles.leaving) if leaves]
    return [guest for host in leaving for guest in left_on(problem, problem.home, host)]


class Consolidate(Goal):
    """As few hosts as possible run guests. Repairs rules and empties hosts in maintenance. Which further
    hosts are emptied, and what is proven of them, is decided around it: see consolidation.py.
    """

    def _own_unresolved(self, end: EndState) -> list[Unresolved]:
        return super()._own_unresolved(end) + kept_on(end.solution, end.places, end.findings)

    def hot_hosts(self, problem: Problem, after: ClusterState) -> set[int]:
        return set()

    def _other_kind(self, state: Solution, unit: int) -> MigrationKind:
        return "consolidate" if state.problem.hosts_to_empty else "balance"


GOALS: Final[Mapping[str, Goal]] = {
    "spread": Spread(),
    "relieve": Relieve(),
    "rules": Rules(),
    "evacuate": Evacuate(),
    "consolidate": Consolidate(),
    # No guest is migrated for it; its rules over hosts hold for what is asked of it besides.
    "storage": Rules(),
}


def goal_of(problem: Problem) -> Goal:
    """Returns the goal of the problem's policy."""
    return GOALS[problem.policy.goal]
