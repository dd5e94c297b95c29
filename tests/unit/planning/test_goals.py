# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What plans of goals relieve and consolidate promise, tried on small random clusters."""

from __future__ import annotations

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.goals import (
    Consolidation,
    Relief,
    Thresholds,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

from .small_clusters import snapshots


@st.composite
def reliefs(draw: st.DrawFn) -> Policy:
    return Policy(
        goal="relieve",
        metrics=("vcpu", "memory"),
        demand=draw(st.sampled_from(["used", "assigned", "max"])),
        relieve=Relief(
            overload=Thresholds(
                vcpus_per_core=draw(st.sampled_from([1, 2, 4])), memory=draw(st.sampled_from([30, 60, 90]))
            ),
            target=Thresholds(
                vcpus_per_core=draw(st.sampled_from([None, 0.5, 3])), memory=draw(st.sampled_from([None, 50]))
            ),
            first=draw(st.sampled_from(["fewest", "smallest", "largest"])),
            density_weight=draw(st.sampled_from([0, 0.5])),
        ),
        min_gain=draw(st.sampled_from([0, 0.5])),
        effort=2,
    )


@st.composite
def consolidations(draw: st.DrawFn) -> Policy:
    return Policy(
        goal="consolidate",
        consolidate=draw(
            st.one_of(
                st.none(),
                st.builds(
                    Consolidation,
                    min_hosts=st.integers(1, 4),
                    below=st.sampled_from([None, 30, 60]),
                    fill=st.sampled_from([None, 50, 81]),
                ),
            )
        ),
        effort=2,
    )


POLICIES = st.one_of(reliefs(), consolidations())


@given(snapshots(), reliefs())
def test_a_relieved_host_is_no_longer_overloaded_or_the_plan_says_so(
    snapshot: Snapshot, policy: Policy
) -> None:
    result = plan(snapshot, policy)
    assert policy.relieve is not None
    tops = policy.relieve.overload.percents()
    told = {item.what for item in result.unresolved}
    for host in snapshot.hosts:
        used = result.after.hosts[host.id].used
        hot = any((used[metric] or 0) > top + 0.01 for metric, top in tops.items())
        if hot and host.active:
            assert f"host {host.name} overloaded" in told


@given(snapshots(), consolidations())
def test_hosts_that_become_empty_are_named(snapshot: Snapshot, policy: Policy) -> None:
    result = plan(snapshot, policy)
    event(f"{len(result.emptied)} emptied")
    for host in result.emptied:
        assert result.before.hosts[host].guests > 0
        assert result.after.hosts[host].guests == 0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("wants", [{}, {"fill": 81, "below": 60}])
def test_a_cluster_is_consolidated_once(seed: int, wants: dict[str, float]) -> None:
    snapshot = generate(Shape(hosts=6, guests=60, seed=seed))
    policy = Policy.from_json({"goal": "consolidate", "consolidate": wants})
    first = plan(snapshot, policy)
    assert plan(snapshot_after(snapshot, first), policy).migrations == ()
