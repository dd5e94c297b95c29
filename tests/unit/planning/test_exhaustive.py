# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small clusters against everything that there is: every safe order, every placement. benchmarks/exact.py has
more of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.builder import build_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.schedule.list_scheduler import (
    Schedule,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.schedule.moves import Move
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.schedule.rerouting import reroute
from ansible_collections.evenkeel.cluster.tests.support.orders import Orders, broken_cluster

from .test_scenarios import cluster

GIB = 1024**3
OPEN = {"cpu": 100, "memory": 100, "cpu_for_rules": 100, "memory_for_rules": 100}


@pytest.mark.parametrize("goal", ["rules", "spread"])
@pytest.mark.parametrize("seed", [*range(20), 90, 234, 297, 328, 586, 1178])
def test_every_rule_that_a_safe_order_restores_is_restored(seed: int, goal: str) -> None:
    snapshot = broken_cluster(seed)
    policy = Policy.from_json({"goal": goal, "limits": OPEN, "max_spread": 100, "effort": 2})
    found = plan(snapshot, policy)
    assert len(found.after.violations) <= Orders(snapshot, policy).fewest_broken()


def steps(found: Plan) -> list[tuple[str, str, str]]:
    return [(step.guest.id, step.source, step.target) for step in found.migrations]


def rules_of(
    hosts: Mapping[str, Any], guests: Mapping[str, Any], rules: Mapping[str, Any]
) -> tuple[Snapshot, Plan]:
    snapshot = cluster({"hosts": hosts, "guests": guests, "rules": rules})
    return snapshot, plan(snapshot, Policy.from_json({"goal": "rules", "limits": OPEN}))


def test_pinned_guests_trade_places_over_a_third_host() -> None:
    """One of them waits where its own rule, which is broken anyway, does not want it."""
    _snapshot, found = rules_of(
        {"h1": {"memory": 60}, "h2": {"memory": 60}, "h3": {"memory": 60}},
        {"a": {"host": "h1", "memory": 50}, "b": {"host": "h2", "memory": 50}},
        {
            "pin a": {"kind": "host_affinity", "guests": ["a"], "hosts": ["h2"]},
            "pin b": {"kind": "host_affinity", "guests": ["b"], "hosts": ["h1"]},
        },
    )
    assert found.status == "balanced"
    assert steps(found) == [("a", "h1", "h3"), ("b", "h2", "h1"), ("a", "h3", "h2")]


def test_guests_apart_trade_places_over_the_host_of_a_sibling() -> None:
    _snapshot, found = rules_of(
        {"h1": {"memory": 60}, "h2": {"memory": 60}, "h3": {"memory": 60}},
        {
            "a": {"host": "h1", "memory": 50},
            "b": {"host": "h2", "memory": 50},
            "sibling": {"host": "h1", "memory": 2, "blockers": ["snapshot"]},
            "other": {"host": "h3", "memory": 2, "blockers": ["snapshot"]},
        },
        {
            "apart": {"kind": "anti_affinity", "guests": ["a", "sibling", "other"]},
            "pin b": {"kind": "host_affinity", "guests": ["b"], "hosts": ["h1"]},
        },
    )
    assert found.status == "balanced"
    assert steps(found) == [("a", "h1", "h3"), ("b", "h2", "h1"), ("a", "h3", "h2")]


def test_a_guest_that_does_not_move_steps_aside_and_returns() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": {"memory": 100}, "h2": {"memory": 100}},
            "guests": {
                "a": {"host": "h1", "memory": 50},
                "b": {"host": "h2", "memory": 50},
                "helper": {"host": "h1", "memory": 30},
                "fixed": {"host": "h2", "memory": 20, "blockers": ["snapshot"]},
            },
        }
    )
    problem = build_problem(snapshot, Policy.from_json({"goal": "rules", "limits": OPEN}))
    a, b, helper = (problem.index.guest_at[name] for name in ("a", "b", "helper"))
    trade = [Move(guest=a, source=0, target=1), Move(guest=b, source=1, target=0)]
    found = reroute(
        problem,
        [(move,) for move in trade],
        Schedule(placed=[], left=trade),
        problem.needs.ceiling_for_rules,
    )
    assert not found.left
    moves = [(item.move.guest, item.move.source, item.move.target) for item in found.placed]
    assert moves == [(helper, 0, 1), (b, 1, 0), (a, 0, 1), (helper, 1, 0)]


def test_groups_trade_places_guest_by_guest() -> None:
    _snapshot, found = rules_of(
        {"h1": {"memory": 64}, "h2": {"memory": 64}},
        {name: {"host": "h1" if name[0] == "a" else "h2", "memory": 20} for name in ("a1", "a2", "b1", "b2")},
        {
            "group a": {"kind": "affinity", "guests": ["a1", "a2"]},
            "group b": {"kind": "affinity", "guests": ["b1", "b2"]},
            "pin a": {"kind": "host_affinity", "guests": ["a1"], "hosts": ["h2"]},
            "pin b": {"kind": "host_affinity", "guests": ["b1"], "hosts": ["h1"]},
        },
    )
    assert found.status == "balanced"
    assert len(found.migrations) == 4


