# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are killed, stopped, or fail too often, and what the next run makes of it."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import FailurePolicy
from ansible_collections.evenkeel.cluster.tests.fault_injection.conftest import Reset
from ansible_collections.evenkeel.cluster.tests.simulators.launch import Simulator
from ansible_collections.evenkeel.cluster.tests.support import worker_process
from ansible_collections.evenkeel.cluster.tests.support.fault_injection import (
    MIGRATION_SECONDS,
    PlannedRun,
    carry_out,
    clear_up,
    cluster_of,
    connect,
    places,
    settle,
    starts,
    violations,
)
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

WELL = {"migrated", "already_there"}


def until(true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    alarm = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert process.poll() is None, "it ended before its moment came"
        assert time.monotonic() < alarm
        time.sleep(0.005)


def kill(folder: Path, event: str, times: int, *options: str) -> None:
    """Start a run and SIGKILL it as soon as its journal has so many of these events."""
    process = worker_process.begin(folder, *options)
    until(lambda: worker_process.journal(folder).count(event) >= times, process)
    process.kill()
    process.wait()


def finish(folder: Path) -> list[str]:
    """The same command once more; returns the results."""
    assert worker_process.begin(folder).wait(PATIENCE_SECONDS) == 0, (folder / "worker.log").read_text()
    assert not (folder / "journal").exists()
    return [step.result for step in worker_process.outcome(folder).migrations]


def all_is_well(simulator: Simulator, planned: PlannedRun, before: dict[str, Any]) -> None:
    after = settle(simulator)
    assert places(after) == planned.goal
    assert violations(planned, before, after) == []
    assert all(count == 1 for count in starts(before, after).values()), starts(before, after)


def everything_is_remembered(folder: Path, planned: PlannedRun) -> None:
    """Every migration once, whichever run has seen it."""
    expected = [(step.guest.id, "migrated") for step in planned.migrations]
    assert sorted(worker_process.remembered(folder)) == sorted(expected)


# Which event of the journal, how often, seconds of every call, and whether it lingers at its end.
MOMENTS = {
    "before the first start": ("plan", 1, 0.3),
    "between begin and started": ("begin", 1, 0.3),
    "while migrations run": ("started", 2, 0.0),
    "after some have ended": ("ended", 1, 0.0),
    "after all have ended": ("ended", 4, 0.0),
}


PLATFORMS = ("vcenter", "proxmox", "vmmanager")
CASES = [
    *((platform, moment, "kept") for platform in PLATFORMS for moment in MOMENTS),
    ("vcenter", "between begin and started", "deleted"),
    ("vmmanager", "between begin and started", "deleted"),
    ("proxmox", "while migrations run", "deleted"),
    ("ha", "while migrations run", "kept"),
    ("ha", "while migrations run", "deleted"),
]


@pytest.mark.parametrize(("platform", "moment", "journal"), CASES)
def test_a_killed_run_is_finished(
    reset: Reset, tmp_path: Path, platform: str, moment: str, journal: str
) -> None:
    simulator, planned = reset(platform)
    event, times, latency = MOMENTS[moment]
    simulator.switches(latency_seconds=latency, migration_seconds=0.6)
    before = simulator.state()
    worker_process.write(tmp_path, planned, simulator)
    kill(tmp_path, event, times, "--linger", "30")
    simulator.switches(latency_seconds=0)
    if journal == "deleted":
        (tmp_path / "journal").unlink()
    results = finish(tmp_path)
    assert len(results) == len(planned.migrations)
    assert set(results) <= WELL
    if journal == "kept" and platform != "ha":
        assert set(results) == {"migrated"}
        everything_is_remembered(tmp_path, planned)
    all_is_well(simulator, planned, before)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_killed_again_and_again(reset: Reset, tmp_path: Path, platform: str) -> None:
    simulator, planned = reset(platform)
    simulator.switches(migration_seconds=0.5)
    before = simulator.state()
    worker_process.write(tmp_path, planned, simulator)
    for event in ("begin", "started", "ended"):
        kill(tmp_path, event, 1, "--linger", "30")
    assert finish(tmp_path) == ["migrated"] * 4
    all_is_well(simulator, planned, before)
    everything_is_remembered(tmp_path, planned)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_all_ended_while_nobody_was_there(reset: Reset, tmp_path: Path, platform: str) -> None:
    simulator, planned = reset(platform)
    before = simulator.state()
    worker_process.write(tmp_path, planned, simulator)
    kill(tmp_path, "started", 3)
    settle(simulator)
    assert finish(tmp_path) == ["migrated"] * 4
    all_is_well(simulator, planned, before)
    everything_is_remembered(tmp_path, planned)


@pytest.mark.parametrize(
    ("platform", "on_stop", "how"),
    [
        ("vcenter", "finish", "SIGTERM"),
        ("vcenter", "cancel", "stop file"),
        ("proxmox", "finish", "stop file"),
        ("proxmox", "cancel", "SIGTERM"),
        ("vmmanager", "finish", "SIGTERM"),
        ("vmmanager", "cancel", "stop file"),
    ],
)
def test_a_run_that_is_told_to_stop(
    reset: Reset, tmp_path: Path, platform: str, on_stop: str, how: str
) -> None:
    simulator, planned = reset(platform)
    # Long enough for the stop to be seen before they end; those that are cancelled take no longer than that.
    simulator.switches(migration_seconds=600 if on_stop == "cancel" else 6)
    before = simulator.state()
    worker_process.write(tmp_path, planned, simulator)
    process = worker_process.begin(tmp_path, "--on-stop", on_stop)
    until(lambda: worker_process.journal(tmp_path).count("started") == 3, process)
    if how == "SIGTERM":
        process.send_signal(signal.SIGTERM)
    else:
        (tmp_path / "stop").touch()
    assert process.wait(PATIENCE_SECONDS) == 0
    outcome = worker_process.outcome(tmp_path)
    ran = "cancelled" if on_stop == "cancel" else "migrated"
    assert (outcome.status, [step.result for step in outcome.migrations]) == (
        "stopped",
        [ran, ran, "skipped", ran],
    )
    assert how in outcome.migrations[2].why
    after = settle(simulator)
    assert violations(planned, before, after) == []
    (tmp_path / "stop").unlink(missing_ok=True)
    simulator.switches(migration_seconds=MIGRATION_SECONDS)
    assert set(finish(tmp_path)) <= WELL
    assert places(settle(simulator)) == planned.goal


def test_two_at_once(reset: Reset, tmp_path: Path) -> None:
    simulator, planned = reset("proxmox")
    before = simulator.state()
    worker_process.write(tmp_path, planned, simulator)
    first = worker_process.begin(tmp_path, "--linger", "60")
    until(lambda: worker_process.journal(tmp_path).count("started") == 3, first)
    assert worker_process.begin(tmp_path).wait(PATIENCE_SECONDS) == 1
    printed = (tmp_path / "worker.log").read_text()
    assert "journal is locked by another run. Wait for that run, or stop it" in printed
    first.kill()
    first.wait()
    assert finish(tmp_path) == ["migrated"] * 4
    all_is_well(simulator, planned, before)
    everything_is_remembered(tmp_path, planned)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(
    ("failure_policy", "status", "undone"),
    [
        (FailurePolicy(on_failure="continue"), "partial", 0),
        (FailurePolicy(on_failure="stop", max_failures=1), "partial", 0),
        (FailurePolicy(on_failure="stop"), "stopped", 0),
        (FailurePolicy(on_failure="rollback"), "rolled_back", 2),
    ],
)
def test_a_failure_too_many(
    reset: Reset, platform: str, failure_policy: FailurePolicy, status: str, undone: int
) -> None:
    simulator, planned = reset(platform)
    simulator.switches(fail_migrations=[{"guest": "101", "at_percent": 50, "count": 1}])
    before = simulator.state()
    with closing(connect(simulator.connection)) as session:
        outcome = carry_out(planned, session, cluster_of(session), failure_policy=failure_policy)
    assert [step.result for step in outcome.migrations] == [
        "failed", "migrated", "skipped", "migrated", *["migrated"] * undone
    ]  # fmt: skip
    assert outcome.status == status
    after = settle(simulator)
    if undone:
        assert places(after) == planned.places
    else:
        assert violations(planned, before, after) == []
    clear_up(simulator, planned)
    with closing(connect(simulator.connection)) as session:
        assert carry_out(planned, session, cluster_of(session)).status == "done"
    assert places(simulator.state()) == planned.goal


@pytest.mark.parametrize("platform", ["vcenter", "proxmox", "vmmanager"])
@pytest.mark.parametrize(("event", "times"), [("home", 1), ("begin", 4), ("ended", 5)])
def test_killed_on_the_way_home(reset: Reset, tmp_path: Path, platform: str, event: str, times: int) -> None:
    """What was undoing its work goes on with that: the same command never begins to do it anew."""
    simulator, planned = reset(platform)
    fault = {"guest": "101", "at_percent": 50, "count": 1}
    simulator.switches(migration_seconds=0.5, fail_migrations=[fault])
    worker_process.write(tmp_path, planned, simulator)
    before = simulator.state()
    kill(tmp_path, event, times, "--on-failure", "rollback")
    assert worker_process.begin(tmp_path, "--on-failure", "rollback").wait(PATIENCE_SECONDS) == 0, (
        tmp_path / "worker.log"
    ).read_text()
    outcome = worker_process.outcome(tmp_path)
    assert outcome.status == "rolled_back", outcome
    after = settle(simulator)
    assert places(after) == planned.places
    assert all(times <= 2 for times in starts(before, after).values()), starts(before, after)
    assert not (tmp_path / "journal").exists()
