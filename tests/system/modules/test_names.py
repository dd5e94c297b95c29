# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host or guest by its id or its name, wherever one is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import AmbiguousName
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.support.modules import run_module

GIB = 1024**3


def host(identity: str, name: str) -> dict[str, Any]:
    return {
        "id": identity, "name": name, "status": "online", "maintenance": False, "schedulable": True,
        "capacity": {"cpu": 16, "memory": 64 * GIB}, "used": {"cpu": 1, "memory": 8 * GIB},
        "datastores": {"san": {"shared": True}}, "networks": ["lan"],
    }  # fmt: skip


def guest(identity: str, name: str, where: str) -> dict[str, Any]:
    return {
        "id": identity, "name": name, "kind": "vm", "host": where, "power": "running",
        "assigned": {"cpu": 2, "memory": 4 * GIB}, "used": {"cpu": 0.5, "memory": 4 * GIB},
        "disks": [{"datastore": "san", "size": GIB}], "networks": ["lan"], "migratable": True,
    }  # fmt: skip


# A host that is called as another is numbered, two hosts and two guests of one name.
CLUSTER: dict[str, Any] = {
    "schema": "evenkeel.cluster/snapshot/1", "platform": "vmmanager", "cluster": {"id": "1", "name": "prod"},
    "taken_at": "2026-01-01T00:00:00Z", "window_seconds": 0, "rules": [],
    "hosts": [host("h1", "h3"), host("h2", "twin"), host("h3", "c"), host("h4", "twin")],
    "guests": [guest("g1", "g2", "h2"), guest("g2", "web", "h2"), guest("g3", "web", "h4")],
}  # fmt: skip


@pytest.fixture
def rehearsal(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "cluster.json").write_text(json.dumps(CLUSTER))
    return {"platform": "rehearsal", "rehearsal_path": str(tmp_path / "cluster.json")}


def test_one_migration(tmp_path: Path, rehearsal: dict[str, str]) -> None:
    result = run_module("vm_migrate", tmp_path, {**rehearsal, "guest": "g2", "target": "h3"})
    moved = result["outcome"]["migrations"][0]
    assert (moved["guest"]["id"], moved["to"]) == ("g2", "h3")
    result = run_module("vm_migrate", tmp_path, {**rehearsal, "guest": "g1", "target": "twin"})
    assert (result["error"], result["msg"]) == (
        "AmbiguousName", "target: 2 hosts have the name 'twin'. Use one of their ids instead: h2, h4",
    )  # fmt: skip
    result = run_module("vm_migrate", tmp_path, {**rehearsal, "guest": "web", "target": "c"})
    assert result["msg"] == "guest: 2 guests have the name 'web'. Use one of their ids instead: g2, g3"


def test_maintenance(tmp_path: Path, rehearsal: dict[str, str]) -> None:
    result = run_module("host_maintenance", tmp_path, {**rehearsal, "host": "h3"})
    assert result["host"] == {"id": "h3", "name": "c"}
    result = run_module("host_maintenance", tmp_path, {**rehearsal, "host": "twin"})
    assert result["msg"].endswith("Use one of their ids instead: h2, h4")


def test_policies(tmp_path: Path) -> None:
    snapshot = Snapshot.from_json(CLUSTER)
    emptied = plan(snapshot, Policy.from_json({"goal": "evacuate", "evacuate": {"names": ["h3", "h2"]}}))
    assert {migration.source for migration in emptied.migrations} == {"h2"}
    assert "h3" not in {migration.target for migration in emptied.migrations}
    for policy in (
        {"goal": "evacuate", "evacuate": {"names": ["twin"]}},
        {"exclude": {"targets": {"names": ["twin"]}}},
        {"exclude": {"guests": {"names": ["web"]}}},
        {"rules": [{"by": "guests", "kind": "affinity", "guests": {"names": ["web"]}}]},
    ):
        with pytest.raises(AmbiguousName, match=r"Use one of their ids instead: [hg][23], [hg][34]"):
            plan(snapshot, Policy.from_json(policy))
    # A pattern means all that fit.
    plan(snapshot, Policy.from_json({"exclude": {"targets": {"names": ["twi[n]"]}}}))


def test_supposed_and_placed_and_pooled(tmp_path: Path) -> None:
    options = {"snapshot": CLUSTER, "what_if": {"hosts_removed": ["twin"]}}
    assert run_module("balance_plan", tmp_path, options)["error"] == "AmbiguousName"
    new = {"name": "new", "cpu": 1, "memory": "1G"}
    vms = [{**new, "hosts": {"names": ["h3"]}}]
    placed = run_module("vm_placement", tmp_path, {"snapshot": CLUSTER, "vms": vms})
    assert placed["vms"][0]["host_id"] == "h3"
    for wrong in ({"hosts": {"names": ["twin"]}}, {"affinity": ["web"]}):
        result = run_module("vm_placement", tmp_path, {"snapshot": CLUSTER, "vms": [{**new, **wrong}]})
        assert result["error"] == "AmbiguousName"
    options = {"name": "p", "state_url": "sqlite://", "snapshot": CLUSTER, "share": {"hosts": ["twin"]}}
    assert run_module("capacity_pool", tmp_path, options)["error"] == "AmbiguousName"


def test_a_plan_for_another_platform(tmp_path: Path, rehearsal: dict[str, str]) -> None:
    """Whose cluster is numbered alike."""
    planned = run_module("balance_plan", tmp_path, {"snapshot": CLUSTER, "goal": "rules"})["plan"]
    for change, whose in (
        ({"platform": "proxmox"}, "proxmox"),
        ({"cluster": {"id": "1", "name": "prod", "instance": "vc2"}}, "vmmanager vc2"),
    ):
        cluster = {**CLUSTER, "cluster": {**CLUSTER["cluster"], "instance": "vc1"}}
        (tmp_path / "cluster.json").write_text(json.dumps(cluster))
        result = run_module("vm_migrate", tmp_path, {**rehearsal, "plan": {**planned, **change}})
        assert result["error"] == "WrongCluster", result
        wrong = f"vm_migrate: the plan is for cluster 'prod' of {whose}, and this is 'prod' of"
        assert result["msg"].startswith(wrong)


def test_a_host_that_is_emptied_does_not_count_in_the_spread_before_or_after(
    tmp_path: Path, rehearsal: dict[str, str]
) -> None:
    wanted = {"goal": "evacuate", "evacuate": {"names": ["h2"]}, "snapshot": CLUSTER}
    planned = run_module("balance_plan", tmp_path, wanted)
    done = run_module("vm_migrate", tmp_path, {**rehearsal, "plan": planned["plan"]})
    for moment in ("before", "after"):
        assert done["summary"][f"spread_{moment}"] == planned["plan"][moment]["spread"]
