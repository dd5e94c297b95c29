# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service as a user runs it, as a process of its own or by the rulebook, and its death."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

import ansible_collections.evenkeel.cluster
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.processes import descendants, started_at

# An end for what never comes true; how long things take says nothing.
TOKEN = "s3cret-token-of-the-tests"
# Where tools/setup.bash unpacks it where the system has none.
PROGRAM = Path(ansible_collections.evenkeel.cluster.__path__[0], "extensions", "service", "evenkeel-service")
JAVA = Path(sys.prefix, "java", "usr", "lib", "jvm")


@dataclass
class Service:
    """With a configuration and an inventory; all that it writes is in the folder. `rulebook`: by
    ansible-rulebook, which takes the longer to start.
    """

    folder: Path
    config: Mapping[str, Any]
    state_url: str
    inventory: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    rulebook: bool = False
    arguments: Sequence[str] = ()
    url: str = ""
    _process: subprocess.Popen[bytes] | None = None
    _left: dict[int, str | None] = field(default_factory=dict)
    "when each playbook started that outlived a kill without its children, by process ID"

    def start(self) -> None:
        """Until it takes requests."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "service.json").write_text(json.dumps(self.config))
        (self.folder / "inventory.json").write_text(json.dumps({"all": {"children": self.inventory}}))
        before = len(self.said())
        with (self.folder / "service.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self._environment(),
                start_new_session=True,
            )
        self.until(lambda: "accepting requests at" in self.said()[before:])
        self.url = re.findall(r"accepting requests at (\S+)", self.said())[-1]

    def kill(self, *, children: bool) -> None:
        """SIGKILL for its process group, and for the playbooks that it runs, whose groups are others."""
        process = self._process
        assert process is not None
        victims = descendants(process.pid)
        if not children:
            self._left |= {victim: started_at(victim) for victim in victims}
        os.killpg(process.pid, signal.SIGKILL)
        if children:
            _end(victims)
        process.wait()
        self._process = None

    def terminate(self) -> subprocess.Popen[bytes]:
        """SIGTERM, for the process alone."""
        assert self._process is not None
        self._process.terminate()
        return self._process

    def ended_by_itself(self) -> int:
        """Wait for the end of the process. Returns its exit code."""
        assert self._process is not None
        code = self._process.wait(PATIENCE_SECONDS)
        self._process = None
        return code

    def stop(self) -> None:
        if self._process is not None:
            self.kill(children=True)
        for pid, started in self._left.items():
            if started is not None and started_at(pid) == started:
                _end([pid, *descendants(pid)])
        self._left.clear()

    def said(self) -> str:
        file = self.folder / "service.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def until(self, true: Callable[[], object]) -> None:
        """Wait while the service runs."""
        alarm = time.monotonic() + PATIENCE_SECONDS
        while not true():
            ended = self._process is not None and self._process.poll() is not None
            assert not ended, self.said()[-6000:]
            assert time.monotonic() < alarm, self.said()[-6000:]
            # Each look is a request that the service and this process have to work for.
            time.sleep(0.3)

    def post(self, body: object, **more: Any) -> requests.Response:
        """Ask for something."""
        headers = {"Authorization": f"Bearer {TOKEN}", **more.pop("headers", {})}
        return requests.post(
            f"{self.url}/requests", json=body, headers=headers, timeout=PATIENCE_SECONDS, **more
        )

    def get(self, name: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return requests.get(f"{self.url}/requests/{name}", headers=headers, timeout=PATIENCE_SECONDS)

    def ended(self, name: str) -> dict[str, Any]:
        """A request when it is processed no more."""
        found: list[dict[str, Any]] = []

        def over() -> bool:
            found.append(self.get(name).json())
            return found[-1].get("status") in ("completed", "failed")

        self.until(over)
        return found[-1]

    def _command(self) -> list[str | Path]:
        inventory = self.folder / "inventory.json"
        if self.rulebook:
            program = Path(sys.executable).parent / "ansible-rulebook"
            return [program, "--rulebook", "evenkeel.cluster.requests", "--inventory", inventory, "-vv"]
        return [sys.executable, PROGRAM, "--inventory", inventory, *self.arguments]

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANSIBLE_", "EVENKEEL_", "EDA_"))
        }
        return {
            **kept,
            **(_java() if self.rulebook else {}),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "ANSIBLE_NOCOLOR": "1",
            "EVENKEEL_STATE_URL": self.state_url,
            "EVENKEEL_SERVICE_CONFIG": str(self.folder / "service.json"),
            "EVENKEEL_SERVICE_TOKEN": TOKEN,
            **self.environment,
        }


def _java() -> dict[str, str]:
    java = sorted(JAVA.glob("java-17-openjdk-*"))
    if not java and shutil.which("java") is None:
        raise RuntimeError("there is no Java here: apt-get install openjdk-17-jre-headless")
    return {"JAVA_HOME": str(java[0])} if java else {}


def _end(pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
