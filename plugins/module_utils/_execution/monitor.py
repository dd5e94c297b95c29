# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following what runs to its end, and stopping it where it must be."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .._model.outcome import Result
from .._platforms.errors import PlatformError
from .._platforms.protocol import ClusterNow, MigrationState, Platform
from .clock import Clock
from .job import MAX_CANCEL_SECONDS
from .migration_tracker import MigrationTracker, RunningMigration

# How many times its estimated duration a migration may take that copies disks.
DISK_PATIENCE = 4.0
_UNKNOWN = MigrationState(state="failed", why="the platform no longer reports the task")


@dataclass(frozen=True, slots=True)
class _Cancelling:
    """`late`: it exceeded its time limit, which is a failure and not a cancellation by a user."""

    since: float
    why: str
    late: bool


class Monitor:
    """Polls all running migrations in one call. `percent` is the last reported progress, by task."""

    def __init__(self, platform: Platform, tracker: MigrationTracker, clock: Clock, timeout: float) -> None:
        self._platform = platform
        self._tracker = tracker
        self._clock = clock
        self._timeout = timeout
        self._cancelling: dict[str, _Cancelling] = {}
        self.percent: dict[str, float | None] = {}

    def poll(self) -> None:
        """Take note of what has ended, and cancel what takes too long. Raises PlatformError."""
        states = self._platform.poll({task: begun.request for task, begun in self._tracker.running.items()})
        for task, begun in list(self._tracker.running.items()):
            state = states.get(task, _UNKNOWN)
            self.percent[task] = state.percent
            if state.state != "running":
                self._end(task, state.state, state.why, state.along)
            else:
                self._enforce_timeout(task, begun)

    def _end(self, task: str, result: Result, why: str, along: Collection[str]) -> None:
        cancelling = self._cancelling.get(task)
        if cancelling is not None and result == "cancelled":
            result, why = "failed" if cancelling.late else "cancelled", cancelling.why
        elif cancelling is not None and result == "failed":
            why = f"{cancelling.why}; {why}"
        self._tracker.end_running(task, result, why, along)

    def cancel_all(self, why: str) -> None:
        """Ask the platform to stop all running migrations; `poll` reports how they ended."""
        for task in list(self._tracker.running):
            self._cancel(task, why, late=False)

    def abandon(self, why: str) -> None:
        """The platform can't be asked any more."""
        for task in list(self._tracker.running):
            text = f"Lost contact with the platform; the migration may still be running: {why}"
            self._tracker.end_running(task, "failed", text)

    def unconfirmed(self) -> bool:
        """Whether something was cancelled, by this run or by anybody: that may come to nothing, and late."""
        return any(
            outcome.result == "cancelled" or (outcome.result == "failed" and outcome.task in self._cancelling)
            for outcome in self._tracker.outcomes()
        )

    def settle(self, now: ClusterNow) -> None:
        """Correct what turned out otherwise: a task that was cancelled or called failed may go on.

        A guest that is on its target and stopped, paused or still locked has not arrived well.
        """
        for outcome in self._tracker.outcomes():
            guest = now.guests.get(outcome.guest.id)
            is_there = guest is not None and guest.host == outcome.target
            if outcome.result == "skipped" and is_there:
                step = self._tracker.co_migrated_with(outcome)
                if step is not None:
                    self._tracker.correct(outcome.step, f"migrated by the platform together with step {step}")
            elif outcome.result in ("failed", "cancelled"):
                if guest is not None and is_there and guest.is_healthy:
                    self._tracker.correct(
                        outcome.step, f"arrived on its target after all; reported before: {outcome.why}"
                    )
                there = {other for other, state in now.guests.items() if state.host == outcome.target}
                self._tracker.record_co_migrated(outcome.step, there)

    def _enforce_timeout(self, task: str, begun: RunningMigration) -> None:
        now = self._clock.monotonic()
        cancelling = self._cancelling.get(task)
        allowed = self._timeout
        if begun.migration.cost.disks:
            # Disks may take longer than any memory.
            allowed = max(allowed, DISK_PATIENCE * begun.migration.cost.seconds)
        if cancelling is None and now - begun.since > allowed:
            self._cancel(task, f"exceeded its timeout of {allowed:g} s", late=True)
        elif cancelling is not None and now - cancelling.since > MAX_CANCEL_SECONDS:
            self._tracker.end_running(task, "failed", f"{cancelling.why}; cancelled, but still running")

    def _cancel(self, task: str, why: str, *, late: bool) -> None:
        if task in self._cancelling:
            return
        self._cancelling[task] = _Cancelling(self._clock.monotonic(), why, late)
        try:
            self._platform.cancel(task)
        except PlatformError as error:
            why = f"{why}; not cancelled: {error}"
            self._cancelling[task] = _Cancelling(self._clock.monotonic(), why, late)
