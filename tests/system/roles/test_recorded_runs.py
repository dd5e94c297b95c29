# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What vm_migrate leaves in the history, whose lock it took, and how it goes on without a history."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.started_by import job_of, who_started
from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.state_session import (
    RunOptions,
    run_state,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database, open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.locks import cluster_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.tables import RUNS
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import ended, result

SNAPSHOT = replace(generate(Shape(hosts=3, guests=12, seed=2)), platform="rehearsal")
PLAN = plan(SNAPSHOT, Policy(max_spread=3))
PACKAGE = "ansible_collections.evenkeel.cluster.plugins.module_utils"
# A process that has the lock of a cluster and ends without releasing it.
DIES = f"""
import os, sys
from {PACKAGE}._state.database import open_database
from {PACKAGE}._state.locks import Lock
from {PACKAGE}._state.owner import this_process
with open_database(sys.argv[1]) as database:
    assert Lock(database, sys.argv[2], this_process(), 600).acquire() is None
os._exit(9)
"""


class Place:
    """A rehearsal and its database in one folder."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "cluster.json"
        self.file.write_text(json.dumps(SNAPSHOT.to_json()))
        self.url = f"sqlite:///{folder}/state.db"
        self.key = f"rehearsal:{self.file}"
        self.options = {
            "platform": "rehearsal", "rehearsal_path": str(self.file), "state_url": self.url,
            "journal_path": str(folder / "journal"),
        }  # fmt: skip

    def execute(self, *statements: str) -> None:
        with open_database(self.url) as database:
            for statement in statements:
                text = sa.text(statement)
                database.transaction(lambda connection, text=text: connection.execute(text))

    def runs(self) -> list[Mapping[str, Any]]:
        def read(database: Database) -> list[Mapping[str, Any]]:
            wanted = sa.select(RUNS).order_by(RUNS.c.started_at)
            rows = database.read(lambda connection: connection.execute(wanted).mappings().all())
            return [{**row, "result": json.loads(row["result"] or "{}")} for row in rows]

        with open_database(self.url) as database:
            return read(database)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def applied(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    which: Plan = PLAN,
    *,
    check_mode: bool = False,
    **more: Any,
) -> Mapping[str, Any]:
    options = {**place.options, "plan": which.to_json(), **more}
    return result("vm_migrate", options, monkeypatch, check_mode=check_mode)


def test_a_run_says_what_it_did_and_a_check_leaves_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = applied(place, monkeypatch, check_mode=True)
    assert (checked["lock_waited"], checked["lock_taken_over"]) == (0.0, None)
    assert not (place.file.parent / "state.db").exists()
    found = applied(place, monkeypatch, started_by={"change": "CHG-1"})
    (run,) = place.runs()
    assert (run["status"], run["goal"], run["name"]) == ("done", "spread", SNAPSHOT.cluster.name)
    assert run["cluster"] == place.key
    assert run["result"] == {
        **found["summary"],
        "lock_waited": 0.0,
        "lock_taken_over": None,
        "stale": False,
        "migrations_planned": len(PLAN.migrations),
        "migrations_lower_bound": PLAN.proof.migrations_lower_bound,
        "violations_before": len(PLAN.before.violations),
        "violations_after": len(PLAN.after.violations),
    }
    assert json.loads(run["who"])["change"] == "CHG-1"
    # A plan of somebody who came too late is recorded, too, and so is one guest.
    first = PLAN.migrations[0]
    third = next(host.id for host in SNAPSHOT.hosts if host.id not in (first.source, first.target))
    late = replace(PLAN, remembered_at=1.0, migrations=(replace(first, target=third),))
    stale = ended("vm_migrate", {**place.options, "plan": late.to_json()}, monkeypatch, {})
    assert "the plan is stale" in str(stale)
    one = {**place.options, "guest": first.guest.id, "target": first.source}
    result("vm_migrate", one, monkeypatch, check_mode=False)
    assert [(run["goal"], run["status"], run["result"]["stale"]) for run in place.runs()] == [
        ("spread", "done", False), ("spread", "stopped", True), (None, "done", False),
    ]  # fmt: skip


def test_whose_lock_it_took_and_how_long_it_waited(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = "CAST(strftime('%s', 'now') AS REAL)"
    place.execute(
        "INSERT INTO cluster_run (id, cluster, name, platform, started_at, status, who)"
        f" VALUES ('dead', '{place.key}', 'c', 'rehearsal', {moment}, 'running', '{{}}')"
    )
    died = subprocess.run([sys.executable, "-c", DIES, place.url, place.key], check=False)
    assert died.returncode == 9
    found = applied(place, monkeypatch)
    assert found["lock_taken_over"].startswith("process ")
    assert {run["id"] == "dead": run["status"] for run in place.runs()} == {
        True: "interrupted", False: "done",
    }  # fmt: skip
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with open_database(place.url) as database, cluster_lock(database, place.key, this_process()):
            entered.set()
            leave.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait()
    threading.Timer(0.5, leave.set).start()
    found = applied(place, monkeypatch, lock_wait="60s")
    thread.join()
    assert found["lock_waited"] > 0
    assert found["lock_taken_over"] is None
    assert place.runs()[-1]["result"]["lock_waited"] == found["lock_waited"]


def test_a_history_that_can_not_be_written_fails_no_run(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refuses = "BEFORE INSERT ON cluster_run BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
    place.execute(f"CREATE TRIGGER full_disk {refuses}")
    said: list[str] = []
    monkeypatch.setattr(
        "ansible_collections.evenkeel.cluster.tests.support.module_in_process.ModuleOfTest.warn",
        lambda _self, text: said.append(text),
    )
    found = applied(place, monkeypatch)
    assert found["summary"]["migrated"] == len(PLAN.migrations)
    assert place.runs() == []
    assert any(text.startswith("The run was not recorded: ") and "the disk is full" in text for text in said)
    place.execute(
        "DROP TRIGGER full_disk",
        f"CREATE TRIGGER full_disk {refuses.replace('INSERT', 'UPDATE')}",
    )
    said.clear()
    applied(place, monkeypatch)
    assert [run["status"] for run in place.runs()] == ["running"]
    assert any(text.startswith("The result of this run was not recorded: ") for text in said)


def test_a_run_that_fails_says_why(place: Place) -> None:
    options = RunOptions(platform="rehearsal", rehearsal_path=str(place.file), state_url=place.url)

    def fail() -> None:
        with run_state(options, SNAPSHOT.cluster, {}, check_mode=False) as kept:
            kept.begin(options, SNAPSHOT.cluster, PLAN, PLAN.migrations, {}, {})
            raise InputError("plan", 1, "a plan")

    with pytest.raises(InputError):
        fail()
    (run,) = place.runs()
    assert (run["status"], run["result"]) == ("failed", {"error": "plan: 1 is not a plan"})


def test_readings_come_with_a_snapshot_that_asks_for_them(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def readings(**options: Any) -> list[Any] | None:
        facts = result("cluster_facts", {**read, **options}, monkeypatch, check_mode=False)["ansible_facts"]
        found: list[Any] | None = facts["evenkeel_snapshot"].get("readings")
        return found

    read = {name: place.options[name] for name in ("platform", "rehearsal_path", "state_url")}
    assert readings() is None
    assert readings(sustained=2) == []
    applied(place, monkeypatch)
    assert readings() is None
    (found,) = readings(sustained=2) or []
    assert (found["at"], found["spread"]) == (SNAPSHOT.taken_at, dict(PLAN.before.spread))
    assert len(readings(sustained_for="1h") or []) == 1
    # A database that is gone with the task has seen nothing.
    assert readings(sustained=2, state_url="sqlite://") is None


def test_who_started_a_run() -> None:
    plain = who_started(None, {})
    assert plain.keys() == {"user", "controller", "process"}
    variables = {
        "awx_job_id": 812, "tower_job_id": 812, "tower_job_template_name": "balance", "awx_user_name": "",
        "awx_schedule_name": "nightly", "awx_job_launch_type": "scheduled",
    }  # fmt: skip
    job = {"job": "812", "template": "balance", "schedule": "nightly", "launch_type": "scheduled"}
    assert job_of(variables) == job
    assert job_of({"inventory_hostname": "c"}) == {}
    environment = {"JOB_ID": "812", "AWX_HOST": "https://awx.example.com", "SUDO_USER": "anna"}
    by_environment = {"job": "812", "awx": "https://awx.example.com", "sudo_user": "anna"}
    assert who_started(job, environment) == {**plain, **by_environment, **job}
    assert who_started({"note": "x" * 600 + "\0"}, {"JOB_ID": "7"})["note"] == ascii("x" * 600 + "\0")[:500]
