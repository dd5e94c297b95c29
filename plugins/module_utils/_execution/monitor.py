# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following what runs to its end, and stopping it where it must be."""

from __future__ import annotations

from .._platforms.protocol import ClusterNow, MigrationState, Platform
from .clock import Clock
from .job import DISK_PATIENCE
from .migration_tracker import MigrationTracker, RunningMigration
from .task_monitor import TaskMonitor

_UNKNOWN = MigrationState(state="failed", why="the platform no longer reports the task")


class Monitor(TaskMonitor):
    """Polls all running migrations in one call. `percent` is the last reported progress, by task."""

    def __init__(self, platform: Platform, tracker: MigrationTracker, clock: Clock, timeout: float) -> None:
        super().__init__(tracker, clock, platform.cancel, "migration")
        self._platform = platform
        self._tracker = tracker
        self._timeout = timeout
        self.percent: dict[str, float | None] = {}

    def poll(self) -> None:
        """Take note of what has ended, and cancel what takes too long. Raises PlatformError."""
        states = self._platform.poll({task: begun.request for task, begun in self._tracker.running.items()})
        for task, begun in list(self._tracker.running.items()):
            state = states.get(task, _UNKNOWN)
            self.percent[task] = state.percent
            if state.state != "running":
                self._tracker.end_running(task, *self._verdict(task, state.state, state.why), state.along)
            else:
                self._enforce_timeout(task, self._seconds_allowed(begun))

    def unconfirmed(self) -> bool:
        """Whether something was cancelled, by this run or by anybody: that may come to nothing, and late."""
        return any(
            outcome.result == "cancelled" or (outcome.result == "failed" and self.was_cancelled(outcome.task))
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

    def _seconds_allowed(self, begun: RunningMigration) -> float:
        """After how long it is cancelled: disks may take longer than any memory."""
        cost = begun.migration.cost
        return max(self._timeout, DISK_PATIENCE * cost.seconds) if cost.disks else self._timeout
