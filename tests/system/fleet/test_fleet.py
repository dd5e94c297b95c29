# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small fleet with two dead platforms: nothing is migrated twice, nobody waits, one summary for all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.tests.support import fleet
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape
from ansible_collections.evenkeel.cluster.tests.support.notified import http_server
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS


def play(folder: Path, inventory: dict[str, Any]) -> tuple[int, dict[str, Any], str]:
    """The exit code, the published results by cluster, and all that was shown."""
    programs = Path(sys.executable).parent
    hosts = inventory["_meta"]["hostvars"]
    (folder / "clusters.json").write_text(json.dumps({"clusters": {"hosts": hosts}}))
    done = subprocess.run(
        [programs / "ansible-playbook", "evenkeel.cluster.balance", "-i", folder / "clusters.json"],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CALLBACKS_ENABLED": "evenkeel.cluster.summary",
            "ANSIBLE_SHOW_CUSTOM_STATS": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    _, _, stats = done.stdout.rpartition("RUN: ")
    results = json.JSONDecoder().raw_decode(stats.lstrip())[0]["evenkeel_balance"] if stats else {}
    return done.returncode, results, done.stdout


def end_when_the_others_have_migrated(dead: fleet.DeadPlatforms, running: fleet.Fleet) -> None:
    while not all(state["migrations"] for state in running.states().values()):
        time.sleep(0.1)
    dead.end()


def test_a_fleet_with_dead_platforms(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    with (
        http_server() as server,
        fleet.running(tmp_path / "fleet", 3, Shape(hosts=4, guests=20)) as running,
        fleet.dead_platforms(running.clusters["c001"].ca_path) as dead,
    ):
        # The silent one comes first, and is silent until the others migrate: nobody may wait for it.
        threading.Thread(target=end_when_the_others_have_migrated, args=(dead, running), daemon=True).start()
        inventory = running.inventory(
            dead.hosts,
            balance_api_timeout=int(PATIENCE_SECONDS / 2),
            balance_poll_interval=0.5,
            balance_textfile_path=str(tmp_path / "metrics"),
            balance_plan_path=f"{tmp_path}/plans/{{{{ inventory_hostname }}}}.json",
            balance_notify={"urls": [server.url.replace("http", "json")], "digest": True, "timeout": 600},
        )
        code, results, said = play(tmp_path, inventory)
        messages = [json.loads(call.body) for call in server.got]
        assert fleet.faults(running.states(), results) == [], said
    assert code == 2
    failed = sorted(name for name, result in results.items() if result["status"] == "failed")
    assert failed == [fleet.REFUSING, fleet.SILENT]
    # One message, one summary, and metrics of all.
    assert [message["title"] for message in messages] == ["5 clusters: 2 failed, 3 changed"], said
    assert said.count("SUMMARY ***") == 1
    assert len(list((tmp_path / "metrics").iterdir())) == 5
