# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The converter of the tests of Proxmox' HA manager, on tests of our own in their format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.benchmarks.peers import ha_files, ha_rules, proxmox_ha
from ansible_collections.evenkeel.cluster.benchmarks.peers.ha_snapshots import snapshot_of
from ansible_collections.evenkeel.cluster.benchmarks.peers.report import Row, Unreadable

GIB = 1024**3
ONLINE = [f"node1/crm: node 'node{number}': state changed from 'unknown' => 'online'" for number in (1, 2, 3)]


def compare(test: ha_files.Case) -> Row:
    return proxmox_ha.row(test, proxmox_ha.judged(test))


def log(*lines: str) -> str:
    return "".join(f"info {10 * number:6} {line}\n" for number, line in enumerate(lines, 1))


def started(sid: str, node: str) -> Sequence[str]:
    return (
        f"node1/crm: adding new service '{sid}' on node '{node}'",
        f"node1/crm: service '{sid}': state changed from 'request_start' to 'started'  (node = {node})",
    )


def migrated(sid: str, source: str, target: str) -> Sequence[str]:
    return (
        f"node1/crm: migrate service '{sid}' to node '{target}' (running)",
        f"node1/crm: service '{sid}': state changed from 'started' to 'migrate'  "
        f"(node = {source}, target = {target})",
        f"node1/crm: service '{sid}': state changed from 'migrate' to 'started'  (node = {target})",
    )


def case(
    folder: Path,
    lines: Sequence[str],
    services: Mapping[str, str],
    rules: str = "",
    crs: Mapping[str, object] | None = None,
    dynamic: Mapping[str, object] | None = None,
) -> ha_files.Case:
    path = folder / "src" / "test" / "test-own"
    path.mkdir(parents=True)
    hardware = {f"node{number}": {"maxcpu": 8, "maxmem": 16 * GIB} for number in (1, 2, 3)}
    config = {sid: {"node": node, "state": "started"} for sid, node in services.items()}
    for name, value in (
        ("hardware_status", hardware),
        ("service_config", config),
        ("datacenter.cfg", {"crs": crs or {}}),
        ("dynamic_service_stats", dynamic or {}),
    ):
        (path / name).write_text(json.dumps(value))
    (path / "rules_config").write_text(rules)
    (path / "log.expect").write_text(log(*lines))
    [found] = ha_files.read_all(folder)
    return found


def test_a_decision_is_a_situation_with_the_cluster_before_and_after_it(tmp_path: Path) -> None:
    rules = "node-affinity: there\n\tresources vm:101\n\tnodes node2\n\tstrict 1\n"
    lines = [*ONLINE, *started("vm:101", "node1"), *migrated("vm:101", "node1", "node2")]
    found = case(tmp_path, lines, {"vm:101": "node1"}, rules)
    [situation] = found.situations
    assert (situation.kind, situation.moves) == ("rule", (("vm:101", "node2"),))
    assert situation.before.places() == {"vm:101": "node1"}
    assert situation.after.places() == {"vm:101": "node2"}
    snapshot = snapshot_of(found, situation.before)
    assert [(rule.kind, rule.guests, rule.hosts, rule.strict) for rule in snapshot.rules] == [
        ("host_affinity", ("101",), ("node2",), True)
    ]
    assert compare(found).verdict == "same"


def test_moves_are_told_apart_by_what_the_manager_says_before_them(tmp_path: Path) -> None:
    lines = [
        *ONLINE,
        *started("vm:101", "node1"),
        *started("vm:102", "node2"),
        "node1/crm: got crm command: migrate vm:101 node2",
        *migrated("vm:101", "node1", "node2"),
        "cmdlist: execute crm node2 enable-node-maintenance",
        "node1/crm: node 'node2': state changed from 'online' => 'maintenance'",
        *migrated("vm:102", "node2", "node3"),
        "cmdlist: execute crm node2 disable-node-maintenance",
        "node1/crm: node 'node2': state changed from 'maintenance' => 'online'",
        "node1/crm: moving service 'vm:102' back to 'node2', node came back from maintenance.",
        *migrated("vm:102", "node3", "node2"),
    ]
    found = case(tmp_path, lines, {"vm:101": "node1", "vm:102": "node2"})
    assert [situation.kind for situation in found.situations] == ["command", "maintenance", "return"]


def test_what_the_balancer_moves_is_planned_to_the_same_spread_and_checked_against_its_rule(
    tmp_path: Path,
) -> None:
    sids = ("vm:101", "vm:102", "vm:103")
    lines = [
        *ONLINE,
        *(line for sid in sids for line in started(sid, "node1")),
        "node1/crm: auto rebalance - migrate vm:101 to node2 (expected change)",
        "node1/crm: got crm command: migrate vm:101 node2",
        *migrated("vm:101", "node1", "node2"),
        "node1/crm: auto rebalance - migrate vm:102 to node3 (expected change)",
        "node1/crm: got crm command: migrate vm:102 node3",
        *migrated("vm:102", "node1", "node3"),
    ]
    found = case(
        tmp_path,
        lines,
        dict.fromkeys(sids, "node1"),
        crs={"ha": "dynamic", "ha-auto-rebalance": 1},
        dynamic={sid: {"cpu": 2.0, "mem": 4 * GIB} for sid in sids},
    )
    [situation] = found.situations
    assert situation.kind == "rebalance"
    snapshot, policy = proxmox_ha.planned(found, situation)
    assert snapshot.hosts[0].used["cpu"] == 6.0
    assert policy.max_spread == pytest.approx(0.01)
    assert compare(found).verdict in ("same", "as good")
    assert list(proxmox_ha.as_native(found)) == [("own 1", True)]


