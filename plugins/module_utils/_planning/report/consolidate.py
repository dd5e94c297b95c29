# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of goal consolidate: hosts that become empty, what keeps others on, and what is proven."""

from __future__ import annotations

from collections.abc import Sequence

from ..._model.plan import ClusterState, Unresolved
from ..._model.text.wording import listed
from ..model.problem import Problem
from ..model.solution import Solution
from ..model.thresholds import consolidation_of, is_underused, may_be_emptied, running_by_host
from ..tolerances import REPORTED_AMOUNT
from .search_findings import SearchFindings


def emptied(problem: Problem, places: Sequence[int]) -> tuple[int, ...]:
    """Hosts that run guests and will run none, other than those that are in maintenance."""
    before, after = running_by_host(problem, problem.home), running_by_host(problem, places)
    chosen = problem.hosts_to_empty
    return tuple(
        host
        for host in range(len(problem.hosts))
        if before[host] and not after[host] and (host in chosen or not problem.roles.leaving[host])
    )


def why_consolidated(problem: Problem, after: ClusterState, source: int, target: int) -> str:
    leaves, enters = problem.hosts[source], problem.hosts[target]
    ends = after.hosts[enters.id].used
    figures = " and ".join(
        f"{value:.0f} % {name.replace('_', ' ')}" for name, value in ends.items() if value is not None
    )
    aim = f"empties {leaves.name}"
    remain = sum(
        home == source and item.is_on_host and not occupies
        for item, home, occupies in zip(problem.guests, problem.home, problem.occupies, strict=True)
    )
    if after.hosts[leaves.id].guests > remain:
        aim = f"makes room on {leaves.name} for guests of hosts that become empty"
    return f"{aim}; {enters.name} ends at {figures}"


def kept_on(state: Solution, places: Sequence[int], findings: SearchFindings | None) -> list[Unresolved]:
    """The hosts that are used so little that they should become empty, and can't.

    findings: None where no plan was searched for.
    """
    problem = state.problem
    wants = consolidation_of(problem)
    after = running_by_host(problem, places)
    on = [host for host, guests in enumerate(after) if guests and not problem.roles.leaving[host]]
    if wants.below is None or len(on) <= wants.min_hosts:
        return []
    below = f"it is below {wants.below:g} % in every metric"
    return [
        Unresolved(
            what=f"host {problem.hosts[host].name} stays on",
            why=f"{below}, and {_what_keeps(state, host, after[host], findings)}",
            code="host_stays_on",
            subject=problem.hosts[host].id,
        )
        for host in on
        if problem.hosts[host].active and problem.roles.releases[host] and is_underused(state, host)
    ]


def _what_keeps(state: Solution, host: int, guests: int, findings: SearchFindings | None) -> str:
    problem = state.problem
    most = problem.policy.max_migrations
    fixed = [
        f"{problem.guests[guest].name} ({problem.stays[guest]})"
        for guest, home in enumerate(problem.home)
        if home == host and problem.occupies[guest] and problem.stays[guest] is not None
    ]
    if fixed:
        return f"it runs {listed(fixed, 3)}"
    if most is not None and state.moves + guests > most:
        return f"its {guests} guests are more than max_migrations, {most}, leaves"
    if findings is None:
        return f"it still runs {guests} guest{'s' * (guests != 1)}"
    no_order = findings.no_order_from(state, host)
    if no_order is not None:
        return no_order
    limits = problem.policy.limits
    fill = consolidation_of(problem).fill
    cpu, memory = (value if fill is None else min(value, fill) for value in (limits.cpu, limits.memory))
    return (
        f"the others have no room for its {guests} guests within their rules and up to"
        f" {cpu:g} % cpu and {memory:g} % memory"
    )


def consolidation_lower_bound(problem: Problem, many: int) -> int:
    """The fewest migrations that empty this number of hosts: those with the fewest guests lose them all.
    `problem`: before any host was chosen; where some are, guests of the others have nowhere to go.
    """
    running = running_by_host(problem, problem.home)
    return sum(sorted(running[host] for host in may_be_emptied(problem))[:many])


def hosts_needed(problem: Problem) -> int:
    """Hosts that have to stay on at least: those that can't be emptied, and as many of the others, the
    largest first, as hold all guests, by each resource alone. `problem`: before any host was chosen.
    """
    running = running_by_host(problem, problem.home)
    movable, leaving = set(may_be_emptied(problem)), problem.roles.leaving
    forced = [h for h, guests in enumerate(running) if guests and h not in movable and not leaving[h]]
    others = [
        h
        for h, host in enumerate(problem.hosts)
        if host.status == "online" and (host.schedulable or running[h]) and h not in forced
    ]
    restores = any(
        leaving[problem.home[guests[0]]] or home < 0 or unit in problem.crowded
        for unit, (guests, home) in enumerate(zip(problem.members, problem.unit_home, strict=True))
    )
    tops = problem.needs.ceiling_for_rules if restores or problem.rules else problem.needs.ceiling
    most = len(forced)
    for need in range(len(problem.needs.resources)):
        load = [0.0] * len(problem.hosts)
        for guest, home in enumerate(problem.home):
            if problem.guests[guest].is_on_host:
                load[home] += problem.needs.guest[guest][need]
        # What is too full to begin with may stay so.
        capacities = {
            h: max(tops[h][need], problem.needs.used[h][need]) - (problem.needs.used[h][need] - load[h])
            for h in (*forced, *others)
        }
        wanted = sum(load) - sum(capacities[host] for host in forced)
        count = len(forced)
        for capacity in sorted((capacities[host] for host in others), reverse=True):
            if wanted <= REPORTED_AMOUNT * max(1.0, sum(load)) or capacity <= 0:
                break
            wanted -= capacity
            count += 1
        most = max(most, count)
    return max(most, 1 if any(running) else 0)
