# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook awx_setup against a server that knows AWX's published fields, as a user runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.tests.support.awx_server import TOKEN, Awx, Request, serving
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
URL = "https://git.example.com/clusters.git"
PLAYBOOKS = sorted(file.name for file in (ROOT / "extensions" / "awx" / "project").glob("*.yml"))


@dataclass(frozen=True)
class Ran:
    """One run of the playbook: what it printed, and what AWX was asked meanwhile."""

    code: int
    said: str
    requests: list[Request]

    @property
    def writes(self) -> list[Request]:
        return [one for one in self.requests if one.writes]

    @property
    def changed(self) -> int:
        found = re.search(r"localhost\s+: ok=\d+\s+changed=(\d+)", self.said)
        assert found is not None, self.said
        return int(found[1])

    @property
    def error(self) -> str:
        """The message of the task that failed."""
        found = re.findall(r'"msg": "((?:[^"\\]|\\.)*)"', self.said)
        return json.loads(f'"{found[-1]}"') if found else ""


@dataclass
class Setup:
    """A folder with a variables file, and AWX."""

    folder: Path
    awx: Awx
    url: str

    def run(self, variables: dict[str, Any], *options: str, **environment: str) -> Ran:
        file = self.folder / "awx.json"
        file.write_text(json.dumps(variables))
        before = len(self.awx.requests)
        command = [Path(sys.executable).parent / "ansible-playbook", "evenkeel.cluster.awx_setup"]
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANSIBLE_", "CONTROLLER_", "TOWER_"))
        }
        done = subprocess.run(
            [*command, "-e", f"@{file}", *options],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            timeout=PATIENCE_SECONDS,
            env={
                **kept,
                "HOME": str(self.folder),
                "PWD": str(self.folder),
                "ANSIBLE_NOCOLOR": "1",
                # AWX is reached without TLS, and every module would read the authorities of this machine.
                "SSL_CERT_FILE": str(self.folder / "none.pem"),
                **environment,
            },
        )
        return Ran(done.returncode, done.stdout + done.stderr, self.awx.requests[before:])

    def done(self, variables: dict[str, Any], *options: str) -> Ran:
        ran = self.run(variables, *options)
        assert ran.code == 0, ran.said[-6000:]
        return ran


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    awx = Awx({URL: PLAYBOOKS, "https://git.example.com/keel.git": [f"keel/{name}" for name in PLAYBOOKS]})
    with serving(awx) as url:
        yield Setup(tmp_path, awx, url)


@pytest.fixture
def small(setup: Setup) -> dict[str, Any]:
    """The least that a variables file needs."""
    return {
        "awx_host": setup.url,
        "awx_token": TOKEN,
        "awx_project": {"scm_url": URL},
        "awx_inventory": {"source_path": "pve.evenkeel.yml"},
    }
