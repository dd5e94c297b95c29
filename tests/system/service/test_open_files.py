# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door of a process that has no files left to open: it says so once, and goes on when there are some."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.system.service.test_door import ASKED, TOKEN

MIB = 1024**2
PROGRAM = """
import asyncio, resource, sys
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.config import ServiceConfig
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.endpoints.http import serve_http
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.intake import Intake
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database

async def serve(database):
    config = ServiceConfig.from_json({"http": {"port": 0}})
    tokens = {"EVENKEEL_SERVICE_TOKEN": sys.argv[2]}
    async with serve_http(Intake(database, config), config.http, tokens) as (_, port):
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        print(port, flush=True)
        await asyncio.Event().wait()

with open_database(sys.argv[1]) as database:
    asyncio.run(serve(database))
"""


@contextmanager
def serving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, f"sqlite:///{folder}/state.db", TOKEN],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def most_memory(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def crowd(stack: ExitStack, port: int) -> None:
    """As many as the door lets wait."""
    for _ in range(200):
        caller = stack.enter_context(socket.socket())
        caller.setblocking(False)
        caller.connect_ex(("127.0.0.1", port))


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is read from /proc")
def test_more_callers_than_there_are_files(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, port):
        url = f"http://127.0.0.1:{port}"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert requests.post(f"{url}/requests", json=ASKED, headers=headers, timeout=PATIENCE_SECONDS).ok
        before = most_memory(process.pid)
        for _ in range(5):
            with ExitStack() as stack:
                # They come while it is not looking, so that it finds all of them at once.
                os.kill(process.pid, signal.SIGSTOP)
                crowd(stack, port)
                os.kill(process.pid, signal.SIGCONT)
                while "can't be accepted" not in (tmp_path / "log").read_text():
                    assert process.poll() is None
                    time.sleep(0.05)
        while not healthy(url):
            assert process.poll() is None
        assert requests.post(
            f"{url}/requests", json={**ASKED, "id": "b"}, headers=headers, timeout=PATIENCE_SECONDS
        ).ok
        assert most_memory(process.pid) - before < 50 * MIB
    said = (tmp_path / "log").read_text()
    assert said.count("connections can't be accepted: [Errno 24] Too many open files") == 1
    assert len(said.splitlines()) < 50, said[-5000:]


def healthy(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=PATIENCE_SECONDS).ok
    except requests.ConnectionError:
        return False
