# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exact solver in a process of its own, as modules use it."""

from __future__ import annotations

import sys

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.bounds import exact, highs_worker
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.errors import PlanningError
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.unit.planning.test_scenarios import cluster


def test_the_plan_is_the_same_as_with_the_solver_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = generate(Shape(hosts=3, guests=8, seed=1, fill=0.4, skew=6.0))
    policy = Policy.from_json({"max_spread": 25, "engine": "exact"})
    apart = plan(snapshot, policy)
    monkeypatch.setattr(exact, "_run", highs_worker.solve)
    assert "HiGHS" in apart.proof.method
    assert apart == plan(snapshot, policy)


def test_the_exact_engine_without_its_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    # Another Python that has no such library: the solver runs in a process of its own.
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    hot = cluster(
        {"hosts": {"h1": {}, "h2": {}}, "guests": {f"g{n}": {"host": "h1", "memory": 20} for n in range(4)}}
    )
    with pytest.raises(PlanningError, match=r"policy.engine.*highspy"):
        plan(hot, Policy(engine="exact"))
