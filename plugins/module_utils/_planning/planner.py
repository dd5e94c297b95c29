# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a snapshot and a policy to a plan: the one entry to planning."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count

from .._model.loads import is_unmeasured
from .._model.plan import RULE_RESTORING, Measured, MigrationKind, Plan
from .._model.policy.policy import Policy
from .._model.snapshot import Snapshot
from .consolidation import build_without, plan_consolidation, with_proof
from .errors import UnsafePlan
from .external_balancer import deferred_plan, defers
from .goals import goal_of
from .model.builder import build_problem
from .model.capacity import with_hosts_closed
from .model.choices import with_choices_by_id
from .model.cooldown import recently_migrated
from .model.goal_traits import traits_of
from .model.metrics import with_active_metrics
from .model.problem import Problem
from .model.rules import PINS
from .model.selectors import excluded_hosts, select_guests, with_expressions_answered
from .model.solution import Solution, solution_of
from .model.stayers import stayers_of
from .model.stopping import StoppingCriterion
from .native_balancer import native_notice
from .plan_builder import build_plan
from .report.cluster_state import violations
from .report.notices import plan_notices
from .report.unmatched_selectors import unmatched_selectors
from .schedule.list_scheduler import Schedule
from .schedule.moves import Move
from .schedule.order import schedule_moves
from .schedule.rerouting import MAX_HOSTS, concatenate, repair_exhaustively, reroute, schedule_of
from .search.move_reduction import reduce_moves
from .search.solve import SearchResult, solve
from .snapshots.after_migrations import snapshot_after
from .snapshots.estimated_load import with_estimated_load
from .snapshots.policy_overlay import with_policy_applied
from .storage_goal import HostPlanner, with_storage
from .sustained import hold_back, plan_held
from .tolerances import POINTS
from .verify.plan import Exclusions, verify_plan

MAX_ROUNDS = 4
MAX_DETOURS = 3
# A guest that another run has just moved, or one that was killed, is better left where it is.
RECENT_SECONDS = 3600.0


def plan(snapshot: Snapshot, policy: Policy, clock: Callable[[], float] = time.monotonic) -> Plan:
    """Raises PlanningError when there is nothing to plan with, UnsafePlan when the planner itself is at
    fault.

    `clock` is read for the policy's time_limit. It may raise to give up, and then plan does. With the preset
    proxmox, a notice says what the platform's own balancer would do.
    """
    policy = with_choices_by_id(snapshot, policy)
    hosts = HostPlanner(
        plan=lambda given, wanted: _plan_hosts(given, wanted, clock), defects=_defects_of_hosts
    )
    found = with_storage(snapshot, policy, hosts)
    found = replace(found, measured=Measured(at=snapshot.taken_at, window_seconds=snapshot.window_seconds))
    notice = native_notice(snapshot) if policy.preset == "proxmox" else ""
    return replace(found, notices=(*found.notices, notice)) if notice else found


def _plan_hosts(snapshot: Snapshot, policy: Policy, clock: Callable[[], float]) -> Plan:
    held = hold_back(snapshot, policy)
    if held is None:
        found = _best_plan(snapshot, policy, clock)
    else:
        found = plan_held(snapshot, policy, held, lambda wanted: _best_plan(snapshot, wanted, clock))
    if policy.choices:
        method = f"{found.proof.method}; among plans that respect its choices"
        found = replace(found, proof=replace(found.proof, method=method))
    return found


def _best_plan(snapshot: Snapshot, policy: Policy, clock: Callable[[], float]) -> Plan:
    stop = StoppingCriterion(policy, clock)
    found = _plan(snapshot, policy, stop)
    again = _moved_again(snapshot, policy, found)
    if not again:
        return found
    # To leave them where they are is worth a migration each, or as many points as a migration must win.
    other = _plan(snapshot, replace(policy, cool_down=RECENT_SECONDS), stop.renewed())
    if len(other.migrations) > len(found.migrations) + len(again):
        return found
    if not _is_as_good(other, found, policy.min_gain * len(again)):
        return found
    bound = found.proof.migrations_lower_bound
    proof = replace(
        other.proof,
        migrations_lower_bound=bound,
        optimal=len(other.migrations) == bound,
        method=found.proof.method,
    )
    return replace(other, policy=policy, proof=proof)


def _moved_again(snapshot: Snapshot, policy: Policy, found: Plan) -> set[str]:
    """Ids of the guests that it moves although they were migrated a short while ago."""
    if policy.cool_down >= RECENT_SECONDS:
        return set()
    return recently_migrated(snapshot, RECENT_SECONDS) & {step.guest.id for step in found.migrations}


