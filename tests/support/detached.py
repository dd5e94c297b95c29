# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that a playbook starts and stops: `SCRIPT start|stop --workdir DIR [OPTION…]`.

`start` returns when the server is ready. How it is reached, and its pid, are then in a JSON file in DIR.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import NoReturn

from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

LIFETIME_SECONDS = 1800

Server = tuple[Mapping[str, object], Callable[[], None]]
"""How it is reached, and what runs until it ends by itself."""


def main(
    script: str,
    parser: argparse.ArgumentParser,
    answer: str,
    serve: Callable[[argparse.Namespace], AbstractContextManager[Server]],
) -> int:
    """`serve` makes a server from the options that `parser` knows; `answer` is the name of the JSON file."""
    parser.add_argument("command", choices=["start", "stop", "hold"])
    parser.add_argument("--workdir", type=Path, required=True)
    options = parser.parse_args()
    options.workdir = options.workdir.resolve()
    if options.command == "start":
        return _start(script, options.workdir, options.workdir / answer)
    if options.command == "hold":
        return _hold(options, options.workdir / answer, serve)
    return _stop(options.workdir / answer)


def wait_for(server: subprocess.Popen[bytes]) -> None:
    """What runs where there is nothing to do but to wait."""
    server.wait()


def _start(script: str, workdir: Path, answer: Path) -> int:
    workdir.mkdir(parents=True, exist_ok=True)
    words = ["hold" if word == "start" else word for word in sys.argv[1:]]
    log_path = workdir / f"{Path(script).stem}.log"
    with log_path.open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, script, *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not answer.exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{Path(script).stem} did not start: {log_path.read_text(errors='replace')}")
        time.sleep(0.05)
    return 0


def _stop(answer: Path) -> int:
    if answer.exists():
        with suppress(ProcessLookupError):
            os.kill(json.loads(answer.read_text())["pid"], signal.SIGTERM)
        answer.unlink()
    return 0


def _hold(
    options: argparse.Namespace,
    answer: Path,
    serve: Callable[[argparse.Namespace], AbstractContextManager[Server]],
) -> int:
    for event in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(event, _end)
    signal.alarm(LIFETIME_SECONDS)
    with serve(options) as (told, run):
        draft = answer.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps({**told, "pid": os.getpid()}))
        draft.rename(answer)
        run()
    return 0


def _end(_signal: int, _frame: object) -> NoReturn:
    sys.exit(0)
