# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Goal relieve in words and numbers: reasons, what stays overloaded, and what is proven."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from ..._model.plan import ClusterState, Unresolved
from ..model.problem import Problem
from ..model.solution import Solution
from ..model.thresholds import NO_THRESHOLD, ceilings, overloaded, overloads, points_before
from ..tolerances import POINTS
from .search_findings import SearchFindings


def figure(metric: str, percent: float) -> str:
    """A load as people say it."""
    if metric == "vcpu":
        return f"{percent / 100:.2f} vCPUs per core"
    return f"{percent:.1f} % {metric.replace('_io', ' I/O').replace('_', ' ')}"


def threshold(metric: str, percent: float) -> str:
    return f"{percent / 100:g}" if metric == "vcpu" else f"{percent:g} %"


def relieves(state: Solution, unit: int) -> bool:
    """Whether the unit left an overloaded host for one that is not; else it makes room for others."""
    problem = state.problem
    was_hot = problem.unit_home[unit] in overloaded(problem, points_before(problem))
    ends = zip(state.points[state.where[unit]], overloads(problem), strict=True)
    return was_hot and all(value <= top + POINTS for value, top in ends)


def why_relieved(
    problem: Problem, before: ClusterState, after: ClusterState, source: int, target: int
) -> str:
    """The effect of a migration on the host that it leaves, and the resulting load of its target."""
    points = points_before(problem)
    over = overloaded(problem, points).get(source, ())
    tops = overloads(problem)
    leaves, enters = problem.hosts[source], problem.hosts[target]
    parts = []
    for index in over:
        name = problem.metrics.names[index]
        was, will = before.hosts[leaves.id].used[name], after.hosts[leaves.id].used[name]
        if was is not None and will is not None:
            number = f"{was / 100:.2f}" if name == "vcpu" else f"{was:.1f}"
            limit = threshold(name, tops[index])
            parts.append(f"{number} to {figure(name, will)} (overloaded above {limit})")
    cause = f"takes {leaves.name} from {' and '.join(parts)}" if parts else f"relieves {leaves.name}"
    return f"{cause}; {enters.name} ends at {_figures(problem, after, target)}"


def _figures(problem: Problem, state: ClusterState, host: int) -> str:
    used = state.hosts[problem.hosts[host].id].used
    tops = ceilings(problem)
    return " and ".join(
        figure(name, value)
        for name, top in zip(problem.metrics.names, tops, strict=True)
        if top < NO_THRESHOLD and (value := used[name]) is not None
    )


def hot_after(problem: Problem, after: ClusterState) -> set[int]:
    """Hosts that are overloaded when the plan was carried out."""
    points = [
        [after.hosts[host.id].used[name] or 0.0 for name in problem.metrics.names] for host in problem.hosts
    ]
    return set(overloaded(problem, points))


def still_overloaded(state: Solution, findings: SearchFindings | None) -> list[Unresolved]:
    """The hosts that stay above a threshold, by how much and why; findings: None where no plan was looked
    for.
    """
    problem = state.problem
    tops = overloads(problem)
    found = []
    for host, over in overloaded(problem, state.points).items():
        texts = [
            f"{figure(problem.metrics.names[index], state.points[host][index])} where"
            f" {threshold(problem.metrics.names[index], tops[index])} is the threshold"
            for index in over
        ]
        found.append(
            Unresolved(
                what=f"host {problem.hosts[host].name} overloaded",
                why=f"it stays at {' and '.join(texts)}; {_what_keeps(state, host, findings)}",
                code="host_overloaded",
                subject=problem.hosts[host].id,
            )
        )
    return found


def _what_keeps(state: Solution, host: int, findings: SearchFindings | None) -> str:
    problem = state.problem
    most = problem.policy.max_migrations
    if most is not None and state.moves >= most:
        return f"the plan may have no more migrations than max_migrations, {most}"
    movable = sum(len(problem.members[unit]) for unit in state.on[host])
    fixed = [
        guest
        for guest, home in enumerate(problem.home)
        if home == host and problem.guests[guest].is_on_host and problem.stays[guest] is not None
    ]
    if not movable:
        return f"none of its {len(fixed)} guests may be moved" if fixed else "it runs no guests"
    if findings is None:
        return f"{movable} of its guests may be moved"
    no_order = findings.no_order_from(state, host)
    if no_order is not None:
        return no_order
    names = problem.metrics.names
    limits = " and ".join(
        f"{threshold(names[index], top)} {'vCPUs per core' if names[index] == 'vcpu' else names[index]}"
        for index, top in enumerate(ceilings(problem))
        if top < NO_THRESHOLD
    )
    more = f", and {len(fixed)} more may not be moved" if fixed else ""
    return f"no host below {limits} has room for one of the {movable} guests that may leave{more}"


def relief_lower_bound(state: Solution) -> int:
    """The fewest guests that have to leave hosts which were overloaded, for each to come as far down as it
    does: the largest of them first, in each metric alone.
    """
    problem = state.problem
    before, floor = points_before(problem), ceilings(problem)
    leaving: dict[int, list[int]] = {}
    for guests in problem.members:
        for guest in guests:
            leaving.setdefault(problem.home[guest], []).append(guest)
    total = 0
    for host, over in overloaded(problem, before).items():
        fewest = 0
        for index in over:
            scale = problem.metrics.scale[host][index]
            reached = max(floor[index], state.points[host][index])
            sizes = sorted(
                (problem.metrics.guest[guest][index] * scale for guest in leaving.get(host, ())), reverse=True
            )
            fewest = max(fewest, _how_many(sizes, before[host][index] - reached))
        total += fewest
    return total


def _how_many(sizes: Sequence[float], wanted: float) -> int:
    if wanted <= POINTS:
        return 0
    for many, total in enumerate(accumulate(sizes), start=1):
        if total >= wanted - POINTS:
            return many
    return len(sizes)
