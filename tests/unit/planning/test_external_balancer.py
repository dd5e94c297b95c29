# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans next to another balancer: it is named, and nothing is moved."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

SNAPSHOT = replace(generate(Shape(hosts=6, guests=60, seed=3)), other_balancers=("DRS (fullyAutomated)",))


def test_another_balancer_is_respected() -> None:
    result = plan(SNAPSHOT, Policy())
    assert (result.status, result.migrations) == ("unchanged", ())
    assert "DRS (fullyAutomated) already balances this cluster" in result.unresolved[0].why
    assert result.before.spread["memory"]


def test_unless_told_otherwise() -> None:
    alone = plan(replace(SNAPSHOT, other_balancers=()), Policy(other_balancers="ignore"))
    assert plan(SNAPSHOT, Policy(other_balancers="ignore")).migrations == alone.migrations != ()
