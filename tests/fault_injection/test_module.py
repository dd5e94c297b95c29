# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""vm_migrate as Ansible runs it: what its options limit, as the simulator saw it, and what it returns."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import ClusterState, Plan, Proof
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Disk, HostDatastore
from ansible_collections.evenkeel.cluster.tests.simulators.launch import Platform, Simulator
from ansible_collections.evenkeel.cluster.tests.support.fault_injection import PlannedRun, places, settle
from ansible_collections.evenkeel.cluster.tests.support.modules import (
    begin_module,
    connection_options,
    result_of,
    run_module,
)
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.tight_cluster import (
    GIB,
    guest,
    host,
    planned_run,
    step,
)

# The plan has eight migrations: four leave h1, two of them to h2, and four leave h3, two of them to h4.
STEPS = (
    (101, "h1", "h2"), (102, "h1", "h2"), (103, "h1", "h5"), (104, "h1", "h6"),
    (111, "h3", "h4"), (112, "h3", "h4"), (113, "h3", "h5"), (114, "h3", "h6"),
)  # fmt: skip
HOMES = {number: source for number, source, _target in STEPS}
STORES = {
    name: HostDatastore(shared=name != "local", capacity=4000 * GIB, free=2000 * GIB)
    for name in ("san", "nas", "local")
}
SECONDS = 0.6


def wide(storage: Mapping[str, str] | None = None) -> PlannedRun:
    """Six hosts with room for everything at once; guests of 8 GiB, their disks where `storage` takes them
    from.
    """
    tight = host("h1")
    hosts = []
    disks = tuple(Disk(datastore=name, size=GIB) for name in storage or {"san": ""})
    for name in ("h1", "h2", "h3", "h4", "h5", "h6"):
        guests = sum(home == name for home in HOMES.values())
        used = {"cpu": 0.5 * guests + 1, "memory": (8 * guests + 2) * GIB}
        hosts.append(replace(tight, id=name, name=name, used=used, datastores=STORES))
    return PlannedRun(
        snapshot=replace(
            planned_run().snapshot,
            hosts=tuple(hosts),
            guests=tuple(replace(guest(number, home), disks=disks) for number, home in HOMES.items()),
            rules=(),
        ),
        migrations=tuple(
            replace(step(number, *way), storage=dict(storage or {})) for number, way in enumerate(STEPS, 1)
        ),
        rules=(),
    )


def plan_of(journey: PlannedRun, platform: str) -> dict[str, Any]:
    """As balance_plan would write it."""
    nothing = ClusterState(spread={}, violations=(), hosts={})
    return Plan(
        cluster=journey.snapshot.cluster,
        platform=platform,
        snapshot_digest="",
        policy=Policy(),
        status="balanced",
        migrations=tuple(journey.migrations),
        before=nothing,
        after=nothing,
        proof=Proof(migrations_lower_bound=0, optimal=False, spread_lower_bound={}, method=""),
    ).to_json()


def most_at_once(moves: Sequence[Mapping[str, Any]], weight: Callable[[Mapping[str, Any]], float]) -> float:
    """The most that the migrations which the simulator saw at the same moment weigh together."""
    starts = [move["started"] for move in moves]
    return max(
        sum(weight(move) for move in moves if move["started"] <= moment < move["ended"]) for moment in starts
    )


Ready = Callable[..., tuple[Simulator, dict[str, Any]]]


@pytest.fixture
def ready(tmp_path: Path) -> Iterator[Ready]:
    """A simulator of that platform, and the options that carry the plan out on it."""
    running: list[Simulator] = []

    def start(
        platform: Platform, *, storage: Mapping[str, str] | None = None, **switches: object
    ) -> tuple[Simulator, dict[str, Any]]:
        journey = wide(storage)
        simulator = journey.start(platform, tmp_path / platform)
        running.append(simulator)
        simulator.switches(**{"migration_seconds": SECONDS, **switches})
        options = connection_options(simulator.connection)
        return simulator, {**options, "plan": plan_of(journey, options["platform"]), "poll_interval": 0.2}

    yield start
    for simulator in running:
        simulator.stop()


def one(_move: Mapping[str, Any]) -> float:
    return 1


