# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server of the tests' own, on a free port of the loopback interface, gone afterwards."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

USER, PASSWORD = "evenkeel", "pass/w0rd"


@dataclass(frozen=True)
class PostgreSQL:
    """A running server. `account`: the user that it runs as."""

    programs: Path
    folder: Path
    port: int
    account: str | None

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{secrets.token_hex(6)}"
        self._run("createdb", "--host", "127.0.0.1", "--port", str(self.port), "--username", USER, name)
        return f"postgresql+psycopg://{USER}:{PASSWORD.replace('/', '%2F')}@127.0.0.1:{self.port}/{name}"

    def certify(self, certificate: trustme.LeafCert) -> None:
        """From the next start on it has this certificate, and takes connections with TLS as well."""
        key, chain = (self.folder / "data" / name for name in ("server.key", "server.crt"))
        certificate.private_key_pem.write_to_path(str(key))
        certificate.cert_chain_pems[0].write_to_path(str(chain))
        for file in (key, chain):
            file.chmod(0o600)
            if self.account is not None:
                shutil.chown(file, self.account)

    def start(self) -> None:
        # Nothing here has to survive the machine.
        options = f"-h 127.0.0.1 -p {self.port} -c unix_socket_directories='' -c fsync=off"
        # A crowd of controllers.
        options += " -c max_connections=300 -c shared_buffers=32MB"
        if (self.folder / "data" / "server.crt").exists():
            options += " -c ssl=on"
        self._control("start", "--log", str(self.folder / "log"), "--options", options)

    def stop(self) -> None:
        """At once, as if the machine had failed: connections are cut."""
        self._control("stop", "--mode", "immediate")

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "--wait", "--pgdata", str(self.folder / "data"), *arguments)

    def make(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        data = str(self.folder / "data")
        self._run(
            "initdb", "--pgdata", data, "--username", USER, "--pwfile", str(secret),
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync",
        )  # fmt: skip

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            cwd=self.folder,
            env={"PGPASSWORD": PASSWORD, "PATH": os.environ["PATH"], "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            # Not a pipe: the server would keep it open.
            stdout=(self.folder / "printed").open("a"),
            stderr=subprocess.STDOUT,
            user=self.account,
            group=None if self.account is None else pwd.getpwnam(self.account).pw_gid,
            extra_groups=None if self.account is None else [],
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {(self.folder / 'printed').read_text()[-2000:]}")


@contextmanager
def running() -> Iterator[PostgreSQL]:
    """A server, stopped and removed at the end."""
    # PostgreSQL refuses to run as root, and what it runs as must reach its folder.
    account = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="evenkeel-postgresql-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        if account is not None:
            shutil.chown(folder, account)
        server = PostgreSQL(_programs(), folder, _free_port(), account)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _programs() -> Path:
    """The folder of the newest server that is installed."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0])
    )
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise RuntimeError("there is no PostgreSQL server here: apt-get install postgresql")
    return found[-1].parent if found else Path(on_path or "").resolve().parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
