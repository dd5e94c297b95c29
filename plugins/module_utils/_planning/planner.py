# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a snapshot and a policy to a plan: the one entry to planning. Private to the collection."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
from .._model.policy import Policy
from .._model.snapshot import Snapshot
from .aims import bound, left_undone, pursue
from .anneal import SETTLED
from .apply import apply_plan
from .arrange import arranged
from .bounds import spread_bound
from .build import build
from .consolidate_told import emptied
from .consolidating import consolidated
from .errors import UnsafePlan
from .estimate import estimated
from .explain import Reasons, broken_rules, immovable, kind_of, left_on, stranded
from .hops import Hop
from .hosts import closed
from .idle import awake
from .judge import cluster_state
from .moves import go_home
from .order import Order, order
from .others import defers, left_to_others
from .problem import Problem
from .relieve import overloaded, points_before
from .search import place_like
from .select import select_guests, select_hosts
from .state import State
from .verify import Barred, verify

Status = Literal["balanced", "improved", "unchanged", "infeasible"]
MOST_LOOKS = 4
MOST_DETOURS = 3


def plan(snapshot: Snapshot, policy: Policy, clock: Callable[[], float] = time.monotonic) -> Plan:
    """Raises PlanningError when there is nothing to plan with, UnsafePlan when the planner itself is at
    fault.

    `clock` is read for the policy's time_limit only.
    """
    started = clock()

    def spent() -> float:
        """The share of the time limit that is over."""
        return 0.0 if policy.time_limit is None else (clock() - started) / policy.time_limit

    if defers(snapshot, policy):
        return left_to_others(snapshot, policy)
    known, wanted = estimated(arranged(snapshot, policy), policy)
    open_hosts = closed(known, wanted)
    problem, result = _planned(open_hosts, wanted, spent)
    while (more := awake(problem, result.after)) is not None:
        problem, result = _planned(open_hosts, more, spent)
    _check(problem, result)
    return replace(
        result, policy=policy, snapshot_digest=snapshot.digest(), remembered_at=snapshot.remembered_at
    )


def _planned(snapshot: Snapshot, policy: Policy, spent: Callable[[], float]) -> tuple[Problem, Plan]:
    if policy.goal == "consolidate":
        return consolidated(
            snapshot,
            policy,
            lambda problem: pursue(problem, spent),
            lambda problem, state: _reachable(problem, state, spent),
        )
    problem = build(snapshot, policy)
    result, places = _reachable(problem, pursue(problem, spent), spent)
    if policy.goal == "evacuate" and result.immovable:
        roomy = build(snapshot, policy, makes_room=True)
        other, ends = _reachable(roomy, pursue(roomy, spent), spent)
        if len(other.immovable) < len(result.immovable):
            problem, result, places = roomy, other, ends
    if policy.max_migrations is None:
        result, places = _stable(problem, result, places, spent)
    return problem, result


def _stable(
    problem: Problem, result: Plan, places: list[int], spent: Callable[[], float]
) -> tuple[Plan, list[int]]:
    """Plan again from where the plan ends, and take that way at once, until nothing is left to want.

    Only where something stays undone can a second look see more than the first.
    """
    for _look in range(MOST_LOOKS):
        if result.status == "balanced":
            break
        later = build(apply_plan(problem.snapshot, result), problem.policy, makes_room=problem.makes_room)
        further, ends = _reachable(later, pursue(later, spent), spent)
        if not further.migrations:
            break
        composed, reached = _reachable(problem, place_like(problem, ends), spent)
        if reached != ends:
            break
        result, places = composed, reached
    return result, places


def _reachable(problem: Problem, state: State, spent: Callable[[], float]) -> tuple[Plan, list[int]]:
    """The plan to that placement, or to the nearest one that there is a safe way to."""
    forbidden: set[tuple[int, int]] = set()
    left: list[Hop] = []
    for _detour in range(MOST_DETOURS):
        kinds = {unit: kind_of(state, unit) for unit in _moved(state)}
        ordered = _order(state, kinds)
        if not ordered.left:
            break
        left = ordered.left
        stuck = {hop.guest for hop in left}
        forbidden |= {(unit, state.where[unit]) for unit in kinds if stuck & set(problem.members[unit])}
        state = pursue(problem, spent, frozenset(forbidden))
    while True:
        kinds = {unit: kind_of(state, unit) for unit in _moved(state)}
        ordered = _order(state, kinds)
        if not ordered.left:
            break
        left = ordered.left
        stuck = {hop.guest for hop in left}
        for unit in kinds:
            if stuck & set(problem.members[unit]):
                state.take(unit)
                go_home(state, unit)
    parks = problem.policy.goal not in ("relieve", "consolidate") and any(
        placed.hop.parking for placed in ordered.placed
    )
    if parks and _stay_where_parked(state, ordered):
        return _reachable(problem, state, spent)
    return _plan(state, kinds, ordered, left), _places(state)


