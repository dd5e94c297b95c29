# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook balance against a simulated cluster, as a user runs it, and its death."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.tests.simulators.launch import Simulator
from ansible_collections.evenkeel.cluster.tests.support.modules import connection_options
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.processes import descendants

# As Ansible names the program that it makes of a module.
MODULE = "AnsiballZ_vm_migrate"


class Play:
    """One play over one cluster; all that it remembers is in the folder."""

    def __init__(self, folder: Path, simulator: Simulator, **options: object) -> None:
        self.folder = folder
        connection = connection_options(simulator.connection)
        variables = {f"balance_{name}": value for name, value in connection.items()}
        host = {**variables, "balance_poll_interval": 0.5, **options}
        (folder / "clusters.json").write_text(json.dumps({"clusters": {"hosts": {"prod": host}}}))

    def begin(self, *options: str) -> subprocess.Popen[bytes]:
        """ansible-playbook, its words in `play.log`."""
        programs = Path(sys.executable).parent
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "ANSIBLE_NOCOLOR": "1",
        }
        with (self.folder / "play.log").open("ab") as log:
            return subprocess.Popen(
                [
                    programs / "ansible-playbook",
                    "evenkeel.cluster.balance",
                    "-i",
                    self.folder / "clusters.json",
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment,
            )

    def said(self) -> str:
        return (self.folder / "play.log").read_text()

    def finish(self, *options: str) -> str:
        """Run it to its end; gives what this run said. It must go well."""
        before = len(self.said()) if (self.folder / "play.log").exists() else 0
        code = self.begin(*options).wait(PATIENCE_SECONDS)
        said = self.said()[before:]
        assert code == 0, said[-4000:]
        return said

    def remembered(self) -> list[tuple[str, str]]:
        """Guest and result of every migration in its memory."""
        file = self.folder / "state" / "evenkeel" / "state.db"
        if not file.exists():
            return []
        with sqlite3.connect(file) as database:
            rows = database.execute("SELECT guest, result FROM migration_history")
            return [(str(guest), str(result)) for guest, result in rows]


def modules(pid: int) -> Iterator[int]:
    """Of them those that are the module."""
    for child in descendants(pid):
        with suppress(OSError):
            if MODULE in Path(f"/proc/{child}/cmdline").read_text():
                yield child


def kill(process: subprocess.Popen[bytes], whom: str) -> list[int]:
    """SIGKILL `playbook` alone, the `module`, or `everything`, as a controller that fails; gives the
    processes of the module that may have been left.
    """
    running = list(modules(process.pid))
    victims = {
        "playbook": [process.pid],
        "module": running,
        "everything": [process.pid, *descendants(process.pid)],
    }[whom]
    for victim in victims:
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    process.wait(PATIENCE_SECONDS)
    return running if whom == "playbook" else []


def wait_until(true: Callable[[], bool], process: subprocess.Popen[bytes]) -> bool:
    """Whether it became true before the process ended."""
    alarm = time.monotonic() + PATIENCE_SECONDS
    while not true():
        if process.poll() is not None:
            return False
        assert time.monotonic() < alarm
        time.sleep(0.01)
    return True


def gone(pids: list[int]) -> None:
    """Wait until these processes have ended by themselves."""
    alarm = time.monotonic() + PATIENCE_SECONDS
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < alarm
        time.sleep(0.05)


def doubled(state: dict[str, Any], planned: Mapping[str, int]) -> list[str]:
    """Guests that arrived more often than planned (once, where `planned` does not name them), or that two
    migrations had hold of at the same time.
    """
    moves: dict[str, list[dict[str, Any]]] = {}
    for move in sorted(state["migrations"], key=lambda move: move["started"]):
        moves.setdefault(move["guest"], []).append(move)
    return [
        guest
        for guest, own in moves.items()
        if sum(move["state"] == "done" for move in own) > planned.get(guest, 1)
        or any(one["ended"] is None or one["ended"] > other["started"] for one, other in pairwise(own))
    ]
