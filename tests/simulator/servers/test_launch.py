# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting and stopping simulators from the command line."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.tests.simulator.servers.small_cluster import snapshot
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.processes import alive


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(launch.__file__), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def reachable(connection: dict[str, Any]) -> bool:
    tls = ssl.create_default_context(cafile=connection["ca_path"])
    try:
        with urllib.request.urlopen(
            f"https://{connection['host']}:{connection['port']}/_sim/state",
            context=tls,
            timeout=PATIENCE_SECONDS,
        ) as answer:
            return bool(json.load(answer)["guests"])
    except OSError:
        return False


@pytest.fixture(name="workdir")
def _workdir(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "cluster.json").write_text(json.dumps(snapshot()))
    yield tmp_path / "work"
    run("stop", "--workdir", tmp_path / "work")


def start(workdir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    cluster = workdir.parent / "cluster.json"
    return run("start", "proxmox", "--snapshot", cluster, "--workdir", workdir, "--detach", *words)


def test_start_leaves_a_connection_and_stop_leaves_nothing(workdir: Path) -> None:
    started = start(workdir, "--password", "other", "--", "--version", "8.4")
    assert (started.returncode, started.stdout.strip()) == (0, str(workdir / "connection.json"))
    connection = json.loads((workdir / "connection.json").read_text())
    assert (connection["platform"], connection["user"], connection["password"]) == (
        "proxmox",
        "root@pam",
        "other",
    )
    assert reachable(connection)
    assert "exists: stop that simulator first" in start(workdir).stderr
    assert run("stop", "--workdir", workdir).returncode == 0
    assert not (workdir / "connection.json").exists()
    assert not alive(connection["pid"])
    assert not reachable(connection)
    assert run("stop", "--workdir", workdir).returncode == 0


def test_a_simulator_does_not_outlive_its_keeper(workdir: Path) -> None:
    start(workdir)
    connection = json.loads((workdir / "connection.json").read_text())
    os.kill(connection["pid"], signal.SIGKILL)
    alarm = time.monotonic() + PATIENCE_SECONDS
    while reachable(connection):
        assert time.monotonic() < alarm
        time.sleep(0.05)
    assert run("stop", "--workdir", workdir).returncode == 0


def test_it_stops_by_itself_when_its_time_is_over(workdir: Path) -> None:
    start(workdir, "--lifetime-seconds", "1")
    alarm = time.monotonic() + PATIENCE_SECONDS
    while (workdir / "connection.json").exists():
        assert time.monotonic() < alarm
        time.sleep(0.05)


def test_a_bad_start_says_why(workdir: Path) -> None:
    (workdir.parent / "cluster.json").write_text("{}")
    failed = start(workdir)
    assert failed.returncode == 1
    assert "schema None: expected 'evenkeel.cluster/snapshot/2'" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_clusters_of_one_process_do_not_share_anything(workdir: Path) -> None:
    cluster = workdir.parent / "cluster.json"
    one, other = launch.start_each("proxmox", [cluster, cluster], workdir)
    try:
        assert one.connection.pid == other.connection.pid
        guest = next(iter(one.state()["guests"]))
        one.change_guest(guest, power="stopped")
        assert one.state()["guests"][guest]["power"] == "stopped"
        assert other.state()["guests"][guest]["power"] == "running"
    finally:
        other.stop()
    assert not alive(one.connection.pid)


def test_one_port_is_not_enough_for_two_clusters(workdir: Path) -> None:
    cluster = workdir.parent / "cluster.json"
    with pytest.raises(launch.LaunchError, match="use start_each"):
        launch.start("proxmox", [cluster, cluster], workdir)
    with pytest.raises(launch.LaunchError, match="2 clusters can't share one port"):
        launch.start_each("proxmox", [cluster, cluster], workdir, options=["--listen", "127.0.0.1:9"])