def _stay_where_parked(state: State, ordered: Order) -> bool:
    """Let a guest stay on the host where it would only wait, if that is as good. Gives whether one does."""
    unit_of = {guests[0]: unit for unit, guests in enumerate(state.problem.members)}
    changed = False
    for placed in ordered.placed:
        if not placed.hop.parking:
            continue
        unit = unit_of[placed.hop.guest]
        excess, broken, wishes = state.total_excess, state.broken, state.soft_cost
        target = state.take(unit)
        if state.fits(unit, placed.hop.target):
            state.put(unit, placed.hop.target)
            good = state.total_excess <= excess + SETTLED and state.broken <= broken
            if good and state.soft_cost <= wishes + SETTLED:
                changed = True
                continue
            state.take(unit)
        state.put(unit, target)
    return changed


def _check(problem: Problem, result: Plan) -> None:
    snapshot, policy = problem.snapshot, problem.policy
    barred = Barred(
        sources=select_hosts(snapshot.hosts, policy.exclude.sources, "policy.exclude.sources.names"),
        targets=select_hosts(snapshot.hosts, policy.exclude.targets, "policy.exclude.targets.names"),
        guests=select_guests(snapshot.guests, policy.exclude.guests),
    )
    defects = verify(snapshot, policy, problem.rules, result, barred)
    if defects:
        raise UnsafePlan(
            f"the plan is not safe: {'; '.join(defects[:3])}",
            where="planner",
            hint="This is a defect of Even Keel; please report it with the snapshot and the policy.",
        )


def _moved(state: State) -> list[int]:
    return [unit for unit, host in enumerate(state.where) if host >= 0 and state.guests_moved(unit, host)]


def _places(state: State) -> list[int]:
    places = list(state.problem.home)
    for unit, host in enumerate(state.where):
        if host >= 0:
            for guest in state.problem.members[unit]:
                places[guest] = host
    return places


def _order(state: State, kinds: dict[int, MigrationKind]) -> Order:
    problem = state.problem
    mending = {state.where[unit] for unit, kind in kinds.items() if kind in ("rule", "evacuate")}
    ceilings = [
        problem.needs.ceiling_for_rules[host] if host in mending else problem.needs.ceiling[host]
        for host in range(len(problem.hosts))
    ]
    jobs = [
        tuple(
            Hop(guest=guest, source=problem.home[guest], target=state.where[unit])
            for guest in problem.members[unit]
            if problem.home[guest] != state.where[unit]
        )
        for unit in kinds
    ]
    return order(problem, jobs, ceilings)


def _plan(state: State, kinds: dict[int, MigrationKind], ordered: Order, left: Sequence[Hop]) -> Plan:
    problem = state.problem
    places = _places(state)
    before, after = cluster_state(problem, problem.home), cluster_state(problem, places)
    unit_of = {guest: unit for unit in kinds for guest in problem.members[unit]}
    reasons = Reasons(problem, before, after)
    waves: list[int] = []
    migrations = []
    for position, placed in enumerate(ordered.placed):
        hop = placed.hop
        guest = problem.guests[hop.guest]
        waves.append(1 + max((waves[step] for step in placed.after), default=0))
        kind = "parking" if hop.parking else kinds[unit_of[hop.guest]]
        memory = int(problem.needs.guest[hop.guest][1])
        migrations.append(
            Migration(
                step=position + 1,
                wave=waves[-1],
                guest=GuestRef(id=guest.id, name=guest.name),
                source=problem.hosts[hop.source].id,
                target=problem.hosts[hop.target].id,
                kind=kind,
                why=reasons.of(kind, hop.guest, hop.source, hop.target),
                after=tuple(step + 1 for step in placed.after),
                cost=Cost(memory=memory, seconds=round(placed.ends - placed.starts, 1)),
                storage=_storage(problem, hop),
            )
        )
    unresolved = _unresolved(state, places, left)
    wrong = [item for item in unresolved if not item.what.startswith("metric ")]
    return Plan(
        cluster=problem.snapshot.cluster,
        platform=problem.snapshot.platform,
        # Both are of what the caller gave: see plan.
        snapshot_digest="",
        policy=problem.policy,
        status=_status(problem, migrations, unresolved, impossible=state.impossible),
        migrations=tuple(migrations),
        before=before,
        after=after,
        proof=replace(
            _proof(state, places, len(migrations), complete=not wrong),
            seconds=round(ordered.seconds, 1),
            seconds_lower_bound=round(ordered.bound, 1),
        ),
        unresolved=tuple(unresolved),
        immovable=immovable(problem, places, after) if unresolved else (),
        emptied=tuple(problem.hosts[host].id for host in emptied(problem, places))
        if problem.policy.goal == "consolidate"
        else (),
        reclaimable={
            host.id: HostMemory(used=round(host.used.get("memory") or 0), reclaimable=host.reclaimable)
            for host in problem.hosts
            if host.reclaimable
        },
    )


