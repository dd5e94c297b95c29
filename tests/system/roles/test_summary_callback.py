# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The callback plugin `summary`: bars on a terminal, lines elsewhere, a block for each cluster at the end."""

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
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

SECONDS = 3


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """The playbook over a cluster of which a host is to be emptied, and one that can't be read."""
    return ["evenkeel.cluster.evacuate", "-i", str(tmp_path / "clusters.json")]


def run(command: list[str], folder: Path, terminal: bool, **more: str) -> tuple[int, str]:
    """The exit code and what is printed."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "HOME": str(folder),
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CALLBACKS_ENABLED": "evenkeel.cluster.summary",
        "EVENKEEL_SUMMARY_INTERVAL": "1",
        **more,
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
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                return
            if not part:
                return
            printed.append(part)

    reader = threading.Thread(target=collect)
    process = subprocess.Popen(words, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    reader.start()
    code = process.wait(PATIENCE_SECONDS)
    reader.join()
    os.close(ours)
    return code, b"".join(printed).decode()


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_and_a_block_for_each_cluster(tmp_path: Path, command: list[str], terminal: bool) -> None:
    snapshot = tmp_path / "cluster.json"
    snapshot.write_text(json.dumps(proxmox_clusters.small().to_json()))
    served = launch.start("proxmox", [snapshot], tmp_path, options=["--migration-seconds", str(SECONDS)])
    reached = {
        "balance_platform": "proxmox",
        "balance_api_host": [served.host],
        "balance_api_port": served.port,
        "balance_api_user": served.user,
        "balance_api_password": served.password,
        "balance_ca_path": served.ca_path,
    }
    lost = {"balance_platform": "rehearsal", "balance_rehearsal_path": str(tmp_path / "none.json")}
    options = {"evacuate_hosts": ["pve1"], "evacuate_maintenance": False, "evacuate_partial": True}
    hosts = {"prod": reached, "lost": lost}
    (tmp_path / "clusters.json").write_text(json.dumps({"clusters": {"hosts": hosts, "vars": options}}))
    try:
        code, printed = run(command, tmp_path, terminal)
    finally:
        served.stop()
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
    # The role leaves it to the plugin.
    assert printed.count("measured before and after") == 1
