# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions that have no answer: an error that names the thing, and no plan."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy import (
    Exclusions,
    Policy,
    Selector,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.errors import PlanningError
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan

from .test_scenarios import cluster

SMALL = cluster({"hosts": {"h1": {}, "h2": {}}, "guests": {"a": {"host": "h1"}}})


def test_a_cluster_without_hosts() -> None:
    with pytest.raises(PlanningError, match="no hosts"):
        plan(replace(SMALL, hosts=(), guests=()), Policy())


def test_an_exact_host_name_that_nobody_has() -> None:
    policy = Policy(exclude=Exclusions(targets=Selector(names=("h7",))))
    with pytest.raises(PlanningError, match=r"policy.exclude.targets.names.*'h7'"):
        plan(SMALL, policy)


def test_a_pattern_that_matches_nothing_is_no_error() -> None:
    policy = Policy(exclude=Exclusions(targets=Selector(names=("old-*",)), guests=Selector(names=("gone",))))
    assert plan(SMALL, policy).status == "balanced"


def test_the_exact_engine_without_its_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    # Another Python that has no such library: the solver runs in a process of its own.
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    hot = cluster(
        {"hosts": {"h1": {}, "h2": {}}, "guests": {f"g{n}": {"host": "h1", "memory": 20} for n in range(4)}}
    )
    with pytest.raises(PlanningError, match=r"policy.engine.*highspy"):
        plan(hot, Policy(engine="exact"))
