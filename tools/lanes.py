# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the steps of ./check side by side, each apart from the others: its own log, its own memory of runs."""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .run import Shell, StepFailed
from .steps import Step

SHOWN_LINES = 80
SHOWN_COLUMNS = 400


@dataclass(frozen=True)
class Ended:
    """How a step went; `said` is what passed, or why it did not."""

    step: Step
    passed: bool
    seconds: float
    said: str
    shell: Shell


def run_all(steps: Sequence[Step], lanes: int, logs: Path, say: Callable[[str], None] = print) -> list[Ended]:
    """Run every step as soon as one of the `lanes` is free; return how they ended, in the order of `steps`.
    Steps that mostly wait run beside the lanes, unless there is only one.

    An interrupt lets no further step begin.
    """
    telling = _Telling(len(steps), say)

    def one(step: Step) -> Ended:
        telling.begins(step)
        ended = run_one(step, logs)
        telling.ends(ended)
        return ended

    beside = [step for step in steps if step.waits and lanes > 1]
    with ThreadPoolExecutor(lanes) as pool, ThreadPoolExecutor(max(1, len(beside))) as waiting:
        try:
            # Those beside begin first: they take longest.
            begun = {step.name: waiting.submit(one, step) for step in beside}
            begun |= {step.name: pool.submit(one, step) for step in steps if step.name not in begun}
            return [begun[step.name].result() for step in steps]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            waiting.shutdown(wait=False, cancel_futures=True)
            raise


def run_one(step: Step, logs: Path) -> Ended:
    """Run one step with a log of its own and an empty memory of earlier runs."""
    log = logs / f"{step.name.replace(':', '-')}.log"
    log.unlink(missing_ok=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="evenkeel-state-") as state:
        shell = Shell(log, {"XDG_STATE_HOME": state})
        try:
            said, passed = step.run(shell), True
        except StepFailed as failure:
            said, passed = str(failure), False
    return Ended(step, passed, time.monotonic() - start, said, shell)


class _Telling:
    """One line when a step begins and one when it ends; what a failed one printed stays together."""

    def __init__(self, total: int, say: Callable[[str], None]) -> None:
        self._total = total
        self._say = say
        self._done = 0
        self._lock = threading.Lock()

    def begins(self, step: Step) -> None:
        with self._lock:
            self._say(f"{'':>9}{step.name} … {step.does}")

    def ends(self, ended: Ended) -> None:
        with self._lock:
            self._done += 1
            took = f"{ended.seconds:.1f} s, {sum(ended.shell.cpu):.1f} s CPU"
            number = f"[{self._done}/{self._total}]"
            if ended.passed:
                self._say(f"{number:<9}{ended.step.name} ok in {took} ({ended.said})")
                return
            self._say(f"{number:<9}{ended.step.name} FAILED in {took}")
            for line in telling_lines(ended.shell, ended.step.telling):
                self._say(f"    | {line}")
            self._say(f"    {ended.said}\n    the log: {ended.shell.log}")


def telling_lines(shell: Shell, pattern: str) -> list[str]:
    """The last lines of a log that match, without the path through which Ansible finds the checkout."""
    text = shell.log.read_text(errors="replace") if shell.log.exists() else ""
    lines = re.sub(r"\S*/ansible_collections/evenkeel/cluster/", "", text).splitlines()
    return [line[:SHOWN_COLUMNS] for line in lines if re.match(pattern, line)][-SHOWN_LINES:]
