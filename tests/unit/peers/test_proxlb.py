# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The converter of ProxLB's scenarios, on scenarios of our own in its format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.benchmarks.peers import proxlb
from ansible_collections.evenkeel.cluster.benchmarks.peers.report import Unreadable

GIB = 1024**3
SPREAD = """
balancing: {method: memory, balanciness: 4, memory_threshold: 30, cpu_overcommit: 1.5}
nodes:
  a: {cpu_total: 8, memory_total_gb: 32, reserve: {cpu: 1, memory_gb: 2}, storage_free: {ssd: 100}}
  b: {cpu_total: 8, memory_total_gb: 32, storage_free: {ssd: 100}}
vms:
  one: {node: a, cpu: 2, memory_gb: 8, cpu_usage: 0.5, disks: {ssd: 40}}
  two: {node: a, cpu: 2, memory_gb: 4, type: ct, priority: 3}
constraints:
  anti_affinity: [{name: apart, vms: [one, two], hard: false}]
  pin: [{vm: one, nodes: [a]}]
"""


def scenario(folder: Path, text: str, name: str = "own/case") -> proxlb.Scenario:
    path = folder / "scenarios" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    [found] = proxlb.scenarios(folder, name)
    return found


def test_a_scenario_becomes_a_snapshot(tmp_path: Path) -> None:
    snapshot = scenario(tmp_path, SPREAD).snapshot
    host = snapshot.hosts[0]
    assert (host.capacity["cpu"], host.capacity["memory"]) == (8, 32 * GIB)
    assert (host.used["cpu"], host.used["memory"]) == (2.5, 12 * GIB)
    assert (host.reserved["cpu"], host.reserved["memory"]) == (1, 2 * GIB)
    assert (host.datastores["ssd"].capacity, host.datastores["ssd"].free) == (100 * GIB, 60 * GIB)
    one, two = snapshot.guests
    assert (one.blockers, two.blockers) == (("local_disk",), ("container_restart",))
    assert (two.kind, two.priority, one.priority) == ("container", 3, 2)
    apart, pin = snapshot.rules
    assert (apart.kind, apart.strict, pin.kind, pin.hosts, pin.strict) == (
        "anti_affinity",
        False,
        "host_affinity",
        ("a",),
        True,
    )


def test_its_balanciness_becomes_half_as_many_points_and_its_threshold_level_above(tmp_path: Path) -> None:
    policy = scenario(tmp_path, SPREAD).policy
    assert (policy.goal, policy.metrics, policy.max_spread) == ("spread", ("memory",), 2.5)
    assert policy.level_above == {"memory": 30}
    assert policy.limits.cpu_overcommit == 1.5


def test_balanciness_1_only_mends_rules_and_a_node_in_maintenance_is_emptied(tmp_path: Path) -> None:
    careful = SPREAD.replace("balanciness: 4", "balanciness: 1")
    assert scenario(tmp_path, careful).policy.goal == "rules"
    closed = SPREAD.replace("a: {cpu_total: 8", "a: {maintenance: true, cpu_total: 8")
    policy = scenario(tmp_path, closed, "own/closed").policy
    assert policy.goal == "evacuate"
    assert policy.evacuate is not None
    assert policy.evacuate.names == ("a",)


@pytest.mark.parametrize(
    ("expect", "missed"),
    [
        ("{max_migrations: 1, spread_improved: true, placements: {two: b}}", ""),
        ("{max_migrations: 0}", "1 migration, 0 expected at most"),
        ("{placements: {two: a}}", "two is on b, not a"),
        ('{placements: {two: "== one"}}', "two is on b, not a"),
        ("{node_empty: a}", "a is not empty"),
        ("{feasible: false}", "is called feasible"),
        ("{path_feasible: false}", "has a way"),
    ],
)
def test_a_plan_is_judged_by_what_the_scenario_expects(tmp_path: Path, expect: str, missed: str) -> None:
    row = proxlb.compare(scenario(tmp_path, f"{SPREAD}expect: {expect}"))
    assert row.verdict == ("different" if missed else "same")
    assert row.ours.endswith(missed)
    assert row.reason == ""


def test_what_can_not_be_had_is_what_an_infeasible_scenario_expects(tmp_path: Path) -> None:
    contradiction = SPREAD.replace("hard: false", "hard: true").replace(
        "pin: [", "affinity: [{name: both, vms: [one, two]}]\n  pin: ["
    )
    row = proxlb.compare(scenario(tmp_path, f"{contradiction}expect: {{feasible: false}}"))
    assert row.verdict == "same"


def test_what_is_planned_can_be_saved(tmp_path: Path) -> None:
    proxlb.save([scenario(tmp_path, SPREAD)], tmp_path / "saved")
    saved = json.loads((tmp_path / "saved" / "own-case.snapshot.json").read_text())
    assert saved["schema"] == "evenkeel.cluster/snapshot/1"


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="name a checkout of proxlb-solver"):
        list(proxlb.scenarios(tmp_path))
