# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console in tests: its screens without a terminal, in a real terminal, and as a server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, WebSocket
from textual.pilot import Pilot

from ansible_collections.evenkeel.cluster.extensions.console.app import ConsoleApp
from ansible_collections.evenkeel.cluster.extensions.console.session import Session
from ansible_collections.evenkeel.cluster.extensions.console.settings import RoleArguments, settings_of
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

PROGRAM = Path(__file__).parents[2] / "extensions" / "console" / "evenkeel-console"
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
NORMAL = (120, 40)
SMALLEST = (80, 24)
VAULT_PASSWORD = "of the vault"

Body = Callable[[Pilot[None]], Awaitable[None]]


def rehearsal_session(
    path: Path,
    *,
    name: str = "prod",
    plan: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    refresh: float = 3600,
) -> Session:
    """A cluster that is a file, with its state database beside it. `plan` and `run` are options of
    balance_plan and vm_migrate.
    """
    return session_with(
        {"platform": "rehearsal", "rehearsal_path": str(path)},
        path.parent,
        name=name,
        plan=plan,
        run=run,
        refresh=refresh,
    )


def session_with(
    connection: Mapping[str, Any],
    folder: Path,
    *,
    name: str = "prod",
    plan: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    refresh: float = 3600,
) -> Session:
    """A cluster by its options, with its state database and journal in the folder."""
    state = {"state_url": f"sqlite:///{folder}/state.db"}
    arguments = RoleArguments(
        facts={**connection, **state},
        plan={"max_spread": 15, **(plan or {})},
        migrate={
            **connection,
            **state,
            "journal_path": f"{folder}/journal.jsonl",
            "poll_interval": "0.05",
            **(run or {}),
        },
        prometheus={},
    )
    return Session(name, settings_of(arguments), refresh=refresh)


def drive(app: ConsoleApp, body: Body, size: tuple[int, int] = NORMAL) -> None:
    """Run the console without a terminal, and `body` with it."""

    async def run() -> None:
        app.animation_level = "none"
        async with app.run_test(size=size) as pilot:
            await body(pilot)

    asyncio.run(run())


async def until(pilot: Pilot[None], holds: Callable[[], bool], what: str = "") -> None:
    """Wait until something holds; what never does fails."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, f"it never came: {what or holds}"
        await pilot.pause(0.05)


async def until_read(pilot: Pilot[None], session: Session) -> None:
    """Wait until a cluster has been read, and the screens have drawn it."""
    await until(pilot, lambda: session.status.snapshot is not None, f"{session.name} is read")
    await pilot.pause()
    await pilot.pause()


def screen_text(app: ConsoleApp) -> str:
    """What stands on the screen, as text."""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line).ljust(width) for line in lines[:height])


def inventory_file(folder: Path, clusters: Mapping[str, Mapping[str, Any]]) -> Path:
    """An inventory with these clusters and their variables."""
    path = folder / "clusters.json"
    path.write_text(json.dumps({"clusters": {"hosts": clusters}}))
    return path


def in_vault(folder: Path, variables: Mapping[str, Any]) -> Path:
    """Variables of the group clusters, encrypted beside the inventory; returns the file with the password."""
    secret, password = folder / "group_vars" / "clusters.yml", folder / "vault"
    secret.parent.mkdir()
    secret.write_text(json.dumps(variables))
    password.write_text(f"{VAULT_PASSWORD}\n")
    program = Path(sys.executable).with_name("ansible-vault")
    vault = [str(program), "encrypt", "--vault-password-file", str(password), str(secret)]
    subprocess.run(vault, check=True, capture_output=True)
    return password


def environment_of(folder: Path, **more: str) -> dict[str, str]:
    """The environment of the console in tests: nothing of the user's, its state in the folder."""
    kept = {
        name: value
        for name, value in os.environ.items()
        # A size in the environment would count more than that of the terminal.
        if not name.startswith(("ANSIBLE_", "EVENKEEL_")) and name not in ("COLUMNS", "LINES")
    }
    programs = Path(sys.executable).parent
    return {
        **kept,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "LANG": "C.UTF-8",
        **more,
    }


class Terminal:
    """The console in a real terminal, which tmux provides."""

    def __init__(
        self, folder: Path, *arguments: str, size: tuple[int, int] = NORMAL, **environment: str
    ) -> None:
        self._folder = folder
        self._socket = str(folder / "tmux")
        console = shlex.join([sys.executable, str(PROGRAM), *arguments])
        columns, rows = size
        self._tmux(
            "-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows),
            f"{console}; echo The console has ended with $?.; exec sleep 3600",
            environment=environment_of(folder, TERM="xterm-256color", **environment),
        )  # fmt: skip

    def press(self, *keys: str) -> None:
        """Keys as tmux names them, such as Enter, Down and a."""
        self._tmux("send-keys", *keys)

    def screen(self) -> str:
        """What the terminal shows."""
        return self._tmux("capture-pane", "-p")

    def until(self, wanted: str | Callable[[str], object]) -> str:
        """Wait until the terminal shows a text, or what `wanted` accepts; returns all of it."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            shown = self.screen()
            if wanted in shown if isinstance(wanted, str) else wanted(shown):
                return shown
            assert time.monotonic() < end, f"it never showed {wanted}:\n{shown}"
            time.sleep(0.2)

    def pid(self) -> int:
        """The process of the console."""
        shell = int(self._tmux("display-message", "-p", "#{pane_pid}"))
        children = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        return int(children[0]) if children else shell

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], check=False, capture_output=True)

    def _tmux(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, *arguments],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout


@contextmanager
def terminal(
    folder: Path, *arguments: str, size: tuple[int, int] = NORMAL, **environment: str
) -> Iterator[Terminal]:
    """The console in a real terminal, ended afterwards."""
    found = Terminal(folder, *arguments, size=size, **environment)
    try:
        yield found
    finally:
        found.close()


@dataclass(frozen=True)
class Served:
    """A console that serves browsers: its address with the token, and its process."""

    address: str
    pid: int

    @property
    def port(self) -> int:
        return int(self.address.split(":")[2].split("/")[0])


class Watcher:
    """A page of a browser that shows a console. `shown` is all that it was sent, without colours."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.shown = ""
        page.on("websocket", self._opened)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def until(self, wanted: str) -> None:
        """Wait until it is sent a text, and forget what came before."""
        end = time.monotonic() + PATIENCE_SECONDS
        while wanted not in self.shown:
            assert time.monotonic() < end, f"it never showed {wanted}:\n{self.shown[-2000:]}"
            self.page.wait_for_timeout(100)
        self.shown = self.shown.partition(wanted)[2]

    def _opened(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._received)

    def _received(self, payload: str | bytes) -> None:
        text = payload if isinstance(payload, str) else payload.decode("utf-8", "replace")
        self.shown += _COLOURS.sub("", text)


@contextmanager
def served(folder: Path, *arguments: str, **environment: str) -> Iterator[Served]:
    """The console as a server on a free port."""
    process = subprocess.Popen(
        [sys.executable, PROGRAM, "--serve", "--port", "0", *arguments],
        env=environment_of(folder, **environment),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        found = None
        for line in process.stdout:
            found = re.search(r"http://\S+", line)
            if found:
                break
        assert found is not None, "it has shown no address"
        yield Served(found.group(), process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)
        process.stdout.close()
