# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a snapshot and a policy to a plan for datastores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ..._model.plan import DiskMove, DiskMoveKind, StoragePlan, StorageProof, Unresolved
from ..._model.policy.policy import Policy
from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Snapshot
from ..errors import UnsafePlan
from ..model.cooldown import pause_after_failure
from ..verify.storage import verify_storage_plan
from .bounds import bytes_lower_bound
from .builder import build_problem
from .continuation import continued
from .exclusions import exclusions_of
from .obstacles import immovable, ref
from .order import Order, order_moves
from .problem import Problem
from .reduction import reduce
from .report import Reasons, kind_of, storage_state
from .search import Search
from .state import State
from .unresolved import NoOrder, unresolved

# How often units that have no safe order are sent elsewhere.
MAX_DETOURS = 4
# How often a plan that leaves something out of order is continued.
MAX_CONTINUATIONS = 4


def plan_storage(snapshot: Snapshot, policy: Policy, first_step: int = 1) -> StoragePlan:
    """The plan for the datastores of a snapshot; its steps are counted from `first_step`.

    Raises PlanningError when the policy names what does not exist, UnsafePlan when the planner itself is at
    fault.
    """
    storage = policy.storage or StoragePolicy()
    left_out = policy.choices.disks_left_out
    pause = pause_after_failure(snapshot, policy)

    def build(of: Snapshot) -> Problem:
        return build_problem(
            of,
            storage,
            policy.seed,
            effort=policy.effort,
            strict=policy.strict_selectors,
            left_out=left_out,
            pause=pause,
            retry_refused_after=policy.retry_refused_after,
        )

    problem = build(snapshot)
    search = Search(problem)
    search.run()
    least = search.least
    no_way = NoOrder(has_no_way=search.has_no_way, tried_all=search.tried_all)
    state, order, no_order = _ordered(problem, search)
    for _round in range(MAX_CONTINUATIONS):
        if not order.steps or not any(state.key()[:6]):
            break
        more = continued(problem, state, build, _solved)
        if more is None:
            break
        state, order = more
    plan = _told(problem, state, order, [no_order, no_way], first_step)
    if not plan.unresolved and not state.soft:
        if least is not None:
            bound, method = least, "all ends that moves of the minimum difference can reach were looked at"
        else:
            bound, method = bytes_lower_bound(problem)
        if left_out:
            method = f"{method}; among plans that respect its choices"
        plan = _with_proof(plan, min(bound, plan.proof.bytes), method)
    _check(snapshot, storage, problem, plan)
    return plan


def _solved(problem: Problem) -> tuple[State, Order]:
    search = Search(problem)
    search.run()
    return _ordered(problem, search)[:2]


def _ordered(problem: Problem, search: Search) -> tuple[State, Order, NoOrder]:
    """The best end that there is a safe order to, that order, and the units that had none."""
    forbidden: set[tuple[int, int]] = set()
    dropped: set[int] = set()
    tried_all = True
    best: tuple[tuple[object, ...], State, Order] | None = None
    for _detour in range(MAX_DETOURS):
        state = search.state
        order = order_moves(state)
        # What waits on the way is copied twice: another end may be as good without that.
        again = {(step.unit, state.where[step.unit]) for step in order.steps if step.parking}
        if order.left:
            dropped.update(order.left)
            tried_all &= order.tried_all
            again |= {(unit, state.where[unit]) for unit in order.left}
            state, order = _without(search, order)
        key = state.key()
        rated = (key[:6], sum(step.part.bytes for step in order.steps), len(order.steps), key[8])
        if best is None or rated < best[0]:
            best = (rated, state, order)
        if search.is_best or not again - forbidden:
            break
        forbidden |= again
        search = Search(problem, forbidden)
        search.run()
    if best is None:
        raise AssertionError("there is always an order")
    return best[1], best[2], NoOrder(dropped=frozenset(dropped), tried_all=tried_all)


