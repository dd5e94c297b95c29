# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console in a real terminal, on the simulator of Proxmox VE; and what it says where it can't start."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.console import (
    PROGRAM,
    environment_of,
    in_vault,
    inventory_file,
    terminal,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.support.modules import connection_options
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

CLUSTER = generate(Shape(hosts=4, guests=24, seed=4))
REHEARSAL = {"balance_platform": "rehearsal", "balance_rehearsal_path": "/nowhere/cluster.json"}


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launch.Simulator]:
    folder = tmp_path_factory.mktemp("proxmox")
    snapshot = folder / "cluster.json"
    snapshot.write_text(json.dumps(CLUSTER.to_json()))
    with launch.start("proxmox", [snapshot], folder / "simulator") as found:
        yield found


def test_a_person_looks_at_a_cluster_in_a_terminal(tmp_path: Path, simulator: launch.Simulator) -> None:
    connection = connection_options(simulator.connection)
    variables = {f"balance_{name}": value for name, value in connection.items()}
    password = variables.pop("balance_api_password")
    gone = {**variables, "balance_api_host": ["127.0.0.1:1"]}
    gone.pop("balance_api_port")
    silent = {**variables, "balance_api_timeout": 86_400}
    guests = CLUSTER.guests
    with (
        socket.create_server(("127.0.0.1", 0)) as nobody,
        terminal(
            tmp_path,
            "-i",
            str(
                inventory_file(
                    tmp_path,
                    {
                        "prod": variables,
                        "gone": gone,
                        # Who connects gets no answer.
                        "silent": {**silent, "balance_api_port": nobody.getsockname()[1]},
                    },
                )
            ),
            "--refresh",
            "5",
            PROXMOX_PASSWORD=password,
        ) as console,
    ):
        console.until("out of band")
        console.until("failed")
        console.press("Down")
        console.until("127.0.0.1:1: no answer")
        console.press("Up", "Enter")
        console.until("1 Hosts")
        shown = console.until(lambda text: "▲" in text or "▼" in text)
        assert "│" in shown
        console.press("2")
        console.until(f"{len(guests)} of {len(guests)} guests")
        console.press("/")
        console.until(lambda text: "q Quit" not in text)
        console.press(*min(guest.name for guest in guests))
        console.until(f"1 of {len(guests)} guests")
        console.press("Enter")
        console.until("q Quit")
        console.press("Enter")
        console.until("no migration of it is recorded")
        console.press("Escape")
        console.until(lambda text: "may move" not in text)
        console.press("3")
        console.until("What breaks it")
        # Although one platform has not answered yet.
        console.press("q")
        console.until("The console has ended with 0.")


def started(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PROGRAM, *arguments],
        env=environment_of(folder, **environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_what_is_wrong_with_an_inventory_is_said(tmp_path: Path) -> None:
    """Each line is a way to start it, its exit code and what it says."""
    inventory = str(inventory_file(tmp_path, {
        "good": REHEARSAL,
        "typo": {**REHEARSAL, "balance_goall": "spread"},
        "value": {**REHEARSAL, "balance_window": "soon"},
    }))  # fmt: skip
    right = ("--vault-password-file", str(in_vault(tmp_path, {"balance_max_spread": 12})))
    (tmp_path / "wrong").write_text("wrong\n")
    wrong = ("--vault-password-file", str(tmp_path / "wrong"))
    typo = "typo: balance_goall is not a variable of the role balance. Did you mean balance_goal?"
    value = "value: balance_window: 'soon' is not a time in seconds"
    ways: list[tuple[tuple[str, ...], int, list[str]]] = [
        (("-i", inventory, "--check", *right), 1, ["good: ok", typo, value]),
        (("-i", inventory, "--check", *right, "--limit", "good"), 0, ["good: ok"]),
        (("-i", inventory, *wrong), 1, ["inventory: good: Decryption failed"]),
        (("-i", inventory), 1, ["inventory: good: Attempting to decrypt but no vault secrets found."]),
        (("-i", inventory, "-l", "nothing", *right), 1, ["no host matches clusters within the limit"]),
        ((), 1, ["no host matches clusters. Name an inventory with -i"]),
        (("-i", inventory, "--check", *right, "-e", "balance_clusters=typo"), 1, [typo]),
        (("--refresh", "soon"), 2, ["argument --refresh: soon is not a number of seconds from 1 to 86400"]),
        (("--serve", "--port", "http"), 2, ["argument --port: http is not a port from 0 to 65535"]),
    ]  # fmt: skip
    for arguments, code, said in ways:
        done = started(tmp_path, *arguments)
        printed = done.stdout + done.stderr
        assert done.returncode == code, printed
        assert "Traceback" not in printed
        for text in said:
            assert text in printed


def test_a_missing_textual_is_named(tmp_path: Path) -> None:
    inventory = str(inventory_file(tmp_path, {"good": REHEARSAL}))
    site = tmp_path / "hidden" / "sitecustomize.py"
    site.parent.mkdir()
    site.write_text("import sys\nsys.modules.update(textual=None, textual_serve=None)\n")
    done = started(tmp_path, "-i", inventory, PYTHONPATH=str(site.parent))
    assert done.returncode == 1
    assert "the Python library textual is not installed. Run " in done.stderr
    assert "-m pip install textual" in done.stderr
