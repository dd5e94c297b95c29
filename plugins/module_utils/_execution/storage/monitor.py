# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following moves of disks to their end, and stopping them where it must be."""

from __future__ import annotations

from collections.abc import Mapping

from ..._model.outcome import DiskMoveOutcome, Result
from ..._platforms.storage_protocol import DiskMoveState, DisksNow, StorageNow, StoragePlatform
from ..clock import Clock
from ..step_tracker import SUCCESSFUL
from ..task_monitor import TaskMonitor
from .job import DiskMoveJob
from .tracker import DiskMoveTracker, RunningDiskMove

_UNKNOWN = DiskMoveState(state="failed", why="the platform no longer reports the task")


class DiskMonitor(TaskMonitor):
    """Polls all running moves in one call. `states` are those of the last poll, by task."""

    def __init__(
        self,
        job: DiskMoveJob,
        platform: StoragePlatform,
        tracker: DiskMoveTracker,
        clock: Clock,
        timeout: float,
    ) -> None:
        self._job = job
        super().__init__(tracker, clock, platform.cancel_disk_move, "move")
        self._platform = platform
        self._tracker = tracker
        self._timeout = timeout
        self.states: Mapping[str, DiskMoveState] = {}

    def poll(self) -> None:
        """Take note of what has ended, and cancel what takes too long. Raises PlatformError."""
        running = self._tracker.running
        self.states = self._platform.poll_disk_moves({task: begun.request for task, begun in running.items()})
        for task, begun in list(running.items()):
            state = self.states.get(task, _UNKNOWN)
            if state.state != "running":
                self._end(task, begun, state)
            else:
                self._enforce_timeout(task, self._job.seconds_allowed(begun.move, self._timeout))

    def _end(self, task: str, begun: RunningDiskMove, state: DiskMoveState) -> None:
        reported: Result = "failed" if state.state == "running" else state.state
        result, why = self._verdict(task, reported, state.why)
        moved = begun.move.disks if result == "migrated" else state.moved
        self._tracker.end_running(task, result, why, moved, state.left_behind)

    def settle(self, now: StorageNow) -> None:
        """Compare what is said of each move with where its disks are: each must be where the last move that
        ended well has taken it, and a volume that the guest did not use before is named.
        """
        last: dict[tuple[str, str], int] = {}
        for outcome in self._tracker.outcomes():
            if outcome.result in SUCCESSFUL:
                last.update(((outcome.guest.id, disk), outcome.step) for disk in outcome.disks)
        for outcome in self._tracker.outcomes():
            guest = now.guests.get(outcome.guest.id)
            if guest is not None and guest.busy is None:
                self._compare(outcome, guest, last)
        self._name_unused(now)

    def _compare(
        self, outcome: DiskMoveOutcome, guest: DisksNow, last: Mapping[tuple[str, str], int]
    ) -> None:
        there = tuple(disk for disk in outcome.disks if guest.disks.get(disk) == outcome.target)
        if outcome.result in SUCCESSFUL:
            wrong = [
                f"{disk} is on {guest.disks.get(disk, 'no datastore')}"
                for disk in outcome.disks
                if disk not in there and last[outcome.guest.id, disk] == outcome.step
            ]
            if wrong:
                why = f"after it, {', '.join(wrong)}"
                self._tracker.correct(outcome.step, result="failed", why=why, moved=there)
        elif outcome.result in ("failed", "cancelled"):
            if there == outcome.disks:
                why = f"arrived on its target after all; reported before: {outcome.why}"
                self._tracker.correct(outcome.step, result="migrated", why=why, moved=there)
            elif all((outcome.guest.id, disk) not in last for disk in outcome.disks):
                self._tracker.correct(outcome.step, moved=there)

    def _name_unused(self, now: StorageNow) -> None:
        for identity, guest in now.guests.items():
            before = self._tracker.unused_before(identity)
            if before is None:
                continue
            own = [one for one in self._tracker.outcomes() if one.guest.id == identity]
            tried = [one for one in own if one.result in ("migrated", "failed", "cancelled")]
            named = {_volume(text) for one in own for text in one.left_behind}
            found = [text for text in guest.unused if text not in before and _volume(text) not in named]
            if tried and found:
                self._tracker.correct(tried[-1].step, left_behind=(*tried[-1].left_behind, *found))


def _volume(text: str) -> str:
    """What tells the same volume in two texts, such as unused0: fast:vm-101-disk-0."""
    return text.rpartition(": ")[2]