def _is_as_good(one: Plan, other: Plan, points: float) -> bool:
    """Whether it leaves no more broken or undone, and spreads that are wider by at most these points."""
    before = other.after.spread
    wider = sum(
        max(0.0, (spread or 0.0) - (before[name] or 0.0)) for name, spread in one.after.spread.items()
    )
    return (
        one.status == other.status
        and len(one.after.violations) <= len(other.after.violations)
        and len(one.unresolved) <= len(other.unresolved)
        and (one.status == "balanced" or wider <= points)
    )


def _plan(snapshot: Snapshot, policy: Policy, stop: StoppingCriterion) -> Plan:
    if defers(snapshot, policy):
        return deferred_plan(snapshot, policy)
    unmatched = unmatched_selectors(snapshot, policy)
    open_hosts, wanted = _as_planned(snapshot, policy)
    problem, result = _plan_in_rounds(open_hosts, wanted, stop)
    while (more := with_active_metrics(problem, result.after)) is not None:
        problem, result = _plan_in_rounds(open_hosts, more, stop)
    _check(problem, result, open_hosts)
    return replace(
        result,
        policy=policy,
        snapshot_digest=snapshot.digest(),
        remembered_at=snapshot.remembered_at,
        notices=(*plan_notices(problem, result), *unmatched),
    )


def _plan_in_rounds(snapshot: Snapshot, policy: Policy, stop: StoppingCriterion) -> tuple[Problem, Plan]:
    """Look, and look again from where the plan ends and take that way at once, until nothing is left to want.

    Only where something stays undone can a second look see more than the first.
    """
    problem, result, found = _plan_once(snapshot, policy, stop)
    looks = MAX_ROUNDS if policy.max_migrations is None else 0
    while looks and result.status != "balanced":
        later, further, end = _plan_once(snapshot_after(snapshot, result), policy, stop)
        if not further.migrations or _rests_on_guesses(problem, result):
            break
        whole = _joined_problem(problem, later)
        start = solution_of(whole, end.solution.places())
        if whole.traits.levels_band:
            # Two ways in a row may be longer than one.
            reduce_moves(start, stop)
        wanted = start.places()
        # Where guests are now makes no difference to whether there is a placement inside the band.
        impossible = found.impossible or end.impossible
        composed, reached = _with_safe_order(whole, SearchResult(start, impossible=impossible), stop)
        if reached.solution.places() != wanted:
            chained = _one_after_the_other(whole, result, further, end.solution.places())
            if chained is None:
                break
            composed, reached = chained
        problem, result, found = whole, composed, reached
        looks -= 1
    if problem.traits.chooses_hosts:
        result = with_proof(build_problem(snapshot, policy), result)
    return problem, result


def _rests_on_guesses(problem: Problem, result: Plan) -> bool:
    """Whether it moves what is not measured yet: how the cluster would be after that is not known."""
    moved = {step.guest.id for step in result.migrations}
    return any(
        guest.id in moved and any(is_unmeasured(guest, name) for name in ("cpu", "memory"))
        for guest in problem.guests
    )


def _plan_once(
    snapshot: Snapshot, policy: Policy, stop: StoppingCriterion
) -> tuple[Problem, Plan, SearchResult]:
    """The result of one look at the cluster. With goal evacuate, guests of hosts that stay make room only
    where that lets more of those leave that have to.
    """
    traits = traits_of(policy)
    if traits.chooses_hosts:
        return plan_consolidation(
            snapshot,
            policy,
            lambda problem: solve(problem, stop),
            lambda problem, found: _with_safe_order(problem, found, stop),
        )
    problem = build_problem(snapshot, policy)
    result, found = _with_safe_order(problem, solve(problem, stop), stop)
    if traits.proves:
        end = found.solution.problem
        return end if end.loosened else problem, result, found
    if traits.names_hosts and result.immovable:
        roomy = build_problem(snapshot, policy, makes_room=True)
        other, better = _with_safe_order(roomy, solve(roomy, stop), stop)
        if len(other.immovable) < len(result.immovable):
            return roomy, other, better
    return problem, result, found


def _joined_problem(problem: Problem, later: Problem) -> Problem:
    """The problem in which what a later look wants is wanted, too."""
    if later.makes_room and not problem.makes_room:
        return build_problem(problem.snapshot, problem.policy, makes_room=True)
    chosen = problem.hosts_to_empty | later.hosts_to_empty
    return build_without(problem, chosen) if chosen > problem.hosts_to_empty else problem


