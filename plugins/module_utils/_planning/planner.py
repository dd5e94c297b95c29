# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a snapshot and a policy to a plan: the one entry to planning. Private to the collection."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

from .._model.plan import Cost, GuestRef, Migration, MigrationKind, Plan, Proof, Unresolved
from .._model.policy import Policy
from .._model.snapshot import Snapshot
from .apply import apply_plan
from .bounds import migrations_bound
from .errors import UnsafePlan
from .explain import broken_rules, immovable, kind_of, out_of_band, reason, stranded
from .judge import cluster_state
from .moves import go_home
from .order import Hop, Order, order
from .problem import Problem, build
from .search import place_like, solve
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

    def expired() -> bool:
        return policy.time_limit is not None and clock() - started >= policy.time_limit

    problem = build(snapshot, policy)
    result, places = _reachable(problem, solve(problem, expired), expired)
    if policy.max_migrations is None:
        result, places = _stable(problem, result, places, expired)
    _check(problem, result)
    return result


def _stable(
    problem: Problem, result: Plan, places: list[int], expired: Callable[[], bool]
) -> tuple[Plan, list[int]]:
    """Plan again from where the plan ends, and take that way at once, until nothing is left to want.

    Only where something stays undone can a second look see more than the first.
    """
    for _ in range(MOST_LOOKS):
        if result.status == "balanced":
            break
        later = build(apply_plan(problem.snapshot, result), problem.policy)
        further, ends = _reachable(later, solve(later, expired), expired)
        if not further.migrations:
            break
        composed, reached = _reachable(problem, place_like(problem, ends), expired)
        if reached != ends:
            break
        result, places = composed, reached
    return result, places


def _reachable(problem: Problem, state: State, expired: Callable[[], bool]) -> tuple[Plan, list[int]]:
    """The plan to that placement, or to the nearest one that there is a safe way to."""
    forbidden: set[tuple[int, int]] = set()
    left: list[Hop] = []
    for _ in range(MOST_DETOURS):
        kinds = {unit: kind_of(state, unit) for unit in _moved(state)}
        ordered = _order(state, kinds)
        if not ordered.left:
            break
        left = ordered.left
        stuck = {hop.guest for hop in left}
        forbidden |= {(unit, state.where[unit]) for unit in kinds if stuck & set(problem.members[unit])}
        state = solve(problem, expired, frozenset(forbidden))
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
    return _plan(state, kinds, ordered, left), _places(state)


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
                why=reason(problem, kind, hop.guest, hop.source, hop.target, before, after),
                after=tuple(step + 1 for step in placed.after),
                cost=Cost(memory=memory, seconds=round(placed.ends - placed.starts, 1)),
                storage=_storage(problem, hop),
            )
        )
    unresolved = _unresolved(state, places, left)
    bound = migrations_bound(problem)
    return Plan(
        cluster=problem.snapshot.cluster,
        platform=problem.snapshot.platform,
        snapshot_digest=problem.snapshot.digest(),
        policy=problem.policy,
        status=_status(migrations, unresolved),
        migrations=tuple(migrations),
        before=before,
        after=after,
        proof=Proof(
            migrations_lower_bound=min(bound, len(migrations)),
            optimal=len(migrations) == bound and not unresolved,
            spread_lower_bound=dict.fromkeys(problem.policy.metrics),
            method="departure bound",
        ),
        unresolved=tuple(unresolved),
        immovable=immovable(problem, places, after) if unresolved else (),
    )


def _storage(problem: Problem, hop: Hop) -> dict[str, str]:
    places = problem.hosts[hop.source].datastores
    names = [disk.datastore for disk in problem.guests[hop.guest].disks]
    return {name: name for name in names if name in places and not places[name].shared}


def _unresolved(state: State, places: Sequence[int], left: Sequence[Hop]) -> list[Unresolved]:
    problem = state.problem
    after = cluster_state(problem, places)
    found = list(problem.unresolved)
    if not any(problem.roles.receives):
        found.append(
            Unresolved(
                what=f"cluster {problem.snapshot.cluster.name}",
                why="no host may receive guests: each is in maintenance, offline, closed or excluded",
            )
        )
    found += broken_rules(problem, places, after, {item.what for item in found})
    if problem.policy.goal == "spread":
        found += stranded(problem, places)
        found += out_of_band(problem, after)
    if left and found:
        names = ", ".join(problem.guests[hop.guest].name for hop in left[:10])
        found.append(
            Unresolved(what="order of migrations", why=f"there is no safe moment to migrate {names}")
        )
    return found


def _status(migrations: Sequence[Migration], unresolved: Sequence[Unresolved]) -> Status:
    if not unresolved:
        return "balanced"
    return "improved" if migrations else "unchanged"
