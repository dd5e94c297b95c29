# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SSH server that plays hypervisors, for tests: OpenSSH's own sshd on 127.0.0.1.

    ssh_node.py start --workdir DIR [--simulator CONNECTION.json] [--kernels KERNELS.json]
    ssh_node.py stop --workdir DIR

With --simulator it has one command besides the system's, ha-manager, which switches maintenance mode in the
simulated Proxmox VE. With --kernels, an object of the fields of proc_tree.Kernel by name, DIR/proc/NAME is
the /proc of a host.

`start` writes DIR/ssh.json when it is ready: host, port, user, key, known_hosts, pid. sshd runs without
privileges: as the user who starts it, or as nobody when that is root.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.evenkeel.cluster.tests.support import detached, proc_tree
from ansible_collections.evenkeel.cluster.tests.support.sshd import Node, running

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
    parser.add_argument("--simulator", type=Path)
    parser.add_argument("--kernels", type=Path)
    return detached.main(__file__, parser, "ssh.json", serve)


@contextmanager
def serve(options: argparse.Namespace) -> Iterator[detached.Server]:
    """sshd, and whoever answers its ha-manager."""
    workdir: Path = options.workdir
    programs = {"ha-manager": HA_MANAGER.format(folder=workdir / "node")} if options.simulator else {}
    node = Node(workdir, programs=programs)
    node.folder.mkdir(parents=True)
    if options.simulator:
        for pipe in ("asked", "answered"):
            os.mkfifo(node.folder / pipe)
    if options.kernels:
        for name, kernel in json.loads(options.kernels.read_text()).items():
            proc_tree.write(workdir / "proc" / name, proc_tree.Kernel(**kernel))
        (workdir / "proc").chmod(0o755)
    with running(node) as (login, server):
        answer = {
            "host": login.host,
            "port": login.port,
            "user": login.user,
            "key": str(login.key),
            "known_hosts": str(login.known_hosts),
        }
        if options.simulator:
            simulator = json.loads(options.simulator.read_text())
            yield answer, lambda: _answer(node.folder, simulator, server)
        else:
            yield answer, lambda: detached.wait_for(server)


def _answer(folder: Path, simulator: dict[str, object], server: subprocess.Popen[bytes]) -> None:
    # Open for both, or the pipe would end with every command.
    asked = os.open(folder / "asked", os.O_RDWR)
    while server.poll() is None:
        if select.select([asked], [], [], 1.0)[0]:
            words = os.read(asked, 4096).decode().split()
            (folder / "answered").write_text(_carry_out(words, simulator))


def _carry_out(words: list[str], simulator: dict[str, object]) -> str:
    """What ha-manager would print on failing; nothing when it went well."""
    if words == ["status"]:
        return ""
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
