# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning again where a run ended in the middle of its plan: what it has moved stays where it is."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.moves import snapshot_after_moves
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

POLICY = Policy(aggressiveness=4, effort=12)
CASES = ((1, 3), (7, 11), (9, 8), (17, 17), (19, 2), (27, 6))
"""Seeds of clusters, and how many migrations of their plan were carried out."""


@cache
def planned(seed: int) -> tuple[Snapshot, Plan]:
    """A cluster and the whole plan for it."""
    snapshot = generate(Shape(hosts=8, guests=60, seed=seed, skew=6))
    return snapshot, plan(snapshot, POLICY)


def after_some(snapshot: Snapshot, found: Plan, many: int, *, at: str) -> tuple[Snapshot, set[str]]:
    """The cluster after the first migrations of a plan, which ended at that moment; and who was migrated."""
    done = found.migrations[:many]
    for migration in done:
        snapshot = snapshot_after_moves(snapshot, {migration.guest.id: migration.target})
    ids = {migration.guest.id for migration in done if migration.kind != "parking"}
    guests = tuple(
        replace(guest, last_migrated_at=at) if guest.id in ids else guest for guest in snapshot.guests
    )
    return replace(snapshot, guests=guests), ids


@pytest.mark.parametrize(("seed", "many"), CASES)
def test_no_guest_is_moved_twice(seed: int, many: int) -> None:
    snapshot, first = planned(seed)
    half, done = after_some(snapshot, first, many, at=snapshot.taken_at)
    second = plan(half, POLICY)
    assert second.status == first.status == "balanced"
    assert not done & {migration.guest.id for migration in second.migrations}
    assert second.policy == POLICY


def test_what_was_moved_longer_ago_is_moved_as_any_other() -> None:
    """One of these clusters at least is one where the plan without that memory moves a guest again."""

    def moved_again(seed: int, many: int) -> set[str]:
        half, done = after_some(*planned(seed), many, at="2025-12-31T22:00:00Z")
        return done & {migration.guest.id for migration in plan(half, POLICY).migrations}

    assert any(moved_again(*case) for case in CASES)


class Ticks:
    """A clock that goes on by a second each time it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_the_time_limit_is_that_of_both_plans() -> None:
    """Where the first plan has used it up, the second one does not begin it anew, but ends at once."""
    snapshot, first = planned(1)
    half, done = after_some(snapshot, first, 3, at=snapshot.taken_at)
    limited = replace(POLICY, time_limit=20.0)
    alone, both = Ticks(), Ticks()
    forgetful = plan(replace(half, taken_at="2026-01-02T00:00:00Z"), limited, alone)
    assert done & {migration.guest.id for migration in forgetful.migrations}, "a second plan is made"
    plan(half, limited, both)
    assert 20 <= alone.now < both.now < alone.now + 20


def test_a_proof_counts_migrations_of_all_guests() -> None:
    """That fewer would do if those were moved again is not hidden."""
    snapshot, first = planned(19)
    half, _done = after_some(snapshot, first, 2, at=snapshot.taken_at)
    found = plan(half, POLICY)
    forgetful = plan(replace(half, taken_at="2026-01-02T00:00:00Z"), POLICY)
    assert len(found.migrations) >= len(forgetful.migrations)
    assert found.proof.migrations_lower_bound == forgetful.proof.migrations_lower_bound
    assert found.proof.optimal == (len(found.migrations) == found.proof.migrations_lower_bound)
