# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SSH server that plays a node of the simulated Proxmox VE, for tests: OpenSSH's own sshd on 127.0.0.1.

    ssh_node.py start --workdir DIR --simulator CONNECTION.json
    ssh_node.py stop --workdir DIR

The one command on it besides the system's is ha-manager, which switches maintenance mode in the simulator.
`start` writes DIR/ssh.json when it is ready: host, port, user, key, known_hosts, pid. sshd runs without
privileges: as the user who starts it, or as nobody when that is root.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from ansible_collections.evenkeel.cluster.tests.support.sshd import Node, SshdError, running

LIFETIME_SECONDS = 1800
START_SECONDS = 20.0

HA_MANAGER = """\
#!/bin/sh
printf '%s\\n' "$*" >{folder}/asked
answer=$(cat {folder}/answered)
[ -z "$answer" ] && exit 0
printf '%s\\n' "$answer" >&2
exit 255
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["start", "stop", "hold"])
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--simulator", type=Path)
    options = parser.parse_args()
    if options.command == "start":
        return start(options.workdir.resolve(), options.simulator.resolve())
    if options.command == "hold":
        return hold(options.workdir, options.simulator)
    return stop(options.workdir)


def start(workdir: Path, simulator: Path) -> int:
    """Leave it running, detached, and return when it is ready."""
    workdir.mkdir(parents=True, exist_ok=True)
    with (workdir / "ssh.log").open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, __file__, "hold", "--workdir", str(workdir), "--simulator", str(simulator)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while not (workdir / "ssh.json").exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"sshd did not start: {(workdir / 'ssh.log').read_text(errors='replace')}")
        time.sleep(0.05)
    return 0


def stop(workdir: Path) -> int:
    target = workdir / "ssh.json"
    if target.exists():
        with suppress(ProcessLookupError):
            os.kill(json.loads(target.read_text())["pid"], signal.SIGTERM)
        target.unlink()
    return 0


def hold(workdir: Path, simulator: Path) -> int:
    """Run sshd and answer its ha-manager until told to stop."""
    for event in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(event, _end)
    signal.alarm(LIFETIME_SECONDS)
    node = Node(workdir, programs={"ha-manager": HA_MANAGER.format(folder=workdir / "node")})
    node.folder.mkdir(parents=True)
    for pipe in ("asked", "answered"):
        os.mkfifo(node.folder / pipe)
    try:
        with running(node) as (login, server):
            answer = {
                "host": login.host,
                "port": login.port,
                "user": login.user,
                "key": str(login.key),
                "known_hosts": str(login.known_hosts),
                "pid": os.getpid(),
            }
            (workdir / "new").write_text(json.dumps(answer))
            (workdir / "new").rename(workdir / "ssh.json")
            _serve(node.folder, json.loads(simulator.read_text()), server)
    except SshdError as error:
        sys.exit(str(error))
    return 0


def _end(_signal: int, _frame: object) -> NoReturn:
    sys.exit(0)


def _serve(folder: Path, simulator: dict[str, object], server: subprocess.Popen[bytes]) -> None:
    # Open for both, or the pipe would end with every command.
    asked = os.open(folder / "asked", os.O_RDWR)
    while server.poll() is None:
        if select.select([asked], [], [], 1.0)[0]:
            words = os.read(asked, 4096).decode().split()
            (folder / "answered").write_text(_carry_out(words, simulator))


def _carry_out(words: list[str], simulator: dict[str, object]) -> str:
    """What ha-manager would print on failing; nothing when it went well."""
    if words[:2] != ["crm-command", "node-maintenance"] or len(words) != 4:
        return f"ERROR: unknown command 'ha-manager {' '.join(words)}'"
    if words[2] not in ("enable", "disable"):
        return f"ERROR: unknown command 'ha-manager crm-command node-maintenance {words[2]}'"
    request = urllib.request.Request(
        f"https://{simulator['host']}:{simulator['port']}/_sim/host",
        json.dumps({"id": words[3], "maintenance": words[2] == "enable"}).encode(),
    )
    tls = ssl.create_default_context(cafile=str(simulator["ca_path"]))
    try:
        urllib.request.urlopen(request, timeout=10, context=tls).close()
    except OSError:
        return f"400 Parameter verification failed.\nnode: no such cluster node '{words[3]}'"
    return ""


if __name__ == "__main__":
    sys.exit(main())
