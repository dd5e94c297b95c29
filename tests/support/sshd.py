# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSSH's own sshd on the loopback interface, for tests that log in somewhere; gone afterwards.

It runs without privileges: as the user who starts it, or as nobody when that is root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

PASSWORD = "Zw31felhaft"
# Of PASSWORD, by crypt(3).
HASH = "$6$evenkeel$hTKA/8FWIV0nlK3ntZVZ9WxuyZqh2iLq0vdWtpsz3dP60RWVfbzIT4/OMFodA1ju2E0.HBC2GP00AG/QOaM8Z0"
# Where tools/setup.bash unpacks sshd where the system has none.
UNPACKED = Path(sys.prefix, "sshd")

SETTINGS = """\
ListenAddress {address}:{port}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/user_key.pub
StrictModes no
UsePAM no
PasswordAuthentication {by_password}
KbdInteractiveAuthentication no
LogLevel VERBOSE
SetEnv PATH={folder}/bin:/usr/bin:/bin
"""


class SshdError(Exception):
    """sshd can't be started; the message says why."""


@dataclass(frozen=True)
class Login:
    """How to get in: by key, or by PASSWORD where `by_password`."""

    port: int
    user: str
    key: Path
    known_hosts: Path
    log: Path
    by_password: bool
    host: str

    def variables(self) -> dict[str, object]:
        """The connection variables of an inventory host that is reached by key."""
        return {
            "ansible_host": self.host,
            "ansible_port": self.port,
            "ansible_user": self.user,
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self.known_hosts}",
            # Without privileges it has no terminals to give.
            "ansible_ssh_use_tty": False,
        }


@dataclass(frozen=True)
class Node:
    """An sshd that is to be. `address`: where it listens; `programs`: commands that those who log in find
    besides the system's, by name; `names`: host names that it knows, and their addresses.
    """

    workdir: Path
    address: str = "127.0.0.1"
    programs: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """What sshd itself may read."""
        return self.workdir / "node"


@contextmanager
def running(node: Node) -> Iterator[tuple[Login, subprocess.Popen[bytes]]]:
    """sshd, ready for logins, and its process."""
    folder = node.folder
    port = free_port(node.address)
    root = os.geteuid() == 0
    user = "nobody" if root else pwd.getpwuid(os.geteuid()).pw_name
    unpacked = UNPACKED
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    if root and UNPACKED.exists():
        # The checkout may be where nobody else may look.
        unpacked = Path(shutil.copytree(UNPACKED, folder / "programs", symlinks=True))
    environment = _environment(node, unpacked, user)
    by_password = "NSS_WRAPPER_PASSWD" in environment
    _furnish(node, port, by_password=by_password)
    if root:
        _give_to_nobody(folder)
    log = node.workdir / "sshd.log"
    with log.open("wb") as stream:
        server = subprocess.Popen(_command(folder, unpacked), env=environment, stderr=stream)
    try:
        _await((node.address, port), server, log)
        known_hosts = node.workdir / "known_hosts"
        public = (folder / "host_key.pub").read_text()
        known_hosts.write_text(f"[{node.address}]:{port} {public}")
        yield (
            Login(
                port=port,
                user=user,
                key=node.workdir / "user_key",
                known_hosts=known_hosts,
                log=log,
                by_password=by_password,
                host=node.address,
            ),
            server,
        )
    finally:
        server.terminate()
        server.wait()


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def dead_port(address: str = "127.0.0.1") -> Iterator[int]:
    """A port that refuses connections for as long: taken, so that nobody else listens there, and silent."""
    with socket.socket() as taken:
        taken.bind((address, 0))
        port: int = taken.getsockname()[1]
        yield port


def _furnish(node: Node, port: int, *, by_password: bool) -> None:
    folder = node.folder
    settings = SETTINGS.format(
        address=node.address, port=port, folder=folder, by_password="yes" if by_password else "no"
    )
    (folder / "sshd_config").write_text(settings)
    for name, text in node.programs.items():
        program = folder / "bin" / name
        program.write_text(text)
        program.chmod(0o755)
    for key in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    # The client keeps its key; sshd knows the other half.
    (folder / "user_key").rename(node.workdir / "user_key")


def _give_to_nobody(folder: Path) -> None:
    folder.parent.chmod(0o711)
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            shutil.chown(path, "nobody")


def _command(folder: Path, unpacked: Path) -> list[str]:
    own = unpacked / "usr" / "sbin" / "sshd"
    sshd = str(own) if own.exists() else shutil.which("sshd", path="/usr/sbin:/sbin") or "sshd"
    command = [sshd, "-D", "-e", "-f", str(folder / "sshd_config")]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", *command]
    return command


def _environment(node: Node, unpacked: Path, user: str) -> dict[str, str]:
    """Its libraries, and a user list in which the user that it runs as has a shell, a home and PASSWORD."""
    environment = dict(os.environ)
    libraries = sorted(unpacked.glob("usr/lib/*/libwrap.so.0"))
    if libraries:
        environment["LD_LIBRARY_PATH"] = str(libraries[0].parent)
    wrapper = sorted(unpacked.glob("usr/lib/*/libnss_wrapper.so"))
    if not wrapper:
        return environment
    known = pwd.getpwnam(user)
    users = [line for line in Path("/etc/passwd").read_text().splitlines() if not line.startswith(f"{user}:")]
    users.append(f"{user}:{HASH}:{known.pw_uid}:{known.pw_gid}:{user}:{node.folder}:/bin/sh")
    (node.folder / "passwd").write_text("\n".join(users) + "\n")
    names = [f"{address} {name}" for name, address in node.names.items()]
    (node.folder / "hosts").write_text("\n".join(["127.0.0.1 localhost", *names]) + "\n")
    environment["LD_PRELOAD"] = str(wrapper[0])
    environment["NSS_WRAPPER_PASSWD"] = str(node.folder / "passwd")
    environment["NSS_WRAPPER_GROUP"] = "/etc/group"
    environment["NSS_WRAPPER_HOSTS"] = str(node.folder / "hosts")
    return environment


def _await(place: tuple[str, int], server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            socket.create_connection(place, 1).close()
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise SshdError(f"sshd does not listen: {log.read_text(errors='replace')}") from None
            time.sleep(0.05)
        else:
            return
