# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start and stop the simulators, for tests, benchmarks and playbooks.

    launch.py start PLATFORM --snapshot FILE --workdir DIR [--detach] [-- SIMULATOR OPTION...]
    launch.py stop --workdir DIR

`start` makes a certificate authority and a server certificate, starts the simulator, and writes
DIR/connection.json when it is ready: platform, host, port, user, password, ca_path, pid.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Literal

HERE = Path(__file__).resolve().parent
USERS = {
    "vcenter": "administrator@vsphere.local",
    "proxmox": "root@pam",
    "vmmanager": "admin@example.com",
}
START_SECONDS = 900.0
"""How long a simulator may take to load its snapshots."""

Platform = Literal["vcenter", "proxmox", "vmmanager"]


class LaunchError(Exception):
    """A simulator could not be built, started or stopped; the message says why."""


@dataclass(frozen=True)
class Connection:
    """What a client needs to know."""

    platform: str
    host: str
    port: int
    user: str
    password: str
    ca_path: str
    pid: int


class Simulator:
    """A running simulator; as a context manager it is stopped at the end."""

    def __init__(self, connection: Connection, process: subprocess.Popen[bytes]) -> None:
        self.connection = connection
        self._process = process
        self._tls = ssl.create_default_context(cafile=connection.ca_path)
        self._kept = threading.local()

    @property
    def host(self) -> str:
        return self.connection.host

    @property
    def port(self) -> int:
        return self.connection.port

    @property
    def user(self) -> str:
        return self.connection.user

    @property
    def password(self) -> str:
        return self.connection.password

    @property
    def ca_path(self) -> str:
        return self.connection.ca_path

    def state(self) -> dict[str, Any]:
        """Where the guests are, how the hosts fare, which calls were made, which migrations ran."""
        answer: dict[str, Any] = self._control("GET", "state")
        return answer

    def switches(self, **changes: object) -> None:
        """Turn faults and delays on or off."""
        self._control("POST", "switches", changes)

    def expire_sessions(self) -> None:
        self._control("POST", "sessions/expire", {})

    def change_guest(self, guest: str, **changes: object) -> None:
        """Change a guest behind the client's back: used, power, host."""
        self._control("POST", "guest", {"id": guest, **changes})

    def change_host(self, host: str, **changes: object) -> None:
        """Change a host: maintenance, status."""
        self._control("POST", "host", {"id": host, **changes})

    def change_storage(self, storage: str, **changes: object) -> None:
        """Change a datastore by its id: free (bytes that are left); on Proxmox VE also disabled, inactive
        (nodes) and content, on a vCenter also maintenance and latency.
        """
        self._control("POST", "storage", {"id": storage, **changes})

    def add_task(self, **task: object) -> str:
        """A task that somebody else has started (Proxmox VE): node, type, id, lines, end."""
        answer: dict[str, str] = self._control("POST", "task", task)
        return answer["upid"]

    def stop(self) -> None:
        """End the process and wait for its end. Stopping twice is no error."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def wait(self) -> int:
        """Wait until it ends by itself."""
        return self._process.wait()

    def __enter__(self) -> Simulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _control(self, method: str, name: str, body: object = None) -> Any:
        text = None if body is None else json.dumps(body).encode()
        answer, content = self._asked(method, f"/_sim/{name}", text)
        if answer >= 400:
            raise LaunchError(f"/_sim/{name}: {content.decode(errors='replace')}")
        return json.loads(content or b"null")

    def _asked(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """Status and content of the answer. Each thread keeps its connection: tests ask again and again, and
        most of their time would go into TLS.
        """
        if not hasattr(self._kept, "connection"):
            self._kept.connection = http.client.HTTPSConnection(
                self.host, self.port, context=self._tls, timeout=START_SECONDS
            )
        connection: http.client.HTTPSConnection = self._kept.connection
        if connection.sock is not None:
            # The simulator closes one that was idle for long.
            with suppress(ConnectionError, ssl.SSLError):
                return _exchange(connection, method, path, body)
        return _exchange(connection, method, path, body)


def _exchange(
    connection: http.client.HTTPSConnection, method: str, path: str, body: bytes | None
) -> tuple[int, bytes]:
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except BaseException:
        # The next request opens it anew.
        connection.close()
        raise


def start(
    platform: Platform,
    snapshots: Iterable[Path | str],
    workdir: Path | str,
    *,
    options: Sequence[str] = (),
    user: str | None = None,
    password: str = "secret",
    switches: Mapping[str, object] | None = None,
) -> Simulator:
    """Start a simulator and wait until it is ready. `options` are options of its own command line."""
    served = start_each(
        platform, snapshots, workdir, options=options, user=user, password=password, switches=switches
    )
    if len(served) > 1:
        served[0].stop()
        raise LaunchError(f"a {platform} is one cluster: start each snapshot by itself, or use start_each")
    return served[0]


def start_each(
    platform: Platform,
    snapshots: Iterable[Path | str],
    workdir: Path | str,
    *,
    options: Sequence[str] = (),
    user: str | None = None,
    password: str = "secret",
    switches: Mapping[str, object] | None = None,
) -> list[Simulator]:
    """As `start`, for many clusters in one process. A Proxmox VE is one cluster, so each snapshot has a port
    and a simulator of its own; on the other platforms all are behind the same one. Stopping one stops all.
    """
    directory = Path(workdir)
    directory.mkdir(parents=True, exist_ok=True)
    name = user or USERS[platform]
    ca_path = make_certificates(directory)
    command = [*_program(platform), "--listen", "127.0.0.1:0", "--exit-with-stdin", "--user", name]
    command += ["--password", password]
    command += ["--tls-cert", str(directory / "server.pem"), "--tls-key", str(directory / "server.key")]
    for snapshot in snapshots:
        command += ["--snapshot", str(snapshot)]
    if switches:
        (directory / "switches.json").write_text(json.dumps(switches))
        command += ["--switches", str(directory / "switches.json")]
    with (directory / "simulator.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
    try:
        ready = _ready_line(process, directory / "simulator.log")
    except BaseException:
        process.kill()
        process.wait()
        raise
    ports = ready.get("ports", [ready["port"]])
    return [
        Simulator(
            Connection(platform, ready["host"], port, name, password, str(ca_path), process.pid), process
        )
        for port in ports
    ]


def make_certificates(directory: Path) -> Path:
    """A certificate authority of our own and a server certificate by it; returns the authority's file."""
    # Only here: processes that start none, or stop one, take half as long to begin.
    import trustme

    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    server.cert_chain_pems[0].write_to_path(str(directory / "server.pem"))
    (directory / "server.key").touch(mode=0o600)
    server.private_key_pem.write_to_path(str(directory / "server.key"))
    return directory / "ca.pem"