def _without(search: Search, order: Order) -> tuple[State, Order]:
    """The end without the units that have no safe order, and without what was moved for their sake only."""
    state = search.state
    left = set(order.left)
    while left:
        for unit in left:
            state.relocate(unit, search.problem.units[unit].home)
        reduce(search.moves)
        # Part of a rule's members on their way may break it more than before.
        left = {
            unit
            for unit in state.moved()
            for rule in search.problem.rules_of.get(unit, ())
            if state.breaches(rule) > state.initially[rule] and search.problem.rules[rule].rule.strict
        }
        # Others may be too near to where they came from now.
        left.update(state.too_near())
        if not left:
            order = order_moves(state)
            left = set(order.left)
    return state, order


def _told(
    problem: Problem, state: State, order: Order, no_orders: Sequence[NoOrder], first_step: int
) -> StoragePlan:
    first = State(problem)
    traffic = {place for step in order.steps for place in (step.source, step.target)}
    before, after = storage_state(first), storage_state(state, traffic)
    reasons = Reasons(state, before, after)
    waves: list[int] = []
    moves = []
    for position, step in enumerate(order.steps):
        waves.append(1 + max((waves[other] for other in step.after), default=0))
        kind: DiskMoveKind = "parking" if step.parking else kind_of(problem, first, step.unit)
        target = problem.places[step.target].datastore
        moves.append(
            DiskMove(
                step=first_step + position,
                wave=waves[-1],
                guest=ref(problem, step.part.guest),
                host=problem.guests[step.part.guest].host,
                disks=step.part.disks,
                source=problem.places[step.source].datastore.id,
                target=target.id,
                kind=kind,
                why=reasons.of(kind, step.unit, step.target),
                after=tuple(first_step + other for other in step.after),
                bytes=step.part.bytes,
                room=step.part.room_thin if target.thin else step.part.room_full,
                seconds=round(step.part.bytes / problem.policy.bandwidth, 1),
            )
        )
    left = unresolved(state, no_orders)
    return StoragePlan(
        status=_status(problem, moves, left),
        moves=tuple(moves),
        before=before,
        after=after,
        proof=StorageProof(
            bytes=sum(move.bytes for move in moves),
            bytes_lower_bound=0,
            optimal=False,
            method="nothing is proven, because something, or a preference, stays out of order",
        ),
        unresolved=tuple(left),
        immovable=immovable(state) if left else (),
        notices=tuple(problem.notices),
    )


def _status(
    problem: Problem, moves: list[DiskMove], left: list[Unresolved]
) -> Literal["balanced", "improved", "unchanged", "infeasible"]:
    if not left:
        return "balanced"
    if moves:
        return "improved"
    hopeless = not any(unit.targets for unit in problem.units)
    impossible = any(item.code == "rule_impossible" for item in left)
    return "infeasible" if hopeless or impossible else "unchanged"


def _with_proof(plan: StoragePlan, bound: int, method: str) -> StoragePlan:
    proof = replace(plan.proof, bytes_lower_bound=bound, optimal=plan.proof.bytes == bound, method=method)
    return replace(plan, proof=proof)


def _check(snapshot: Snapshot, storage: StoragePolicy, problem: Problem, plan: StoragePlan) -> None:
    defects = storage_defects(snapshot, storage, problem, plan)
    if defects:
        raise UnsafePlan(
            f"the plan for datastores is not safe: {'; '.join(defects[:3])}",
            where="planner",
            hint="This is a defect of Even Keel; please report it with the snapshot and the policy.",
        )


def storage_defects(
    snapshot: Snapshot, storage: StoragePolicy, problem: Problem, plan: StoragePlan
) -> tuple[str, ...]:
    """Everything that is wrong with a plan, in sentences."""
    rules = [members.rule for members in problem.rules]
    return verify_storage_plan(snapshot, storage, rules, plan, exclusions_of(problem))