def test_a_recovery_is_compared_with_a_placement(tmp_path: Path) -> None:
    rules = "resource-affinity: apart\n\tresources vm:101,vm:102\n\taffinity negative\n"
    lines = [
        *ONLINE,
        *started("vm:101", "node1"),
        *started("vm:102", "node2"),
        "cmdlist: execute network node2 off",
        "node1/crm: node 'node2': state changed from 'online' => 'unknown'",
        "node1/crm: service 'vm:102': state changed from 'started' to 'fence'",
        "node1/crm: service 'vm:102': state changed from 'fence' to 'recovery'",
        "node1/crm: recover service 'vm:102' from fenced node 'node2' to node 'node3'",
        "node1/crm: service 'vm:102': state changed from 'recovery' to 'started'  (node = node3)",
    ]
    found = case(tmp_path, lines, {"vm:101": "node1", "vm:102": "node2"}, rules)
    assert [situation.kind for situation in found.situations] == ["recovery"]
    assert compare(found).verdict == "same"


def test_who_goes_along_with_a_command_and_what_is_refused_is_compared_too(tmp_path: Path) -> None:
    rules = (
        "resource-affinity: together\n\tresources vm:101,vm:102\n\taffinity positive\n"
        "resource-affinity: apart\n\tresources vm:102,vm:103\n\taffinity negative\n"
    )
    lines = [
        *ONLINE,
        *started("vm:101", "node1"),
        *started("vm:102", "node1"),
        *started("vm:103", "node2"),
        "node1/crm: crm command 'migrate vm:103 node1' error - service 'vm:102' on node 'node1' in negative "
        "affinity with service 'vm:103'",
        "cmdlist: execute service vm:101 migrate node3",
        "node1/crm: got crm command: migrate vm:101 node3",
        "node1/crm: crm command 'migrate vm:101 node3' - migrate service 'vm:102' to node 'node3' "
        "(service 'vm:102' in positive affinity with service 'vm:101')",
        *migrated("vm:101", "node1", "node3"),
        *migrated("vm:102", "node1", "node3"),
    ]
    found = case(tmp_path, lines, {"vm:101": "node1", "vm:102": "node1", "vm:103": "node2"}, rules)
    assert [situation.kind for situation in found.situations] == ["refusal", "command"]
    assert compare(found).verdict == "same"


def test_a_decision_that_is_not_ours_is_not_compared(tmp_path: Path) -> None:
    lines = [
        *ONLINE,
        *started("vm:101", "node1"),
        "node1/crm: starting service vm:101 on node 'node1' failed, relocating service.",
        *migrated("vm:101", "node1", "node2"),
    ]
    row = compare(case(tmp_path, lines, {"vm:101": "node1"}))
    assert row.verdict == "not comparable"
    assert "starts no guests" in row.reason


@pytest.mark.parametrize(
    ("rules", "dropped", "verdict"),
    [
        ("positive", "", "same"),
        ("positive", "Drop rule 'one', because of something.", "different"),
        ("both", "Drop rule 'one', because of something.\nDrop rule 'two', because of something.", "same"),
        ("both", "", "different"),
        ("single", "Drop rule 'one', because there are less than two resources.", "same"),
    ],
)
def test_contradictions_among_rules_are_compared(
    tmp_path: Path, rules: str, dropped: str, verdict: str
) -> None:
    folder = tmp_path / "src" / "test" / "rules_cfgs"
    folder.mkdir(parents=True)
    members = "vm:1" if rules == "single" else "vm:1,vm:2"
    text = f"# a comment\nresource-affinity: one\n\tresources {members}\n\taffinity positive\n"
    if rules == "both":
        text += "resource-affinity: two\n\tresources vm:1,vm:2\n\taffinity negative\n"
    text += "resource-affinity: off\n\tresources vm:1,vm:2\n\taffinity negative\n\tdisable\n"
    (folder / "own.cfg").write_text(text)
    (folder / "own.cfg.expect").write_text(f"--- Log ---\n{dropped}\n")
    [entry] = ha_rules.configurations(tmp_path)
    assert ha_rules.compare(*entry).verdict == verdict


def test_another_folder_and_a_file_that_is_no_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="name a checkout of pve-ha-manager"):
        list(ha_files.read_all(tmp_path))
    case(tmp_path, ONLINE, {})
    (tmp_path / "src" / "test" / "test-own" / "hardware_status").write_text("{")
    with pytest.raises(Unreadable, match="hardware_status is not JSON"):
        list(ha_files.read_all(tmp_path))