def at(name: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda move: float(name in (move["from"], move["to"]))


def into(name: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda move: float(move["to"] == name)


def out_of(name: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda move: float(move["from"] == name)


def gib(_move: Mapping[str, Any]) -> float:
    return 8


BOTH = ("vcenter", "proxmox")
HOSTS = ("h1", "h2", "h3", "h4", "h5")


@pytest.mark.parametrize(
    ("platform", "options", "storage", "limits"),
    [
        *((name, {"max_parallel": 2}, None, [(one, 2)]) for name in BOTH),
        *((name, {"max_per_host": 1}, None, [(at(place), 1) for place in HOSTS]) for name in BOTH),
        *(
            (name, {"max_in_per_host": 1, "max_per_host": 3}, None, [(into("h2"), 1), (out_of("h1"), 3)])
            for name in BOTH
        ),
        *(
            (name, {"max_out_per_host": 1, "max_per_host": 3}, None, [(into("h5"), 2), (out_of("h1"), 1)])
            for name in BOTH
        ),
        *((name, {"max_memory_in_flight": 17 * GIB}, None, [(gib, 16)]) for name in BOTH),
        ("vcenter", {"max_per_datastore": 1, "max_per_host": 8}, {"san": "nas"}, [(one, 1)]),
        # On every node "local" is another disk; one that they share is the same for all.
        (
            "proxmox",
            {"max_per_datastore": 1, "max_per_host": 8, "max_parallel": 8},
            {"local": "local"},
            [(at("h1"), 1), (at("h3"), 1), (at("h5"), 1), (one, 2)],
        ),
        (
            "proxmox",
            {"max_per_datastore": 2, "max_per_host": 8, "max_parallel": 8, "target_storage": "local:nas"},
            {"local": "local"},
            [(one, 2)],
        ),
        ("vcenter", {}, None, [(at("h1"), 4), (at("h3"), 4)]),
        ("proxmox", {}, None, [(one, 4), (at("h1"), 2), (at("h3"), 2)]),
    ],
)
def test_never_more_at_once_than_the_options_or_the_platform_allow(
    platform: Platform,
    options: dict[str, Any],
    storage: Mapping[str, str] | None,
    limits: list[tuple[Callable[[Mapping[str, Any]], float], float]],
    ready: Ready,
    tmp_path: Path,
) -> None:
    allowed = [limit for _weight, limit in limits]
    # Where the machine has much else to do, short ones end before as many as may have begun.
    for times in (1, 4, 16, 64):
        simulator, plan = ready(platform, storage=storage, migration_seconds=times * SECONDS)
        (tmp_path / f"{times}").mkdir()
        result = run_module("vm_migrate", tmp_path / f"{times}", {**plan, **options})
        assert result["summary"]["migrated"] == len(STEPS), result
        moves = settle(simulator)["migrations"]
        found = [most_at_once(moves, weight) for weight, _limit in limits]
        assert all(one <= limit for one, limit in zip(found, allowed, strict=True)), found
        if found == allowed:
            return
    raise AssertionError(f"{found} of {allowed} at once")


@pytest.mark.parametrize(
    ("options", "failed"),
    [
        ({"on_failure": "stop"}, 1),
        ({"on_failure": "stop", "max_failures": "3"}, 4),
        ({"on_failure": "stop", "max_failures": "25%"}, 3),
        ({"on_failure": "rollback", "max_failures": "2"}, 3),
        ({"on_failure": "continue"}, 8),
    ],
)
def test_so_many_failures_and_no_more(
    options: dict[str, Any], failed: int, ready: Ready, tmp_path: Path
) -> None:
    simulator, plan = ready("vcenter", fail_migrations=[{"guest": "*", "at_percent": 0}])
    result = run_module("vm_migrate", tmp_path, {**plan, **options, "max_parallel": 1})
    summary = result["summary"]
    assert (summary["failed"], summary["skipped"]) == (failed, len(STEPS) - failed)
    assert result["failed"] is True
    assert result["msg"].startswith(f"{failed} of 8 migrations failed; the first: step ")
    assert len(settle(simulator)["migrations"]) == failed


# More of them are in tests/unit/ansible/test_execution_options.py.
@pytest.mark.parametrize(
    ("option", "wrong", "expected"),
    [
        ("max_failures", "1.5", "'1.5' is not a number of migrations"),
        ("max_parallel", 0, "0 is not a number of at least 1"),
        ("lock_wait", -1, "-1 is not a number of"),
        ("lock_wait", "nan", "nan is not a number"),
    ],
)
def test_a_wrong_number_is_refused_before_anything_is_changed(
    option: str, wrong: object, expected: str, tmp_path: Path
) -> None:
    file = tmp_path / "cluster.json"
    file.write_text(json.dumps(wide().snapshot.to_json()))
    plan = plan_of(wide(), wide().snapshot.platform)
    options = {"platform": "rehearsal", "rehearsal_path": str(file), "plan": plan}
    result = run_module("vm_migrate", tmp_path, {**options, option: wrong})
    assert result["failed"] is True
    assert f"{option}: {expected}" in result["msg"]
    assert json.loads(file.read_text()) == wide().snapshot.to_json()


def test_a_balancer_that_was_switched_on_since_the_plan_is_not_fought(ready: Ready, tmp_path: Path) -> None:
    simulator, plan = ready("vcenter", drs="fullyAutomated")
    for check in (True, False):
        result = run_module("vm_migrate", tmp_path, plan, check=check)
        assert result["msg"].startswith("stopped with 8 migrations not begun: DRS ")
        assert "already balances this cluster" in result["msg"]
    assert simulator.state()["migrations"] == []
    single = {name: value for name, value in plan.items() if name != "plan"}
    one = run_module("vm_migrate", tmp_path, {**single, "guest": "101", "target": "h2"})
    assert one["summary"]["migrated"] == 1, "what a person asks for is another thing"


def test_a_balancer_that_is_switched_on_meanwhile_is_named(ready: Ready, tmp_path: Path) -> None:
    simulator, plan = ready("vcenter", migration_seconds=2)
    process = begin_module("vm_migrate", tmp_path, plan)
    while not simulator.state()["migrations"]:
        assert process.poll() is None
        time.sleep(0.02)
    simulator.switches(drs="fullyAutomated")
    result = result_of(process)
    assert result["summary"]["status"] == "done", "what was begun is finished"
    assert "was switched on while guests were migrated" in str(result["warnings"])


@pytest.mark.parametrize("platform", BOTH)
def test_the_time_of_the_whole_run(platform: Platform, ready: Ready, tmp_path: Path) -> None:
    simulator, plan = ready(platform)
    result = run_module("vm_migrate", tmp_path, {**plan, "max_parallel": 1, "run_timeout": "2.5s"})
    summary = result["summary"]
    assert summary["status"] == "stopped"
    assert summary["migrated"] + summary["skipped"] == len(STEPS)
    assert summary["skipped"] > 0
    assert "the time limit of the run was reached" in result["msg"]
    assert len(settle(simulator)["migrations"]) == summary["migrated"]


def test_sigterm_ends_it_with_a_result(ready: Ready, tmp_path: Path) -> None:
    simulator, plan = ready("proxmox", migration_seconds=20)
    process = begin_module("vm_migrate", tmp_path, {**plan, "on_stop": "cancel", "max_parallel": 2})
    alarm = time.monotonic() + PATIENCE_SECONDS
    while len(simulator.state()["migrations"]) < 2:
        assert process.poll() is None
        assert time.monotonic() < alarm
        time.sleep(0.02)
    process.terminate()
    result = result_of(process)
    assert result["summary"]["status"] == "stopped"
    assert (result["summary"]["cancelled"], result["summary"]["skipped"]) == (2, 6)
    cancelled = [entry for entry in result["outcome"]["migrations"] if entry["result"] == "cancelled"]
    assert {entry["why"] for entry in cancelled} == {"SIGTERM asked for it"}
    assert places(settle(simulator)) == {str(number): source for number, source in HOMES.items()}


def test_what_was_done_is_told_even_when_nothing_can_be_written_or_read_any_more(
    ready: Ready, tmp_path: Path
) -> None:
    # It is asked for by the reading before, by the first check, and by the reading after.
    fault = {"call": "GET /access/permissions", "error": 500, "skip": 2}
    simulator, plan = ready("proxmox", fail_calls=[fault])
    result = run_module("vm_migrate", tmp_path, {**plan, "outcome_path": "/proc/none/outcome.json"})
    summary = result["summary"]
    assert (summary["status"], summary["migrated"], "failed" in result) == ("done", 8, False)
    assert [len(result["outcome"]["migrations"]), "outcome_path" in summary] == [8, False]
    assert set(summary["spread_after"].values()) == {None}
    assert None not in summary["spread_before"].values()
    warnings = str(result["warnings"])
    assert "The cluster could not be re-read after the run" in warnings
    assert "/proc/none/outcome.json can't be written" in warnings
    assert len(settle(simulator)["migrations"]) == 8


def _rows(report: list[str]) -> list[str]:
    """Those of its lines that are of migrations: they begin with the step."""
    return [line for line in report if line.split() and line.split()[0].isdigit()]


@pytest.mark.parametrize("platform", BOTH)
def test_the_summary_tells_times_bytes_and_the_spread_as_it_is_now(
    platform: Platform, ready: Ready, tmp_path: Path
) -> None:
    simulator, plan = ready(platform, fail_migrations=[{"guest": "114", "at_percent": 0}])
    result = run_module("vm_migrate", tmp_path, {**plan, "max_parallel": 8, "max_per_host": 8})
    summary, migrations = result["summary"], result["outcome"]["migrations"]
    assert (summary["migrated"], summary["memory_bytes"]) == (7, 7 * 8 * GIB)
    assert all(entry["seconds"] >= SECONDS for entry in migrations if entry["result"] == "migrated")
    assert all(entry["started_at"] <= entry["ended_at"] for entry in migrations)
    used = {name: entry["used"]["memory"] for name, entry in simulator.state()["hosts"].items()}
    measured = 100 * (max(used.values()) - min(used.values())) / (64 * GIB)
    assert summary["spread_after"]["memory"] == pytest.approx(measured, abs=0.1)
    assert summary["spread_before"]["memory"] == pytest.approx(50, abs=0.1)
    report = result["report"]
    assert report[0].startswith("cluster prod: partial in ")
    assert report[0].endswith(" s, 7 of 8 migrations, 56.0 GiB of memory")
    rows = _rows(report)
    assert (len(rows), sum(" migrated " in row and " s" in row for row in rows)) == (8, 7)
    (spread,) = (line for line in report if line.startswith("  spread ") and " → " in line)
    assert f"50.0 → {measured:.1f}" in spread
    # In a file: here only what did not end well.
    file = tmp_path / "outcome.json"
    again = run_module("vm_migrate", tmp_path, {**plan, "outcome_path": str(file)})
    assert [" failed " in row for row in _rows(again["report"])] == [True]
    assert len(json.loads(file.read_text())["migrations"]) == 8
