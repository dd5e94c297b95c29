# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a step's commands, keep what they print, and say what failed."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".cache" / "home"
"of tools that would write to the user's, one folder a step: steps run side by side"

LOOK_SECONDS = 5.0
IDLE_CPU_SECONDS = 5.0
"of a command that waits for something that does not come: it polls"
GRACE_SECONDS = 30.0


class StepFailed(Exception):
    """A step of ./check did not pass; the message says why."""


@dataclass(frozen=True)
class Shell:
    """Runs commands one after the other, everything that they print going to one log file; `env` is added to
    the environment of each.
    """

    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cpu: list[float] = field(default_factory=list)
    "CPU seconds of each command that has ended"

    @property
    def home(self) -> Path:
        """A home folder of the step's own, which stays for its next run."""
        return HOME / self.log.stem

    def run(
        self,
        *argv: str | Path,
        cwd: str | Path = ROOT,
        env: Mapping[str, str] | None = None,
        idle_seconds: float = 900,
    ) -> str:
        """Run argv and return what it printed. Raise StepFailed when it fails, or neither prints nor computes
        for `idle_seconds`: a command that is only slow is never ended.
        """
        command = [str(word) for word in argv]
        with self.log.open("a+b") as log:
            log.write(f"$ {shlex.join(command)}\n".encode())
            log.flush()
            start = log.seek(0, os.SEEK_END)
            try:
                process = subprocess.Popen(
                    command,
                    cwd=cwd,
                    env={**os.environ, **self.env, **(env or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                raise StepFailed(f"{command[0]} does not start: {error}") from None
            idle = _finish(process, self.log, idle_seconds, self.cpu)
            if idle:
                raise StepFailed(f"{shlex.join(command)} was ended: idle for {idle_seconds:g} s")
            log.seek(start)
            printed = log.read().decode(errors="replace")
        if process.returncode != 0:
            raise StepFailed(f"{shlex.join(command)} ended with exit code {process.returncode}")
        return printed


@dataclass
class IdleWatch:
    """How long a command has neither printed nor computed; `since` is on the clock of `idle`."""

    since: float
    printed: int = 0
    computed: float = 0.0

    def idle(self, printed: int, computed: float, now: float) -> float:
        """Seconds since there was more printed, in bytes, or noticeably more computed, in CPU seconds."""
        if printed != self.printed or computed > self.computed + IDLE_CPU_SECONDS:
            self.since, self.printed, self.computed = now, printed, computed
        return now - self.since


def _finish(process: subprocess.Popen[bytes], log: Path, idle_seconds: float, cpu: list[float]) -> bool:
    """Wait for the process, which is ended when it is idle for too long; return whether it was. Its CPU time
    is appended to `cpu`, in seconds.
    """
    over, idle = threading.Event(), threading.Event()

    def watch() -> None:
        seen = IdleWatch(time.monotonic())
        while not over.wait(min(LOOK_SECONDS, idle_seconds)):
            now = log.stat().st_size, cpu_seconds(process.pid), time.monotonic()
            if seen.idle(*now) >= idle_seconds:
                idle.set()
                # SIGTERM first, on which pytest names the tests that are running.
                os.kill(process.pid, signal.SIGTERM)
                if not over.wait(GRACE_SECONDS):
                    os.kill(process.pid, signal.SIGKILL)
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    over.set()
    watcher.join()
    cpu.append(usage.ru_utime + usage.ru_stime)
    return idle.is_set()


def cpu_seconds(root: int) -> float:
    """CPU time that a process, its living descendants and their ended children have used, in seconds."""
    used: dict[int, float] = {}
    children: dict[int, list[int]] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        children.setdefault(int(fields[1]), []).append(int(file.parent.name))
        used[int(file.parent.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    total, left = 0.0, [root]
    while left:
        process = left.pop()
        total += used.get(process, 0.0)
        left += children.get(process, [])
    return total


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


def counted(sequence: Sequence[object], one: str, many: str | None = None) -> str:
    """A number with its noun: "1 module", "3 modules"."""
    return f"{len(sequence)} {one if len(sequence) == 1 else many or one + 's'}"