def _proof(state: State, places: Sequence[int], migrations: int, *, complete: bool) -> Proof:
    """The bound holds for plans that put everything in order, so an incomplete plan has none but 0."""
    problem = state.problem
    fewest, method = bound(state, places)
    if not complete:
        fewest = 0
    elif state.proven is not None and state.proven >= fewest:
        fewest, method = state.proven, "integer program over guests and hosts, solved by HiGHS"
    levels = problem.policy.goal not in ("relieve", "consolidate")
    spreads = dict(zip(problem.metrics.names, spread_bound(problem), strict=True)) if levels else {}
    return Proof(
        migrations_lower_bound=fewest,
        optimal=complete and migrations == fewest,
        spread_lower_bound={name: spreads.get(name) for name in problem.policy.metrics},
        method=method,
    )


def _to_leave(problem: Problem, host: int) -> list[int]:
    return left_on(problem, problem.home, host) if problem.roles.leaving[host] else []


def _storage(problem: Problem, hop: Hop) -> dict[str, str]:
    places = problem.hosts[hop.source].datastores
    names = [disk.datastore for disk in problem.guests[hop.guest].disks]
    return {name: name for name in names if name in places and not places[name].shared}


def _unresolved(state: State, places: Sequence[int], left: Sequence[Hop]) -> list[Unresolved]:
    problem = state.problem
    after = cluster_state(problem, places)
    found = list(problem.unresolved)
    if len(problem.hosts) == 1:
        found.append(
            Unresolved(
                what=f"cluster {problem.snapshot.cluster.name}",
                why=f"it has one host only, {problem.hosts[0].name}: there is nowhere to migrate to",
            )
        )
    elif not any(problem.roles.receives):
        found.append(
            Unresolved(
                what=f"cluster {problem.snapshot.cluster.name}",
                why="no host may receive guests: each is in maintenance, offline, closed or excluded",
            )
        )
    if problem.policy.goal == "evacuate":
        left_behind = stranded(problem, places)
        return [*left_behind, *found] if left_behind else []
    found += broken_rules(problem, places, after, {item.what for item in found})
    found += left_undone(state, places, after)
    if left and found:
        names = ", ".join(problem.guests[hop.guest].name for hop in left[:10])
        found.append(
            Unresolved(what="order of migrations", why=f"there is no safe moment to migrate {names}")
        )
    return found


def _status(
    problem: Problem, migrations: Sequence[Migration], unresolved: Sequence[Unresolved], *, impossible: bool
) -> Status:
    if not unresolved:
        return "balanced"
    if migrations:
        return "improved"
    return "infeasible" if impossible or _is_hopeless(problem) else "unchanged"


def _is_hopeless(problem: Problem) -> bool:
    """Whether it is proven that what was asked for can't be had."""
    if problem.policy.goal == "evacuate":
        left = [guest for host in range(len(problem.hosts)) for guest in _to_leave(problem, host)]
        return not any(problem.roles.receives) or all(problem.stays[guest] for guest in left)
    if not any(problem.roles.receives) or problem.contradictions:
        return True
    if problem.policy.goal == "relieve":
        hot = overloaded(problem, points_before(problem))
        movable = {home for home, stays in zip(problem.home, problem.stays, strict=True) if stays is None}
        return not movable & set(hot)
    banded = problem.policy.goal == "spread"
    return banded and any(
        bound is not None and bound > limit + 1e-6
        for bound, limit in zip(spread_bound(problem), problem.metrics.limits, strict=True)
    )
