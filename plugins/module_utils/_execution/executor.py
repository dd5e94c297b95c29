# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a plan on a platform to its outcome, failures of every kind included."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from .._model.outcome import MigrationOutcome, Outcome
from .._model.plan import Migration
from .._platforms.errors import PlatformError
from .._platforms.protocol import ClusterNow, Platform
from .clock import Clock
from .concurrency_limits import ConcurrencyLimits
from .job import FailurePolicy, MigrationJob
from .journal import Journal
from .launcher import Launcher
from .migration_tracker import MigrationTracker, RunningMigration
from .monitor import Monitor
from .preflight import DisksAlong
from .progress import Progress, progress
from .rollback_plan import rollback_migrations
from .run_loop import RunLoop, refuse_other_cluster
from .stopping import StopSignal


class Executor(RunLoop[Migration, MigrationOutcome, RunningMigration, ClusterNow]):
    """One run of one job. `observe` is called after every round with the progress, `ended` at once for each
    migration that has ended, also for those of a run that was killed before it could report them. `pauses`:
    whether the stop signal can pause the run. `is_last`: whether the journal is of no use after it.
    """

    _tracker: MigrationTracker
    _launcher: Launcher
    _monitor: Monitor

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
        self._observe = observe
        self._ended = ended
        self._is_last = is_last
        self._disks = disks
        # Why nothing may follow this part of the run, or None.
        self.ended_early: str | None = None
        tracker = MigrationTracker(job.migrations, journal, clock, ended)
        super().__init__(
            tracker,
            Launcher(job, platform, concurrency, tracker, journal.past, clock, disks),
            Monitor(platform, tracker, clock, failure_policy.timeout),
            what=("migration", "migrations"),
            failure_policy=failure_policy,
            journal=journal,
            stop=stop,
            clock=clock,
            renew_lock=renew_lock,
            rng=rng,
            pauses=pauses,
        )

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
        rolled_back = self._roll_back_if_needed(began_earlier=self._journal.past.rolling_back)
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

    def _look(self) -> ClusterNow:
        now = self._platform.look(self._launcher.observed_guests())
        refuse_other_cluster(
            self._job.cluster,
            now.cluster,
            "Nothing was started. Make a plan for the cluster of the platform",
        )
        return now

    def _skip(self, step: Migration, why: str) -> None:
        self._tracker.end_pending(step, "skipped", why)

    def _read_initial_state(self) -> ClusterNow:
        while True:
            try:
                now = self._look()
            except PlatformError as error:
                self._tolerate("look", error)
                self._renew_lock()
                if self._halted is not None or self._stop.reason(self._clock.monotonic()) is not None:
                    raise
                self._pace.pause(progressed=False)
            else:
                self._pace.answered("look")
                return now

    def _report(self) -> None:
        since = self._began + self._pace.rested
        seen = progress(self._tracker, self._monitor.percent, self._clock, since)
        self._observe(seen if self._paused is None else replace(seen, paused=self._paused))

    def _look_at_disks(self) -> None:
        """Whether disks that went along are where they should be."""
        if self._disks is None:
            return
        try:
            found = self._disks.revised(self._tracker.outcomes(), tuple(self._tracker.steps.values()))
        except PlatformError as error:
            self._tolerate("disks", error)
            return
        for outcome in found:
            self._tracker.revise(outcome)

    def _write_rolling_back(self) -> None:
        self._journal.rolling_back()

    def _add_way_back(self) -> ClusterNow | None:
        back = rollback_migrations(self._job.migrations, self._tracker.outcomes(), self._job.last_step)
        self._tracker.add(back)
        self._launcher.resume()
        return self._refresh()

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
            busy = any(now.guests[guest].busy for guest in watched if guest in now.guests)
            if not self._may_turn_out_otherwise(began, busy=busy, unconfirmed=self._monitor.unconfirmed()):
                return
            self._pace.pause(progressed=False)
