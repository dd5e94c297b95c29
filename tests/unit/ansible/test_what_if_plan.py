# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan for what the cluster would be is no plan for what it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import failure, result

EXAMPLE = Path(__file__).parents[3] / "playbooks" / "files" / "example-datastores.json"


@pytest.mark.parametrize("option", ["plan", "plan_path"])
def test_a_plan_with_what_if_is_not_applied(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = generate(Shape(hosts=3, guests=9, seed=1)).to_json()
    away = {"hosts_removed": [cluster["hosts"][0]["id"]]}
    planned = result("balance_plan", {"snapshot": cluster, "what_if": away}, monkeypatch, check_mode=False)
    (tmp_path / "plan.json").write_text(json.dumps(planned["plan"]))
    (tmp_path / "cluster.json").write_text(json.dumps(cluster))
    rehearsal = {"platform": "rehearsal", "rehearsal_path": str(tmp_path / "cluster.json")}
    given = {"plan": planned["plan"], "plan_path": str(tmp_path / "plan.json")}[option]
    assert failure("vm_migrate", {**rehearsal, option: given}, monkeypatch, {}) == (
        f"{option} is a plan for a cluster with the changes of what_if, not for the cluster as it is."
        " Plan without what_if"
    )
    assert json.loads((tmp_path / "cluster.json").read_text()) == cluster


def test_what_if_a_datastore_is_lost_and_another_one_bought(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = json.loads(EXAMPLE.read_text())
    asked = {"snapshot": cluster, "goal": "storage", "effort": 4}
    changes = {
        "datastores_removed": ["nfs6"],
        "datastores_added": [{"name": "nfs9", "like": "nfs1", "capacity": "2T"}],
        "datastores_changed": [{"datastore": "nfs2", "filled_by_percent": 30}],
        "disks_grown": [{"percent": 10, "datastore": "nfs3"}],
        "guests_added": [
            {"name": "new", "like": "web-1", "disks": [{"datastore": "nfs4", "size": "100G"}]},
        ],
    }
    found = result("balance_plan", {**asked, "what_if": changes}, monkeypatch, check_mode=False)
    assert found["unresolved"] == []
    plan = found["plan"]
    assert plan["hypothetical"] is True
    after = plan["storage"]["after"]["datastores"]
    assert after["nfs6"]["disks"] == 0
    assert after["nfs9"]["disks"] > 0
    assert max(place["percent"] for place in after.values()) <= 80
    unasked = {**asked, "goal": "spread", "what_if": {"datastores_removed": ["nfs6"]}}
    found = result("balance_plan", unasked, monkeypatch, check_mode=False)
    assert "storage" not in found["plan"]
    assert any("the policy has no storage" in line for line in found["notices"])


def test_a_datastore_that_what_if_does_not_know_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {
        "snapshot": json.loads(EXAMPLE.read_text()),
        "what_if": {"datastores_changed": [{"datastore": "nfs7", "closed": True}]},
    }
    assert failure("balance_plan", asked, monkeypatch, {}) == (
        "what_if.datastores_changed[0].datastore: no datastore has the name or id 'nfs7'. Did you mean nfs6? "
        "Datastores of this cluster: nfs1, nfs2, nfs3, nfs4, nfs5, nfs6"
    )
