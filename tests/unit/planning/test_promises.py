# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan promises, tried on small random clusters."""

from __future__ import annotations

from random import Random

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.rules import resolve_rules
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)

from .rehearse import defects
from .small_clusters import policies, snapshots


@given(snapshots(), policies(), st.randoms(use_true_random=False))
def test_any_execution_is_safe(snapshot: Snapshot, policy: Policy, rng: Random) -> None:
    result = plan(snapshot, policy)
    event(result.status)
    rules, _ = resolve_rules(snapshot, policy)
    for _ in range(5):
        assert defects(snapshot, policy, rules, result, rng) == []


@given(snapshots(), policies())
def test_only_migratable_guests_move_to_hosts_that_can_run_them(snapshot: Snapshot, policy: Policy) -> None:
    hosts = {host.id: host for host in snapshot.hosts}
    guests = {guest.id: guest for guest in snapshot.guests}
    for migration in plan(snapshot, policy).migrations:
        guest, target = guests[migration.guest.id], hosts[migration.target]
        assert guest.migratable
        assert guest.power == "running"
        assert target.active
        assert {disk.datastore for disk in guest.disks} <= set(target.datastores)


@given(snapshots(), policies())
def test_a_rule_that_held_still_holds(snapshot: Snapshot, policy: Policy) -> None:
    result = plan(snapshot, policy)
    strict = {rule.name for rule in snapshot.rules if rule.strict}
    before = {violation.rule for violation in result.before.violations}
    after = {violation.rule for violation in result.after.violations}
    assert not (after - before) & strict


@given(snapshots(), policies())
def test_planning_again_changes_nothing(snapshot: Snapshot, policy: Policy) -> None:
    first = plan(snapshot, policy)
    second = plan(snapshot_after(snapshot, first), policy)
    assert second.migrations == ()


@given(snapshots(), policies())
def test_the_same_question_has_the_same_answer(snapshot: Snapshot, policy: Policy) -> None:
    assert plan(snapshot, policy) == plan(snapshot, policy)


@given(snapshots(), policies())
def test_a_plan_survives_being_written_and_read(snapshot: Snapshot, policy: Policy) -> None:
    result = plan(snapshot, policy)
    assert Plan.from_json(result.to_json()) == result


@given(snapshots(), policies())
def test_the_state_after_is_the_state_before_of_the_next_plan(snapshot: Snapshot, policy: Policy) -> None:
    first = plan(snapshot, policy)
    second = plan(snapshot_after(snapshot, first), policy)
    for host, state in first.after.hosts.items():
        for metric, value in state.used.items():
            later = second.before.hosts[host].used[metric]
            assert (value is None) == (later is None)
            assert value is None or abs(value - (later or 0)) < 0.01


@given(snapshots(), policies())
def test_the_status_tells_the_truth(snapshot: Snapshot, policy: Policy) -> None:
    result = plan(snapshot, policy)
    strict = {rule.name for rule in snapshot.rules if rule.strict}
    broken = {violation.rule for violation in result.after.violations} & strict
    apart = policy.goal == "spread" and any(
        spread is not None and spread > policy.spread_limit(metric) + 0.01
        for metric, spread in result.after.spread.items()
    )
    if result.status == "balanced":
        assert not broken
        assert not apart
    else:
        assert result.unresolved
    assert result.proof.migrations_lower_bound <= len({migration.guest.id for migration in result.migrations})


@given(snapshots(), policies(), st.integers(0, 3))
def test_no_more_migrations_than_allowed(snapshot: Snapshot, policy: Policy, most: int) -> None:
    limited = Policy.from_json({**policy.to_json(), "max_migrations": most})
    assert len(plan(snapshot, limited).migrations) <= most
