# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each goal asks of a placement, and what it says of a plan: where goals differ."""

from __future__ import annotations

from collections.abc import Sequence

from .._model.plan import ClusterState, Unresolved
from .bounds.combinatorial import band_migrations_lower_bound
from .goals.relieve import relieve_hosts
from .model.problem import Problem
from .model.solution import Solution
from .report.consolidate import kept_on
from .report.relieve import relief_lower_bound, still_overloaded
from .report.search_findings import Sought
from .report.unresolved import left_on, out_of_band, over_limits, stranded
from .search.priority_swap import swap_by_priority
from .search.solve import SearchResult, solve
from .search.stopping import Spending


def solve_for_goal(
    problem: Problem, spent: Spending, forbidden: frozenset[tuple[int, int]] = frozenset()
) -> SearchResult:
    """The best placement found for the policy's goal; `forbidden` as in solve."""
    found = solve(problem, spent, forbidden)
    goal = problem.policy.goal
    if goal == "relieve":
        relieve_hosts(found.solution)
    elif goal == "spread":
        swap_by_priority(found.solution)
    return found


def goal_unresolved(
    state: Solution,
    places: Sequence[int],
    after: ClusterState,
    sought: Sought | None,
    *,
    impossible: bool = False,
) -> list[Unresolved]:
    """What the goal wants besides rules, and the placement does not give; sought: None where no plan was
    looked for; impossible: whether it is proven that no placement is inside the band. With goal evacuate a
    limit that is exceeded elsewhere is a notice: see `remarks`.
    """
    problem = state.problem
    goal = problem.policy.goal
    found = [] if goal in ("rules", "relieve") else stranded(state, places, sought)
    if goal == "spread":
        found += out_of_band(problem, places, after, impossible=impossible)
    elif goal == "relieve":
        found += still_overloaded(state, sought)
    elif goal == "consolidate":
        found += kept_on(state, places, sought)
    return found if goal == "evacuate" else found + over_limits(problem, places)


def migrations_lower_bound(state: Solution) -> tuple[int, str]:
    """No legal plan that reaches as much has fewer migrations; and how that is known. With goal consolidate
    only what rules want: see `consolidating.with_proof` for the hosts.
    """
    problem = state.problem
    goal = problem.policy.goal
    if goal == "evacuate":
        leaving = [host for host, leaves in enumerate(problem.roles.leaving) if leaves]
        total = sum(len(left_on(problem, problem.home, host)) for host in leaving)
        return total, "every running guest of the hosts that are to be emptied has to leave"
    fewest = band_migrations_lower_bound(problem, banded=goal == "spread")
    if goal == "spread":
        return fewest, "fewest departures and arrivals that bring every host into the band, rules included"
    if goal == "relieve":
        fewest = max(fewest, relief_lower_bound(state))
        return fewest, "fewest departures that bring every overloaded host as far down"
    return fewest, "fewest departures that mend every rule"
