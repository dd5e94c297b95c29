# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the moves of disks of a plan to their outcome, failures of every kind included."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from ..._model.errors import EvenKeelError
from ..._model.outcome import DiskMoveOutcome, Outcome
from ..._platforms.errors import PlatformError
from ..._platforms.storage_protocol import StorageNow, StoragePlatform
from ..clock import Clock
from ..errors import JournalError, WrongCluster
from ..job import MAX_CANCEL_SECONDS, MAX_LATE_SECONDS, FailurePolicy
from ..journal import Journal
from ..migration_tracker import SUCCESSFUL
from ..pace import Pace
from ..progress import DiskProgress
from ..stopping import StopSignal
from .job import DiskMoveJob, DiskSlots
from .launcher import DiskLauncher
from .monitor import DiskMonitor
from .progress import disk_progress
from .tracker import DiskMoveTracker
from .way_back import moves_back


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskMovesEnd:
    """How the moves of disks of a plan ended."""

    outcomes: tuple[DiskMoveOutcome, ...]
    status: Literal["done", "partial", "stopped", "rolled_back"]


class DiskMoveExecutor:
    """One run of one job, after the migrations of the same plan. `observe` is called after every round with
    the progress and why the run is paused, `ended` at once for each move that has ended, also for those of a
    run that was killed before it could report them.
    """

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
        self._failure_policy = failure_policy
        self._journal = journal
        self._stop = stop
        self._clock = clock
        self._observe = observe
        self._renew_lock = renew_lock
        self._ended = ended
        self._pauses = pauses
        self._paused: str | None = None
        self._tracker = DiskMoveTracker(job.moves, journal, clock, ended)
        self._launcher = DiskLauncher(job, platform, slots, self._tracker, journal.past, clock)
        self._monitor = DiskMonitor(job, platform, self._tracker, clock, failure_policy.timeout)
        self._halted: str | None = None
        self._pace = Pace(clock, failure_policy.poll_interval, rng)
        self._began = clock.monotonic()
        self._last: StorageNow | None = None

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
        rolled_back = (past.moving_disks_back or self._must_roll_back()) and self._roll_back()
        if now is not None:
            self._confirm_ends()
        return DiskMovesEnd(outcomes=self._tracker.outcomes(), status=self._status(rolled_back=rolled_back))

    def _continue(self, now: StorageNow | None) -> None:
        tracker = self._tracker
        while tracker.open:
            open_before = len(tracker.pending)
            self._check_stop()
            self._paused = self._stop.pause_reason() if self._pauses and self._halted is None else None
            if now is not None and self._halted is None and self._paused is None:
                self._start_ready(now)
            self._report()
            if tracker.running:
                self._pace.pause(progressed=len(tracker.pending) < open_before)
                self._poll()
            elif self._paused is not None:
                self._pace.rest()
                now = None
                continue
            elif now is not None and len(tracker.pending) == open_before:
                self._pace.pause(progressed=False)
            now = self._refresh() if tracker.pending else None
        self._report()

    def _check_stop(self) -> None:
        """Start no more moves after a stop signal, too many failures, or a failed journal write."""
        self._renew_lock()
        stopped = self._stop.reason(self._clock.monotonic())
        if stopped is not None and self._failure_policy.on_stop == "cancel":
            self._monitor.cancel_all(stopped)
        why = stopped or self._journal.broken or self._too_many_failures()
        if self._halted is None:
            self._halted = why
        if self._halted is not None:
            self._launcher.take_over()
            for move in self._tracker.pending:
                self._launcher.end_pending(move, self._last, self._halted)

    def _too_many_failures(self) -> str | None:
        failures = self._tracker.failures
        if self._failure_policy.on_failure == "continue" or failures <= self._failure_policy.tolerated(
            len(self._job.moves)
        ):
            return None
        return f"{failures} move{'s' if failures > 1 else ''} of disks failed"

    def _start_ready(self, now: StorageNow) -> None:
        try:
            self._launcher.start_ready(now)
        except JournalError as error:
            self._halted = str(error)

    def _look(self) -> StorageNow:
        copied = {move.guest.id for move in self._launcher.copies}
        now = self._platform.look_at_storage(self._tracker.guests | copied)
        if now.cluster != self._job.cluster.id:
            raise WrongCluster(
                f"the plan is for cluster {self._job.cluster.name!r} (id {self._job.cluster.id}),"
                f" and the platform has the cluster with the id {now.cluster}",
                where="vm_migrate",
                hint="Make a plan for the cluster of the platform",
            )
        self._pace.answered("look")
        self._last = now
        self._launcher.look_for_copies(now)
        self._journal.copies = self._launcher.copies
        return now

    def _read_initial_state(self) -> StorageNow | None:
        """None where it can't be had: the migrations that came before must be reported all the same."""
        while True:
            self._renew_lock()
            try:
                return self._look()
            except (PlatformError, WrongCluster) as error:
                self._tolerate("look", error)
                if self._halted is not None:
                    return None
                stopped = self._stop.reason(self._clock.monotonic())
                if stopped is not None:
                    self._halted = stopped
                    return None
                self._pace.pause(progressed=False)

    def _refresh(self) -> StorageNow | None:
        try:
            return self._look()
        except (PlatformError, WrongCluster) as error:
            if not self._tracker.running:
                self._pace.pause(progressed=False)
            self._tolerate("look", error)
            return None

    def _poll(self) -> None:
        try:
            self._monitor.poll()
        except PlatformError as error:
            self._tolerate("poll", error)
        else:
            self._pace.answered("poll")

    def _tolerate(self, question: str, error: EvenKeelError) -> None:
        """Tolerate a platform that does not answer for some time; then, or after a final error, give up."""
        if self._pace.must_give_up(question, error):
            self._halted = self._halted or str(error)
            self._monitor.abandon(str(error))

    def _report(self) -> None:
        since = self._began + self._pace.rested
        seen = disk_progress(self._tracker, self._monitor.states, self._clock, since)
        self._observe(seen, self._paused or "")

    def _must_roll_back(self) -> bool:
        return self._failure_policy.on_failure == "rollback" and self._too_many_failures() is not None

    def _roll_back(self) -> bool:
        """Undo the moves of disks, with the same care; failures on the way do not stop it. Whether it began
        to: a journal that can't say so would let the next run do it all again.
        """
        if not self._journal.past.moving_disks_back:
            try:
                self._journal.moving_disks_back()
            except JournalError as error:
                self._halted = str(error)
                return False
        # What was called failed may have moved some of its disks.
        now = self._refresh()
        if now is not None:
            self._monitor.settle(now)
        self._tracker.add(moves_back(self._job.moves, self._tracker.outcomes(), self._job.last_step))
        if now is not None:
            self._launcher.resume(now)
        self._halted = None
        self._failure_policy = replace(self._failure_policy, on_failure="continue")
        self._continue(now)
        return True

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
            waited = self._clock.monotonic() - began
            busy = any(guest.busy for guest in now.guests.values())
            if waited >= MAX_CANCEL_SECONDS or (waited >= MAX_LATE_SECONDS and not busy):
                return
            if not busy and not self._tracker.counts().get("cancelled"):
                return
            self._pace.pause(progressed=False)

    def _status(self, *, rolled_back: bool) -> Literal["done", "partial", "stopped", "rolled_back"]:
        outcomes = self._tracker.outcomes()
        if rolled_back:
            back = outcomes[len(self._job.moves) :]
            return "rolled_back" if all(outcome.result in SUCCESSFUL for outcome in back) else "partial"
        if all(outcome.result in SUCCESSFUL for outcome in outcomes):
            return "done"
        return "partial" if self._halted is None else "stopped"


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
