# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A RabbitMQ of the tests' own, on free ports of the loopback interface, gone afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

# Where tools/setup.bash unpacks it.
UNPACKED = Path(sys.prefix, "rabbitmq")


@dataclass
class RabbitMq:
    """A server that can be stopped and started; it keeps what is durable."""

    folder: Path
    port: int
    _distribution: int
    _epmd: int
    _server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def start(self) -> None:
        before = self._ready()
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [_one("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                cwd=self.folder,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        # It listens before it lets anybody in.
        while self._ready() == before:
            if self._server.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "log").read_text(errors="replace")
                raise RuntimeError(f"RabbitMQ does not start: {said[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """At once, as if the machine had failed."""
        if self._server is not None:
            # The script and the server, which is its child.
            with suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()

    def _ready(self) -> int:
        """How often it has been."""
        log = self.folder / "log"
        return log.read_text(errors="replace").count(" completed with ") if log.exists() else 0

    def _environment(self) -> dict[str, str]:
        folder = str(self.folder)
        return {
            "PATH": f"{folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            # Where its cookie is.
            "HOME": folder,
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_LOG_BASE": f"{folder}/logs",
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            # The daemon that it asks for names is ours, and ends with us.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false",
        }


@contextmanager
def running() -> Iterator[RabbitMq]:
    """A server without plugins, stopped and removed at the end."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-rabbitmq-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        erts = _one("usr/lib/erlang/erts-*/bin")
        (folder / "plugins").write_text("[].\n")
        (folder / "bin").mkdir()
        # The one of the package looks for itself where it would be installed.
        script = (
            f"#!/bin/sh\nexport ROOTDIR={erts.parents[1]} BINDIR={erts} EMU=beam PROGNAME=erl\n"
            'exec "$BINDIR/erlexec" "$@"\n'
        )
        (folder / "bin" / "erl").write_text(script)
        (folder / "bin" / "erl").chmod(0o755)
        port, distribution, epmd = _free_ports(3)
        names = subprocess.Popen([erts / "epmd", "-port", str(epmd), "-address", "127.0.0.1"])
        server = RabbitMq(folder, port, distribution, epmd)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            names.terminate()
            names.wait()


def _one(pattern: str) -> Path:
    """What fits in the unpacked packages, or else in those that are installed."""
    for root in (UNPACKED, Path("/")):
        found = sorted(root.glob(pattern))
        if found:
            return found[-1]
    raise RuntimeError("there is no RabbitMQ here: apt-get install rabbitmq-server")


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _number in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
