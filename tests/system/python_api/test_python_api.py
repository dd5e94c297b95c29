# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python module against a file and against a simulator, and the example of the guide."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils import evenkeel
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "balance.py"
CLUSTER = generate(Shape(hosts=3, guests=12, seed=1))
POLICY: dict[str, Any] = {"max_spread": 10, "limits": {"memory": 90}}


@pytest.fixture
def snapshot_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps(CLUSTER.to_json()), encoding="utf-8")
    return path


def hosts_of(snapshot: evenkeel.Snapshot) -> dict[str, str]:
    return {guest.id: guest.host for guest in snapshot.guests}


def test_read_plan_rehearse_and_apply(snapshot_path: Path) -> None:
    connection = evenkeel.Connection(platform="rehearsal", rehearsal_path=str(snapshot_path))
    before = evenkeel.read(connection, window="1h")
    plan = evenkeel.plan(before, POLICY)
    assert plan.migrations

    rehearsed = evenkeel.apply(connection, plan, dry_run=True)
    assert (rehearsed.status, {one.result for one in rehearsed.migrations}) == ("planned", {"planned"})
    assert hosts_of(evenkeel.read(connection)) == hosts_of(before)

    seen: list[evenkeel.Progress] = []
    execution = evenkeel.Execution(
        timeout="10m", poll_interval=0.01, journal_path=str(snapshot_path.parent / "j")
    )  # type: ignore[arg-type]
    outcome = evenkeel.apply(connection, plan, execution=execution, progress=seen.append)
    assert outcome.status == "done"
    assert seen[-1].ended["migrated"] == len(plan.migrations)
    after = evenkeel.read(connection)
    ends = {step.guest.id: step.target for step in plan.migrations}
    assert hosts_of(after) == {**hosts_of(before), **ends}
    # What vm_migrate records, too.
    assert {guest.id for guest in after.guests if guest.last_migrated_at} >= set(ends)
    assert evenkeel.Outcome.from_json(outcome.to_json()) == outcome
    # Applied again, nothing is left to do.
    assert {one.result for one in evenkeel.apply(connection, plan).migrations} == {"already_there"}


def test_a_stop_that_was_requested_starts_nothing(snapshot_path: Path) -> None:
    connection = evenkeel.Connection(platform="rehearsal", rehearsal_path=str(snapshot_path))
    plan = evenkeel.plan(evenkeel.read(connection), POLICY)
    stop = evenkeel.Stop()
    stop.request("the window is over")
    outcome = evenkeel.apply(connection, plan, stop=stop)
    assert (outcome.status, {one.result for one in outcome.migrations}) == ("stopped", {"skipped"})
    assert "the window is over" in outcome.migrations[0].why


