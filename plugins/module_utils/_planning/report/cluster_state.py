# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a placement of guests, in words and numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from ..._model.plan import ClusterState, HostState, Violation
from ..._model.policy.policy import Policy
from ..._model.snapshot import Rule, Snapshot
from ..._model.text.wording import listed
from ..model.builder import build_problem
from ..model.choices import CHOICE
from ..model.problem import Group, Problem
from ..snapshots.estimated_load import with_estimated_load

Places = Sequence[int]


def cluster_state(problem: Problem, places: Places) -> ClusterState:
    """Spread, broken rules and each host's use when every guest is on the host of this index."""
    metrics = problem.metrics
    loads = [list(vector) for vector in metrics.host]
    running = Counter(place for place, guest in zip(places, problem.guests, strict=True) if guest.is_on_host)
    for guest, (home, place) in enumerate(zip(problem.home, places, strict=True)):
        if home != place:
            for index, value in enumerate(metrics.guest[guest]):
                loads[home][index] -= value
                loads[place][index] += value
    return ClusterState(
        spread={name: _spread(problem, loads, name) for name in problem.policy.metrics},
        violations=tuple(violations(problem, places)),
        hosts={
            host.id: HostState(
                name=host.name,
                used={name: _percent(problem, loads[index], index, name) for name in problem.policy.metrics},
                guests=running[index],
            )
            for index, host in enumerate(problem.hosts)
        },
    )


def present_state(snapshot: Snapshot, policy: Policy, emptied: Collection[str] = ()) -> ClusterState:
    """The state of a cluster as it is; `emptied` are hosts that a plan is to empty, or has emptied, and that
    its spread does not count.
    """
    hosts = (replace(host, maintenance=True) if host.id in emptied else host for host in snapshot.hosts)
    snapshot = replace(snapshot, hosts=tuple(hosts))
    problem = build_problem(*with_estimated_load(snapshot, policy))
    return cluster_state(problem, problem.home)


def _percent(problem: Problem, load: Sequence[float], host: int, name: str) -> float | None:
    if name not in problem.metrics.names:
        return None
    metric = problem.metrics.names.index(name)
    capacity = problem.capacity(host, metric)
    # What guests use, added up, may exceed what their host measured.
    return None if capacity is None else round(100.0 * max(0.0, load[metric]) / capacity, 3)


def _spread(problem: Problem, loads: Sequence[Sequence[float]], name: str) -> float | None:
    if name not in problem.metrics.names:
        return None
    metric = problem.metrics.names.index(name)
    points = [loads[h][metric] * problem.metrics.scale[h][metric] for h in problem.metrics.counted[metric]]
    return round(max(points) - min(points), 3)


def violations(problem: Problem, places: Places) -> list[Violation]:
    """Every rule that does not hold, strict or soft; what is pinned by choice is no rule of the cluster."""
    return _violations(problem, places, [rule for rule in problem.rules if rule.source != CHOICE])


def unmet_choices(problem: Problem, places: Places) -> list[Violation]:
    """Every guest that is not where it is pinned by choice."""
    return _violations(problem, places, [rule for rule in problem.rules if rule.source == CHOICE])


def _violations(problem: Problem, places: Places, rules: Sequence[Rule]) -> list[Violation]:
    found = []
    groups = {group.name: group for group in problem.groups}
    for rule in rules:
        detail = _detail(problem, groups.get(rule.name), rule, problem.index.members(rule), places)
        if detail:
            found.append(Violation(rule=rule.name, detail=detail, strict=rule.strict))
    return found


def _detail(problem: Problem, group: Group | None, rule: Rule, guests: Sequence[int], places: Places) -> str:
    if not guests:
        return ""
    at: dict[int, list[int]] = {}
    for guest in guests:
        at.setdefault(places[guest], []).append(guest)
    if rule.kind == "anti_affinity":
        return "; ".join(
            f"{_names(problem, here)} are on {problem.hosts[host].name}"
            for host, here in sorted(at.items())
            if len(here) > 1
        )
    if rule.kind == "affinity":
        return _listed(problem, at) if len(at) > 1 else ""
    if rule.kind == "even_spread":
        return _uneven(problem, group, rule, at)
    inside = rule.kind == "host_affinity"
    wanted = set(rule.hosts)
    wrong = [
        f"{problem.guests[guest].name} is on {problem.hosts[places[guest]].name}"
        for guest in guests
        if (problem.hosts[places[guest]].id in wanted) != inside
    ]
    return "; ".join(wrong[:10])


def _uneven(problem: Problem, group: Group | None, rule: Rule, at: dict[int, list[int]]) -> str:
    if group is None or not group.domain:
        return ""
    counts = {host: len(at.get(host, ())) for host in sorted(group.domain)}
    most, least = max(counts.values()), min(counts.values())
    if most - least <= rule.max_skew:
        return ""
    high = next(host for host, many in counts.items() if many == most)
    low = next(host for host, many in counts.items() if many == least)
    return (
        f"{problem.hosts[high].name} has {most} of its guests and {problem.hosts[low].name} has {least}: "
        f"more than {rule.max_skew} apart"
    )


def _listed(problem: Problem, at: dict[int, list[int]]) -> str:
    return ", ".join(
        f"{_names(problem, here)} on {problem.hosts[host].name}" for host, here in sorted(at.items())
    )


def _names(problem: Problem, guests: Sequence[int]) -> str:
    names = [problem.guests[guest].name for guest in guests]
    if len(names) > 5:
        return listed(names, 4)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
