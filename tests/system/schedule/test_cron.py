# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A schedule that Debian's cron runs: installed by the playbook, started once, and gone afterwards."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path

from ansible_collections.evenkeel.cluster.tests.support.crond import Machine, machine, wait_for
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

PROGRAMS = Path(sys.executable).parent
SECRET = """fr"ä$ul `ein`\\ 'x'"""
# Balances, shows what cron passes on, and takes as long as the test wants.
SLOW = """
- import_playbook: evenkeel.cluster.balance
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.copy:
        content: "{{ lookup('env', 'A_SECRET') }}|{{ lookup('file', folder ~ '/key') }}"
        dest: FOLDER/passed
        mode: "0600"
      vars:
        folder: "{{ lookup('env', 'CREDENTIALS_DIRECTORY') }}"
    - ansible.builtin.wait_for:
        path: FOLDER/go
        sleep: 1
        timeout: 100000
"""


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """All paths below a folder, with mode and size, but not of folders, whose size says nothing."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
        found[str(path)] = (status.st_mode, size)
    return found


def play(host: Machine, *arguments: str) -> str:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "SUDO_"))},
        "HOME": str(host.folder / "home"),
        "ANSIBLE_NOCOLOR": "1",
    }
    program = PROGRAMS / "ansible-playbook"
    ended = host.run(program, "evenkeel.cluster.schedule", *arguments, environment=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_cron_balances_once_while_a_run_is_slow_and_no_trace_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "machine"
    with machine(folder) as host:
        cluster = generate(Shape(hosts=4, guests=24, seed=3)).to_json()
        (folder / "cluster.json").write_text(json.dumps(cluster))
        variables = {"balance_platform": "rehearsal", "balance_rehearsal_path": str(folder / "cluster.json")}
        (folder / "clusters.json").write_text(json.dumps({"clusters": {"hosts": {"prod": variables}}}))
        (folder / "slow.yml").write_text(SLOW.replace("FOLDER", str(folder)))
        entry = {
            "name": "night",
            "playbook": str(folder / "slow.yml"),
            "inventory": str(folder / "clusters.json"),
            "cron": "* * * * *",
            "output": str(folder / "out"),
            "environment": {"PYTHONUNBUFFERED": "1"},
            "secrets": {"A_SECRET": SECRET},
            "credentials": {"key": SECRET},
            "variables": {"balance_aggressiveness": 5},
        }
        settings = folder / "schedule.json"
        common = {"schedule_kind": "cron", "schedule_user": "root"}
        settings.write_text(json.dumps({**common, "schedule_entries": [entry]}))
        before = tree(host.etc)

        said = play(host, "-e", f"@{settings}", "--check", "--diff")
        assert "changed=1" in said
        assert tree(host.etc) == before
        said += play(host, "-e", f"@{settings}", "--diff", "-vvv")
        assert SECRET[:3] not in said
        assert "changed=0" in play(host, "-e", f"@{settings}")
        own = host.etc / "evenkeel/schedule/night"
        for secret in ("environment", "credentials/key", "variables.json"):
            assert stat.S_IMODE((own / secret).stat().st_mode) == 0o600
        assert SECRET[:3] not in (own / "run").read_text() + (host.etc / "cron.d/evenkeel-night").read_text()

        output = folder / "out"
        with host.cron():
            refusal = "evenkeel-night was not started: its last run is still running"
            wait_for(lambda: output.exists() and refusal in output.read_text(), None, output)
            wait_for((folder / "passed").exists, None, output)
        (folder / "go").touch()
        wait_for(lambda: "PLAY RECAP" in output.read_text(), None, output)
        assert (folder / "passed").read_text() == f"{SECRET}|{SECRET}"
        text = output.read_text()
        assert text.count("PLAY [Balance clusters]") == 1
        assert "failed=0" in text.partition("PLAY RECAP")[2]
        with closing(sqlite3.connect(folder / "home/.local/state/evenkeel/state.db")) as database:
            [[migrated]] = database.execute("SELECT count(*) FROM migration_history")
        assert migrated > 0

        play(host, "-e", "schedule_state=absent", "-e", "schedule_kind=cron")
        assert tree(host.etc) == before