def test_place_with_units() -> None:
    request = {"vms": [{"name": "new", "cpu": 1, "memory": "2G", "hosts": {"where": "name == 'host02'"}}]}
    found = evenkeel.place(CLUSTER, request)
    assert (found.status, found.placements[0].host.id) == ("placed", "host02")
    assert evenkeel.place([CLUSTER], evenkeel.PlacementRequest.from_json({
        "vms": [{"name": "new", "cpu": 1, "memory": 2 * 1024**3, "hosts": {"names": ["host02"]}}]
    })).placements[0].host.id == "host02"  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: evenkeel.Connection(platform="xen"),
            "InputError",
            "platform: 'xen' is not one of vsphere, ",
        ),  # type: ignore[arg-type]
        (
            lambda: evenkeel.Connection(platform="rehearsal", port="x"),
            "InputError",
            "port: 'x' is not a whole",
        ),  # type: ignore[arg-type]
        (lambda: evenkeel.Execution(on_stop="kill"), "InputError", "on_stop: 'kill' is not one of finish, c"),  # type: ignore[arg-type]
        (
            lambda: evenkeel.Execution(max_parallel=True),
            "InputError",
            "max_parallel: True is not a whole num",
        ),
        (
            lambda: evenkeel.read(evenkeel.Connection(platform="rehearsal")),
            "InputError",
            "rehearsal_path is required when platform is rehearsal",
        ),
        (
            lambda: evenkeel.read(evenkeel.Connection(platform="proxmox", api_host="pve1"), window=0.5),
            "InputError",
            "window",
        ),
        (
            lambda: evenkeel.plan(CLUSTER, {"max_spread": 5, "limits": {"memry": 3}}),
            "InputError",
            "policy.limits.memry: 'memry' is not a known field",
        ),
        (
            lambda: evenkeel.plan(CLUSTER, {"exclude": {"guests": {"where": "tgas"}}}),
            "InputError",
            "policy.exclude.guests.where: 'tgas' is not an expression that can select a guest: column 1",
        ),
        (
            lambda: evenkeel.place(CLUSTER, {"vms": [{"name": "a", "cpu": 1, "memory": "2 tons"}]}),
            "InputError",
            "request.vms[0].memory: '2 tons' is not a size of at least 0, such as 96G",
        ),
        (lambda: evenkeel.place(CLUSTER, {"vm": []}), "InputError", "request.vm: 'vm' is not a known field"),
    ],
)
def test_errors_name_the_option(call: Any, error: str, message: str) -> None:
    with pytest.raises(evenkeel.EvenKeelError) as caught:
        call()
    assert (type(caught.value).__name__, message in str(caught.value)) == (error, True), str(caught.value)


def test_warnings_go_to_the_logger(snapshot_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notices = [{"text": "tags were not read", "hides": ["tags"]}]
    snapshot_path.write_text(json.dumps({**CLUSTER.to_json(), "notices": notices}), encoding="utf-8")
    with caplog.at_level(logging.WARNING, "evenkeel.cluster"):
        evenkeel.read(evenkeel.Connection(platform="rehearsal", rehearsal_path=str(snapshot_path)))
    assert "tags were not read" in caplog.text


def example(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLE), *options],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_ansible_is_not_needed() -> None:
    program = """
import sys
sys.modules["ansible"] = None
from ansible_collections.evenkeel.cluster.plugins.module_utils import evenkeel
print(evenkeel.Policy().goal)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "spread\n"


def test_the_example_on_a_file(snapshot_path: Path) -> None:
    options = ("rehearsal", "--snapshot", str(snapshot_path))
    shown = example(*options)
    assert shown.returncode == 0, shown.stderr
    assert ": planned" in shown.stdout
    applied = example(*options, "--apply", "--exclude", "contains(name, 'none')")
    assert (applied.returncode, "done after" in applied.stdout) == (0, True), applied.stderr
    assert "0 left, under way: none" in applied.stderr
    again = example(*options, "--apply")
    assert again.stdout.splitlines()[0] == "balanced: 0 migrations, 0 disk moves"
    wrong = example(*options, "--exclude", "tgas")
    assert (wrong.returncode, wrong.stderr.startswith("error: policy.exclude.guests.where:")) == (1, True)


def test_the_example_on_proxmox(snapshot_path: Path, tmp_path: Path) -> None:
    with launch.start("proxmox", [snapshot_path], tmp_path / "simulator") as simulator:
        environment = {
            "PROXMOX_HOST": f"{simulator.host}:{simulator.port}",
            "PROXMOX_USER": simulator.user,
            "PROXMOX_PASSWORD": simulator.password,
        }
        before = {guest: one["host"] for guest, one in simulator.state()["guests"].items()}
        applied = example("proxmox", "--ca", simulator.ca_path, "--apply", **environment)
        assert applied.returncode == 0, applied.stdout + applied.stderr
        after = {guest: one["host"] for guest, one in simulator.state()["guests"].items()}
    moved = applied.stdout.count(": migrated")
    assert moved > 0
    assert sum(before[guest] != host for guest, host in after.items()) == moved
