# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles on a terminal: bars of the callback plugin `summary`, lines elsewhere, and passwords asked for."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

SECONDS = 3


@pytest.fixture
def served(tmp_path: Path) -> Iterator[launch.Simulator]:
    snapshot = tmp_path / "cluster.json"
    snapshot.write_text(json.dumps(proxmox_clusters.small().to_json()))
    simulator = launch.start("proxmox", [snapshot], tmp_path, options=["--migration-seconds", str(SECONDS)])
    yield simulator
    simulator.stop()


def without_password(served: launch.Simulator) -> dict[str, object]:
    return {
        "platform": "proxmox",
        "api_host": [served.host],
        "api_port": served.port,
        "api_user": served.user,
        "ca_path": served.ca_path,
    }


def variables(served: launch.Simulator) -> dict[str, object]:
    return {f"balance_{name}": value for name, value in without_password(served).items()}


def run(command: list[str], folder: Path, terminal: bool, answer: str = "") -> tuple[int, str]:
    """The exit code and what is printed. On a terminal `answer` is typed when a password is asked for."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "HOME": str(folder),
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CALLBACKS_ENABLED": "evenkeel.cluster.summary",
        "EVENKEEL_SUMMARY_INTERVAL": "1",
    }
    words = [str(Path(sys.executable).with_name("ansible-playbook")), *command]
    if not terminal:
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
        return done.returncode, done.stdout + done.stderr
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
    printed: list[bytes] = []

    def collect() -> None:
        asked = 0
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                return
            if not part:
                return
            printed.append(part)
            if b"".join(printed).count(b"Password") > asked:
                asked += 1
                os.write(ours, f"{answer}\n".encode())

    reader = threading.Thread(target=collect)
    process = subprocess.Popen(
        words, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    reader.start()
    code = process.wait(PATIENCE_SECONDS)
    reader.join()
    os.close(ours)
    return code, b"".join(printed).decode()


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_and_a_block_for_each_cluster(
    tmp_path: Path, served: launch.Simulator, terminal: bool
) -> None:
    """A host is emptied, and another cluster can't be read."""
    reached = {**variables(served), "balance_api_password": served.password}
    lost = {"balance_platform": "rehearsal", "balance_rehearsal_path": str(tmp_path / "none.json")}
    options = {"evacuate_hosts": ["pve1"], "evacuate_maintenance": False, "evacuate_partial": True}
    hosts = {"prod": reached, "lost": lost}
    clusters = tmp_path / "clusters.json"
    clusters.write_text(json.dumps({"clusters": {"hosts": hosts, "vars": options}}))
    if not terminal:
        served.switches(fail_migrations=[{"guest": "100", "at_percent": 50, "count": 1}])
    code, printed = run(["evenkeel.cluster.evacuate", "-i", str(clusters)], tmp_path, terminal)
    assert code == 2, printed
    if terminal:
        assert "\x1b7\x1b[1;" in printed
        assert re.search(r"\x1b\[2Kprod  \[[#-]{24}\]  \d+ done, \d+ under way, \d+ left", printed), printed
        assert re.search(r"\x1b\[2K  \S+ +pve1 → pve\d  ", printed), printed
        assert printed.rindex("\x1b[r") > printed.rindex("\x1b[1;")
    else:
        assert "\x1b" not in printed
        assert re.search(r"^prod: \d+ of \d+ done.*; under way: ", printed, re.MULTILINE), printed
    summary = printed.replace("\r", "").split("\nSUMMARY ")[1]
    assert "\nlost:\n  failed: " in summary
    assert "none.json" in summary
    assert "\nprod:\n  cluster " in summary
    assert "\n  measured before and after\n" in summary
    # The headline of the failure is its reason.
    reason = r"failed: 1 of \d+ migrations failed; the first: step \d+, \S+ \(100\) from pve1 to pve"
    assert (re.search(reason, summary) is None) == terminal, printed
    # The role leaves it to the plugin.
    assert printed.count("measured before and after") == 1


def test_a_password_that_the_inventory_plugin_asks_for(tmp_path: Path, served: launch.Simulator) -> None:
    """It asks once for two files, and the modules log in with the answer, too."""
    for name in ("one", "two"):
        config = {
            "plugin": "evenkeel.cluster.clusters",
            **without_password(served),
            "ask_password": True,
            "cluster_prefix": f"{name}_",
            "host_prefix": f"{name}_",
        }
        (tmp_path / f"{name}.evenkeel.yml").write_text(json.dumps(config))
    words = [word for name in ("one", "two") for word in ("-i", str(tmp_path / f"{name}.evenkeel.yml"))]
    code, printed = run(
        ["evenkeel.cluster.balance", "--check", *words], tmp_path, terminal=True, answer=served.password
    )
    assert code == 0, printed
    assert printed.count("Password for proxmox: ") == 1
    assert served.password not in printed
    assert printed.split("SUMMARY ")[1].count(":\r\n  cluster ") == 2
    code, printed = run(["evenkeel.cluster.balance", "--check", *words], tmp_path, terminal=False)
    assert (
        "ask_password: there is no terminal to ask on. Set the environment variable PROXMOX_PASSWORD"
        in printed
    )


def test_a_password_that_a_play_asks_for(tmp_path: Path, served: launch.Simulator) -> None:
    """The play of the guide, for a list of clusters."""
    guide = (Path(__file__).parents[3] / "docs" / "inventory.md").read_text()
    play = guide.split("# balance_with_prompt.yml\n")[1].split("```")[0]
    (tmp_path / "play.yml").write_text(play.replace("balance_password ", "balance_api_password "))
    hosts = {name: variables(served) for name in ("one", "two")}
    (tmp_path / "clusters.json").write_text(json.dumps({"clusters": {"hosts": hosts}}))
    command = [str(tmp_path / "play.yml"), "-i", str(tmp_path / "clusters.json"), "--check"]
    code, printed = run(command, tmp_path, terminal=True, answer=served.password)
    assert code == 0, printed
    assert printed.count("Password of all clusters: ") == 1
    assert printed.split("SUMMARY ")[1].count(":\r\n  cluster ") == 2
