# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a platform measures nothing, what the guests were given counts instead; never a 0."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Limits, Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.report.cluster_state import (
    present_state,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)

from .test_scenarios import cluster

UNKNOWN = {"cpu": None, "memory": None}


def unmeasured(snapshot: Snapshot) -> Snapshot:
    return replace(
        snapshot,
        hosts=tuple(replace(host, used=UNKNOWN) for host in snapshot.hosts),
        guests=tuple(replace(guest, used=UNKNOWN) for guest in snapshot.guests),
    )


# Four guests of 16 GiB and 16 vCPUs on one of two hosts with 128 GiB and 8 cores.
HOT = unmeasured(
    cluster(
        {
            "hosts": {"h1": {"cpu": 8}, "h2": {"cpu": 8}},
            "guests": {f"g{n}": {"host": "h1", "memory": 16, "cpu": 16} for n in range(4)},
        }
    )
)


@pytest.mark.parametrize("demand", ["used", "assigned", "max"])
def test_what_was_assigned_is_levelled(demand: str) -> None:
    policy = Policy(demand=demand)  # type: ignore[arg-type]
    result = plan(HOT, policy)
    assert result.status == "balanced"
    assert len(result.migrations) == 2
    assert result.before.hosts["h1"].used == {"cpu": 800.0, "memory": 50.0}
    assert result.policy == policy
    after = snapshot_after(HOT, result)
    assert plan(after, policy).migrations == ()
    assert after.hosts[1].used == UNKNOWN
    assert present_state(after, policy).spread == {"cpu": 0.0, "memory": 0.0}


def test_assigned_cores_are_limited_by_the_overcommit_alone() -> None:
    policy = Policy(metrics=("memory",), limits=Limits(cpu_overcommit=2.0))
    assert [step.target for step in plan(HOT, policy).migrations] == ["h2"]


def test_assigned_memory_is_limited() -> None:
    large = cluster(
        {
            "hosts": {"h1": {"memory": 128}, "h2": {"memory": 32}},
            "guests": {f"g{n}": {"host": "h1", "memory": 30} for n in range(4)},
        }
    )
    assert plan(unmeasured(large), Policy()).migrations == ()


def test_a_single_host_that_reports_nothing_receives_nothing() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": {}, "h2": {}, "h3": {}},
            "guests": {f"g{n}": {"host": "h1", "memory": 16} for n in range(6)},
        }
    )
    silent = replace(snapshot, hosts=(*snapshot.hosts[:2], replace(snapshot.hosts[2], used=UNKNOWN)))
    result = plan(silent, Policy())
    assert {step.target for step in result.migrations} == {"h2"}
    assert any("nothing is sent there" in item.why for item in result.unresolved)
