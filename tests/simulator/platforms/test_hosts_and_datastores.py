# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One plan for hosts and datastores, by the modules on each simulator: guests first, then disks."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import result
from ansible_collections.evenkeel.cluster.tests.support.modules import connection_options
from ansible_collections.evenkeel.cluster.tests.support.storage_runs import CALM, cluster_for, places

PLATFORMS: list[launch.Platform] = ["vcenter", "proxmox"]


class Site:
    """A simulator, and the modules that run against it."""

    def __init__(self, served: launch.Simulator, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.served = served
        self._folder = folder
        self._monkeypatch = monkeypatch
        self._connection = connection_options(served.connection)

    def read(self) -> Mapping[str, Any]:
        options = {**self._connection, "storage": True, "state_url": f"sqlite:///{self._folder}/state.db"}
        found = result("cluster_facts", options, self._monkeypatch, check_mode=False)
        snapshot: Mapping[str, Any] = found["ansible_facts"]["evenkeel_snapshot"]
        return snapshot

    def plan(self, **policy: Any) -> Mapping[str, Any]:
        options = {"snapshot": self.read(), **policy}
        plan: Mapping[str, Any] = result("balance_plan", options, self._monkeypatch, check_mode=False)["plan"]
        return plan

    def options(self, plan: Mapping[str, Any]) -> Mapping[str, Any]:
        """Those of vm_migrate."""
        return {
            **self._connection,
            "plan": plan,
            "poll_interval": "0.2",
            "state_url": f"sqlite:///{self._folder}/state.db",
            "journal_path": str(self._folder / "journal"),
            "progress_path": str(self._folder / "progress"),
        }

    def run(self, plan: Mapping[str, Any], *, check_mode: bool = False) -> Mapping[str, Any]:
        return result("vm_migrate", self.options(plan), self._monkeypatch, check_mode=check_mode)

    def progress(self) -> list[dict[str, Any]]:
        lines = (self._folder / "progress").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_guests_are_migrated_first_and_then_disks_are_moved(
    platform: launch.Platform, simulator: Simulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = cluster_for(platform, random.Random(f"{platform} 7"))
    served = simulator(platform, cluster, **CALM[platform])
    served.switches(migration_seconds=0.05)
    site = Site(served, tmp_path, monkeypatch)
    policy = {
        "goal": "evacuate",
        "evacuate": {"names": [cluster.hosts[0].id]},
        "storage": {"utilisation": 70},
    }
    plan = site.plan(**policy)
    migrations, moves = plan["migrations"], plan["storage"]["moves"]
    assert migrations
    assert moves
    before = places(served)
    dry = site.run(plan, check_mode=True)
    assert (dry["summary"]["planned"], dry["summary"]["disk_moves"]["planned"]) == (
        len(migrations),
        len(moves),
    )
    assert places(served) == before
    ran = site.run(plan)
    assert (ran["summary"]["status"], ran["summary"]["left_behind"]) == ("done", 0)
    assert ran["summary"]["migrated"] == len(migrations)
    assert ran["summary"]["disk_moves"]["migrated"] == len(moves)
    goal = {**before, **{(one["guest"]["id"], disk): one["to"] for one in moves for disk in one["disks"]}}
    assert places(served) == goal
    running = {
        guest for guest, entry in served.state()["guests"].items() if entry["host"] == cluster.hosts[0].id
    }
    assert not running.intersection(one["guest"]["id"] for one in migrations)
    seen = site.progress()
    assert all(not line["moving"] and not line["left"] for line in seen if line.get("disks"))
    again = site.run(plan)
    assert not again["changed"]
    assert not site.plan(**policy)["storage"]["moves"]
