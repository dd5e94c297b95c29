# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service as a process of its own: its command line, its playbooks, and what it tells systemd."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._service.playbook_runner import PlaybookRunner
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.repository import task_named
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.readiness import Readiness
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.service import PROGRAM, TOKEN, Service

NAMES = {"EVENKEEL_SERVICE_TOKEN": TOKEN}


@dataclass
class Tries:
    """Playbooks that are shell scripts, which find the variables in $2."""

    script: str
    limit: float = 600.0
    ended: list[tuple[str, str, str]] = field(default_factory=list)

    def run(self, work: Callable[[PlaybookRunner], object]) -> None:
        async def ended(name: str, claim: str, why: str) -> None:
            self.ended.append((name, claim, why))

        async def main() -> None:
            command = ["/bin/sh", "-c", self.script, "sh"]
            runner = PlaybookRunner(command, {"PATH": os.environ["PATH"]}, self.limit, ended)
            await runner.put({"evenkeel_request": {"id": "a", "kind": "release", "claim": "c"}})
            work(runner)
            await runner.drain()
            assert runner.running == 0

        asyncio.run(asyncio.wait_for(main(), PATIENCE_SECONDS))


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, "evenkeel.service")
    return lambda: [record.getMessage() for record in caplog.records]


def test_what_a_playbook_prints_is_logged(said: Callable[[], list[str]]) -> None:
    long = "x" * 40_000
    tries = Tries(f'echo "$2"; printf "{long}\\nhalf\\377" >&2; exit 3')
    tries.run(lambda _runner: None)
    assert tries.ended == [("a", "c", "The playbook ended with exit code 3 and reported no result")]
    lines = [line.removeprefix("request a: ") for line in said()]
    event = '{"ansible_eda": {"event": {"evenkeel_request": {"id": "a", "kind": "release", "claim": "c"}}}}'
    assert lines[1] == event
    # A line without an end is not kept for ever, however long it is.
    assert "".join(lines[2:-1]) == f"{long}half�"
    assert lines[-1] == "the playbook ended with exit code 3"


def test_a_child_that_is_left_behind_holds_nothing_up(tmp_path: Path) -> None:
    """As the master of a connection by ssh is."""
    tries = Tries(f"sleep 1000 & echo $! > {tmp_path}/pid")
    tries.run(lambda _runner: None)
    assert len(tries.ended) == 1
    os.kill(int((tmp_path / "pid").read_text()), 9)


@pytest.mark.parametrize("script", ["exec sleep 1000", "trap '' TERM; sleep 1000; sleep 1000"])
def test_playbooks_that_take_longer_than_the_limit_are_ended(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ansible_collections.evenkeel.cluster.plugins.module_utils._service.playbook_runner._GRACE_SECONDS", 1
    )
    tries = Tries(script, limit=0.5)
    tries.run(lambda _runner: None)
    # Their requests are handed over, which is no failed try.
    assert tries.ended == []
    tries = Tries(script)
    tries.run(lambda runner: runner.hurry())
    assert tries.ended == []


def test_a_playbook_that_can_not_be_started() -> None:
    async def ended(name: str, claim: str, why: str) -> None:
        found.append(why)

    async def main() -> None:
        runner = PlaybookRunner(["/nowhere/ansible-playbook"], {}, 1, ended)
        await runner.put({"evenkeel_request": {"id": "a", "claim": "c"}})
        await runner.drain()

    found: list[str] = []
    asyncio.run(main())
    assert found == ["/nowhere/ansible-playbook could not be started: No such file or directory"]