def test_a_group_waits_on_an_empty_host() -> None:
    """Nothing else lets the groups pass: each guest is larger than what is free beside the other group."""
    _snapshot, found = rules_of(
        {"h1": {"memory": 64}, "h2": {"memory": 64}, "h3": {"memory": 64}},
        {name: {"host": "h1" if name[0] == "a" else "h2", "memory": 30} for name in ("a1", "a2", "b1", "b2")},
        {
            "group a": {"kind": "affinity", "guests": ["a1", "a2"]},
            "group b": {"kind": "affinity", "guests": ["b1", "b2"]},
            "pin a": {"kind": "host_affinity", "guests": ["a1"], "hosts": ["h2"]},
            "pin b": {"kind": "host_affinity", "guests": ["b1"], "hosts": ["h1"]},
        },
    )
    assert found.status == "balanced"
    assert len(found.migrations) == 6


def test_a_ring_of_three_opens_over_an_empty_host() -> None:
    after = {"a": "h2", "b": "h3", "c": "h1"}
    _snapshot, found = rules_of(
        {f"h{number}": {"memory": 60} for number in (1, 2, 3, 4)},
        {name: {"host": f"h{number}", "memory": 50} for number, name in enumerate("abc", start=1)},
        {
            f"pin {name}": {"kind": "host_affinity", "guests": [name], "hosts": [to]}
            for name, to in after.items()
        },
    )
    assert found.status == "balanced"
    assert len(found.migrations) == 4


def test_guests_that_the_platform_moves_together_trade_places_with_a_pinned_one() -> None:
    """They go once, and all at once: the other one waits where its own rule does not want it."""
    _snapshot, found = rules_of(
        {"h1": {"memory": 64}, "h2": {"memory": 64}, "h3": {"memory": 64}},
        {
            "a1": {"host": "h1", "memory": 30},
            "a2": {"host": "h1", "memory": 30},
            "b": {"host": "h2", "memory": 50},
        },
        {
            "group": {"kind": "affinity", "guests": ["a1", "a2"], "co_migrates": True},
            "pin a": {"kind": "host_affinity", "guests": ["a1"], "hosts": ["h2"]},
            "pin b": {"kind": "host_affinity", "guests": ["b"], "hosts": ["h1"]},
        },
    )
    assert found.status == "balanced"
    assert [step for step in steps(found) if step[0] == "b"] == [("b", "h2", "h3"), ("b", "h3", "h1")]
    assert {step for step in steps(found) if step[0] != "b"} == {
        ("a1", "h1", "h2"),
        ("a2", "h1", "h2"),
    }


def test_only_what_is_proven_is_called_impossible() -> None:
    _snapshot, found = rules_of(
        {"h1": {"memory": 60}, "h2": {"memory": 60}},
        {"a": {"host": "h1", "memory": 50}, "b": {"host": "h2", "memory": 50}},
        {
            "pin a": {"kind": "host_affinity", "guests": ["a"], "hosts": ["h2"]},
            "pin b": {"kind": "host_affinity", "guests": ["b"], "hosts": ["h1"]},
        },
    )
    assert not found.migrations
    assert any(
        "have no safe order" in item.why and "(all orders were tried)" in item.why
        for item in found.unresolved
    )


def test_a_pinned_guest_leaves_a_host_in_maintenance_for_its_rule() -> None:
    _snapshot, found = rules_of(
        {"h1": {"maintenance": True}, "h2": {}},
        {"a": {"host": "h1"}, "idle": {"host": "h1"}},
        {"pin": {"kind": "host_affinity", "guests": ["a"], "hosts": ["h2"]}},
    )
    assert steps(found) == [("a", "h1", "h2")]
    assert found.migrations[0].kind == "rule"


def test_the_smaller_guest_where_no_band_can_be_reached() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": {"memory": 32}, "h2": {"memory": 32}},
            "guests": {"big": {"host": "h1", "memory": 8}, "small": {"host": "h1", "memory": 0.5}},
        }
    )
    found = plan(snapshot, Policy.from_json({"metrics": ["memory"], "max_spread": 0}))
    assert steps(found) == [("small", "h1", "h2")]


def test_no_guest_comes_in_the_place_of_one_that_leaves() -> None:
    """75 % of h4 can't be less, and the others come to 69 % by two migrations."""
    sizes = {
        "h1": [64, 48],
        "h2": [128, 16, 64],
        "h3": [128, 48, 32],
        "h4": [128, 64],
    }
    guests = {
        f"{host} {number}": {"host": host, "memory": size, "cpu": 0.1}
        for host, parts in sizes.items()
        for number, size in enumerate(parts)
    }
    snapshot = cluster({"hosts": {host: {"memory": 256} for host in sizes}, "guests": guests})
    found = plan(snapshot, Policy.from_json({"metrics": ["memory"], "max_spread": 5}))
    assert len(found.migrations) == 2
    assert sum(step.cost.memory for step in found.migrations) == 96 * GIB
