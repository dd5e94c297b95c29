# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a running task of the platform is stopped, and what its end then means: the same for migrations and
for moves of disks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from .._model.outcome import Result
from .._platforms.errors import PlatformError
from .clock import Clock
from .job import MAX_CANCEL_SECONDS


class RunningTask(Protocol):
    """A task that the platform carries out since then, on the clock's own scale."""

    @property
    def since(self) -> float: ...


class TaskTracker(Protocol):
    """The books of a run, as far as they are about tasks."""

    @property
    def running(self) -> Mapping[str, RunningTask]: ...

    def end_running(self, task: str, result: Result, why: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Cancelling:
    """`late`: it exceeded its time limit, which is a failure and not a cancellation by a user."""

    since: float
    why: str
    late: bool


class TaskMonitor:
    """`cancel` asks the platform to stop a task, `what` a task is for people. Times are in seconds."""

    def __init__(self, tracker: TaskTracker, clock: Clock, cancel: Callable[[str], None], what: str) -> None:
        self._tasks = tracker
        self._clock = clock
        self._ask_to_cancel = cancel
        self._what = what
        self._cancelling: dict[str, _Cancelling] = {}

    def cancel_all(self, why: str) -> None:
        """Ask the platform to stop all running tasks; the next polls report how they ended."""
        for task in list(self._tasks.running):
            self._cancel(task, why, late=False)

    def abandon(self, why: str) -> None:
        """The platform can't be asked any more."""
        for task in list(self._tasks.running):
            text = f"Lost contact with the platform; the {self._what} may still be running: {why}"
            self._tasks.end_running(task, "failed", text)

    def was_cancelled(self, task: str | None) -> bool:
        """Whether this run has asked the platform to stop it."""
        return task in self._cancelling

    def _enforce_timeout(self, task: str, allowed: float) -> None:
        """Stop a running task that takes longer than `allowed`, and give up one that does not stop."""
        now = self._clock.monotonic()
        cancelling = self._cancelling.get(task)
        if cancelling is None and now - self._tasks.running[task].since > allowed:
            self._cancel(task, f"exceeded its timeout of {allowed:g} s", late=True)
        elif cancelling is not None and now - cancelling.since > MAX_CANCEL_SECONDS:
            self._tasks.end_running(task, "failed", f"{cancelling.why}; cancelled, but still running")

    def _verdict(self, task: str, result: Result, why: str) -> tuple[Result, str]:
        """The result of a task that has ended, and why, by what the platform says and why it was stopped."""
        cancelling = self._cancelling.get(task)
        if cancelling is not None and result == "cancelled":
            return "failed" if cancelling.late else "cancelled", cancelling.why
        if cancelling is not None and result == "failed":
            return result, f"{cancelling.why}; {why}"
        return result, why

    def _cancel(self, task: str, why: str, *, late: bool) -> None:
        if task in self._cancelling:
            return
        self._cancelling[task] = _Cancelling(self._clock.monotonic(), why, late)
        try:
            self._ask_to_cancel(task)
        except PlatformError as error:
            why = f"{why}; not cancelled: {error}"
            self._cancelling[task] = _Cancelling(self._clock.monotonic(), why, late)
