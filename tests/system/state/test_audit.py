# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was recorded is found again by cluster, period, guest and plan, and reported by history_info."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import MigrationOutcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Migration, Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.moments import written
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.history import RunContext, record
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.runs import (
    RunStart,
    begin,
    end,
    plan_text,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.tables import HISTORY, RUNS
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import failure, result

SNAPSHOT = generate(Shape(hosts=3, guests=12))
PLAN = plan(SNAPSHOT, Policy(max_spread=3))
FIRST, SECOND = PLAN.migrations[:2]
KEY = "proxmox:abc:prod"
NAMES = {host.id: f"name of {host.id}" for host in SNAPSHOT.hosts}
LISTS = ("runs", "migrations", "days", "guests", "failures")

Ask = Callable[..., Mapping[str, Any]]


def ended(migration: Migration, **changes: Any) -> MigrationOutcome:
    values: dict[str, Any] = {
        "step": migration.step, "guest": migration.guest, "source": migration.source,
        "target": migration.target, "result": "migrated", "ended_at": written(datetime.now(UTC)),
        "seconds": 2.5,
    }  # fmt: skip
    return MigrationOutcome(**{**values, **changes})


@pytest.fixture
def ask(url: str, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """The module, on a database in which two clusters have a past."""
    failed = {"result": "failed", "why": "no space left", "ended_at": "2026-01-30T23:00:00Z"}
    with open_database(url) as database:
        for number, (key, days) in enumerate([(KEY, 40), (KEY, 2), (KEY, 0), ("vsphere:x:c8", 0)]):
            who = {"user": "awx", "controller": "awx-1", "job": f"{number}", "awx_user": "anna"}
            run = RunStart(
                id=f"{number}0123456789", cluster=key, name="production" if key == KEY else "other",
                platform=key.partition(":")[0], who=who, owner=this_process(), plan=PLAN if number else None,
            )  # fmt: skip
            begin(database, run, alone=True)
            context = RunContext(
                run=run.id, migrations={one.step: one for one in PLAN.migrations}, names=NAMES
            )
            if days == 2:
                record(database, key, [ended(FIRST), ended(SECOND, **failed)], context)
            if key == KEY:
                end(database, run.id, "partial" if days == 2 else "done", {"migrated": 1})
            age = {"started_at": RUNS.c.started_at - days * 86_400}
            aged = sa.update(RUNS).values(age).where(RUNS.c.id == run.id)
            aged_too = sa.update(HISTORY).values(recorded_at=HISTORY.c.recorded_at - days * 86_400)
            for change in (aged, aged_too.where(HISTORY.c.run == run.id)):
                database.transaction(lambda connection, change=change: connection.execute(change))
        record(database, "proxmox:old", [ended(FIRST, ended_at=written(datetime.now(UTC)))])

    def asked(**options: Any) -> Mapping[str, Any]:
        return result("history_info", {"state_url": url, **options}, monkeypatch, check_mode=False)

    return asked


NO_DISKS = {"disk_moves": 0, "disk_failures": 0, "bytes_copied": 0}


def test_what_the_last_month_looked_like(ask: Ask) -> None:
    found = ask()
    assert [(one["name"], one["key"], one["runs"], one["last_status"]) for one in found["clusters"]] == [
        ("old", "proxmox:old", 0, None),
        ("other", "vsphere:x:c8", 1, "running"),
        ("production", KEY, 3, "done"),
    ]
    assert found["summary"] == {
        "runs": 3, "failed_runs": 1, "migrations": 2, "failures": 1, "memory_bytes": FIRST.cost.memory,
        **NO_DISKS, "left_behind": 0,
    }  # fmt: skip
    assert len(found["days"]) == 2
    today, before = found["days"]
    assert (today["runs"], today["migrations"]) == (2, 1)
    spread = PLAN.before.spread["memory"]
    assert before == {
        "day": before["day"], "runs": 1, "failed_runs": 1, "migrations": 1, "failures": 1,
        "memory_bytes": FIRST.cost.memory, **NO_DISKS,
        "spread": {
            metric: {"min": points, "max": points, "last": points}
            for metric, points in PLAN.before.spread.items()
        },
    }  # fmt: skip
    assert [one["migrations"] for one in found["guests"]] == [1, 1, 0]
    assert found["guests"][-1]["guest"] == {"id": SECOND.guest.id, "name": SECOND.guest.name}
    (failures,) = found["failures"]
    assert (failures["result"], failures["why"], failures["count"], failures["guests"]) == (
        "failed", "no space left", 1, [SECOND.guest.name],
    )  # fmt: skip
    assert found["cut"] == []
    report = "\n".join(found["report"])
    assert "3 clusters from " in report
    assert f"{spread:.1f} to {spread:.1f}, last {spread:.1f}" in report
    assert "1 failed" in report


def test_why_a_guest_moved(ask: Ask) -> None:
    for guest in (FIRST.guest.id, FIRST.guest.name):
        found = ask(clusters=["prod*"], guest=guest)
        (moved,) = found["migrations"]
        assert (moved["kind"], moved["reason"], moved["goal"]) == (FIRST.kind, FIRST.why, "spread")
        assert moved["from"] == {"id": FIRST.source, "name": NAMES[FIRST.source]}
        assert (moved["run"], moved["plan_digest"]) == ("10123456789", plan_text(PLAN).digest)
        (run,) = found["runs"]
        assert (run["id"], run["status"], run["result"], run["has_plan"]) == (
            "10123456789", "partial", {"migrated": 1}, True,
        )  # fmt: skip
        assert run["spread"] == PLAN.before.spread
        line = found["report"][-1]
        assert f"{FIRST.kind}: {FIRST.why}; run 10123456, plan sha256:" in line
        assert line.endswith("AWX job 1 by anna")


def test_periods_and_lists(ask: Ask) -> None:
    assert len(ask(days=50, what=["runs"])["runs"]) == 4
    assert ask(days=50)["runs"][-1]["plan_digest"] is None
    found = ask(days=1, what=["migrations", "days"], max_entries=1)
    assert not {"runs", "guests", "failures"} & found.keys()
    assert len(found["migrations"]) == 1
    early = ask(days=50, max_entries=1)
    assert (len(early["runs"]), early["cut"]) == (1, ["days", "guests", "migrations", "runs"])
    day = ask()["days"][1]["day"]
    on = ask(since=day, until=day)
    assert (on["summary"]["runs"], on["since"]) == (1, f"{day}T00:00:00Z")
    assert ask(since="2020-01-01", until="2020-01-31T10:00:00Z")["summary"]["runs"] == 0


def test_a_plan_is_taken_out_again(
    ask: Ask, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = plan_text(PLAN).digest
    path = tmp_path / "replayed.json"
    for name in (digest, digest[7:20], "10123456789", "1012"):
        found = ask(plan=name, plan_path=str(path))
        assert (found["plan_digest"], found["plan_path"]) == (digest, str(path))
        assert Plan.from_json(json.loads(path.read_text())) == PLAN
        path.unlink()
    checked = result(
        "history_info",
        {"state_url": url, "plan": digest, "plan_path": str(path)},
        monkeypatch,
        check_mode=True,
    )
    assert Plan.from_json(checked["plan"]) == PLAN
    assert not path.exists()
    assert Plan.from_json(ask(plan="3012")["plan"]) == PLAN


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"plan": "ffff"},
            "plan ffff: there is no such plan, or it is no longer kept. Runs with has_plan: true have one",
        ),
        (
            {"plan": "00123"},
            "plan 00123: there is no such plan, or it is no longer kept. Runs with has_plan: true have one",
        ),
        ({"plan": "%"}, "plan %: there is no such plan"),
        (
            {"clusters": ["producton"]},
            "clusters: nothing is recorded of a cluster producton. Recorded are: old, other, production",
        ),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "since (2026-02-01) is after until. Exchange them"),
        (
            {"since": "yesterday"},
            "since: 'yesterday' is not a day such as 2026-01-31, or a moment in UTC such as",
        ),
        ({"days": 0}, "days"),
        ({"max_entries": 0}, "max_entries"),
    ],
)
def test_wrong_options(
    ask: Ask, url: str, options: Mapping[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert message in failure("history_info", {"state_url": url, **options}, monkeypatch, {})


def test_two_plans_of_one_beginning_are_not_guessed(
    ask: Ask, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_database(url) as database:
        other = replace(PLAN, migrations=())
        run = RunStart(
            id="1019", cluster=KEY, name="production", platform="proxmox", who={}, owner=this_process(),
            plan=other,
        )  # fmt: skip
        begin(database, run, alone=True)
    said = failure("history_info", {"state_url": url, "plan": "101"}, monkeypatch, {})
    assert "plan 101: there are several such plans. Use more characters" in said


def test_where_nothing_is_recorded_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"state_url": f"sqlite:///{tmp_path}/none.db"}
    found = result("history_info", options, monkeypatch, check_mode=False)
    assert [found[name] for name in ("clusters", *LISTS)] == [[]] * 6
    assert found["report"][0].startswith("0 clusters from ")
    assert list(tmp_path.iterdir()) == []


def test_a_history_of_a_newer_version_is_refused_by_name(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_database(url) as database:
        newer = sa.text("UPDATE evenkeel_schema SET version = 99")
        database.transaction(lambda connection: connection.execute(newer))
    said = failure("history_info", {"state_url": url}, monkeypatch, {})
    assert "The tables have version 99" in said
    assert "Install the newest evenkeel.cluster" in said