def run(
    folder: Path, *arguments: str, config: str, environment: Mapping[str, str] = NAMES
) -> tuple[int, str]:
    """The exit code, and what it says without the time."""
    (folder / "service.yml").write_text(config)
    done = subprocess.run(
        [sys.executable, PROGRAM, "--config", folder / "service.yml", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    return done.returncode, (done.stderr + done.stdout).replace(str(folder), "FOLDER").strip()


RECEIVER = "receivers: [{name: ci, url: 'https://ci.example.com', secret_env: HOOK}]"
MISTAKES = {
    "http: {port: x}": "http.port: 'x' is not a whole number",
    "[": "config: FOLDER/service.yml can't be read: while parsing a flow node expected the node content",
    "http: {token_env: NOBODY}": "http: the environment variable NOBODY is empty or not there",
    "http: {certificate: /nowhere}": "http.certificate: '/nowhere' is not a file of use: No such file",
    RECEIVER: "receivers[0]: the environment variable HOOK is empty or not there",
}


@pytest.mark.parametrize("config", MISTAKES)
def test_a_configuration_is_checked_before_it_is_used(tmp_path: Path, config: str) -> None:
    code, words = run(tmp_path, "--check", config=config)
    assert (code, "Traceback" in words) == (1, False)
    assert MISTAKES[config] in words


def test_secrets_may_be_credentials_of_systemd(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "EVENKEEL_SERVICE_TOKEN").write_text(TOKEN + "\n")
    (credentials / "HOOK").write_text("whsec_" + "QXVk" * 10)
    environment = {"CREDENTIALS_DIRECTORY": str(credentials)}
    code, words = run(tmp_path, "--check", config=f"http:\n{RECEIVER}", environment=environment)
    assert (code, "the configuration and its secrets are valid" in words) == (0, True)
    environment["JOURNAL_STREAM"] = "8:1"
    code, words = run(tmp_path, "--check", config="http: {port: 70000}", environment=environment)
    assert (code, words) == (1, "<3>http.port: 70000 is not a number from 0 to 65535")


def test_a_missing_ansible_is_named(tmp_path: Path) -> None:
    code, words = run(tmp_path, "--ansible-playbook", "/nowhere/it", config="http:")
    assert code == 1
    assert "ansible-playbook: '/nowhere/it' is not a program that can be run. Set --ansible-playbook" in words


@dataclass
class Systemd:
    """The socket of a service manager, and what it was told."""

    socket: socket.socket
    told: list[str] = field(default_factory=list)

    def heard(self, word: str) -> bool:
        try:
            while True:
                self.told += self.socket.recv(4096, socket.MSG_DONTWAIT).decode().splitlines()
        except BlockingIOError:
            return word in self.told


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        yield Systemd(made)


def test_a_service_manager_that_reads_nothing_holds_nothing_up(
    systemd: Systemd, said: Callable[[], list[str]]
) -> None:
    """The queue of its socket holds `net.unix.max_dgram_qlen` datagrams; after that, sending waits."""

    async def main() -> None:
        readiness = Readiness({"NOTIFY_SOCKET": systemd.socket.getsockname(), "WATCHDOG_USEC": "2000"})
        watchdog = asyncio.ensure_future(readiness.watchdog())
        while not said():
            await asyncio.sleep(0.01)
        watchdog.cancel()

    # A loop that stands still can't be cancelled.
    loop = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
    loop.start()
    loop.join(PATIENCE_SECONDS)
    assert not loop.is_alive()
    assert said()[0].startswith("systemd was not notified: ")
    assert systemd.heard("WATCHDOG=1")


def test_a_playbook_that_ends_without_a_result(tmp_path: Path, systemd: Systemd) -> None:
    """It is tried again at once, and knows no secret of the service. systemd hears how the service is."""
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(
        "[{hosts: localhost, gather_facts: false, tasks: [{ansible.builtin.debug:"
        " {msg: \"{{ lookup('env', 'EVENKEEL_SERVICE_TOKEN') ~ '|' ~ lookup('env', 'NOTIFY_SOCKET') ~ '|'"
        " ~ lookup('env', 'PROXMOX_HOST') }}\"}}]}]"
    )
    service = Service(
        tmp_path / "service",
        {"http": {"port": 0}, "work": {"poll": 0.1, "tries": {"tries": 2, "first_seconds": 0.1}}},
        f"sqlite:///{tmp_path}/state.db",
        environment={
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "1000000",
            "PROXMOX_HOST": "pve1",
        },
        arguments=("--playbook", str(playbook)),
    )
    service.start()
    try:
        service.until(lambda: systemd.heard("READY=1"))
        assert f"STATUS=accepting requests at {service.url}" in systemd.told
        service.until(lambda: systemd.heard("WATCHDOG=1"))
        service.post({"id": "a", "kind": "release", "name": "x"})
        done = service.ended("a")
        assert (done["status"], done["tries"], done["error"]["type"]) == ("failed", 2, "NotBegun")
        assert done["error"]["message"] == (
            "Failed after 2 tries; the last error was: "
            "The playbook ended with exit code 0 and reported no result"
        )
        assert '"msg": "||pve1"' in service.said()
        service.terminate()
        assert service.ended_by_itself() == 0
    finally:
        service.stop()
    assert systemd.heard("STOPPING=1")
    with open_database(service.state_url) as database:
        assert task_named(database, "a") is not None
