# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smallest explanations, against all subsets there are."""

from __future__ import annotations

import itertools
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Guest,
    Host,
    Rule,
    RuleKind,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.minimal_conflicts import (
    hall_violation,
    minimal_conflict,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan

GIB = 2**30


@given(st.lists(st.integers(1, 63), min_size=1, max_size=7))
def test_a_crowd_has_too_few_hosts_and_none_can_be_left_out(masks: list[int]) -> None:
    allowed = dict(enumerate(masks))
    found = hall_violation(allowed)
    crowds = [
        crowd
        for size in range(1, len(masks) + 1)
        for crowd in itertools.combinations(range(len(masks)), size)
        if reduce(int.__or__, (masks[guest] for guest in crowd)).bit_count() < size
    ]
    assert (found is None) == (not crowds)
    if found is not None:
        crowd, hosts = found
        assert tuple(crowd) in crowds
        assert hosts == reduce(int.__or__, (masks[guest] for guest in crowd))
        assert not [other for other in crowds if set(other) < set(crowd)]


def test_more_siblings_than_a_large_cluster_has_hosts() -> None:
    hosts = 1200
    crowd, mask = hall_violation(dict.fromkeys(range(hosts + 1), (1 << hosts) - 1)) or ([], 0)
    assert (len(crowd), mask.bit_count()) == (hosts + 1, hosts)


@given(st.lists(st.integers(0, 63), min_size=1, max_size=6))
def test_no_part_of_a_conflict_can_go(masks: list[int]) -> None:
    wanted = {f"r{number}": mask for number, mask in enumerate(masks)}
    if reduce(int.__and__, masks):
        return
    names = minimal_conflict(63, wanted)
    assert not reduce(int.__and__, (wanted[name] for name in names), 63)
    for name in names:
        assert reduce(int.__and__, (wanted[other] for other in names if other != name), 63)


def cluster(rules: tuple[Rule, ...]) -> Snapshot:
    """Five hosts with room; three guests a, b, c on the first."""
    size = {"cpu": 16.0, "memory": 64.0 * GIB}
    return Snapshot(
        platform="test",
        cluster=ClusterRef(id="c", name="c"),
        taken_at="2026-01-01T00:00:00Z",
        window_seconds=3600,
        hosts=tuple(
            Host(
                id=f"h{number}",
                name=f"h{number}",
                status="online",
                maintenance=False,
                schedulable=True,
                capacity=size,
                used={"cpu": 1.0, "memory": 8.0 * GIB},
            )
            for number in range(5)
        ),
        guests=tuple(
            Guest(
                id=name,
                name=name,
                kind="vm",
                host="h0",
                power="running",
                assigned={"cpu": 1, "memory": GIB},
                used={"cpu": 0.1, "memory": 1.0 * GIB},
                migratable=True,
            )
            for name in "abc"
        ),
        rules=rules,
    )


def why(rules: tuple[Rule, ...]) -> list[str]:
    found = plan(cluster(rules), Policy(goal="rules"))
    return [f"{item.what}: {item.why}" for item in found.unresolved]


def rule(name: str, kind: RuleKind, guests: str, hosts: tuple[str, ...] = ()) -> Rule:
    return Rule(name=name, kind=kind, guests=tuple(guests), hosts=hosts, strict=True, source="test")


def test_the_rules_that_leave_a_guest_no_host_are_named_and_no_others() -> None:
    said = why(
        (
            rule("1-left", "host_affinity", "a", ("h1", "h2")),
            rule("2-spare", "host_anti_affinity", "a", ("h4",)),
            rule("3-right", "host_affinity", "ab", ("h3",)),
        )
    )
    assert said[0] == "rule 3-right: it wants h3 for a, and rule 1-left leaves a no such host"


def test_guests_pinned_to_too_few_hosts_are_named() -> None:
    said = why(
        (
            rule("apart", "anti_affinity", "abc"),
            rule("pin", "host_affinity", "bc", ("h2",)),
        )
    )
    assert len(said) == 1
    assert said[0].endswith("; with rule apart, 2 guests (b, c) can't be apart on 1 host: h2")
