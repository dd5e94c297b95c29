# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs at once: the plan of the second is older than what the first has done."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.tests.simulators.launch import Simulator, start
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.modules import (
    begin_module,
    connection_options,
    result_of,
    run_module,
)
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.playbook import Play, doubled, wait_until


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    file = tmp_path / "cluster.json"
    file.write_text(json.dumps(generate(Shape(hosts=4, guests=30, seed=7)).to_json()))
    return file


def planned(folder: Path, connection: Mapping[str, Any], **policy: object) -> dict[str, Any]:
    facts = run_module("cluster_facts", folder, connection)["ansible_facts"]
    plan = run_module("balance_plan", folder, {"snapshot": facts["evenkeel_snapshot"], "effort": 5, **policy})
    result: dict[str, Any] = plan["plan"]
    return result


def guests_of(plan: Mapping[str, Any]) -> list[str]:
    return [migration["guest"]["id"] for migration in plan["migrations"]]


def under_way(simulator: Simulator, process: subprocess.Popen[str]) -> None:
    while len(simulator.state()["migrations"]) < 2:
        assert process.poll() is None, result_of(process)
        time.sleep(0.02)


def test_a_plan_that_another_run_has_overtaken_is_refused(cluster: Path, tmp_path: Path) -> None:
    with start("proxmox", [cluster], tmp_path / "sim", options=["--migration-seconds", "20"]) as simulator:
        connection = connection_options(simulator.connection)
        one = planned(tmp_path, connection)
        other = planned(tmp_path, connection, exclude={"guests": {"names": guests_of(one)}})
        unaware = {name: value for name, value in other.items() if name != "remembered_at"}
        assert other["migrations"]
        assert one["remembered_at"] < other["remembered_at"]
        first = begin_module("vm_migrate", tmp_path, {**connection, "plan": one, "poll_interval": 0.2})
        under_way(simulator, first)
        # One that does not say when it was made is at least older than the wait.
        second = begin_module(
            "vm_migrate", tmp_path, {**connection, "plan": unaware, "lock_wait": int(PATIENCE_SECONDS)}
        )
        ends = result_of(first), result_of(second)
        assert ends[0]["summary"]["status"] == "done"
        assert ends[0]["stale"] is False
        refused = [
            ends[1],
            run_module("vm_migrate", tmp_path, {**connection, "plan": other}),
            run_module("vm_migrate", tmp_path, {**connection, "plan": other}, check=True),
        ]
        for result in refused:
            assert (result["failed"], result["stale"]) == (True, True)
            assert "the plan is stale: after the cluster was read for it, another run moved " in result["msg"]
            assert "Read the cluster and plan again" in result["msg"]
            assert {step["result"] for step in result["outcome"]["migrations"]} == {"skipped"}
        assert sorted(move["guest"] for move in simulator.state()["migrations"]) == sorted(guests_of(one))
        # The plan that was carried out itself is not overtaken, nor is one that is older than nothing.
        again = run_module("vm_migrate", tmp_path, {**connection, "plan": one})
        assert (again["changed"], again["stale"]) == (False, False)
        assert again["summary"]["already_there"] == len(one["migrations"])
        back = run_module("vm_migrate", tmp_path, {**connection, "plan": unaware}, check=True)
        assert back["stale"] is False
        anyway = run_module("vm_migrate", tmp_path, {**connection, "plan": other, "lock": False}, check=True)
        assert anyway["stale"] is False, "without the lock nobody waits for anybody"


def test_the_role_plans_again(cluster: Path, tmp_path: Path) -> None:
    with start("proxmox", [cluster], tmp_path / "sim", options=["--migration-seconds", "20"]) as simulator:
        plan = planned(tmp_path, connection_options(simulator.connection))
        options: dict[str, object] = {
            "balance_state_url": f"sqlite:///{tmp_path}/shared.db",
            "balance_lock_wait": int(PATIENCE_SECONDS),
            "balance_effort": 5,
            "balance_max_parallel": 1,
        }
        plays = []
        # Both find the cluster out of level; what the second would do about it is another thing.
        for name, excluded in (("one", []), ("two", guests_of(plan))):
            (tmp_path / name).mkdir()
            exclude = {"balance_exclude": {"guests": {"names": excluded}}}
            plays.append(Play(tmp_path / name, simulator, **options, **exclude))
        (tmp_path / "three").mkdir()
        saved = {"balance_plan_path": str(tmp_path / "plan.json")}
        approved = Play(tmp_path / "three", simulator, **options, **exclude, **saved)
        approved.finish("--tags", "plan")
        first = plays[0].begin()
        assert wait_until(lambda: len(simulator.state()["migrations"]) > 0, first), plays[0].said()
        second = plays[1].begin()
        # It has read and planned while the first was at it. From then on that need not take long.
        assert wait_until(lambda: "Apply the plan" in plays[1].said(), second), plays[1].said()
        assert first.poll() is None, "it has ended too soon for this test"
        simulator.switches(migration_seconds=0.3)
        assert first.wait(PATIENCE_SECONDS) == 0, plays[0].said()
        assert second.wait(PATIENCE_SECONDS) == 0, plays[1].said()
        said = plays[1].said()
        assert approved.begin("--tags", "migrate").wait(PATIENCE_SECONDS) == 2, (
            "nobody has approved another plan"
        )
        assert "the plan is stale" in approved.said()
        state = simulator.state()
    assert "the plan is stale" in said
    assert "changed=0 " in said
    assert doubled(state, {}) == []
    assert sorted(move["guest"] for move in state["migrations"]) == sorted(guests_of(plan))
