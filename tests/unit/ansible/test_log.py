# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of decisions and migrations: which lines, from which level on, and what happens where it fails."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.log import LogOptions, open_log
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import failure, result

CLUSTER = generate(Shape(hosts=4, guests=24, seed=3)).to_json()
PAGE = Path(__file__).parents[3] / "docs" / "logs.md"
SECRET = "Zw31felhaft"


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def balance(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> list[dict[str, Any]]:
    """A plan and its run on a rehearsal, and their lines."""
    file = folder / "logs/evenkeel.log"
    cluster = folder / "cluster.json"
    cluster.write_text(json.dumps(CLUSTER), encoding="utf-8")
    log = {"log": str(file), **options}
    planned = result("balance_plan", {"snapshot": CLUSTER, "effort": 2, **log}, monkeypatch, check_mode=False)
    run = {
        "platform": "rehearsal",
        "rehearsal_path": str(cluster),
        "plan": planned["plan"],
        "poll_interval": "0.1",
        "state_url": f"sqlite:///{folder}/{SECRET}.db",
        **log,
    }
    result("vm_migrate", run, monkeypatch, check_mode=False)
    return lines(file) if options.get("log_format") != "logfmt" else []


def test_a_line_for_each_decision_and_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = balance(tmp_path, monkeypatch)
    events = [line["event"] for line in found]
    migrations = events.count("migration_planned")
    assert migrations > 0
    assert events.count("migration_started") == events.count("migration_ended") == migrations
    assert events[0] == "planned"
    assert events[-1] == "run_ended"
    assert found[-1]["migrated"] == migrations
    assert {line["cluster"] for line in found} == {CLUSTER["cluster"]["name"]}
    assert len({line["plan"] for line in found}) == 1
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in found)
    planned = [(line["guest_id"], line["target"], bool(line["why"])) for line in found if "kind" in line]
    ended = [(line["guest_id"], line["target"], True) for line in found if line["event"] == "migration_ended"]
    assert sorted(planned) == sorted(ended)


def test_a_plan_for_datastores_has_a_line_for_each_of_its_decisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "evenkeel.log"
    snapshot = generate_storage(StorageShape(datastores=5, disks=40, seed=3, fill=0.65, rules=1)).to_json()
    for disk in snapshot["guests"][0]["disks"]:  # type: ignore[index]
        disk["blockers"] = ["snapshot_chain"]
    full = {"names": ["ds01"]}
    options = {
        "snapshot": snapshot,
        "goal": "storage",
        "storage": {"utilisation": 75, "evacuate": full, "exclude": {"guests": {"names": ["no-such"]}}},
        "log": str(file),
        "log_level": "debug",
    }
    found = result("balance_plan", options, monkeypatch, check_mode=False)
    storage = found["plan"]["storage"]
    said = lines(file)
    first = said[0]
    assert (first["event"], first["disk_moves"], first["bytes"], first["bytes_lower_bound"]) == (
        "planned",
        len(storage["moves"]),
        storage["proof"]["bytes"],
        storage["proof"]["bytes_lower_bound"],
    )
    assert [
        (one["step"], one["guest_id"], one["disks"], one["source"], one["target"], one["kind"], one["why"])
        for one in said
        if one["event"] == "disk_move_planned"
    ] == [
        (one["step"], one["guest"]["id"], one["disks"], one["from"], one["to"], one["kind"], one["why"])
        for one in storage["moves"]
    ]
    unresolved = [(one["what"], one["why"]) for one in said if one["event"] == "unresolved"]
    assert unresolved == [(one["what"], one["why"]) for one in storage["unresolved"]]
    assert [one["why"] for one in said if one["event"] == "notice"] == found["notices"] != []
    places = {one["datastore"]: one["disks_after"] for one in said if one["event"] == "datastore"}
    assert places == {name: one["disks"] for name, one in storage["after"]["datastores"].items()}
    stays = [one["disks"] for one in said if one["event"] == "immovable"]
    assert stays == [one["disks"] for one in storage["immovable"]]


def test_the_page_has_every_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = set(re.findall(r"^\| `(\w+)` \| (?:info|debug|warning|error|by)", PAGE.read_text(), re.MULTILINE))
    found = balance(tmp_path, monkeypatch, log_level="debug")
    assert {line["event"] for line in found} <= known
    assert "host" in {line["event"] for line in found}
    sources = Path(__file__).parents[3] / "plugins/module_utils/_ansible"
    texts = [(sources / "log_events.py").read_text()]
    texts += [path.read_text() for path in (sources / "actions").glob("*.py")]
    written = set(re.findall(r'log\.write\(\s*"\w+",\s*"(\w+)"', "".join(texts)))
    written |= set(re.findall(r'log\.failures\("(\w+)"\)', "".join(texts)))
    assert written <= known


