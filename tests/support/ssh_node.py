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
import pwd
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

LIFETIME_SECONDS = 1800
START_SECONDS = 20.0
# Where tools/setup.bash unpacks sshd where the system has none.
UNPACKED = Path(sys.prefix, "sshd")

HA_MANAGER = """\
#!/bin/sh
printf '%s\\n' "$*" >{folder}/asked
answer=$(cat {folder}/answered)
[ -z "$answer" ] && exit 0
printf '%s\\n' "$answer" >&2
exit 255
"""
SETTINGS = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/user_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
SetEnv PATH={folder}/bin:/usr/bin:/bin
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
    folder = workdir / "node"
    port = _free_port()
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    _furnish(folder, port)
    programs = UNPACKED
    if os.geteuid() == 0 and UNPACKED.exists():
        # The checkout may be where nobody else may look.
        programs = Path(shutil.copytree(UNPACKED, folder / "programs", symlinks=True))
    environment = _environment(folder, programs)
    if os.geteuid() == 0:
        _give_to_nobody(folder)
    server = subprocess.Popen(_command(folder, programs), env=environment)
    try:
        _await(port, server)
        answer = {
            "host": "127.0.0.1",
            "port": port,
            "user": user,
            "key": str(workdir / "user_key"),
            "known_hosts": str(workdir / "known_hosts"),
            "pid": os.getpid(),
        }
        (workdir / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}")
        (workdir / "new").write_text(json.dumps(answer))
        (workdir / "new").rename(workdir / "ssh.json")
        _serve(folder, json.loads(simulator.read_text()), server)
    finally:
        server.terminate()
        server.wait()
    return 0


def _end(_signal: int, _frame: object) -> NoReturn:
    sys.exit(0)


def _furnish(folder: Path, port: int) -> None:
    (folder / "bin").mkdir(parents=True)
    (folder / "sshd_config").write_text(SETTINGS.format(port=port, folder=folder))
    program = folder / "bin" / "ha-manager"
    program.write_text(HA_MANAGER.format(folder=folder))
    program.chmod(0o755)
    for pipe in ("asked", "answered"):
        os.mkfifo(folder / pipe)
    for key in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    # The client keeps its key; sshd knows the other half.
    (folder / "user_key").rename(folder.parent / "user_key")


def _give_to_nobody(folder: Path) -> None:
    folder.parent.chmod(0o711)
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            shutil.chown(path, "nobody")


def _command(folder: Path, programs: Path) -> list[str]:
    unpacked = programs / "usr" / "sbin" / "sshd"
    sshd = str(unpacked) if unpacked.exists() else shutil.which("sshd", path="/usr/sbin:/sbin") or "sshd"
    command = [sshd, "-D", "-e", "-f", str(folder / "sshd_config")]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", *command]
    return command


def _environment(folder: Path, programs: Path) -> dict[str, str]:
    """Its libraries, and as nobody a shell, which that user has none of on most systems."""
    environment = dict(os.environ)
    libraries = sorted(programs.glob("usr/lib/*/libwrap.so.0"))
    if libraries:
        environment["LD_LIBRARY_PATH"] = str(libraries[0].parent)
    wrapper = sorted(programs.glob("usr/lib/*/libnss_wrapper.so"))
    if os.geteuid() == 0 and wrapper:
        users = Path("/etc/passwd").read_text().splitlines()
        users = [line for line in users if not line.startswith("nobody:")]
        nobody = pwd.getpwnam("nobody")
        users.append(f"nobody:x:{nobody.pw_uid}:{nobody.pw_gid}:nobody:/:/bin/sh")
        (folder / "passwd").write_text("\n".join(users) + "\n")
        environment["LD_PRELOAD"] = str(wrapper[0])
        environment["NSS_WRAPPER_PASSWD"] = str(folder / "passwd")
        environment["NSS_WRAPPER_GROUP"] = "/etc/group"
    return environment


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _await(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit("sshd does not listen")
            time.sleep(0.05)
        else:
            return


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
