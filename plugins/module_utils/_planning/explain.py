# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why each migration is in the plan, and what the plan leaves undone. Private to the collection."""

from __future__ import annotations

from collections.abc import Sequence

from .._model.plan import ClusterState, GuestRef, Immovable, MigrationKind, Unresolved
from .problem import Problem
from .state import State

MOST_IMMOVABLE = 200


def kind_of(state: State, unit: int) -> MigrationKind:
    """What the migration of this unit is for: what would be wrong again if it alone went home."""
    problem = state.problem
    home = problem.unit_home[unit]
    if home < 0:
        return "rule"
    if not problem.unit_mask[unit] >> home & 1:
        return "evacuate" if problem.roles.leaving[home] else "rule"
    broken, excess, wishes = state.broken, state.total_excess, state.soft_cost
    here = state.take(unit)
    state.put(unit, home)
    mends = state.broken > broken or (state.total_excess <= excess + 1e-9 and state.soft_cost > wishes + 1e-9)
    state.move(unit, here)
    if not mends and unit in problem.crowded:
        ceiling = problem.needs.ceiling[here]
        # It left where a broken rule wanted fewer, and was let in up to the ceiling that such a guest has.
        mends = any(have > top for have, top in zip(state.need[here], ceiling, strict=True))
    return "rule" if mends else "balance"


def reason(
    problem: Problem,
    kind: MigrationKind,
    guest: int,
    source: int,
    target: int,
    before: ClusterState,
    after: ClusterState,
) -> str:
    """One sentence with numbers."""
    hosts = problem.hosts
    if kind == "parking":
        return (
            f"waits on {hosts[target].name} for room where it goes, and leaves room on {hosts[source].name}"
        )
    if kind == "evacuate":
        ends = _use(after, hosts[target].id)
        empties = problem.policy.goal == "evacuate"
        cause = f"empties {hosts[source].name}" if empties else f"{hosts[source].name} is in maintenance"
        return f"{cause}; {hosts[target].name} ends at {ends}"
    if kind == "rule":
        text = _rule_reason(problem, guest, source, before, after)
        if text:
            return text
    metric, change = _main_change(problem, source, target, before, after)
    if metric is None:
        return f"leaves room on {hosts[source].name} that other migrations need"
    return change


def _rule_reason(problem: Problem, guest: int, source: int, before: ClusterState, after: ClusterState) -> str:
    still = {violation.rule for violation in after.violations}
    mine = {rule.name for rule in problem.rules if problem.guests[guest].id in rule.guests}
    broken = [violation for violation in before.violations if violation.rule in mine]
    # Of several broken rules the one that the plan mends is the reason.
    broken.sort(
        key=lambda violation: (violation.rule in still, problem.hosts[source].name not in violation.detail)
    )
    if not broken:
        return ""
    verb = "eases" if broken[0].rule in still else "mends"
    return f"{verb} rule {broken[0].rule}: {broken[0].detail}"


def _main_change(
    problem: Problem, source: int, target: int, before: ClusterState, after: ClusterState
) -> tuple[str | None, str]:
    """The metric in which one of the two hosts comes nearest to the others, and the sentence that says so."""
    best: tuple[float, str | None, str] = (0.0, None, "")
    for name in problem.metrics.names:
        values = [state.used[name] for state in before.hosts.values() if state.used[name] is not None]
        middle = (max(v or 0.0 for v in values) + min(v or 0.0 for v in values)) / 2
        for host, verb in ((source, "takes"), (target, "brings")):
            id_ = problem.hosts[host].id
            was, will = before.hosts[id_].used[name], after.hosts[id_].used[name]
            if was is None or will is None:
                continue
            gain = abs(was - middle) - abs(will - middle)
            if gain > best[0] and (will < was) == (host == source):
                text = f"{verb} {problem.hosts[host].name} from {was:.0f} % to {will:.0f} % {label(name)}"
                best = (gain, name, text)
    return best[1], best[2]


def label(metric: str) -> str:
    return metric.replace("_io", " I/O").replace("_", " ")


def _use(state: ClusterState, host: str) -> str:
    parts = [
        f"{value:.0f} % {label(name)}" for name, value in state.hosts[host].used.items() if value is not None
    ]
    return " and ".join(parts) or f"{state.hosts[host].guests} guests"