def _program(platform: Platform) -> list[str]:
    if platform != "vcenter":
        return [sys.executable, str(HERE / platform / "serve.py")]
    built = subprocess.run(
        [sys.executable, str(HERE / "go_build.py"), str(HERE / platform)],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode != 0:
        raise LaunchError(built.stderr.strip())
    return [built.stdout.strip()]


def _ready_line(process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    if process.stdout is None:
        raise LaunchError("the simulator has no standard output")
    alarm = time.monotonic() + START_SECONDS
    os.set_blocking(process.stdout.fileno(), False)
    line = b""
    while not line.endswith(b"\n"):
        line += process.stdout.read() or b""
        if process.poll() is not None:
            last = log.read_text(errors="replace").strip()[-2000:]
            raise LaunchError(f"the simulator ended with code {process.returncode}: {last}")
        if time.monotonic() > alarm:
            raise LaunchError(f"the simulator was not ready after {START_SECONDS:.0f} s")
        time.sleep(0.01)
    answer: dict[str, Any] = json.loads(line)
    return answer


def _hold(options: argparse.Namespace) -> int:
    """Start in the foreground, say where in connection.json; stop at a signal or when the time is over."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, end)
    signal.alarm(options.lifetime_seconds)
    target = options.workdir / "connection.json"
    secrets = {"user": options.user, "password": options.password}
    try:
        with start(
            options.platform, options.snapshot, options.workdir, options=options.options, **secrets
        ) as simulator:
            draft = options.workdir / "connection.json.new"
            draft.touch(mode=0o600)
            draft.write_text(json.dumps({**asdict(simulator.connection), "pid": os.getpid()}))
            draft.rename(target)
            return simulator.wait()
    finally:
        target.unlink(missing_ok=True)


def _detach(options: argparse.Namespace) -> int:
    """The same as a process of its own; returns when connection.json is there."""
    target = options.workdir / "connection.json"
    if target.exists():
        raise LaunchError(f"{target} exists: stop that simulator first")
    arguments = [word for word in sys.argv[1:] if word != "--detach"]
    options.workdir.mkdir(parents=True, exist_ok=True)
    with (options.workdir / "launch.log").open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    while not target.exists():
        if keeper.poll() is not None:
            raise LaunchError((options.workdir / "launch.log").read_text(errors="replace").strip())
        time.sleep(0.02)
    print(target)
    return 0


def _stop(options: argparse.Namespace) -> int:
    target = options.workdir / "connection.json"
    if not target.exists():
        return 0
    pid = json.loads(target.read_text())["pid"]
    if _alive(pid):
        os.kill(pid, signal.SIGTERM)
    alarm = time.monotonic() + 15
    while _alive(pid):
        if time.monotonic() > alarm:
            raise LaunchError(f"process {pid} did not stop")
        time.sleep(0.02)
    target.unlink(missing_ok=True)
    return 0


def _alive(pid: int) -> bool:
    """Whether it runs: one that has ended but that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    starting = commands.add_parser("start")
    starting.add_argument("platform", choices=sorted(USERS))
    starting.add_argument("--snapshot", action="append", required=True, type=Path)
    starting.add_argument("--workdir", required=True, type=Path)
    starting.add_argument("--user")
    starting.add_argument("--password", default="secret")
    starting.add_argument("--lifetime-seconds", type=int, default=3600, help="stop by itself after so long")
    starting.add_argument("--detach", action="store_true", help="return when ready, and leave it running")
    starting.set_defaults(run=lambda options: _detach(options) if options.detach else _hold(options))
    stopping = commands.add_parser("stop")
    stopping.add_argument("--workdir", required=True, type=Path)
    stopping.set_defaults(run=_stop)
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:end])
    options.options = words[end + 1 :]
    try:
        code: int = options.run(options)
    except LaunchError as error:
        print(f"launch.py: {error}", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
