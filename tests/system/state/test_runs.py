# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs are recorded with their plans and readings, and found again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import MigrationOutcome, Result
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Measured, Migration, Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.moments import later
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database, now
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.history import RunContext, record
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import Owner, this_process
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.runs import (
    RunStart,
    begin,
    end,
    forget_runs,
    plan_text,
    reading_of,
    readings,
    with_readings,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.tables import HISTORY, PLANS, RUNS
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

SNAPSHOT = generate(Shape(hosts=3, guests=12))
PLAN = plan(SNAPSHOT, Policy(max_spread=3))
ELSEWHERE = Owner(host="elsewhere", pid=1, started_at="1", place="far", token="t")


def run(number: int, *, cluster: str = "c", owner: Owner = ELSEWHERE, plan: Plan | None = PLAN) -> RunStart:
    return RunStart(
        id=f"run {number}",
        cluster=cluster,
        name="production",
        platform="proxmox",
        who={"user": "anna"},
        owner=owner,
        plan=plan,
    )


def read_at(minute: int, base: Plan = PLAN) -> Plan:
    assert base.measured is not None
    return replace(base, measured=replace(base.measured, at=later(SNAPSHOT.taken_at, 60 * minute)))


def table(database: Database, which: Any) -> list[Mapping[str, Any]]:
    rows = database.read(lambda connection: connection.execute(sa.select(which)).mappings().all())
    return [dict(row) for row in rows]


def test_a_run_is_recorded_with_its_plan(database: Database) -> None:
    moment = database.read(now)
    begin(database, run(1), alone=True)
    begin(database, run(2, cluster="d"), alone=True)
    end(database, "run 1", "done", {"migrated": 2})
    first, second = sorted(table(database, RUNS), key=lambda row: str(row["id"]))
    assert (first["status"], first["goal"], first["result"]) == ("done", "spread", '{"migrated":2}')
    assert moment - 0.001 <= first["started_at"] <= first["ended_at"]
    assert (second["status"], second["ended_at"]) == ("running", None)
    (kept,) = table(database, PLANS)
    assert kept["digest"] == first["plan"] == plan_text(PLAN).digest
    assert Plan.from_json(plan_text(PLAN).plan()) == PLAN
    assert (kept["migrations"], kept["cluster"]) == (len(PLAN.migrations), "c")


def test_a_run_without_a_plan_is_recorded_too(database: Database) -> None:
    begin(database, run(1, plan=None), alone=True)
    (row,) = table(database, RUNS)
    assert (row["goal"], row["plan"], row["reading"]) == (None, None, None)
    assert readings(database, "c", count=5, seconds=0) == ()


def test_a_run_that_never_ended_is_marked_by_the_next(database: Database) -> None:
    begin(database, run(1), alone=True)
    begin(database, run(2, owner=this_process()), alone=False)
    # Without the lock it may go on elsewhere.
    begin(database, run(3, owner=this_process()), alone=False)
    assert {row["id"]: row["status"] for row in table(database, RUNS)} == {
        "run 1": "running", "run 2": "running", "run 3": "running",
    }  # fmt: skip
    begin(database, run(4), alone=True)
    begin(database, run(5, cluster="d"), alone=True)
    # One that ends after all says so itself.
    end(database, "run 2", "partial", {})
    assert {row["id"]: row["status"] for row in table(database, RUNS)} == {
        "run 1": "interrupted", "run 2": "partial", "run 3": "interrupted", "run 4": "running",
        "run 5": "running",
    }  # fmt: skip


def test_readings_are_those_that_are_asked_for(database: Database) -> None:
    for minute in range(5):
        begin(database, run(minute, plan=read_at(minute)), alone=True)
    begin(database, run(9, cluster="d"), alone=True)
    begin(database, run(10, cluster="older", plan=read_at(-9)), alone=True)
    aged = sa.update(RUNS).values(started_at=RUNS.c.started_at - 1000).where(RUNS.c.id == "run 0")
    database.transaction(lambda connection: connection.execute(aged))
    found = readings(database, "c", count=2, seconds=0)
    assert [reading.at for reading in found] == [later(SNAPSHOT.taken_at, 60 * n) for n in (4, 3)]
    assert found[0] == reading_of(read_at(4))
    assert len(readings(database, "c", count=0, seconds=500)) == 4
    assert len(readings(database, "c", "older", count=9, seconds=0)) == 6


def test_a_plan_of_before_that_does_not_say_when_it_was_read_is_no_reading(database: Database) -> None:
    begin(database, run(1, plan=replace(PLAN, measured=None)), alone=True)
    assert readings(database, "c", count=9, seconds=0) == ()


def test_a_reading_of_a_later_version_is_left_out(database: Database) -> None:
    for minute in (1, 2):
        begin(database, run(minute, plan=read_at(minute)), alone=True)
    more = sa.update(RUNS).values(reading='{"at": "2026-01-31T22:00:00Z", "mood": 3}')
    database.transaction(lambda connection: connection.execute(more.where(RUNS.c.id == "run 2")))
    assert [one.at for one in readings(database, "c", count=9, seconds=0)] == [later(SNAPSHOT.taken_at, 60)]


def test_what_is_in_a_reading() -> None:
    reading = reading_of(PLAN)
    assert reading is not None
    assert PLAN.measured == Measured(at=SNAPSHOT.taken_at, window_seconds=SNAPSHOT.window_seconds)
    assert (reading.at, reading.demand, reading.spread) == (SNAPSHOT.taken_at, "used", PLAN.before.spread)
    assert reading.hosts.keys() == PLAN.before.hosts.keys()
    old = replace(reading, at=later(reading.at, -60))
    both = with_readings(replace(SNAPSHOT, readings=(old,)), (reading,))
    assert [one.at for one in both] == [reading.at, old.at]


def test_old_runs_and_plans_are_thrown_away(database: Database) -> None:
    empty = replace(PLAN, migrations=())
    for number, (days, kept) in enumerate(
        [(31, empty), (31, PLAN), (101, read_at(1)), (5, read_at(2, empty))]
    ):
        begin(database, run(number, plan=kept), alone=True)
        back = {"started_at": RUNS.c.started_at - days * 86_400}
        aged = sa.update(RUNS).values(back).where(RUNS.c.id == f"run {number}")
        aged_plan = sa.update(PLANS).values(kept_at=PLANS.c.kept_at - days * 86_400)
        digest = plan_text(kept).digest
        database.transaction(lambda connection: connection.execute(aged))  # noqa: B023
        database.transaction(lambda connection: connection.execute(aged_plan.where(PLANS.c.digest == digest)))  # noqa: B023
    forget_runs(database, "d", 1)
    assert len(table(database, RUNS)) == 4
    forget_runs(database, "c", 100)
    assert {row["id"] for row in table(database, RUNS)} == {"run 0", "run 1", "run 3"}
    assert {row["digest"] for row in table(database, PLANS)} == {
        plan_text(PLAN).digest, plan_text(read_at(2, empty)).digest,
    }  # fmt: skip
    forget_runs(database, "c", 3)
    assert (table(database, RUNS), table(database, PLANS)) == ([], [])


def ended(migration: Migration, result: Result = "migrated", **changes: Any) -> MigrationOutcome:
    values: dict[str, Any] = {
        "step": migration.step, "guest": migration.guest, "source": migration.source,
        "target": migration.target, "result": result, "ended_at": SNAPSHOT.taken_at, "seconds": 2.5,
    }  # fmt: skip
    return MigrationOutcome(**{**values, **changes})


def test_a_migration_is_recorded_with_its_reason(database: Database) -> None:
    first, second = PLAN.migrations[:2]
    names = {host.id: f"name of {host.id}" for host in SNAPSHOT.hosts}
    context = RunContext(run="run 1", migrations={one.step: one for one in PLAN.migrations}, names=names)
    outcomes = [
        ended(first),
        # It undoes the first one.
        ended(
            first, step=len(PLAN.migrations) + 1, source=first.target, target=first.source,
            ended_at=later(SNAPSHOT.taken_at, 9),
        ),
        # A journal knows it from another plan.
        ended(second, target="elsewhere"),
    ]  # fmt: skip
    record(database, "c", outcomes, context)
    record(database, "c", [ended(second)])
    rows = {(row["guest"], row["target"]): row for row in table(database, HISTORY)}
    planned = rows[first.guest.id, first.target]
    assert (planned["run"], planned["kind"], planned["reason"]) == ("run 1", first.kind, first.why)
    assert (planned["guest_name"], planned["source_name"]) == (first.guest.name, names[first.source])
    assert (planned["memory"], planned["seconds"]) == (first.cost.memory, 2.5)
    undone = rows[first.guest.id, first.source]
    assert (undone["kind"], undone["reason"]) == ("rollback", f"undoes step {first.step}")
    for target in ("elsewhere", second.target):
        assert (rows[second.guest.id, target]["run"], rows[second.guest.id, target]["kind"]) == (None, None)
