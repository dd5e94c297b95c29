# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exact solver in a process of its own, as modules use it."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.bounds import exact, highs_worker
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate


def test_the_plan_is_the_same_as_with_the_solver_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = generate(Shape(hosts=3, guests=8, seed=1, fill=0.4, skew=6.0))
    policy = Policy.from_json({"max_spread": 25, "engine": "exact"})
    apart = plan(cluster, policy)
    monkeypatch.setattr(exact, "_run", highs_worker.solve)
    assert "HiGHS" in apart.proof.method
    assert apart == plan(cluster, policy)
