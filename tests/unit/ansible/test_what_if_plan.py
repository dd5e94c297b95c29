# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan for what the cluster would be is no plan for what it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import failure, result


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
