# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a step's commands, keep what they print, and say what failed."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".cache" / "home"
"of tools that would write to the user's, one folder a step: steps run side by side"


class StepFailed(Exception):
    """A step of ./check did not pass; the message says why."""


@dataclass(frozen=True)
class Shell:
    """Runs commands one after the other, everything that they print going to one log file; `env` is added to
    the environment of each.
    """

    log: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """A home folder of the step's own, which stays for its next run."""
        return HOME / self.log.stem

    def run(
        self,
        *argv: str | Path,
        cwd: str | Path = ROOT,
        env: Mapping[str, str] | None = None,
        seconds: int = 900,
    ) -> str:
        """Run argv and return what it printed; raise StepFailed when it fails or takes longer than that."""
        command = [str(word) for word in argv]
        with self.log.open("a+b") as log:
            log.write(f"$ {shlex.join(command)}\n".encode())
            log.flush()
            start = log.seek(0, os.SEEK_END)
            try:
                code = subprocess.run(
                    command,
                    cwd=cwd,
                    env={**os.environ, **self.env, **(env or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    timeout=seconds,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                raise StepFailed(f"{shlex.join(command)} was ended after {seconds} s") from None
            except OSError as error:
                raise StepFailed(f"{command[0]} does not start: {error}") from None
            log.seek(start)
            printed = log.read().decode(errors="replace")
        if code != 0:
            raise StepFailed(f"{shlex.join(command)} ended with exit code {code}")
        return printed


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


def counted(sequence: Sequence[object], one: str, many: str | None = None) -> str:
    """A number with its noun: "1 module", "3 modules"."""
    return f"{len(sequence)} {one if len(sequence) == 1 else many or one + 's'}"
