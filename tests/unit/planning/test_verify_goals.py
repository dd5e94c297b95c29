# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verifier refuses what relieving and consolidating must not do: each test makes a legal plan
illegal.
"""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify import Barred, verify

from .preset_clusters import cluster

RELIEVE = Policy.from_json({"preset": "vmmanager"})
CONSOLIDATE = Policy.from_json({"goal": "consolidate", "consolidate": {"min_hosts": 2, "fill": 60}})
HOT = cluster(
    {
        "hosts": {"n1": {"cpu": 10}, "n2": {"cpu": 10, "version": "7"}, "n3": {"cpu": 10}},
        "guests": {
            "a": {"host": "n1", "vcpus": 69},
            "b": {"host": "n1", "vcpus": 2},
            "c": {"host": "n2", "vcpus": 69},
        },
    }
)
IDLE = cluster(
    {
        "hosts": {"n1": {}, "n2": {}, "n3": {}},
        "guests": {
            "a": {"host": "n1", "memory": 20},
            "b": {"host": "n2", "memory": 30},
            "c": {"host": "n3", "memory": 35},
        },
    }
)


def defects(snapshot: Snapshot, policy: Policy, result: Plan) -> tuple[str, ...]:
    return verify(snapshot, policy, snapshot.rules, result, Barred())


def test_plans_of_the_planner_pass() -> None:
    assert defects(HOT, RELIEVE, plan(HOT, RELIEVE)) == ()
    assert defects(IDLE, CONSOLIDATE, plan(IDLE, CONSOLIDATE)) == ()


def test_a_host_that_is_not_overloaded_is_not_relieved() -> None:
    result = plan(HOT, RELIEVE)
    wrong = replace(result.migrations[0], guest=replace(result.migrations[0].guest, id="c"), source="n2")
    found = defects(HOT, RELIEVE, replace(result, migrations=(wrong,)))
    assert any("n2 is not overloaded" in text for text in found)


def test_no_host_is_overloaded_by_relief() -> None:
    result = plan(HOT, RELIEVE)
    wrong = replace(result.migrations[0], target="n2")
    found = defects(HOT, RELIEVE, replace(result, migrations=(wrong,)))
    assert any("n2 comes to 710 % vcpu, overloaded" in text for text in found)


def test_no_guest_goes_to_an_older_version() -> None:
    hosts = (replace(host, version="8") if host.id == "n1" else host for host in HOT.hosts)
    newer = replace(HOT, hosts=tuple(hosts))
    result = plan(HOT, RELIEVE)
    wrong = replace(result.migrations[0], target="n2")
    found = defects(newer, RELIEVE, replace(result, migrations=(wrong,)))
    assert any("the target's version is 7" in text for text in found)


def test_enough_hosts_stay_on() -> None:
    result = plan(IDLE, CONSOLIDATE)
    first = result.migrations[0]
    other = replace(first, step=2, guest=replace(first.guest, id="b", name="b"), source="n2", target="n3")
    found = defects(IDLE, CONSOLIDATE, replace(result, migrations=(replace(first, target="n3"), other)))
    assert any("1 hosts stay on, and 2 shall" in text for text in found)


def test_hosts_are_not_filled_past_what_was_told() -> None:
    tight = replace(CONSOLIDATE, consolidate=replace(CONSOLIDATE.consolidate, fill=45))  # type: ignore[type-var]
    found = defects(IDLE, tight, plan(IDLE, CONSOLIDATE))
    assert any("of memory" in text and "is its limit" in text for text in found)


def test_a_host_that_is_called_empty_is_empty() -> None:
    result = replace(plan(IDLE, CONSOLIDATE), emptied=("n3",))
    assert any("n3 is called empty" in text for text in defects(IDLE, CONSOLIDATE, result))
