# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the moves of disks of a plan to their outcome, failures of every kind included."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from ..._model.outcome import DiskMoveOutcome, Outcome
from ..._model.plan import DiskMove
from ..._platforms.errors import PlatformError
from ..._platforms.storage_protocol import StorageNow, StoragePlatform
from ..clock import Clock
from ..errors import WrongCluster
from ..job import FailurePolicy
from ..journal import Journal
from ..progress import DiskProgress
from ..run_loop import RunLoop, refuse_other_cluster
from ..stopping import StopSignal
from .job import DiskMoveJob, DiskSlots
from .launcher import DiskLauncher
from .monitor import DiskMonitor
from .progress import disk_progress
from .tracker import DiskMoveTracker, RunningDiskMove
from .way_back import moves_back


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskMovesEnd:
    """How the moves of disks of a plan ended."""

    outcomes: tuple[DiskMoveOutcome, ...]
    status: Literal["done", "partial", "stopped", "rolled_back"]


class DiskMoveExecutor(RunLoop[DiskMove, DiskMoveOutcome, RunningDiskMove, StorageNow]):
    """One run of one job, after the migrations of the same plan. `observe` is called after every round with
    the progress and why the run is paused, `ended` at once for each move that has ended, also for those of a
    run that was killed before it could report them.
    """

    _tracker: DiskMoveTracker
    _launcher: DiskLauncher
    _monitor: DiskMonitor

    def __init__(
        self,
        job: DiskMoveJob,
        platform: StoragePlatform,
        *,
        slots: DiskSlots,
        failure_policy: FailurePolicy,
        journal: Journal,
        stop: StopSignal,
        clock: Clock,
        observe: Callable[[DiskProgress, str], None] = lambda _progress, _paused: None,
        renew_lock: Callable[[], None] = lambda: None,
        ended: Callable[[DiskMoveOutcome], None] = lambda _outcome: None,
        rng: Callable[[], float] = random.random,
        pauses: bool = True,
    ) -> None:
        self._job = job
        self._platform = platform
        self._observe = observe
        self._ended = ended
        self._last: StorageNow | None = None
        tracker = DiskMoveTracker(job.moves, journal, clock, ended)
        super().__init__(
            tracker,
            DiskLauncher(job, platform, slots, tracker, journal.past, clock),
            DiskMonitor(job, platform, tracker, clock, failure_policy.timeout),
            what=("move of disks", "moves of disks"),
            failure_policy=failure_policy,
            journal=journal,
            stop=stop,
            clock=clock,
            renew_lock=renew_lock,
            rng=rng,
            pauses=pauses,
        )

    def run(self, halted: str | None = None) -> DiskMovesEnd:
        """Run the moves and return the outcome of each. `halted`: why none is started any more; those that an
        earlier part of the run has started are followed to their end all the same.

        Raises nothing but what keeps the journal from being written before the first move.
        """
        past = self._journal.past
        for outcome in past.disk_outcomes:
            self._ended(outcome)
        self._began = self._clock.monotonic()
        self._halted = halted
        begun = any(move.step in past.begun for move in self._job.moves)
        now = self._read_initial_state() if halted is None or begun else None
        if now is not None:
            self._launcher.resume(now)
        if past.moving_disks_back:
            self._launcher.take_over()
            self._halted = self._halted or "an earlier part of this run was rolling back"
        self._continue(now)
        rolled_back = self._roll_back_if_needed(began_earlier=past.moving_disks_back)
        if now is not None:
            self._confirm_ends()
        return DiskMovesEnd(outcomes=self._tracker.outcomes(), status=self._status(rolled_back=rolled_back))

    def _look(self) -> StorageNow:
        copied = {move.guest.id for move in self._launcher.copies}
        now = self._platform.look_at_storage(self._tracker.guests | copied)
        refuse_other_cluster(self._job.cluster, now.cluster, "Make a plan for the cluster of the platform")
        self._last = now
        self._launcher.look_for_copies(now)
        self._journal.copies = self._launcher.copies
        return now

    def _skip(self, step: DiskMove, why: str) -> None:
        self._launcher.end_pending(step, self._last, why)

    def _read_initial_state(self) -> StorageNow | None:
        """None where it can't be had: the migrations that came before must be reported all the same."""
        while True:
            self._renew_lock()
            try:
                now = self._look()
            except (PlatformError, WrongCluster) as error:
                self._tolerate("look", error)
                if self._halted is not None:
                    return None
                stopped = self._stop.reason(self._clock.monotonic())
                if stopped is not None:
                    self._halted = stopped
                    return None
                self._pace.pause(progressed=False)
            else:
                self._pace.answered("look")
                return now

    def _report(self) -> None:
        since = self._began + self._pace.rested
        seen = disk_progress(self._tracker, self._monitor.states, self._clock, since)
        self._observe(seen, self._paused or "")

    def _write_rolling_back(self) -> None:
        self._journal.moving_disks_back()

    def _add_way_back(self) -> StorageNow | None:
        # What was called failed may have moved some of its disks.
        now = self._refresh()
        if now is not None:
            self._monitor.settle(now)
        self._tracker.add(moves_back(self._job.moves, self._tracker.outcomes(), self._job.last_step))
        if now is not None:
            self._launcher.resume(now)
        return now

    def _confirm_ends(self) -> None:
        """See that each disk is where it should be, and what is left behind."""
        guests = {
            outcome.guest.id
            for outcome in self._tracker.outcomes()
            if outcome.result in ("migrated", "failed", "cancelled")
        }
        began = self._clock.monotonic()
        while guests:
            try:
                now = self._platform.look_at_storage(guests)
            except PlatformError:
                # They stay what they were called.
                return
            self._monitor.settle(now)
            busy = any(guest.busy for guest in now.guests.values())
            cancelled = bool(self._tracker.counts().get("cancelled"))
            if not self._may_turn_out_otherwise(began, busy=busy, unconfirmed=cancelled):
                return
            self._pace.pause(progressed=False)


def with_disk_moves(outcome: Outcome, end: DiskMovesEnd, seconds: float) -> Outcome:
    """The outcome of a plan whose migrations have ended as `outcome`, and its moves of disks as `end`."""
    return replace(
        outcome, status=_joint_status(outcome, end), seconds=round(seconds, 3), disk_moves=end.outcomes
    )


def _joint_status(
    outcome: Outcome, end: DiskMovesEnd
) -> Literal["done", "partial", "planned", "stopped", "rolled_back"]:
    if outcome.status == "rolled_back" or outcome.status == end.status:
        return outcome.status
    if "stopped" in (outcome.status, end.status):
        return "stopped"
    if end.status == "rolled_back" and not any(one.result == "migrated" for one in outcome.migrations):
        return "rolled_back"
    return "partial"
