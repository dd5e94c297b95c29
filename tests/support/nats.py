# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NATS with JetStream of the tests' own, on a free port of the loopback interface, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

# Where tools/setup.bash unpacks it.
UNPACKED = Path(sys.prefix, "nats", "usr", "sbin")
HOST = "127.0.0.1"


@dataclass
class Nats:
    """A server that can be stopped and started; it keeps its streams. `more` is configuration, too."""

    folder: Path
    port: int
    more: str = ""
    _server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://{HOST}:{self.port}"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = f'listen: "{HOST}:{self.port}"\njetstream {{ store_dir: "{self.folder}/store" }}\n{self.more}'
        (self.folder / "nats.conf").write_text(text)
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [_program(), "-c", self.folder / "nats.conf"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not answers(self.port):
            if self._server.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "log").read_text(errors="replace")
                raise RuntimeError(f"NATS does not start: {said[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """At once, as if the machine had failed."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()


@contextmanager
def running(folder: Path, more: str = "") -> Iterator[Nats]:
    """A server, stopped at the end."""
    server = Nats(folder, free_port(), more)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _program() -> str:
    found = shutil.which("nats-server", path=f"{UNPACKED}:{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise RuntimeError(f"no nats-server in {UNPACKED}, on PATH or in /usr/sbin. Install it.")
    return found
