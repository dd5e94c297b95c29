# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A placement and an order, told as a plan: migrations with reasons, proof, what is left undone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from .._model.plan import (
    Cost,
    GuestRef,
    HostMemory,
    Migration,
    MigrationKind,
    Plan,
    Proof,
    Unresolved,
)
from .bounds.combinatorial import spread_lower_bound
from .goals import EndState, goal_of
from .model.capacity import closed_hosts
from .model.choices import CHOICE
from .model.problem import Problem
from .model.solution import Solution
from .report.cluster_state import cluster_state
from .report.consolidate import emptied
from .report.reasons import Reasons
from .report.search_findings import SearchFindings
from .report.unresolved import broken_choices, broken_rules, immovable, is_complete
from .schedule.list_scheduler import Schedule
from .schedule.moves import Move
from .search.solve import SearchResult
from .tolerances import POINTS

Status = Literal["balanced", "improved", "unchanged", "infeasible"]


def build_plan(
    found: SearchResult,
    kinds: dict[int, MigrationKind],
    ordered: Schedule,
    left: Sequence[Move],
    *,
    proven: bool = False,
) -> Plan:
    """The plan, with what it leaves undone. kinds: by unit that moves; left: moves without a safe moment;
    proven: whether all orders of the chosen migrations were tried.
    """
    state = found.solution
    problem = state.problem
    places = state.places()
    before, after = cluster_state(problem, problem.home), cluster_state(problem, places)
    reasons = Reasons(problem, before, after, [placed.move for placed in ordered.placed])
    waves: list[int] = []
    migrations = []
    for position, placed in enumerate(ordered.placed):
        move = placed.move
        guest = problem.guests[move.guest]
        waves.append(1 + max((waves[step] for step in placed.after), default=0))
        kind = "parking" if move.parking else kinds[problem.unit_of[move.guest]]
        memory = int(problem.needs.guest[move.guest][1])
        migrations.append(
            Migration(
                step=position + 1,
                wave=waves[-1],
                guest=GuestRef(id=guest.id, name=guest.name),
                source=problem.hosts[move.source].id,
                target=problem.hosts[move.target].id,
                kind=kind,
                why=reasons.of(kind, move.guest, move.source, move.target),
                after=tuple(step + 1 for step in placed.after),
                cost=Cost(memory=memory, seconds=round(placed.ends - placed.starts, 1)),
                storage=_storage(problem, move),
            )
        )
    findings = SearchFindings(stuck=frozenset(move.guest for move in left), proven=proven)
    unresolved = _unresolved(found, places, findings)
    hot = goal_of(problem).hot_hosts(problem, after)
    return Plan(
        cluster=problem.snapshot.cluster,
        platform=problem.snapshot.platform,
        # Both are of what the caller gave: see plan.
        snapshot_digest="",
        policy=problem.policy,
        status=_status(problem, migrations, unresolved, impossible=found.impossible),
        migrations=tuple(migrations),
        before=before,
        after=after,
        proof=replace(
            _proof(found, len(migrations), complete=is_complete(unresolved) and _in_band(state)),
            seconds=round(ordered.seconds, 1),
            seconds_lower_bound=round(ordered.bound, 1),
        ),
        unresolved=tuple(unresolved),
        immovable=immovable(state, places, after, findings, hot) if unresolved else (),
        emptied=tuple(problem.hosts[host].id for host in emptied(problem, places))
        if problem.traits.chooses_hosts
        else (),
        reclaimable={
            host.id: HostMemory(used=round(host.used.get("memory") or 0), reclaimable=host.reclaimable)
            for host in problem.hosts
            if host.reclaimable
        },
    )


def _proof(found: SearchResult, migrations: int, *, complete: bool) -> Proof:
    """The bound holds for plans that put everything in order, so an incomplete plan has none but 0."""
    problem = found.solution.problem
    fewest, method = goal_of(problem).lower_bound(found.solution)
    if not complete:
        fewest = 0
    elif found.proven is not None and found.proven >= fewest:
        fewest, method = found.proven, "integer program over guests and hosts, solved by HiGHS"
    levels = problem.traits.counts_spread
    spreads = dict(zip(problem.metrics.names, spread_lower_bound(problem), strict=True)) if levels else {}
    return Proof(
        migrations_lower_bound=fewest,
        optimal=complete and migrations == fewest,
        spread_lower_bound={name: _rounded(spreads.get(name)) for name in problem.policy.metrics},
        method=method,
    )


def _in_band(state: Solution) -> bool:
    """Whether every spread is within its limit as exactly as the bounds take it: what is told is rounded."""
    limits = state.problem.metrics.limits
    return not state.problem.traits.levels_band or all(
        points <= limit + POINTS for points, limit in zip(state.spread(), limits, strict=True)
    )


def _rounded(bound: float | None) -> float | None:
    """As exact as the spreads beside it; downwards, so that it stays a bound."""
    return None if bound is None else math.floor(bound * 1000) / 1000


def _storage(problem: Problem, move: Move) -> dict[str, str]:
    places = problem.hosts[move.source].datastores
    names = [disk.datastore for disk in problem.guests[move.guest].disks]
    return {name: name for name in names if name in places and not places[name].shared}


def _unresolved(result: SearchResult, places: Sequence[int], findings: SearchFindings) -> list[Unresolved]:
    state, problem = result.solution, result.solution.problem
    after = cluster_state(problem, places)
    found = list(problem.unresolved)
    why = None
    if len(problem.hosts) == 1:
        why = f"it has one host only, {problem.hosts[0].name}: there is nowhere to migrate to"
    elif not any(problem.roles.receives):
        why = f"no host may receive guests: {closed_hosts(problem.hosts, problem.roles)}"
    if why is not None:
        found.append(
            Unresolved(what=f"cluster {problem.snapshot.cluster.name}", why=why, code="no_target_host")
        )
    goal = goal_of(problem)
    end = EndState(
        solution=state, places=places, cluster=after, findings=findings, impossible=result.impossible
    )
    if problem.traits.names_hosts:
        chosen = {rule.name for rule in problem.rules if rule.source == CHOICE}
        left_behind = [
            *goal.unresolved(end),
            *broken_choices(state, places, findings),
            *(item for item in found if item.subject in chosen),
        ]
        others = [item for item in found if item.subject not in chosen]
        return [*left_behind, *others] if left_behind else []
    explained = {item.subject for item in found if item.code in ("rule_impossible", "rule_names_unknown")}
    found += broken_rules(state, places, after, explained, findings)
    found += goal.unresolved(end)
    no_order = findings.no_order(problem, findings.stuck)
    if no_order and not is_complete(found):
        found.append(Unresolved(what="order of migrations", why=no_order, code="no_safe_order"))
    return found


def _status(
    problem: Problem, migrations: Sequence[Migration], unresolved: Sequence[Unresolved], *, impossible: bool
) -> Status:
    if not unresolved:
        return "balanced"
    if migrations:
        return "improved"
    return "infeasible" if impossible or goal_of(problem).is_hopeless(problem) else "unchanged"