def _one_after_the_other(
    problem: Problem, first: Plan, second: Plan, places: list[int]
) -> tuple[Plan, SearchResult] | None:
    """Both plans as one, where there is no safe order that leads to its end at once; None where that is not
    safe."""
    if problem.traits.chooses_hosts:
        return None
    state = solution_of(problem, places)
    if state.places() != places:
        return None
    kinds = _kinds(state)
    ordered = concatenate(problem, schedule_of(problem, first), schedule_of(problem, second))
    found = SearchResult(state)
    result = build_plan(found, kinds, ordered, [])
    return None if plan_defects(problem, result, _shelters(problem)) else (result, found)


def _with_safe_order(
    problem: Problem, found: SearchResult, stop: StoppingCriterion
) -> tuple[Plan, SearchResult]:
    """The plan to that placement, or to the nearest one that there is a safe way to."""
    result, end = _order_moves(problem, found, stop, reroutes=True)
    if any(step.kind == "parking" for step in result.migrations) and plan_defects(
        problem, result, _shelters(problem)
    ):
        result, end = _order_moves(problem, solve(problem, stop), stop, reroutes=False)
    return _repaired_exhaustively(problem, result, end.solution) or (result, end)


def _repaired_exhaustively(problem: Problem, result: Plan, end: Solution) -> tuple[Plan, SearchResult] | None:
    """A plan that leaves fewer rules broken, found by looking at all placements of a small cluster."""
    empties = problem.traits.empties_maintenance
    strict = {rule.name for rule in problem.rules if rule.strict}
    wrong = end.misplaced or any(violation.rule in strict for violation in result.after.violations)
    if not problem.traits.proves or not wrong:
        return None
    if len(problem.hosts) > MAX_HOSTS:
        return None
    loose = build_problem(problem.snapshot, problem.policy, loosened=_broken(problem))
    for ceilings in (problem.needs.ceiling_for_rules, problem.needs.ceiling):
        better = repair_exhaustively(loose, end.places(), ceilings, empty_hosts=empties)
        if better is None or better.places is None:
            return None
        state = solution_of(loose, list(better.places))
        kinds = _kinds(state)
        found = SearchResult(state)
        repaired = build_plan(found, kinds, better.order, [])
        if not plan_defects(problem, repaired, _shelters(problem)):
            return repaired, found
    return None


def _broken(problem: Problem) -> frozenset[str]:
    """Names of the rules over hosts, and of those that want guests together, that do not hold; except those
    that the platform itself follows."""
    broken = {violation.rule for violation in violations(problem, problem.home)}
    return frozenset(
        rule.name
        for rule in problem.rules
        if rule.strict
        and rule.name in broken
        and rule.kind in ("affinity", "host_affinity", "host_anti_affinity")
        and not rule.co_migrates
        and not (rule.enforced and rule.kind in PINS)
    )


def _order_moves(
    problem: Problem,
    found: SearchResult,
    stop: StoppingCriterion,
    *,
    reroutes: bool,
    settles: int = MAX_DETOURS,
) -> tuple[Plan, SearchResult]:
    """As _reachable; reroutes: whether what the scheduler can't order is looked at step by step; settles: how
    often guests may stay where they would only wait."""
    state = found.solution
    forbidden: set[tuple[int, int]] = set()
    left: list[Move] = []
    proven = False
    for detour in count():
        kinds = _kinds(state)
        ordered = _order(state, kinds, reroutes=reroutes)
        if not ordered.left:
            break
        left, proven = ordered.left, ordered.proven
        guests = {move.guest for move in left}
        stuck = [unit for unit in kinds if guests.intersection(problem.members[unit])]
        if detour < MAX_DETOURS:
            forbidden |= {(unit, state.where[unit]) for unit in stuck}
            found = solve(problem, stop, frozenset(forbidden))
            state = found.solution
            continue
        for unit in stuck:
            state.remove(unit)
            state.return_to_origin(unit)
    parks = problem.traits.counts_spread and any(placed.move.parking for placed in ordered.placed)
    if parks and settles and _stay_where_parked(state, ordered):
        return _order_moves(problem, found, stop, reroutes=reroutes, settles=settles - 1)
    most = problem.policy.max_migrations
    if most is not None and len(ordered.placed) > most:
        # A guest that is parked on the way takes two of the migrations that there may be.
        policy = replace(problem.policy, max_migrations=max(0, 2 * most - len(ordered.placed)))
        smaller = replace(problem, policy=policy)
        return _order_moves(smaller, solve(smaller, stop), stop, reroutes=reroutes)
    return build_plan(found, kinds, ordered, left, proven=proven), found


