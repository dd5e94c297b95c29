# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan that moves disks, by the modules, on a rehearsal: check mode, run, second run, history, journal."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.actions.vm_migrate import (
    _storage_part,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.errors import StorageUnsupported
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.platform_wrapper import (
    PlatformWrapper,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.rehearsal import RehearsalPlatform
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.storage_protocol import (
    StoragePlatform,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.platform import (
    VMManagerPlatform,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import ended, result

CLUSTER = generate_storage(StorageShape(datastores=5, disks=40, seed=3, fill=0.65, rules=1))
FULL = max(CLUSTER.datastores, key=lambda place: 1 - (place.free or 0) / (place.capacity or 1)).id


class World:
    """A rehearsal file, a plan for it, and the options of a run."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **storage: Any) -> None:
        self.monkeypatch = monkeypatch
        self.path = folder / "cluster.json"
        self.database = folder / "state.db"
        self.path.write_text(json.dumps(CLUSTER.to_json()), encoding="utf-8")
        self.policy = {"goal": "storage", "storage": {"utilisation": 75, **storage}}
        self.options = {
            "platform": "rehearsal",
            "rehearsal_path": str(self.path),
            "poll_interval": "0.1",
            "state_url": f"sqlite:///{self.database}",
            "progress_path": str(folder / "progress.jsonl"),
            "log": str(folder / "evenkeel.log"),
        }
        self.log = folder / "evenkeel.log"
        self.progress = folder / "progress.jsonl"

    def plan(self) -> dict[str, Any]:
        snapshot = json.loads(self.path.read_text(encoding="utf-8"))
        found: dict[str, Any] = result(
            "balance_plan", {"snapshot": snapshot, **self.policy}, self.monkeypatch, check_mode=False
        )
        return found

    def run(self, plan: dict[str, Any], *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = result(
            "vm_migrate", {**self.options, "plan": plan, **options}, self.monkeypatch, check_mode=check_mode
        )
        return found

    def disks_on(self, datastore: str) -> int:
        snapshot = Snapshot.from_json(json.loads(self.path.read_text(encoding="utf-8")))
        return sum(disk.datastore == datastore for guest in snapshot.guests for disk in guest.disks)


def test_a_dry_run_a_run_and_nothing_left_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    before = world.path.read_text(encoding="utf-8")
    plan = world.plan()["plan"]
    moves = plan["storage"]["moves"]
    assert moves
    dry = world.run(plan, check_mode=True)
    assert (dry["changed"], dry["summary"]["status"]) == (True, "planned")
    assert dry["summary"]["disk_moves"]["planned"] == len(moves)
    assert world.path.read_text(encoding="utf-8") == before
    ran = world.run(plan)
    assert (ran["changed"], ran["summary"]["status"]) == (True, "done")
    assert ran["summary"]["disk_moves"]["migrated"] == len(moves)
    assert ran["summary"]["bytes_copied"] == plan["storage"]["proof"]["bytes"]
    assert [one["result"] for one in ran["outcome"]["disk_moves"]] == ["migrated"] * len(moves)
    kinds = Counter(one["kind"] for one in moves)
    assert ran["summary"]["disk_moves_by_kind"] == {
        kind: {"migrated": count} for kind, count in kinds.items()
    }
    assert ran["summary"]["disk_move_seconds"] > 0
    # As the cluster is read again: no longer above the limit of the policy.
    assert ran["summary"]["datastores_before"][FULL] > 75 >= ran["summary"]["datastores_after"][FULL]
    assert any(line == "moves of disks" for line in ran["report"])
    again = world.run(plan)
    assert (again["changed"], again["summary"]["disk_moves"]["already_there"]) == (False, len(moves))
    assert not world.plan()["plan"]["storage"]["moves"]


def test_a_balancer_of_the_hosts_leaves_the_disks_to_their_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, monkeypatch)
    snapshot = json.loads(world.path.read_text(encoding="utf-8"))
    world.path.write_text(json.dumps({**snapshot, "other_balancers": ["DRS"]}), encoding="utf-8")
    plan = world.plan()["plan"]
    ran = world.run(plan)
    assert (ran["summary"]["status"], ran["summary"]["disk_moves"]["migrated"]) == (
        "done",
        len(plan["storage"]["moves"]),
    )


def test_a_datastore_is_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch, utilisation=95, evacuate={"names": [FULL]})
    plan = world.plan()["plan"]
    ran = world.run(plan)
    assert ran["summary"]["status"] == "done"
    immovable = sum(len(one["disks"]) for one in plan["storage"]["immovable"])
    assert world.disks_on(FULL) == immovable


def test_history_log_and_progress_know_the_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    plan = world.plan()["plan"]
    world.run(plan)
    moves = plan["storage"]["moves"]
    rows = sqlite3.connect(world.database).execute(
        "SELECT guest, disks, source, target, result, kind, bytes, run FROM disk_move_history"
    )
    kept = {(guest, tuple(json.loads(disks)), *ends) for guest, disks, *ends, _run in rows}
    assert kept == {
        (
            one["guest"]["id"],
            tuple(one["disks"]),
            one["from"],
            one["to"],
            "migrated",
            one["kind"],
            one["bytes"],
        )
        for one in moves
    }
    ((status, numbers),) = sqlite3.connect(world.database).execute("SELECT status, result FROM cluster_run")
    assert (status, json.loads(numbers)["disk_moves"]["migrated"]) == ("done", len(moves))
    events = [json.loads(line)["event"] for line in world.log.read_text(encoding="utf-8").splitlines()]
    assert events.count("disk_move_ended") == len(moves)
    last = json.loads(world.progress.read_text(encoding="utf-8").splitlines()[-1])
    assert last["disks"]["bytes_copied"] == plan["storage"]["proof"]["bytes"]
    assert last["disks"]["left"] == 0


def test_the_history_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    plan = world.plan()["plan"]
    world.run(plan)
    moves = plan["storage"]["moves"]
    guest = moves[0]["guest"]
    kept = result("history_info", {"state_url": world.options["state_url"]}, monkeypatch, check_mode=False)
    assert len(kept["disk_moves"]) == len(moves)
    assert kept["runs"][0]["result"]["disk_moves"]["migrated"] == len(moves)
    assert "moves of disks" in kept["report"]
    copied = plan["storage"]["proof"]["bytes"]
    numbers = {"disk_moves": len(moves), "disk_failures": 0, "bytes_copied": copied, "left_behind": 0}
    assert numbers.items() <= kept["summary"].items()
    assert (kept["days"][0]["disk_moves"], kept["days"][0]["bytes_copied"]) == (len(moves), copied)
    gib = f"{copied / 1024**3:.1f} GiB copied"
    assert kept["report"][0].endswith(f"; {len(moves)} disk moves, 0 failed, {gib}")
    asked = {"state_url": world.options["state_url"], "guest": guest["name"]}
    own = result("history_info", asked, monkeypatch, check_mode=False)
    assert {one["guest"]["id"] for one in own["disk_moves"]} == {guest["id"]}
    (first,) = (one for one in own["disk_moves"] if one["disks"] == moves[0]["disks"])
    assert (first["from"], first["to"], first["result"], first["moved"], first["bytes"], first["kind"]) == (
        moves[0]["from"], moves[0]["to"], "migrated", moves[0]["disks"], moves[0]["bytes"], moves[0]["kind"],
    )  # fmt: skip
    assert first["run"] == own["runs"][0]["id"]


def test_what_is_left_behind_is_named_in_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    plan = world.plan()["plan"]
    first = plan["storage"]["moves"][0]
    fault = {"guest": first["guest"]["id"], "what": "delete"}
    world.path.with_suffix(".storage.json").write_text(json.dumps({"faults": [fault]}), encoding="utf-8")
    ran = world.run(plan, on_failure="continue")
    assert ran["summary"]["left_behind"] == 1
    (named,) = (one["left_behind"] for one in ran["outcome"]["disk_moves"] if one["left_behind"])
    assert named == [f"old copy of {', '.join(first['disks'])}: {first['from']}"]
    assert any("left behind: old copy" in line for line in ran["report"])


def test_a_copy_that_fails_fails_the_module_and_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, monkeypatch)
    plan = world.plan()["plan"]
    first = plan["storage"]["moves"][0]
    fault = {"guest": first["guest"]["id"], "what": "copy", "percent": 40}
    world.path.with_suffix(".storage.json").write_text(json.dumps({"faults": [fault]}), encoding="utf-8")
    over = ended("vm_migrate", {**world.options, "plan": plan}, monkeypatch, {})
    assert f"moves of disks failed; the first: step {first['step']}, {', '.join(first['disks'])} of" in str(
        over
    )
    assert str(over).endswith("the copy failed at 40 %")
    assert over.result["summary"]["status"] == "partial"
    kept = result("history_info", {"state_url": world.options["state_url"]}, monkeypatch, check_mode=False)
    assert [(one["of"], one["result"], one["count"], one["why"]) for one in kept["failures"]] == [
        ("disk_moves", "failed", 1, "the copy failed at 40 %")
    ]
    assert kept["summary"]["disk_failures"] == kept["days"][0]["disk_failures"] == 1
    assert any(line.startswith("  1 failed (disks)") for line in kept["report"])


def test_a_rollback_copies_the_same_bytes_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    plan = world.plan()["plan"]
    moves = {one["step"]: one for one in plan["storage"]["moves"]}
    fault = {"guest": moves[max(moves)]["guest"]["id"], "what": "copy", "percent": 90}
    tmp_path.joinpath("cluster.storage.json").write_text(json.dumps({"bandwidth": 10**14, "faults": [fault]}))
    over = ended(
        "vm_migrate", {**world.options, "plan": plan, "on_failure": "rollback"}, monkeypatch, {}
    ).result
    sizes = {(one["guest"]["id"], *one["disks"]): one["bytes"] for one in moves.values()}
    copied = [one for one in over["outcome"]["disk_moves"] if one["result"] == "migrated"]
    assert any(one["step"] not in moves for one in copied)
    assert over["summary"]["bytes_copied"] == sum(sizes[one["guest"]["id"], *one["disks"]] for one in copied)


def test_a_datastore_that_fills_up_between_plan_and_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, monkeypatch)
    plan = world.plan()["plan"]
    target = plan["storage"]["moves"][0]["to"]
    data = json.loads(world.path.read_text(encoding="utf-8"))
    for place in data["datastores"]:
        if place["id"] == target:
            place["free"] = 0
    world.path.write_text(json.dumps(data), encoding="utf-8")
    ran = world.run(plan)
    into = [one for one in ran["outcome"]["disk_moves"] if one["to"] == target]
    assert ran["summary"]["status"] == "partial"
    assert {one["result"] for one in into} == {"skipped"}
    assert f"datastore {target} has too little free space" in into[0]["why"]
    assert any(f"datastore {target} has too little free space" in line for line in ran["unresolved"])


def test_a_plan_for_hosts_and_datastores_moves_guests_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, monkeypatch)
    host = CLUSTER.hosts[0].id
    world.policy = {"goal": "evacuate", "evacuate": {"names": [host]}, "storage": {"utilisation": 75}}
    plan = world.plan()["plan"]
    assert plan["migrations"]
    assert plan["storage"]["moves"]
    ran = world.run(plan)
    assert ran["summary"]["status"] == "done"
    assert ran["summary"]["migrated"] == len(plan["migrations"])
    lines = [json.loads(line) for line in world.progress.read_text(encoding="utf-8").splitlines()]
    with_disks = [bool(line.get("disks")) for line in lines]
    assert with_disks == sorted(with_disks)
    assert all(not line["moving"] and not line["left"] for line in lines if line.get("disks"))


def test_stopped_migrations_leave_the_disks_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    (tmp_path / "stop").touch()
    plan = world.plan()["plan"]
    over = ended(
        "vm_migrate", {**world.options, "plan": plan, "stop_file": str(tmp_path / "stop")}, monkeypatch, {}
    )
    count = len(plan["storage"]["moves"])
    assert f"stopped with {count} moves of disks not begun: the stop file" in str(over)
    assert {one["result"] for one in over.result["outcome"]["disk_moves"]} == {"skipped"}


def test_vmmanager_moves_no_disks_and_says_so_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(Plan.from_json(World(tmp_path, monkeypatch).plan()["plan"]), platform="vmmanager")
    assert not issubclass(VMManagerPlatform, StoragePlatform)
    assert issubclass(RehearsalPlatform, StoragePlatform)
    wrapped = PlatformWrapper(RehearsalPlatform(str(tmp_path / "cluster.json")))
    with pytest.raises(StorageUnsupported) as refused:
        _storage_part(wrapped, plan)
    assert "moves of disks between datastores are not supported by vmmanager" in str(refused.value)
    assert "Nothing was started. Plan without the option storage" in str(refused.value)


@pytest.mark.parametrize(("option", "value", "message"), [
    ("max_bytes_in_flight", "0", "max_bytes_in_flight: 0 is not a number of at least 1"),
    ("disk_timeout", "0", "disk_timeout: 0 is not a number of seconds greater than 0"),
])  # fmt: skip
def test_wrong_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: str, message: str
) -> None:
    world = World(tmp_path, monkeypatch)
    options = {**world.options, "plan": world.plan()["plan"], option: value}
    assert message in str(ended("vm_migrate", options, monkeypatch, {}))


@pytest.mark.parametrize(("change", "message"), [
    (lambda moves: moves[1].update(step=moves[0]["step"]),
     r"plan\.storage\.moves\[1\]\.step: 1 is not unique among plan\.storage\.moves"),
    (lambda moves: moves[0].update(after=[99]),
     r"plan\.storage\.moves\[0\]\.after: 99 is not a step that stands earlier"),
    (lambda moves: moves[1].update(after=[moves[0]["step"]]),
     r"plan\.storage\.moves\[1\]\.wave: 1 is not later than the wave of step 1"),
    (lambda moves: moves[0].update(disks=[]), r"plan\.storage\.moves\[0\]\.disks .*at least one disk"),
])  # fmt: skip
def test_a_plan_whose_moves_contradict_each_other_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any, message: str
) -> None:
    world = World(tmp_path, monkeypatch)
    plan = json.loads(json.dumps(world.plan()["plan"]))
    change(plan["storage"]["moves"])
    options = {**world.options, "plan": plan}
    assert re.search(message, str(ended("vm_migrate", options, monkeypatch, {})))
