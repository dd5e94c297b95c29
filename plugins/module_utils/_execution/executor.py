# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a plan on a platform to its outcome, failures of every kind included."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from .._model.errors import EvenKeelError
from .._model.outcome import MigrationOutcome, Outcome
from .._platforms.errors import PlatformError
from .._platforms.protocol import ClusterNow, Platform
from .clock import Clock
from .concurrency_limits import ConcurrencyLimits
from .errors import JournalError, WrongCluster
from .job import MAX_CANCEL_SECONDS, MAX_LATE_SECONDS, FailurePolicy, MigrationJob
from .journal import Journal
from .launcher import Launcher
from .migration_tracker import SUCCESSFUL, MigrationTracker
from .monitor import Monitor
from .pace import Pace
from .preflight import DisksAlong
from .progress import Progress, progress
from .rollback_plan import rollback_migrations
from .stopping import StopSignal


class Executor:
    """One run of one job. `observe` is called after every round with the progress, `ended` at once for each
    migration that has ended, also for those of a run that was killed before it could report them. `pauses`:
    whether the stop signal can pause the run. `is_last`: whether the journal is of no use after it.
    """

    def __init__(
        self,
        job: MigrationJob,
        platform: Platform,
        *,
        concurrency: ConcurrencyLimits,
        failure_policy: FailurePolicy,
        journal: Journal,
        stop: StopSignal,
        clock: Clock,
        observe: Callable[[Progress], None],
        renew_lock: Callable[[], None] = lambda: None,
        ended: Callable[[MigrationOutcome], None] = lambda _outcome: None,
        rng: Callable[[], float] = random.random,
        pauses: bool = True,
        is_last: bool = True,
        disks: DisksAlong | None = None,
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
        self._is_last = is_last
        self._disks = disks
        # Why nothing may follow this part of the run, or None.
        self.ended_early: str | None = None
        self._paused: str | None = None
        self._tracker = MigrationTracker(job.migrations, journal, clock, ended)
        self._launcher = Launcher(job, platform, concurrency, self._tracker, journal.past, clock, disks)
        self._monitor = Monitor(platform, self._tracker, clock, failure_policy.timeout)
        self._halted: str | None = None
        self._pace = Pace(clock, failure_policy.poll_interval, rng)
        self._began = clock.monotonic()

    def run(self) -> Outcome:
        """Run the migrations and return the outcome of each.

        Raises WrongCluster before anything is started when the platform serves another cluster, PlatformError
        when it cannot be read, and JournalError when the journal cannot be written.
        """
        self._began, started_at = self._clock.monotonic(), self._clock.now()
        for outcome in self._journal.past.outcomes:
            self._ended(outcome)
        now = self._read_initial_state()
        self._launcher.resume()
        if self._journal.past.rolling_back:
            self._launcher.take_over()
            self._halted = "an earlier part of this run was rolling back"
        self._continue(now)
        self._look_at_disks()
        rolled_back = (self._journal.past.rolling_back or self._must_roll_back()) and self._roll_back()
        self._confirm_ends()
        self._look_at_disks()
        self.ended_early = "the migrations were rolled back" if rolled_back else self._halted
        if self._is_last:
            self._journal.finish()
        return Outcome(
            cluster=self._job.cluster,
            status=self._status(rolled_back=rolled_back),
            started_at=started_at,
            seconds=round(self._clock.monotonic() - self._began, 3),
            migrations=self._tracker.outcomes(),
        )

    def _continue(self, now: ClusterNow | None) -> None:
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
            now = self._refresh_live_state() if tracker.pending else None
        self._report()

    def _check_stop(self) -> None:
        """Start no more migrations after a stop signal, too many failures, or a failed journal write."""
        self._renew_lock()
        stopped = self._stop.reason(self._clock.monotonic())
        if stopped is not None and self._failure_policy.on_stop == "cancel":
            self._monitor.cancel_all(stopped)
        why = stopped or self._journal.broken or self._too_many_failures()
        if self._halted is None:
            self._halted = why
        if self._halted is not None:
            self._launcher.take_over()
            for migration in self._tracker.pending:
                self._tracker.end_pending(migration, "skipped", self._halted)

    def _too_many_failures(self) -> str | None:
        failures = self._tracker.failures
        if self._failure_policy.on_failure == "continue" or failures <= self._failure_policy.tolerated(
            len(self._job.migrations)
        ):
            return None
        return f"{failures} migration{'s' if failures > 1 else ''} failed"

    def _start_ready(self, now: ClusterNow) -> None:
        try:
            self._launcher.start_ready(now)
        except JournalError as error:
            self._halted = str(error)

    def _read_live_state(self) -> ClusterNow:
        now = self._platform.look(self._launcher.observed_guests())
        if now.cluster != self._job.cluster.id:
            raise WrongCluster(
                f"the plan is for cluster {self._job.cluster.name!r} (id {self._job.cluster.id}),"
                f" and the platform has the cluster with the id {now.cluster}",
                where="vm_migrate",
                hint="Nothing was started. Make a plan for the cluster of the platform",
            )
        return now

    def _read_initial_state(self) -> ClusterNow:
        while True:
            try:
                now = self._read_live_state()
            except PlatformError as error:
                self._tolerate("look", error)
                self._renew_lock()
                if self._halted is not None or self._stop.reason(self._clock.monotonic()) is not None:
                    raise
                self._pace.pause(progressed=False)
            else:
                self._pace.answered("look")
                return now

    def _refresh_live_state(self) -> ClusterNow | None:
        try:
            now = self._read_live_state()
        except (PlatformError, WrongCluster) as error:
            if not self._tracker.running:
                self._pace.pause(progressed=False)
            self._tolerate("look", error)
            return None
        self._pace.answered("look")
        return now

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
        seen = progress(self._tracker, self._monitor.percent, self._clock, since)
        self._observe(seen if self._paused is None else replace(seen, paused=self._paused))

    def _look_at_disks(self) -> None:
        """Whether disks that went along are where they should be."""
        if self._disks is None:
            return
        try:
            found = self._disks.revised(self._tracker.outcomes(), self._tracker.known)
        except PlatformError as error:
            self._tolerate("disks", error)
            return
        for outcome in found:
            self._tracker.revise(outcome)

    def _must_roll_back(self) -> bool:
        return self._failure_policy.on_failure == "rollback" and self._too_many_failures() is not None

    def _roll_back(self) -> bool:
        """Undo what this run has done, with the same care; failures on the way do not stop it. Whether it
        began to: a journal that can't say so would let the next run do it all again.
        """
        if not self._journal.past.rolling_back:
            try:
                self._journal.rolling_back()
            except JournalError as error:
                self._halted = str(error)
                return False
        back = rollback_migrations(self._job.migrations, self._tracker.outcomes(), self._job.last_step)
        self._tracker.add(back)
        self._launcher.resume()
        self._halted = None
        self._failure_policy = replace(self._failure_policy, on_failure="continue")
        self._continue(self._refresh_live_state())
        return True

    def _confirm_ends(self) -> None:
        doubtful = {
            outcome.guest.id
            for outcome in self._tracker.outcomes()
            if outcome.result in ("failed", "cancelled")
            or (outcome.result == "skipped" and self._tracker.co_migrated_with(outcome) is not None)
        }
        watched = doubtful | self._tracker.expected_co_migrations()
        began = self._clock.monotonic()
        while doubtful:
            try:
                now = self._platform.look(watched)
            except PlatformError:
                # They stay what they were called.
                return
            self._monitor.settle(now)
            waited = self._clock.monotonic() - began
            busy = any(now.guests[guest].busy for guest in watched if guest in now.guests)
            if waited >= MAX_CANCEL_SECONDS or (waited >= MAX_LATE_SECONDS and not busy):
                return
            if not busy and not self._monitor.unconfirmed():
                return
            self._pace.pause(progressed=False)

    def _status(self, *, rolled_back: bool) -> Literal["done", "partial", "stopped", "rolled_back"]:
        outcomes = self._tracker.outcomes()
        if rolled_back:
            home = outcomes[len(self._job.migrations) :]
            return "rolled_back" if all(outcome.result in SUCCESSFUL for outcome in home) else "partial"
        if all(outcome.result in SUCCESSFUL for outcome in outcomes):
            return "done"
        return "partial" if self._halted is None else "stopped"
