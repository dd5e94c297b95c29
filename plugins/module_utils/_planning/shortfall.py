# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The differences between a cluster as it is and what a policy wants."""

from __future__ import annotations

from .._model.plan import Unresolved
from .._model.policy.policy import Policy
from .._model.snapshot import Snapshot
from .goals import EndState, goal_of
from .model.builder import build_problem
from .model.capacity import with_hosts_closed
from .model.selectors import with_expressions_answered
from .model.solution import solution_of
from .report.cluster_state import cluster_state
from .report.unresolved import broken_rules
from .snapshots.estimated_load import with_estimated_load
from .snapshots.policy_overlay import with_policy_applied


def shortfall(snapshot: Snapshot, policy: Policy) -> tuple[Unresolved, ...]:
    """Hosts outside the band or above a threshold, broken strict rules, hosts that should be empty; empty
    where everything is in order. Raises PlanningError as planning does.
    """
    policy = with_expressions_answered(policy, snapshot)
    known, wanted = with_estimated_load(with_policy_applied(snapshot, policy), policy)
    problem = build_problem(with_hosts_closed(known, wanted), wanted)
    start = solution_of(problem, list(problem.home))
    state = cluster_state(problem, problem.home)
    broken = [] if problem.traits.names_hosts else broken_rules(start, problem.home, state, set(), None)
    end = EndState(solution=start, places=problem.home, cluster=state, findings=None)
    return (*broken, *goal_of(problem).unresolved(end))
