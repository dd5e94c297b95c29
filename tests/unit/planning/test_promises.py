# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every plan promises, whatever its goal, tried on small random clusters.

An example is planned once for all promises, and once more for those about the next plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Migration, Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.capacity import (
    with_hosts_closed,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.rules import resolve_rules
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)

from .rehearse import defects
from .small_clusters import policies, snapshots
from .test_evacuate import evacuations
from .test_goals import consolidations, reliefs

GENERATORS: dict[str, st.SearchStrategy[tuple[Snapshot, Policy]]] = {
    "spread_and_rules": st.tuples(snapshots(), policies()),
    "relieve_and_consolidate": st.tuples(snapshots(), st.one_of(reliefs(), consolidations())),
    "evacuate": evacuations().map(lambda case: case[:2]),
}
every_goal = pytest.mark.parametrize("cases", GENERATORS.values(), ids=GENERATORS)


@dataclass(frozen=True)
class Planned:
    """A plan and what it was made of."""

    snapshot: Snapshot
    policy: Policy
    plan: Plan
    rng: Random


def any_execution_is_safe(case: Planned) -> None:
    rules, _ = resolve_rules(case.snapshot, case.policy)
    around = staying(case.snapshot, case.plan)
    if case.policy.goal == "evacuate":
        around = with_hosts_closed(around, case.policy)
    for _ in range(5):
        assert defects(around, case.policy, rules, case.plan, case.rng) == []


def staying(snapshot: Snapshot, result: Plan) -> Snapshot:
    """Hosts that become empty take no more part in even spreads, nor do those that are empty."""
    off = {*result.emptied} if result.policy.goal == "consolidate" else set()
    if off:
        off |= {host.id for host in snapshot.hosts if not result.before.hosts[host.id].guests}
    hosts = (replace(host, maintenance=True) if host.id in off else host for host in snapshot.hosts)
    return replace(snapshot, hosts=tuple(hosts))


def only_migratable_guests_move_to_hosts_that_can_run_them(case: Planned) -> None:
    hosts = {host.id: host for host in case.snapshot.hosts}
    guests = {guest.id: guest for guest in case.snapshot.guests}
    for migration in case.plan.migrations:
        guest, target = guests[migration.guest.id], hosts[migration.target]
        assert guest.migratable
        assert guest.power == "running"
        assert target.active
        assert {disk.datastore for disk in guest.disks} <= set(target.datastores)


def a_strict_rule_that_held_still_holds(case: Planned) -> None:
    if case.plan.emptied or case.policy.goal == "evacuate":
        return  # an even spread counts other hosts after it than before
    strict = {rule.name for rule in case.snapshot.rules if rule.strict}
    before = {violation.rule for violation in case.plan.before.violations}
    after = {violation.rule for violation in case.plan.after.violations}
    assert not (after - before) & strict


def what_is_written_is_read_again(case: Planned) -> None:
    assert Plan.from_json(case.plan.to_json()) == case.plan


def it_names_the_snapshot_that_it_is_for(case: Planned) -> None:
    assert case.plan.snapshot_digest == case.snapshot.digest()


def balanced_means_in_order_and_anything_else_is_explained(case: Planned) -> None:
    if case.policy.goal not in ("spread", "rules"):
        return  # the tests of other goals say when they are reached
    strict = {rule.name for rule in case.snapshot.rules if rule.strict}
    broken = {violation.rule for violation in case.plan.after.violations} & strict
    apart = case.policy.goal == "spread" and any(
        spread is not None and spread > case.policy.spread_limit(metric) + 0.01
        for metric, spread in case.plan.after.spread.items()
    )
    if case.plan.status == "balanced":
        assert not broken
        assert not apart
    else:
        assert case.plan.unresolved


def no_fewer_migrations_than_the_lower_bound(case: Planned) -> None:
    moved = {migration.guest.id for migration in case.plan.migrations}
    assert case.plan.proof.migrations_lower_bound <= len(moved)


def no_order_takes_less_time_than_the_lower_bound(case: Planned) -> None:
    proof = case.plan.proof
    # Seconds are reported with one digit.
    rounding = 0.1 * (len(case.plan.migrations) + 1)
    assert proof.seconds_lower_bound <= proof.seconds + rounding
    for _ in range(5):
        assert makespan(case.plan, case.policy, case.rng) >= proof.seconds_lower_bound - rounding


def fits(migration: Migration, running: list[Migration], policy: Policy) -> bool:
    both = policy.max_per_host
    ends = [host for other in running for host in (other.source, other.target)]
    return (
        all(ends.count(host) < both for host in (migration.source, migration.target))
        and sum(other.target == migration.target for other in running) < (policy.max_in_per_host or both)
        and sum(other.source == migration.source for other in running) < (policy.max_out_per_host or both)
    )


def makespan(result: Plan, policy: Policy, rng: Random) -> float:
    """Seconds when, at every moment, what may start does, in an order left to chance."""
    waiting, running, now = list(result.migrations), list[tuple[float, Migration]](), 0.0
    ended: set[int] = set()
    while waiting or running:
        rng.shuffle(waiting)
        for migration in list(waiting):
            busy = [other for _end, other in running]
            if ended.issuperset(migration.after) and fits(migration, busy, policy):
                waiting.remove(migration)
                running.append((now + migration.cost.seconds, migration))
        now = min(end for end, _migration in running)
        ended.update(migration.step for end, migration in running if end <= now)
        running = [entry for entry in running if entry[0] > now]
    return now


def the_next_plan_is_empty_and_begins_where_this_one_ends(case: Planned) -> None:
    following = plan(snapshot_after(case.snapshot, case.plan), case.policy)
    assert following.migrations == ()
    if case.policy.goal not in ("spread", "rules"):
        return
    for host, state in case.plan.after.hosts.items():
        for metric, value in state.used.items():
            later = following.before.hosts[host].used[metric]
            assert (value is None) == (later is None)
            assert value is None or abs(value - (later or 0)) < 0.01


PROMISES: tuple[Callable[[Planned], None], ...] = (
    any_execution_is_safe,
    only_migratable_guests_move_to_hosts_that_can_run_them,
    a_strict_rule_that_held_still_holds,
    what_is_written_is_read_again,
    it_names_the_snapshot_that_it_is_for,
    balanced_means_in_order_and_anything_else_is_explained,
    no_fewer_migrations_than_the_lower_bound,
    no_order_takes_less_time_than_the_lower_bound,
    the_next_plan_is_empty_and_begins_where_this_one_ends,
)


@every_goal
@given(data=st.data(), rng=st.randoms(use_true_random=False))
def test_every_plan_keeps_every_promise(
    cases: st.SearchStrategy[tuple[Snapshot, Policy]], data: st.DataObject, rng: Random
) -> None:
    snapshot, policy = data.draw(cases)
    case = Planned(snapshot, policy, plan(snapshot, policy), rng)
    event(f"{policy.goal} {case.plan.status}")
    for promise in PROMISES:
        promise(case)


@every_goal
@settings(max_examples=settings().max_examples // 2)
@given(data=st.data())
def test_the_same_question_has_the_same_answer(
    cases: st.SearchStrategy[tuple[Snapshot, Policy]], data: st.DataObject
) -> None:
    snapshot, policy = data.draw(cases)
    assert plan(snapshot, policy) == plan(snapshot, policy)


@given(snapshots(), policies(), st.integers(0, 3))
def test_no_more_migrations_than_allowed(snapshot: Snapshot, policy: Policy, most: int) -> None:
    limited = replace(policy, max_migrations=most)
    assert len(plan(snapshot, limited).migrations) <= most
