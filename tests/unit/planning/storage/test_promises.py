# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan for datastores promises, on generated clusters: it is safe in every interleaving, the same each
time, and there is nothing to do after it.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.benchmarks.storage import small_cluster
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage import exact
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.builder import build_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.planner import plan_storage
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)
from ansible_collections.evenkeel.cluster.tests.support.replay_storage import (
    every_defect,
    paper_end,
    random_defects,
)

POLICIES: tuple[dict[str, object], ...] = (
    {},
    {"max_spread": 15},
    {"latency": 15},
    {"growth": 20, "keep_together": False},
    {"max_spread": 20, "latency": 12, "growth": 10, "reserve": 20 * 1024**3},
    {"utilisation": 70, "rules": [{"by": "disks", "guests": {"names": ["vm0000*"]}}]},
    {"rules": [{"by": "name_prefix", "strict": False, "min_members": 99}], "max_moves": 3},
    {"max_bytes": 200 * 1024**3, "evacuate": {"names": ["ds02"]}},
)

shapes = st.builds(
    StorageShape,
    datastores=st.integers(2, 6),
    disks=st.integers(3, 30),
    seed=st.integers(0, 10_000),
    local=st.integers(0, 1),
    fill=st.floats(0.3, 0.75),
    fixed=st.sampled_from((0.0, 0.1)),
    unmeasured=st.sampled_from((0.0, 0.0, 0.3)),
    whole=st.sampled_from((0.0, 0.0, 0.5)),
    policies=st.sampled_from((0.0, 0.0, 0.3, 1.0)),
    rules=st.integers(0, 3),
    maintenance=st.integers(0, 1),
    busy=st.sampled_from((0.0, 0.3)),
)


@given(shape=shapes, storage=st.sampled_from(POLICIES), seed=st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_every_interleaving_is_safe(shape: StorageShape, storage: dict[str, object], seed: int) -> None:
    snapshot = generate_storage(shape)
    policy = Policy.from_json({"goal": "storage", "effort": 4, "storage": storage})
    plan = plan_storage(snapshot, policy)
    assert policy.storage is not None
    rules = [members.rule for members in build_problem(snapshot, policy.storage).rules]
    if len(plan.moves) <= 4:
        assert not every_defect(snapshot, policy.storage, rules, plan)
    for number in range(10):
        rng = Random(f"{seed}/{number}")
        assert not random_defects(snapshot, policy.storage, rules, plan, rng)


@pytest.mark.parametrize("seed", range(24))
def test_there_is_nothing_to_do_after_a_plan(seed: int) -> None:
    shape = StorageShape(
        datastores=3 + seed % 4,
        disks=10 + seed,
        seed=seed,
        rules=seed % 3,
        maintenance=seed % 5 == 0,
        policies=0.4 * (seed % 4 == 1),
    )
    snapshot = generate_storage(shape)
    policy = Policy.from_json({"goal": "storage", "effort": 4, "storage": POLICIES[seed % 6]})
    plan = plan_storage(snapshot, policy)
    again = plan_storage(paper_end(snapshot, plan), policy)
    assert again.moves == ()
    assert (again.status == "balanced") is (plan.status == "balanced")


def test_a_search_that_ends_early_claims_no_proof_by_all_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = generate_storage(replace(small_cluster(13), policies=0.0))
    policy = Policy.from_json({"goal": "storage", "effort": 4, "storage": {"max_spread": 15}})
    assert plan_storage(snapshot, policy).proof.method.startswith("all ends ")
    monkeypatch.setattr(exact, "NODES", 1)
    plan = plan_storage(snapshot, policy)
    assert plan.status == "balanced"
    assert plan.proof.method.startswith("datastores above or below every possible band ")


def test_what_makes_room_for_an_evacuation_needs_no_difference() -> None:
    snapshot = generate_storage(small_cluster(144))
    policy = Policy.from_json({"goal": "storage", "storage": {}})
    plan = plan_storage(snapshot, policy)
    used = {name: place.percent or 0.0 for name, place in plan.before.datastores.items()}
    near = [
        move for move in plan.moves if move.kind != "evacuate" and used[move.source] - used[move.target] < 5
    ]
    assert {move.why for move in near} == {"makes room on ds03 for other disks"}
    assert plan_storage(paper_end(snapshot, plan), policy).moves == ()


def test_the_same_snapshot_gives_the_same_plan() -> None:
    snapshot = generate_storage(StorageShape(datastores=5, disks=60, seed=8, rules=3))
    policy = Policy.from_json({"goal": "storage", "effort": 4, "storage": {"max_spread": 10}})
    assert plan_storage(snapshot, policy) == plan_storage(snapshot, policy)
