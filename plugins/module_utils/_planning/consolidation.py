# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal consolidate, from a snapshot to a plan: hosts are chosen first, then emptied as for maintenance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from .._model.plan import Plan
from .._model.policy.policy import Policy
from .._model.snapshot import Snapshot
from .model.builder import build_problem
from .model.capacity import with_closed
from .model.problem import Problem
from .model.solution import solution_of
from .model.stayers import has_to_leave, stayers_of
from .model.thresholds import consolidation_of, running_by_host
from .report.consolidate import consolidation_lower_bound, hosts_needed
from .report.unresolved import is_complete
from .search.host_emptying import choose_hosts_to_empty
from .search.solve import SearchResult

Solve = Callable[[Problem], SearchResult]
Finish = Callable[[Problem, SearchResult], tuple[Plan, SearchResult]]


def plan_consolidation(
    snapshot: Snapshot, policy: Policy, solve: Solve, finish: Finish
) -> tuple[Problem, Plan, SearchResult]:
    """`solve` restores rules and empties hosts in maintenance; `finish` makes a plan of a placement.

    Hosts that run no guests are taken to be off, unless a rule can't be restored or a host in maintenance not
    be emptied without them.
    """
    everywhere = build_problem(snapshot, policy)
    # What is to be empty in the end may still open a ring on the way.
    shelters = {guest: everywhere.unit_mask[unit] for guest, unit in everywhere.unit_of.items()}
    everywhere = replace(everywhere, shelters=shelters)
    idle = _idle_hosts(snapshot, policy)
    if not idle:
        return _attempt(everywhere, solve, finish)
    on = build_problem(with_closed(snapshot, idle), policy, idle_hosts=idle)
    found = _attempt(replace(on, shelters=shelters), solve, finish)
    if _wrong(found[1]):
        roomier = _attempt(everywhere, solve, finish)
        if _wrong(roomier[1]) < _wrong(found[1]):
            return roomier
    return found


def with_proof(problem: Problem, result: Plan) -> Plan:
    """The plan that also tells what is proven of the hosts that it empties, and of those that stay on.
    `problem`: before any host was chosen.
    """
    ends = {step.guest.id: step.target for step in result.migrations}
    on = len(
        {
            ends.get(guest.id, problem.hosts[home].id)
            for guest, home, occupies in zip(problem.guests, problem.home, problem.occupies, strict=True)
            if occupies
        }
    )
    wanted = max(hosts_needed(problem), min(consolidation_of(problem).min_hosts, on))
    fewest, complete = result.proof.migrations_lower_bound, is_complete(result.unresolved)
    if complete:
        fewest = max(fewest, consolidation_lower_bound(problem, len(result.emptied)))
    proof = replace(
        result.proof,
        migrations_lower_bound=fewest,
        optimal=complete and len(result.migrations) == fewest,
        method="all guests of as many hosts, those with the fewest, have to leave;"
        f" {_hosts(on)} on, where at least {wanted} must be",
    )
    return replace(result, proof=proof)


def build_without(problem: Problem, chosen: Iterable[int]) -> Problem:
    """The problem in which the chosen hosts have to be emptied."""
    chosen = frozenset(chosen)
    closed = with_closed(problem.snapshot, frozenset(problem.hosts[host].id for host in chosen))
    emptying = build_problem(closed, problem.policy, hosts_to_empty=chosen, idle_hosts=problem.idle_hosts)
    return replace(emptying, shelters=problem.shelters)


def _wrong(result: Plan) -> int:
    """The number of unresolved items besides hosts that stay on, and limits that no goal brings hosts
    below.
    """
    return sum(item.code != "host_stays_on" and not is_complete([item]) for item in result.unresolved)


def _idle_hosts(snapshot: Snapshot, policy: Policy) -> frozenset[str]:
    """Ids of the hosts that run no guests, other than those in maintenance."""
    stay = stayers_of(snapshot, policy)
    running = {
        host
        for guest in snapshot.guests
        if has_to_leave(guest, stay)
        for host in (guest.host, guest.migrating_to)
    }
    return frozenset(host.id for host in snapshot.hosts if host.id not in running and not host.maintenance)


def _attempt(first: Problem, solve: Solve, finish: Finish) -> tuple[Problem, Plan, SearchResult]:
    banned: frozenset[int] = frozenset()
    while True:
        # Emptying fills no host further than its plain limits, not even with guests that had to move anyway.
        state = solution_of(_within_limits(first), solve(first).solution.places())
        chosen = choose_hosts_to_empty(state, banned)
        if not chosen:
            result, end = finish(first, solve(first))
            return first, _without_order(first, result, banned), end
        problem = build_without(first, chosen)
        result, end = finish(problem, SearchResult(solution_of(problem, state.places())))
        running = running_by_host(problem, end.solution.places())
        stuck = [host for host in chosen if running[host]]
        if not stuck:
            if _wrong(result):
                plain, other = finish(first, solve(first))
                if _wrong(plain) < _wrong(result):
                    return first, _without_order(first, plain, banned), other
            return problem, _without_order(first, result, banned), end
        # There is no safe order to empty them in: they stay on.
        banned |= frozenset(stuck)


def _without_order(problem: Problem, result: Plan, banned: Iterable[int]) -> Plan:
    """The plan that says of hosts which stay on for want of a safe order that this is the reason."""
    ids = {problem.hosts[host].id for host in banned}
    unresolved = [
        replace(item, why="no safe order was found in which to migrate its guests")
        if item.code == "host_stays_on" and item.subject in ids
        else item
        for item in result.unresolved
    ]
    return replace(result, unresolved=tuple(unresolved))


def _within_limits(problem: Problem) -> Problem:
    """The problem in which nothing may fill a host further than levelling does."""
    limits = problem.policy.limits
    limits = replace(limits, cpu_for_rules=limits.cpu, memory_for_rules=limits.memory)
    policy = replace(problem.policy, limits=limits)
    return build_problem(problem.snapshot, policy, idle_hosts=problem.idle_hosts)


def _hosts(many: int) -> str:
    return "1 host stays" if many == 1 else f"{many} hosts stay"
