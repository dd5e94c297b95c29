# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd is asked for, and what stays where it refuses: on a machine with an /etc of its own, where
`systemctl` keeps a record.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.tests.support.crond import Machine, machine

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze (systemd)"
)
PROGRAMS = Path(sys.executable).parent
SYSTEMCTL = """\
#!/bin/sh
echo "$@" >> {folder}/asked
case "$1" in
    --version) echo "systemd 252 (252)" ;;
    is-active) [ -e {folder}/active ] ;;
    restart) [ ! -e {folder}/refuses ] || {{ echo "Job failed." >&2; exit 1; }} ;;
esac
"""


def schedule(host: Machine, **options: object) -> tuple[dict[str, object], list[str]]:
    """The result of the module, and what it asked systemctl for."""
    asked = host.folder / "asked"
    asked.unlink(missing_ok=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "SUDO_"))},
        "HOME": str(host.folder / "home"),
        "PATH": f"{host.folder}/bin:{os.environ['PATH']}",
    }
    arguments = json.dumps({"kind": "auto", "user": "root", **options})
    words = ("localhost", "-m", "evenkeel.cluster.schedule", "-a", arguments, "--one-line")
    ended = host.run(PROGRAMS / "ansible", *words, environment=environment)
    text = ended.stdout.partition("=> ")[2]
    found: dict[str, object] = json.loads(text)
    return found, asked.read_text().splitlines() if asked.exists() else []


def test_timers_are_started_and_taken_back_and_stopped(tmp_path: Path) -> None:
    with machine(tmp_path / "machine") as host:
        folder = host.folder
        (folder / "bin").mkdir()
        program = folder / "bin" / "systemctl"
        program.write_text(SYSTEMCTL.format(folder=folder))
        program.chmod(0o755)
        host.run("mkdir", "-p", "/run/systemd/system", environment=os.environ)
        night = {"name": "night", "playbook": "evenkeel.cluster.lease", "calendar": "02:00"}
        entries = [{**night, "vault_password": "Zw31felhaft"}]
        units = host.etc / "systemd/system"

        (folder / "refuses").touch()
        found, asked = schedule(host, entries=entries)
        assert (
            found["msg"] == "systemctl restart evenkeel-night.timer failed: Job failed. Nothing was changed"
        )
        assert asked[-3:] == ["daemon-reload", "restart evenkeel-night.timer", "daemon-reload"]
        assert list(units.rglob("evenkeel*")) == []
        assert not (host.etc / "evenkeel").exists()

        (folder / "refuses").unlink()
        found, asked = schedule(host, entries=entries)
        assert found["changed"], found
        assert asked[-2:] == ["daemon-reload", "restart evenkeel-night.timer"]
        (folder / "active").touch()
        assert not schedule(host, entries=entries)[0]["changed"]

        stamp = "/var/lib/systemd/timers/stamp-evenkeel-night.timer"
        host.run("sh", "-c", f"mkdir -p {Path(stamp).parent}; touch {stamp}", environment=os.environ)
        found, asked = schedule(host, state="absent")
        assert found["removed"] == ["night"]
        assert asked == [
            "stop evenkeel-night.timer",
            "daemon-reload",
            "reset-failed evenkeel-night.service",
        ]
        assert list(units.rglob("evenkeel*")) == []
        assert host.run("test", "-e", stamp, environment=os.environ).returncode == 1