def _stay_where_parked(state: Solution, ordered: Schedule) -> bool:
    """Let a guest stay on the host where it would only wait, if that is as good. Returns whether one does."""
    changed = False
    for placed in ordered.placed:
        if not placed.move.parking:
            continue
        unit = state.problem.unit_of[placed.move.guest]
        changed |= _stay_on(state, unit, placed.move.target)
    return changed


def _stay_on(state: Solution, unit: int, host: int) -> bool:
    most, keeps_rules = state.total_excess + POINTS, state.keeps_rules()
    return state.try_moves([(unit, host)], lambda: state.total_excess <= most and keeps_rules())


def _as_planned(snapshot: Snapshot, policy: Policy) -> tuple[Snapshot, Policy]:
    """The snapshot and the policy with what the policy adds to one and the snapshot to the other."""
    answered = with_expressions_answered(policy, snapshot)
    known, wanted = with_estimated_load(with_policy_applied(snapshot, answered), answered)
    return with_hosts_closed(known, wanted), wanted


def _defects_of_hosts(snapshot: Snapshot, policy: Policy, result: Plan) -> tuple[str, ...]:
    """Everything that is wrong with the migrations of a plan, in sentences."""
    open_hosts, wanted = _as_planned(snapshot, policy)
    return _defects(build_problem(open_hosts, wanted), result, open_hosts)


def _defects(problem: Problem, result: Plan, open_hosts: Snapshot) -> tuple[str, ...]:
    now_closed = {host.id for host in problem.snapshot.hosts if not host.active}
    shelters = frozenset(host.id for host in open_hosts.hosts if host.active and host.id in now_closed)
    return plan_defects(problem, result, shelters)


def _check(problem: Problem, result: Plan, open_hosts: Snapshot) -> None:
    defects = _defects(problem, result, open_hosts)
    if defects:
        raise UnsafePlan(
            f"the plan is not safe: {'; '.join(defects[:3])}",
            where="planner",
            hint="This is a defect of Even Keel; please report it with the snapshot and the policy.",
        )


def _shelters(problem: Problem) -> frozenset[str]:
    """Ids of the hosts where guests may wait although they are to be empty in the end."""
    mask = 0
    for hosts in problem.shelters.values():
        mask |= hosts
    return frozenset(host.id for number, host in enumerate(problem.hosts) if mask >> number & 1)


def plan_defects(problem: Problem, result: Plan, shelters: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Everything that is wrong with a plan, in sentences. shelters: ids of closed hosts where guests may
    wait."""
    snapshot, policy = problem.snapshot, problem.policy
    sources, targets = excluded_hosts(snapshot.hosts, policy.exclude)
    barred = Exclusions(
        sources=sources,
        targets=targets,
        guests=select_guests(snapshot.guests, policy.exclude.guests, "policy.exclude.guests"),
        may_stay=stayers_of(snapshot, policy).all,
        shelters=shelters,
    )
    return verify_plan(snapshot, policy, problem.rules, result, barred)


def _moved(state: Solution) -> list[int]:
    return [unit for unit, host in enumerate(state.where) if host >= 0 and state.guests_moved(unit, host)]


def _kinds(state: Solution) -> dict[int, MigrationKind]:
    """By unit that moves, what its migration is for."""
    goal, chosen = goal_of(state.problem), state.problem.chosen
    return {unit: "manual" if unit in chosen else goal.migration_kind(state, unit) for unit in _moved(state)}


def _order(state: Solution, kinds: dict[int, MigrationKind], *, reroutes: bool) -> Schedule:
    problem = state.problem
    restoring = {state.where[unit] for unit, kind in kinds.items() if kind in RULE_RESTORING}
    ceilings = [
        problem.needs.ceiling_for_rules[host] if host in restoring else problem.needs.ceiling[host]
        for host in range(len(problem.hosts))
    ]
    jobs = [
        tuple(
            Move(guest=guest, source=problem.home[guest], target=state.where[unit])
            for guest in problem.members[unit]
            if problem.home[guest] != state.where[unit]
        )
        for unit in kinds
    ]
    first = {
        guest for unit, kind in kinds.items() if kind in RULE_RESTORING for guest in problem.members[unit]
    }
    found = schedule_moves(problem, jobs, ceilings, first)
    return reroute(problem, jobs, found, ceilings) if found.left and reroutes else found
