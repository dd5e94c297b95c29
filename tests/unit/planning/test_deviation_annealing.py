# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""As level as a number of migrations makes it: max_spread 0."""

from __future__ import annotations

from statistics import pstdev

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

from .test_scenarios import cluster


def asked(most: int, effort: int) -> Policy:
    return Policy.from_json({"max_spread": 0, "max_migrations": most, "effort": effort, "min_gain": 0})


def deviation(snapshot: Snapshot) -> float:
    """The sum of cpu's and memory's standard deviation over the hosts, in points."""
    return sum(
        pstdev([100 * (host.used[name] or 0) / (host.capacity[name] or 1) for host in snapshot.hosts])
        for name in ("cpu", "memory")
    )


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_search_is_flatter_than_one_best_migration_after_the_other(seed: int, mixed: bool) -> None:
    snapshot = generate(Shape(hosts=8, guests=120, seed=seed, fill=0.5, mixed=mixed))
    quick, long = (plan(snapshot, asked(20, effort)) for effort in (0, 300))
    assert len(long.migrations) <= 20
    assert deviation(snapshot_after(snapshot, long)) < 0.9 * deviation(snapshot_after(snapshot, quick))
    assert not [v for v in long.after.violations if v.rule not in {b.rule for b in long.before.violations}]


def test_what_can_be_level_takes_no_more_migrations_than_that() -> None:
    equal = {f"g{number}": {"host": "h1", "cpu": 10, "memory": 10} for number in range(4)}
    level = plan(cluster({"hosts": {"h1": {}, "h2": {}}, "guests": equal}), asked(4, 300))
    assert (level.status, len(level.migrations)) == ("balanced", 2)
