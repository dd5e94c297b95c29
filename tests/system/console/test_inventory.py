# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console takes from an inventory what the playbook takes from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.tests.support.console import environment_of, inventory_file
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

# As the program begins, but it prints what it has found.
SHOW = """
import dataclasses, json, sys
import ansible.cli
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([])
from ansible_collections.evenkeel.cluster.extensions.console.arguments import ConsoleCLI
from ansible_collections.evenkeel.cluster.extensions.console.inventory import find_clusters
start = ConsoleCLI(sys.argv).start(None)
found = find_clusters(start.loader, start.inventory, start.variables, start.options.subset)
print(json.dumps({
    one.name: {
        "policy": one.settings.policy.to_json(),
        "facts": dataclasses.asdict(one.settings.facts),
        "run": dataclasses.asdict(one.settings.run),
        "read_only": one.read_only,
        "arguments": start.for_playbook(),
    }
    for one in found
}))
"""


def printed(folder: Path, *command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        env=environment_of(folder, **environment),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_console_plans_by_the_policy_of_the_playbook(tmp_path: Path) -> None:
    cluster = tmp_path / "cluster.json"
    cluster.write_text(json.dumps(generate(Shape(hosts=4, guests=20, seed=4)).to_json()))
    rehearsal = {"balance_platform": "rehearsal", "balance_rehearsal_path": str(cluster)}
    plan_path = str(tmp_path / "{{ inventory_hostname }}-plan.json")
    clusters: dict[str, dict[str, Any]] = {
        "plain": rehearsal,
        "preset": {**rehearsal, "balance_preset": "drs", "balance_max_migrations": "{{ 2 + 1 }}"},
        "much": {
            **rehearsal,
            "balance_max_spread": {"memory": "{{ points }}", "cpu": 30},
            "points": 12,
            "balance_cool_down": "2h",
            "balance_rules": [{"kind": "anti_affinity", "by": "name_prefix"}],
            "balance_exclude": {"guests": {"where": "priority > `2`"}},
            "balance_limits": {"memory": 85},
            "balance_window": "1h",
            "balance_max_parallel": 3,
            "balance_timeout": "30m",
            "balance_started_by": {"ticket": "{{ ticket }}"},
            "evenkeel_console_read_only": True,
        },
    }
    inventory = inventory_file(
        tmp_path, {name: {**one, "balance_plan_path": plan_path} for name, one in clusters.items()}
    )
    options = ("-i", str(inventory), "-e", "ticket=42", "-e", json.dumps({"balance_min_gain": 1}))
    playbook = Path(sys.executable).with_name("ansible-playbook")
    printed(tmp_path, playbook, "evenkeel.cluster.balance", "--tags", "plan", *options)
    found = json.loads(printed(tmp_path, sys.executable, "-c", SHOW, *options).splitlines()[-1])
    assert list(found) == list(clusters)
    for name, one in found.items():
        planned = json.loads((tmp_path / f"{name}-plan.json").read_text())
        assert one["policy"] == planned["policy"], name
    much = found["much"]
    assert (much["facts"]["window"], much["facts"]["history"]) == (3600, 7200)
    assert (much["run"]["max_parallel"], much["run"]["timeout"]) == (3, 1800)
    assert much["run"]["started_by"] == {"ticket": "42", "program": "evenkeel-console"}
    assert [one["read_only"] for one in found.values()] == [False, False, True]
    assert much["arguments"] == [*options[:2], "-e", "ticket=42", "-e", options[5]]
