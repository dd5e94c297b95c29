# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that move disks, on simulators on which something fails: killed in the middle, full, not deleted."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.benchmarks.storage_soak import one_run
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import FailurePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.storage import (
    DatastoreSelector,
    StoragePolicy,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.simulators.launch import Platform
from ansible_collections.evenkeel.cluster.tests.support import storage_runs as runs
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

PLATFORMS: list[Platform] = ["vcenter", "proxmox"]
SEED = 3


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_plan_is_run_and_the_second_plan_is_empty(platform: Platform, tmp_path: Path) -> None:
    with runs.planned_moves(platform, tmp_path, SEED) as (simulator, planned):
        before = runs.places(simulator)
        end = runs.carry_out(planned, simulator.connection)
        assert end.status == "done"
        assert [one.left_behind for one in end.outcomes] == [()] * len(end.outcomes)
        assert runs.places(simulator) == planned.goal(before)
        assert not runs.unused(simulator)
        assert not runs.overfull(planned, simulator)
        again = runs.carry_out(planned, simulator.connection)
        assert {one.result for one in again.outcomes} == {"already_there"}
        with closing(runs.storage_platform(simulator.connection)) as session:
            second = plan(session.read(), planned.plan.policy).storage
        assert second is not None
        assert not second.moves


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_datastore_is_emptied(platform: Platform, tmp_path: Path) -> None:
    with runs.planned_moves(platform, tmp_path, SEED) as (simulator, planned):
        first = planned.snapshot.datastores[0].name
        policy = StoragePolicy(utilisation=95, evacuate=DatastoreSelector(names=(first,)))
        wanted = plan(planned.snapshot, Policy(goal="storage", storage=policy))
        assert wanted.storage is not None
        assert wanted.storage.moves
        end = runs.carry_out(runs.PlannedMoves(planned.snapshot, wanted), simulator.connection)
        assert end.status == "done"
        if wanted.storage.status == "balanced":
            assert first not in runs.places(simulator).values()


@pytest.mark.parametrize("event", ["begin", "started", "ended"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_run_that_was_killed_is_finished(platform: Platform, event: str, tmp_path: Path) -> None:
    with runs.planned_moves(platform, tmp_path, SEED) as (simulator, planned):
        work = tmp_path / "work"
        runs.write(work, planned, simulator.connection)
        before = runs.places(simulator)
        process = runs.begin(work)
        alarm = time.monotonic() + PATIENCE_SECONDS
        while event not in runs.journal_events(work) and process.poll() is None:
            assert time.monotonic() < alarm
            time.sleep(0.005)
        process.kill()
        process.wait()
        end = runs.carry_out(planned, simulator.connection, journal=work / "journal")
        assert end.status == "done"
        assert runs.places(simulator) == planned.goal(before)
        # Nothing was moved twice.
        moved = Counter((one["guest"], one.get("disk")) for one in simulator.state()["disk_moves"])
        if platform == "proxmox":
            assert set(moved.values()) == {1}
        assert not (work / "journal").exists()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_datastore_that_fills_up_meanwhile_takes_nothing(platform: Platform, tmp_path: Path) -> None:
    with runs.planned_moves(platform, tmp_path, SEED) as (simulator, planned):
        assert planned.plan.storage is not None
        target = planned.plan.storage.moves[0].target
        simulator.change_storage(target, free=1024**3)
        if platform == "vcenter":
            simulator.switches(stale_space=True)
        end = runs.carry_out(planned, simulator.connection)
        assert end.status == "partial"
        assert all(one.result in ("skipped", "failed") for one in end.outcomes if one.target == target)
        assert target not in {
            place for disk, place in runs.places(simulator).items() if disk in _disks_to(planned, target)
        }
        assert all(free >= 0 for free in runs.least_free(simulator).values())


def _disks_to(planned: runs.PlannedMoves, target: str) -> set[tuple[str, str]]:
    moves = () if planned.plan.storage is None else planned.plan.storage.moves
    return {(move.guest.id, disk) for move in moves for disk in move.disks if move.target == target}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_copy_that_fails_leaves_the_disk_where_it_was(platform: Platform, tmp_path: Path) -> None:
    with runs.planned_moves(platform, tmp_path, SEED) as (simulator, planned):
        assert planned.plan.storage is not None
        guest = planned.plan.storage.moves[0].guest.id
        fault = {"guest": guest, "at_percent": 40, "count": 1}
        if platform == "proxmox":
            simulator.switches(
                fail_disk_moves=[{**fault, "error": "storage migration failed", "leaves": True}]
            )
        else:
            simulator.switches(
                fail_migrations=[{**fault, "error": "SystemError"}],
                fail_deletions=[{"guest": guest, "count": 10}],
            )
        before = runs.places(simulator)
        end = runs.carry_out(planned, simulator.connection)
        (failed,) = (one for one in end.outcomes if one.result == "failed")
        assert failed.guest.id == guest
        assert failed.left_behind
        assert not runs.lost_or_doubled(before, runs.places(simulator))
        assert not runs.untrue(end, runs.places(simulator))
        assert not runs.unnamed(simulator, [text for one in end.outcomes for text in one.left_behind])


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_old_copy_that_cannot_be_deleted_is_named(platform: Platform, tmp_path: Path) -> None:
    with runs.planned_moves(platform, tmp_path, SEED) as (simulator, planned):
        assert planned.plan.storage is not None
        guest = planned.plan.storage.moves[0].guest.id
        if platform == "proxmox":
            simulator.switches(keep_sources=[guest])
        else:
            simulator.switches(fail_deletions=[{"guest": guest, "count": 10}])
        before = runs.places(simulator)
        end = runs.carry_out(planned, simulator.connection)
        assert {one.result for one in end.outcomes} == {"migrated"}
        assert runs.places(simulator) == planned.goal(before)
        assert runs.unused(simulator)
        assert not runs.unnamed(simulator, [text for one in end.outcomes for text in one.left_behind])


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_rollback_leaves_all_disks_where_they_were(platform: Platform, tmp_path: Path) -> None:
    with runs.planned_moves(platform, tmp_path, SEED) as (simulator, planned):
        assert planned.plan.storage is not None
        guest = planned.plan.storage.moves[-1].guest.id
        fault = {"guest": guest, "at_percent": 90, "count": 1}
        if platform == "proxmox":
            simulator.switches(fail_disk_moves=[{**fault, "error": "storage migration failed"}])
        else:
            simulator.switches(fail_migrations=[{**fault, "error": "SystemError"}])
        before = runs.places(simulator)
        end = runs.carry_out(
            planned, simulator.connection, failure_policy=FailurePolicy(on_failure="rollback")
        )
        assert end.status == "rolled_back"
        assert runs.places(simulator) == before


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_short_soak(platform: Platform, seed: int, tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    assert one_run(platform, seed, tmp_path, seen) == [], seen