def test_less_is_logged_at_higher_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert balance(tmp_path, monkeypatch, log_level="error") == []
    gone = {
        "snapshot": CLUSTER,
        "goal": "evacuate",
        "evacuate": {"names": ["gone"]},
        "strict_selectors": True,
    }
    log = {"log": str(tmp_path / "logs/evenkeel.log"), "log_level": "error"}
    said = failure("balance_plan", {**gone, **log}, monkeypatch, {})
    [line] = lines(tmp_path / "logs/evenkeel.log")
    assert (line["event"], line["level"], line["why"]) == ("plan_failed", "error", said)


def test_logfmt_has_the_same_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    balance(tmp_path, monkeypatch, log_format="logfmt")
    first, *others = (tmp_path / "logs/evenkeel.log").read_text().splitlines()
    assert re.match(r"time=\S+Z level=info event=planned cluster=\S+ plan=[0-9a-f]{12} platform=", first)
    planned = next(line for line in others if "event=migration_planned" in line)
    assert re.search(r' why="[^"]+ [^"]+"', planned)


@pytest.mark.parametrize("module", ["balance_plan", "vm_migrate", "vm_placement", "host_maintenance"])
def test_a_log_that_can_t_be_written_is_refused_before_anything_is_done(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = tmp_path / "cluster.json"
    cluster.write_text(json.dumps(CLUSTER), encoding="utf-8")
    guest = CLUSTER["guests"][0]
    target = next(host["id"] for host in CLUSTER["hosts"] if host["id"] != guest["host"])
    rehearsal = {"platform": "rehearsal", "rehearsal_path": str(cluster)}
    options = {
        "balance_plan": {"snapshot": CLUSTER},
        "vm_placement": {"snapshot": CLUSTER, "vms": [{"name": "n", "cpu": 1, "memory": "1G"}]},
        "vm_migrate": {**rehearsal, "guest": guest["id"], "target": target},
        "host_maintenance": {**rehearsal, "host": target},
    }[module]
    said = failure(module, {**options, "log": str(tmp_path)}, monkeypatch, {"HOME": str(tmp_path)})
    assert said == f"log: {tmp_path} can't be written: Is a directory"
    below = str(cluster / "log")
    said = failure(module, {**options, "log": below}, monkeypatch, {"HOME": str(tmp_path)})
    assert said == f"log: {below} can't be written: a folder of its path is a file"
    assert json.loads(cluster.read_text()) == CLUSTER


def test_a_log_that_fails_later_fails_nothing(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with open_log(LogOptions(log=str(file)), {}, {}, check_mode=False) as log:
        log.write("info", "one")
        file.unlink()
        file.mkdir()
        log.write("info", "two")
        log.write("error", "three")
    assert log.problems() == ["The log misses 2 lines: Is a directory"]


def test_a_log_that_was_moved_away_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with open_log(LogOptions(log=str(file)), {}, {}, check_mode=False) as log:
        log.write("info", "one")
        file.rename(tmp_path / "log.1")
        log.write("info", "two")
    assert [line["event"] for line in lines(file)] == ["two"]
    assert file.stat().st_mode & 0o777 == 0o640 & ~os.umask(os.umask(0o022) or 0o022)


def test_no_line_has_a_secret_or_a_second_line(tmp_path: Path) -> None:
    file = tmp_path / "log"
    params = {"password": SECRET, "state_url": f"sqlite:///{SECRET}.db"}
    with open_log(
        LogOptions(log=str(file)), params, {"PROXMOX_PASSWORD": "an0ther"}, check_mode=False
    ) as log:
        log.write("error", "run_failed", why=f"{SECRET}\nan0ther \ud800", by={"url": [f"x{SECRET}"]})
    text = file.read_text(encoding="utf-8")
    assert SECRET not in text
    assert "an0ther" not in text
    [line] = lines(file)
    assert line["why"].startswith("********\n********")


def test_check_mode_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"snapshot": CLUSTER, "effort": 2, "log": str(tmp_path / "new/log")}
    result("balance_plan", options, monkeypatch, check_mode=True)
    assert list(tmp_path.iterdir()) == []


def test_a_new_guest_is_logged_with_its_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "log"
    options = {"snapshot": CLUSTER, "vms": [{"name": "n", "cpu": 1, "memory": "1G"}], "log": str(file)}
    placed = result("vm_placement", options, monkeypatch, check_mode=False)
    [line] = lines(file)
    assert (line["event"], line["guest"], line["target"]) == ("placed", "n", placed["vms"][0]["host"])