def out_of_band(problem: Problem, after: ClusterState) -> list[Unresolved]:
    """The metrics that stay further apart than they may, with the hosts at both ends."""
    found = []
    for name, limit in zip(problem.metrics.names, problem.metrics.limits, strict=True):
        spread = after.spread[name]
        if spread is None or spread <= limit + 1e-3:
            continue
        counted = problem.metrics.counted[problem.metrics.names.index(name)]
        used = {
            problem.hosts[host].name: after.hosts[problem.hosts[host].id].used[name] or 0.0
            for host in counted
        }
        high, low = max(used, key=lambda h: used[h]), min(used, key=lambda h: used[h])
        found.append(
            Unresolved(
                what=f"spread of {label(name)}",
                why=f"{spread:.1f} points where {limit:g} are allowed: {high} is at {used[high]:.1f} % "
                f"and {low} at {used[low]:.1f} %",
            )
        )
    return found


def broken_rules(
    problem: Problem, places: Sequence[int], after: ClusterState, told: set[str]
) -> list[Unresolved]:
    """The strict rules that stay broken and are not yet explained."""
    rules = {rule.name: rule for rule in problem.rules}
    index = {guest.id: number for number, guest in enumerate(problem.guests)}
    found = []
    for violation in after.violations:
        rule = rules[violation.rule]
        if not rule.strict or f"rule {rule.name}" in told:
            continue
        fixed = [
            f"{problem.guests[g].name} stays on {problem.hosts[places[g]].name} ({problem.stays[g]})"
            for g in (index[guest] for guest in rule.guests)
            if problem.stays[g] is not None
        ]
        why = violation.detail
        if rule.kind == "anti_affinity" and len(rule.guests) > sum(problem.roles.receives):
            hosts = sum(problem.roles.receives)
            why += f"; {len(rule.guests)} guests can't be apart on {hosts} hosts (even_spread can)"
        elif fixed:
            why += "; " + "; ".join(fixed[:3])
        else:
            why += "; no host has room without breaking another rule or limit"
        found.append(Unresolved(what=f"rule {rule.name}", why=why))
    return found


def stranded(problem: Problem, places: Sequence[int]) -> list[Unresolved]:
    """Hosts in maintenance, or to be emptied, that still run guests."""
    found = []
    state = "to be emptied" if problem.policy.goal == "evacuate" else "in maintenance"
    for host, leaving in enumerate(problem.roles.leaving):
        left = left_on(problem, places, host) if leaving else []
        if left:
            texts = [f"{problem.guests[g].name} ({_why_left(problem, g)})" for g in left]
            more = f" and {len(texts) - 5} more" if len(texts) > 5 else ""
            found.append(
                Unresolved(
                    what=f"host {problem.hosts[host].name} {state}",
                    why=f"it still runs {', '.join(texts[:5])}{more}",
                )
            )
    return found


def left_on(problem: Problem, places: Sequence[int], host: int) -> list[int]:
    """The running guests of a host."""
    return [
        guest
        for guest, place in enumerate(places)
        if place == host and problem.guests[guest].power == "running"
    ]


def _why_left(problem: Problem, guest: int) -> str:
    limited = ", or the plan may have no more migrations" if problem.policy.max_migrations is not None else ""
    return problem.stays[guest] or f"no other host has room or keeps its rules{limited}"


def immovable(problem: Problem, places: Sequence[int], after: ClusterState) -> tuple[Immovable, ...]:
    """Guests that can't be moved although their host stays too full, or is to be emptied, or their rule
    broken.
    """
    emptied = problem.policy.goal == "evacuate"
    if emptied:
        return tuple(
            Immovable(
                guest=GuestRef(id=problem.guests[guest].id, name=problem.guests[guest].name),
                host=problem.hosts[host].id,
                why=_why_left(problem, guest),
            )
            for host, leaving in enumerate(problem.roles.leaving)
            for guest in (left_on(problem, places, host) if leaving else ())
        )
    broken = {violation.rule for violation in after.violations}
    concerned = {
        guest for rule in problem.rules if rule.name in broken and rule.strict for guest in rule.guests
    }
    hot = _hot_hosts(problem, after)
    return tuple(
        Immovable(
            guest=GuestRef(id=guest.id, name=guest.name), host=problem.hosts[places[number]].id, why=why
        )
        for number, (guest, why) in enumerate(zip(problem.guests, problem.stays, strict=True))
        if why is not None and guest.power == "running" and (guest.id in concerned or places[number] in hot)
    )[:MOST_IMMOVABLE]


def _hot_hosts(problem: Problem, after: ClusterState) -> set[int]:
    hot = set()
    for index, (name, limit) in enumerate(zip(problem.metrics.names, problem.metrics.limits, strict=True)):
        spread = after.spread[name]
        if spread is None or spread <= limit + 1e-3:
            continue
        used = {h: after.hosts[problem.hosts[h].id].used[name] or 0.0 for h in problem.metrics.counted[index]}
        least = min(used.values())
        hot |= {host for host, value in used.items() if value > least + limit}
    return hot
