# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk moves by the Python module: read, plan, apply, stop and go on, on a rehearsal."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils import evenkeel

ROOT = Path(__file__).parents[3]
FILES = ROOT / "playbooks" / "files"
POLICY: dict[str, Any] = {"goal": "storage", "effort": 4, "storage": {"utilisation": 80, "reserve": "50G"}}
QUICK = evenkeel.Execution(poll_interval=0.01)


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> evenkeel.Connection:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    path = tmp_path / "cluster.json"
    shutil.copy(FILES / "example-datastores.json", path)
    (tmp_path / "cluster.storage.json").write_text(json.dumps({"bandwidth": 10**13}), encoding="utf-8")
    return evenkeel.Connection(platform="rehearsal", rehearsal_path=str(path))


def disks_of(snapshot: evenkeel.Snapshot) -> dict[tuple[str, str | None], str]:
    return {(guest.id, disk.id): disk.datastore for guest in snapshot.guests for disk in guest.disks}


def planned(plan: evenkeel.Plan) -> evenkeel.StoragePlan:
    assert plan.storage is not None
    return plan.storage


def test_disks_are_moved_stopped_and_moved_on(connection: evenkeel.Connection) -> None:
    before = evenkeel.read(connection, storage=True)
    assert [place.name for place in before.datastores][:2] == ["nfs1", "nfs2"]
    plan = evenkeel.plan(before, POLICY)
    moves = planned(plan).moves
    assert len(moves) > 2

    rehearsed = evenkeel.apply(connection, plan, dry_run=True)
    assert {one.result for one in rehearsed.disk_moves} == {"planned"}
    assert disks_of(evenkeel.read(connection)) == disks_of(before)

    stop = evenkeel.Stop()
    seen: list[evenkeel.Progress] = []

    def watch(progress: evenkeel.Progress) -> None:
        seen.append(progress)
        if progress.disks is not None and progress.disks.ended.get("migrated"):
            stop.request("enough for today")

    one_by_one = evenkeel.Execution(poll_interval=0.01, max_parallel=1)
    stopped = evenkeel.apply(connection, plan, execution=one_by_one, progress=watch, stop=stop)
    results = [one.result for one in stopped.disk_moves]
    assert stopped.status == "stopped"
    assert "migrated" in results
    assert "skipped" in results
    disks = [progress.disks for progress in seen if progress.disks is not None]
    assert disks[-1].bytes_copied > 0

    outcome = evenkeel.apply(connection, plan, execution=QUICK)
    assert outcome.status == "done"
    assert {one.result for one in outcome.disk_moves} == {"already_there", "migrated"}
    assert [one.left_behind for one in outcome.disk_moves if one.left_behind] == []
    assert evenkeel.Outcome.from_json(outcome.to_json()) == outcome
    after = evenkeel.read(connection)
    ends = {(move.guest.id, disk): move.target for move in moves for disk in move.disks}
    assert disks_of(after) == {**disks_of(before), **ends}
    assert planned(evenkeel.plan(after, POLICY)).moves == ()
    assert {one.result for one in evenkeel.apply(connection, plan).disk_moves} == {"already_there"}


def test_a_plan_of_what_if_moves_disks_on_paper_only(connection: evenkeel.Connection) -> None:
    snapshot = evenkeel.read(connection, storage=True)
    changes = {
        "datastores_removed": ["nfs4"],
        "datastores_added": [{"name": "nfs9", "like": "nfs1", "capacity": "4T"}],
        "rules_added": [{"name": "r", "kind": "anti_affinity", "guests": ["101", "102"]}],
    }
    plan = evenkeel.plan(snapshot, POLICY, what_if=changes)
    assert plan.hypothetical
    assert planned(plan).after.datastores["nfs4"].disks == 0
    assert "nfs9" in {move.target for move in planned(plan).moves}
    assert evenkeel.plan(
        snapshot, POLICY, what_if=evenkeel.Overrides(datastores_removed=("nfs4",))
    ).hypothetical
    with pytest.raises(evenkeel.InputError, match="with the changes of what_if"):
        evenkeel.apply(connection, plan)
    with pytest.raises(evenkeel.EvenKeelError, match=r"what_if.datastores_removed\[0\]: no datastore has"):
        evenkeel.plan(snapshot, POLICY, what_if={"datastores_removed": ["nfs44"]})


def test_the_example_moves_disks_and_names_what_stays(connection: evenkeel.Connection) -> None:
    path = Path(connection.rehearsal_path or "")
    fault = {"bandwidth": 10**13, "faults": [{"guest": "103", "what": "delete"}]}
    path.with_name("cluster.storage.json").write_text(json.dumps(fault), encoding="utf-8")
    command = [sys.executable, str(ROOT / "docs" / "examples" / "balance.py"), "rehearsal"]
    options = ["--snapshot", str(path), "--storage", "--apply"]
    done = subprocess.run(command + options, capture_output=True, text=True, env={**os.environ}, check=False)
    assert done.returncode == 0, done.stderr
    assert "1. scsi0, scsi1 of mail-1: nfs1 to nfs6, because it takes nfs1 from" in done.stdout
    assert "scsi0, scsi1 of mail-1: migrated" in done.stdout
    assert "  left behind: " in done.stdout
