# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relative paths are relative to the folder in which the user started Ansible."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
PLAY = "ansible-playbook"
# Relative in every form: an option of its own, a list, a URL, the environment.
REHEARSAL = {"platform": "rehearsal", "rehearsal_path": "cluster.json"}
VMS = [{"name": "new", "cpu": 1, "memory": "1G"}]
TASKS = [
    {"cluster_facts": {**REHEARSAL, "snapshot_path": "read/snapshot.json"}},
    {"balance_plan": {"snapshot_path": "read/snapshot.json", "plan_path": "plan.json"}},
    {
        "vm_placement": {
            "snapshot_paths": ["read/snapshot.json"],
            "vms": VMS,
            "placement_path": "placement.json",
        }
    },
    {"vm_migrate": {**REHEARSAL, "plan_path": "plan.json", "outcome_path": "outcome.json"}},
    {
        "capacity_pool": {"name": "p", "vcpus": 4, "memory": "8G", "storage": "0"},
        "environment": {"EVENKEEL_STATE_URL": "sqlite:///leases.db"},
    },
    {"capacity_info": {"state_url": "sqlite:///leases.db", "metrics_path": "metrics.prom"}},
]
MADE = {
    "read/snapshot.json", "plan.json", "placement.json", "outcome.json", "leases.db", "metrics.prom",
}  # fmt: skip


def started(folder: Path, *words: object) -> str:
    """The output of ansible-playbook, started in `folder` by a program whose own PWD is another."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PWD": "/",
        "HOME": str(folder.parent / "home"),
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run(
        [PLAY, *map(str, words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def site(folder: Path) -> tuple[Path, Path]:
    """The folder that the user starts in, with a cluster, and the one of playbooks."""
    start, playbooks = folder / "start", folder / "playbooks"
    start.mkdir()
    playbooks.mkdir()
    shutil.copy(ROOT / "playbooks/files/example-cluster.json", start / "cluster.json")
    return start, playbooks


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_modules_write_where_the_user_started(tmp_path: Path) -> None:
    start, playbooks = site(tmp_path)
    tasks: list[dict[str, Any]] = [
        {f"evenkeel.cluster.{key}" if key != "environment" else key: value for key, value in task.items()}
        for task in TASKS
    ]
    plan = {"ansible.builtin.assert": {"that": f"result.summary.plan_path == '{start}/plan.json'"}}
    tasks[1]["register"] = "result"
    tasks.insert(2, plan)
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    (playbooks / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
    started(start, playbooks / "play.yml", "-e", f"ansible_python_interpreter={sys.executable}")
    assert files(start) >= MADE
    assert files(playbooks) == {"play.yml"}


def test_playbooks_of_the_collection_write_where_the_user_started(tmp_path: Path) -> None:
    start, _playbooks = site(tmp_path)
    before = files(ROOT / "playbooks")
    variables = {
        "balance_platform": "rehearsal",
        "balance_rehearsal_path": "cluster.json",
        "balance_plan_path": "plan.json",
        "balance_snapshot_path": "snapshot.json",
        "balance_outcome_path": "outcome.json",
    }
    inventory = {"clusters": {"hosts": {"prod": variables}}}
    (start / "clusters.yml").write_text(yaml.safe_dump(inventory))
    started(start, "evenkeel.cluster.balance", "-i", "clusters.yml")
    assert files(start) >= {"plan.json", "snapshot.json", "outcome.json"}
    assert files(ROOT / "playbooks") == before
