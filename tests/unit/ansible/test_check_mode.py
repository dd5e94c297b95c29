# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""In check mode no module makes a folder or writes a file, and its result has what the file would have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import failure, result

ROOT = Path(__file__).parents[3]
CLUSTER = generate(Shape(hosts=3, guests=9, seed=1)).to_json()
REHEARSAL = {"platform": "rehearsal", "rehearsal_path": "FOLDER/cluster.json"}
STATE = {"state_url": "sqlite:///FOLDER/new/state.db"}
# Options of each module, and the key of the result that stands in for the file; none where it has no file.
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "cluster_facts": ({**REHEARSAL, **STATE, "snapshot_path": "FOLDER/new/s.json"}, "ansible_facts"),
    "balance_plan": ({"snapshot": CLUSTER, "plan_path": "FOLDER/new/p.json"}, "plan"),
    "vm_placement": (
        {
            "snapshot": CLUSTER,
            "vms": [{"name": "n", "cpu": 1, "memory": "1G"}],
            "placement_path": "FOLDER/new/a.json",
            "plan_path": "FOLDER/new/p.json",
        },
        "placement",
    ),
    "vm_migrate": (
        {
            **REHEARSAL,
            **STATE,
            "guest": CLUSTER["guests"][0]["id"],
            "target": next(h["id"] for h in CLUSTER["hosts"] if h["id"] != CLUSTER["guests"][0]["host"]),
            "journal_path": "FOLDER/new/j.jsonl",
            "outcome_path": "FOLDER/new/o.json",
            "progress_path": "FOLDER/new/progress.jsonl",
        },
        "outcome",
    ),
    "host_maintenance": ({**REHEARSAL, "host": CLUSTER["hosts"][0]["id"], "state": "absent"}, ""),
    "host_load_merge": ({"snapshot_path": "FOLDER/cluster.json", "answers": {}}, "snapshot"),
    "capacity_pool": ({**STATE, "name": "p", "vcpus": 4, "memory": "8G", "storage": "1T"}, "pool"),
    "capacity_info": ({**STATE, "metrics_path": "FOLDER/new/m.prom"}, "pools"),
    "metrics_export": (
        {
            "cluster": "c",
            "snapshot": CLUSTER,
            "textfile_path": "FOLDER",
            "totals_path": "FOLDER/new/totals.prom",
        },
        "metrics",
    ),
    "history_info": (STATE, "runs"),
    "capacity_reap": ({**STATE, "gone_owners": ["job-1"]}, "reaped"),
    "service_info": (STATE, "requests"),
    "service_request": ({**STATE, "id": "r", "claim": "c", "state": "begun"}, ""),
    "capacity_lease": ({**STATE, "name": "l", "state": "absent"}, "lease"),
    "schedule": (
        {"root": "FOLDER/new", "kind": "cron", "entries": [{"name": "n", "interval": "10m"}]},
        "schedules",
    ),
}
# Writes as host_load_merge does, but needs a Prometheus, or systemd-analyze; test_report.py tries report,
# which is an action plugin; the others have no files.
OTHERS = {
    "service_setup",
    "prometheus_load",
    "host_load_info",
    "check_variables",
    "run_summary",
    "notify",
    "report",
}


def filled(value: Any, folder: Path) -> Any:
    return json.loads(json.dumps(value).replace("FOLDER", str(folder)))


def test_every_module_is_here() -> None:
    assert {*CASES, *OTHERS} == {path.stem for path in (ROOT / "plugins/modules").glob("*.py")}


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options, instead = CASES[name]
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    cluster = tmp_path / "cluster.json"
    cluster.write_text(json.dumps(CLUSTER))
    found = result(name, filled(options, tmp_path), monkeypatch, check_mode=True)
    assert not instead or instead in found
    assert name != "cluster_facts" or found["ansible_facts"]["evenkeel_snapshot"]["hosts"]
    assert [path.name for path in tmp_path.rglob("*")] == ["cluster.json"]
    assert json.loads(cluster.read_text()) == CLUSTER


def test_a_file_that_can_t_be_written_is_refused_in_check_mode_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new").write_text("")
    options, _instead = CASES["balance_plan"]
    monkeypatch.setattr(
        "ansible_collections.evenkeel.cluster.tests.support.module_in_process.ModuleOfTest.check_mode", True
    )
    said = failure("balance_plan", filled(options, tmp_path), monkeypatch, {})
    assert said == f"plan_path: {tmp_path}/new/p.json can't be written: a folder of its path is a file"
