# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole run on a rehearsal while somebody sets the clock of the machine to and fro."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import cycle
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import Outcome
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.modules import MODULES
from ansible_collections.evenkeel.cluster.tests.support.set_clock import SetClock

HOUR = 3600.0
# libfaketime takes the steady moment until which Python sleeps for one of the clock that was set; of how long
# somebody waits for files it knows better.
PROGRAM = """
import runpy, select, sys, time
time.sleep = lambda seconds: select.select([], [], [], seconds)
runpy.run_module(sys.argv.pop(1), run_name="__main__")
"""


def test_a_run(tmp_path: Path) -> None:
    clock = SetClock(tmp_path / "clock")
    cluster = tmp_path / "cluster.json"
    cluster.write_text(json.dumps(generate(Shape(hosts=4, guests=40, seed=3)).to_json()))
    jumps = cycle((HOUR, -HOUR, 0.0, 23 * HOUR))

    def run(name: str, **options: Any) -> dict[str, Any]:
        """The module, during which the clock is set again and again."""
        arguments = {"ANSIBLE_MODULE_ARGS": options}
        (tmp_path / "arguments.json").write_text(json.dumps(arguments))
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, f"{MODULES}.{name}", str(tmp_path / "arguments.json")],
            env={**clock.environment, "HOME": str(tmp_path), "TZ": "Europe/Berlin"},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            while process.poll() is None:
                clock.set(next(jumps))
                try:
                    process.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
            assert process.stdout is not None
            result: dict[str, Any] = json.loads(process.stdout.read())
        assert "failed" not in result, result
        return result

    platform = {"platform": "rehearsal", "rehearsal_path": str(cluster)}
    snapshot = run("cluster_facts", **platform)["ansible_facts"]["evenkeel_snapshot"]
    plan = run("balance_plan", snapshot=snapshot, aggressiveness=5)["plan"]
    assert plan["migrations"]
    journal = str(tmp_path / "journal")
    done = run("vm_migrate", **platform, plan=plan, journal_path=journal, poll_interval=0.2)
    outcome = Outcome.from_json(done["outcome"])
    assert outcome.status == "done"
    assert {one.result for one in outcome.migrations} == {"migrated"}
    # The same again finds everything done, and the next run remembers what was.
    again = run("vm_migrate", **platform, plan=plan, journal_path=journal)
    assert not again["changed"]
    seen = run("cluster_facts", **platform)["ansible_facts"]["evenkeel_snapshot"]
    moved = {one.guest.id for one in outcome.migrations}
    assert moved <= {guest["id"] for guest in seen["guests"] if guest["last_migrated_at"] is not None}
