# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of what a plan leaves undone is so: limits, orders, and guests that do not move."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.schedule import rerouting
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.shortfall import shortfall

from .test_scenarios import GIB, cluster

OPEN = {"cpu": 100, "memory": 100, "cpu_for_rules": 100, "memory_for_rules": 100}
LIMIT = "it has 11.0 cores assigned, and its limit is 8.0 cores assigned"


def planned(short: dict[str, Any], **policy: Any) -> Plan:
    return plan(cluster(short), Policy.from_json({"limits": OPEN, **policy}))


def undone(found: Plan) -> dict[str, str]:
    return {item.what: item.why for item in found.unresolved}


OVERCOMMITTED: dict[str, Any] = {
    "hosts": {"h1": {"cpu": 4}, "h2": {"cpu": 4}, "h3": {"cpu": 4}},
    "guests": {
        "a": {"host": "h1", "cpu": 3, "blockers": ["snapshot"]},
        "b": {"host": "h1", "cpu": 0.5, "assigned": {"cpu": 8, "memory": GIB}, "blockers": ["snapshot"]},
        "c": {"host": "h2", "cpu": 3, "blockers": ["snapshot"]},
    },
}


@pytest.mark.parametrize("goal", ["spread", "rules", "relieve", "consolidate"])
def test_no_cluster_with_a_host_above_a_limit_is_called_balanced(goal: str) -> None:
    more = {"relieve": {"overload": {"memory": 99}}} if goal == "relieve" else {}
    found = planned(OVERCOMMITTED, goal=goal, limits={**OPEN, "cpu_overcommit": 2}, max_spread=100, **more)
    assert undone(found) == {"limits of host h1": LIMIT}
    assert found.status == "unchanged"
    # What no goal brings about is no reason to call fewer migrations possible.
    assert found.proof.optimal


def test_an_evacuation_names_other_hosts_above_a_limit_in_a_notice() -> None:
    found = planned(
        OVERCOMMITTED, goal="evacuate", evacuate={"names": ["h3"]}, limits={**OPEN, "cpu_overcommit": 2}
    )
    assert found.status == "balanced"
    assert found.notices == (f"h1 is above its limits: {LIMIT}",)


SWAP: dict[str, Any] = {
    "hosts": {"h1": {"memory": 60}, "h2": {"memory": 60}},
    "guests": {"a": {"host": "h1", "memory": 50}, "b": {"host": "h2", "memory": 50}},
    "rules": {
        "pin a": {"kind": "host_affinity", "guests": ["a"], "hosts": ["h2"]},
        "pin b": {"kind": "host_affinity", "guests": ["b"], "hosts": ["h1"]},
    },
}


def test_want_of_an_order_is_not_called_want_of_room() -> None:
    found = planned(SWAP, goal="rules")
    order, tried = "the chosen migrations have no safe order, so these stay: ", " (all orders were tried)"
    assert undone(found) == {
        "rule pin a": f"a is on h1; {order}a{tried}",
        "rule pin b": f"b is on h2; {order}b{tried}",
        "order of migrations": f"{order}a, b{tried}",
    }


def test_a_search_that_ends_early_does_not_say_that_there_is_no_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rerouting, "MAX_STATES_TO_GOAL", 0)
    found = planned(SWAP, goal="rules")
    assert undone(found)["order of migrations"] == (
        "no safe order of the chosen migrations was found, so these stay: a, b (not all orders were tried)"
    )
    assert [item.code for item in found.unresolved] == ["rule_broken", "rule_broken", "no_safe_order"]


def test_want_of_room_is_called_so() -> None:
    stays = {"host": "h2", "memory": 50, "blockers": ["snapshot"]}
    guests, rules = {**SWAP["guests"], "b": stays}, {"pin a": SWAP["rules"]["pin a"]}
    why = undone(planned({**SWAP, "guests": guests, "rules": rules}, goal="rules"))
    assert why == {"rule pin a": "a is on h1; no host has room without breaking another rule or limit"}


def test_what_nobody_looked_for_is_no_reason() -> None:
    """After a run, of guests that could have moved and did not."""
    roomy = {**SWAP, "hosts": {"h1": {"memory": 600}, "h2": {"memory": 600}}}
    left = shortfall(cluster(roomy), Policy.from_json({"goal": "rules", "limits": OPEN}))
    assert {item.what: item.why for item in left} == {"rule pin a": "a is on h1", "rule pin b": "b is on h2"}
    policy = Policy.from_json({"goal": "evacuate", "evacuate": {"names": ["h1"]}, "limits": OPEN})
    left = shortfall(cluster({**roomy, "rules": {}}), policy)
    assert [item.why for item in left] == ["it still runs a"]


@pytest.mark.parametrize("goal", ["spread", "rules", "consolidate"])
def test_stopped_siblings_are_named_once_with_the_reason(goal: str) -> None:
    short = {
        "hosts": {"h1": {}, "h2": {}, "h3": {}},
        "guests": {
            "a1": {"host": "h1"},
            "a2": {"host": "h1", "power": "stopped"},
            "b1": {"host": "h2", "power": "stopped"},
            "b2": {"host": "h2", "power": "stopped"},
            "c": {"host": "h3"},
        },
        "rules": {
            "a": {"kind": "anti_affinity", "guests": ["a1", "a2"]},
            "b": {"kind": "anti_affinity", "guests": ["b1", "b2"]},
        },
    }
    found = planned(short, goal=goal, max_spread=100)
    assert [step.guest.name for step in found.migrations] == ["a1"]
    reason = "b1 stays on h2 (it is stopped); b2 stays on h2 (it is stopped)"
    assert undone(found) == {"rule b": f"b1 and b2 are on h2; {reason}"}


def test_who_does_not_move_and_who_can_not_are_both_named() -> None:
    short = {
        "hosts": {"h1": {"memory": 60}, "h2": {"memory": 60}},
        "guests": {
            "a": {"host": "h1", "memory": 30},
            "b": {"host": "h1", "power": "stopped"},
            "c": {"host": "h2", "memory": 50, "blockers": ["snapshot"]},
        },
        "rules": {"apart": {"kind": "anti_affinity", "guests": ["a", "b"]}},
    }
    room = "no host has room without breaking another rule or limit"
    assert undone(planned(short, goal="rules")) == {
        "rule apart": f"a and b are on h1; b stays on h1 (it is stopped); {room}"
    }
