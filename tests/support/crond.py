# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with cron: Debian's own daemon, for which an hour takes a minute, and an /etc of its own.

It is a mount namespace, in which a copy of /etc has the place of /etc. Whoever runs the tests is root there.
An ordinary user is so by a user namespace and by uid_wrapper, since the kernel grants no groups there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.set_clock import library

# Where tools/setup.bash unpacks it.
UNPACKED = Path(sys.prefix, "cron")
# A minute of cron is a second.
SPEED = 60
MOUNTS = """\
set -e
mount --bind {folder}/etc /etc
mount -t tmpfs none /run
mkdir -p {folder}/spool/cron/crontabs
[ ! -d /var/spool ] || mount --bind {folder}/spool /var/spool
[ ! -d /var/lib/systemd ] || mount -t tmpfs none /var/lib/systemd
touch {folder}/ready
exec sleep infinity
"""


@dataclass(frozen=True)
class Machine:
    """The namespace: `run` runs a command in it."""

    folder: Path
    pid: int

    @property
    def etc(self) -> Path:
        return self.folder / "etc"

    def command(self, *words: str | Path) -> list[str]:
        as_root = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", str(self.pid), "--mount", *as_root, "--", *map(str, words)]

    def run(self, *words: str | Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            env=dict(environment),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    @contextmanager
    def cron(self) -> Iterator[None]:
        """The daemon, in the foreground."""
        own = UNPACKED / "usr" / "sbin" / "cron"
        cron = str(own) if own.exists() else shutil.which("cron", path="/usr/sbin:/sbin")
        if cron is None:
            pytest.skip("there is no cron: ./check unpacks it on Debian, or install it")
        wrapped = {}
        preloaded = [library()]
        if os.geteuid() != 0:
            preloaded += [str(path) for path in sorted(UNPACKED.glob("usr/lib/*/lib*_wrapper.so"))]
            wrapped = {
                "UID_WRAPPER": "1",
                "UID_WRAPPER_ROOT": "1",
                "NSS_WRAPPER_PASSWD": "/etc/passwd",
                "NSS_WRAPPER_GROUP": "/etc/group",
            }
        environment = {
            "PATH": os.environ["PATH"],
            "LD_PRELOAD": ":".join(preloaded),
            "FAKETIME": f"+0x{SPEED}",
            **wrapped,
        }
        variables = [f"{name}={value}" for name, value in environment.items()]
        with (self.folder / "cron.log").open("wb") as log:
            daemon = subprocess.Popen(
                self.command("env", *variables, cron, "-f", "-L", "15"), stdout=log, stderr=log
            )
        try:
            yield
        finally:
            daemon.terminate()
            daemon.wait()


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """A machine whose root has its home in the folder."""
    for program in ("unshare", "nsenter"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} (util-linux)")
    folder.mkdir(parents=True)
    # What only root may read stays out.
    subprocess.run(["cp", "-a", "/etc", folder / "etc"], stderr=subprocess.DEVNULL, check=False)
    _furnish(folder)
    as_root: Sequence[str] = [] if os.geteuid() == 0 else ["--map-root-user"]
    with (folder / "namespace.log").open("wb") as log:
        holder = subprocess.Popen(
            ["unshare", "--mount", *as_root, "sh", "-c", MOUNTS.format(folder=folder)],
            stdout=log,
            stderr=log,
        )
    try:
        wait_for((folder / "ready").exists, holder, folder / "namespace.log")
        yield Machine(folder, holder.pid)
    finally:
        holder.kill()
        holder.wait()


def wait_for(true: Callable[[], bool], process: subprocess.Popen[bytes] | None, log: Path) -> None:
    """Waits for what has to come; the log is shown where it does not."""
    alarm = time.monotonic() + PATIENCE_SECONDS
    while not true():
        if process is not None and process.poll() is not None:
            pytest.skip(f"no mount namespace is possible here: {log.read_text(errors='replace').strip()}")
        assert time.monotonic() < alarm, log.read_text(errors="replace")
        time.sleep(0.05)


def _furnish(folder: Path) -> None:
    etc = folder / "etc"
    shutil.rmtree(etc / "cron.d", ignore_errors=True)
    for name in ("cron.d", "pam.d"):
        (etc / name).mkdir(exist_ok=True)
    lines = [f"{kind} sufficient pam_permit.so" for kind in ("auth", "account", "session")]
    (etc / "pam.d" / "cron").write_text("\n".join(lines) + "\n")
    users = (etc / "passwd").read_text().splitlines()
    home = folder / "home"
    home.mkdir()
    own = f"root:x:0:0:root:{home}:/bin/sh"
    (etc / "passwd").write_text("\n".join([own, *(u for u in users if not u.startswith("root:"))]) + "\n")
    with (etc / "group").open("a") as groups:
        groups.write("crontab:x:65001:\n")
