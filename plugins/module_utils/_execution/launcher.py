# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting each migration as soon as it may, after looking at the cluster again."""

from __future__ import annotations

from collections.abc import Sequence

from .._model.outcome import CoMigrated
from .._model.plan import RULE_RESTORING, Migration
from .._platforms.errors import PlatformError, StartRefused
from .._platforms.protocol import ClusterNow, Objection, Platform
from .clock import Clock
from .concurrency_limits import ConcurrencyLimits
from .critical_path import by_critical_path
from .job import MigrationJob
from .journal import EarlierRun
from .migration_tracker import MigrationTracker, co_migrated, request_for
from .preflight import GO, DisksAlong, PreflightResult, free_capacity, preflight
from .rule_check import RuleCheck
from .start_attempts import UNCERTAIN, StartAttempts
from .step_tracker import SUCCESSFUL


class Launcher:
    """Decides, step by step in the order of the plan, what starts now and what never will."""

    def __init__(
        self,
        job: MigrationJob,
        platform: Platform,
        concurrency: ConcurrencyLimits,
        tracker: MigrationTracker,
        past: EarlierRun,
        clock: Clock,
        disks: DisksAlong | None = None,
    ) -> None:
        self._disks = disks
        self._limits = job.limits
        self._platform = platform
        self._concurrency = concurrency
        self._tracker = tracker
        self._past = past
        self._names = job.names
        self._rule_check = RuleCheck(job.rules, job.emptied, job.names)
        self._rule_targets = {
            migration.target for migration in job.migrations if migration.kind in RULE_RESTORING
        }
        self._attempts = StartAttempts(clock)

    def observed_guests(self) -> set[str]:
        """The guests whose places decide about what is pending."""
        return self._rule_check.members(self._tracker.pending)

    def take_over(self) -> None:
        """Count what an earlier part of this run has done as done by this one."""
        for migration in self._tracker.pending:
            past = self._past.ended.get(migration.step)
            if past is not None and past.result == "migrated":
                self._tracker.take_over(past)

    def resume(self) -> None:
        """Follow the migrations that an earlier part of this run has started and not seen the end of."""
        for migration in self._tracker.pending:
            at = self._past.begun.get(migration.step)
            if at is None or migration.step in self._past.ended:
                continue
            task = self._past.tasks.get(migration.step) or self._find_running(migration)
            if task is not None:
                self._tracker.started(migration, task, at)

    def start_ready(self, now: ClusterNow) -> None:
        """Start every migration whose turn it is, that has a slot and still makes sense."""
        tracker = self._tracker
        for migration in by_critical_path(tracker.pending, tracker.underway, self._concurrency):
            hindrance = self._tracker.blocking_failure(migration)
            if hindrance is not None:
                why = f"depends on step {hindrance.step}, which was {hindrance.result}"
                self._tracker.end_pending(migration, "skipped", why)
            elif self._tracker.is_ready(migration):
                self._consider(migration, now)

    def _consider(self, migration: Migration, now: ClusterNow) -> None:
        tracker = self._tracker
        underway = tracker.moving
        later = tracker.later_targets[migration.step]
        judged = preflight(
            migration, now, self._taking_room(), self._limits, later, self._rule_targets, self._names
        )
        if judged.answer == "there":
            self._arrived(migration)
        elif judged.answer != "drop" and tracker.is_co_migrated(migration):
            return
        elif judged.answer == "busy":
            self._follow_or_drop(migration, judged)
        elif judged.answer == "drop":
            tracker.end_pending(migration, "skipped", judged.why)
        elif judged.answer == "go" and self._concurrency.allows(migration, underway):
            others = [other for other in tracker.pending if other is not migration]
            conflict = self._rule_check.with_migration(migration, now, underway, [*others, migration])
            if conflict is None:
                self._start_with_disks(migration, now)
            else:
                tracker.end_pending(migration, "skipped", conflict)

    def _start_with_disks(self, migration: Migration, now: ClusterNow) -> None:
        """Start it, after a look at its disks and at the datastores that they go to."""
        if self._disks is not None and migration.cost.disks:
            ended = self._tracker.recently_ended(self._disks.settling_seconds)
            judged = self._disks.preflight(migration, [*self._tracker.moving, *ended])
            if judged.answer == "busy":
                self._follow_or_drop(migration, judged)
            elif judged.answer == "drop":
                self._tracker.end_pending(migration, "skipped", judged.why)
            if judged.answer != "go":
                return
        self._start(migration, now)

    def _arrived(self, migration: Migration) -> None:
        """On its target already: by an earlier part of this run, or by anybody."""
        past = self._past.ended.get(migration.step)
        if past is not None and past.result in SUCCESSFUL:
            self._tracker.take_over(past)
        elif migration.step in self._past.begun or self._attempts.may_have_started(migration.step):
            self._tracker.end_pending(migration, "migrated", "Completed while no run was monitoring it.")
        elif (step := self._tracker.co_migrated_with(migration)) is not None:
            self._tracker.end_pending(
                migration, "migrated", f"migrated by the platform together with step {step}"
            )
        else:
            self._tracker.end_pending(migration, "already_there")

    def _follow_or_drop(self, migration: Migration, judged: PreflightResult) -> None:
        """A guest that is being migrated already, by a run that was killed perhaps, is not started again;
        what else holds it may be over in a moment.
        """
        task = self._find_running(migration)
        if task is not None and task not in self._tracker.running:
            at = self._tracker.begin(migration, self._tracker.begun_with(migration))
            self._tracker.started(migration, task, at)
        elif self._attempts.has_waited(migration.step):
            self._tracker.end_pending(migration, "skipped", judged.why)

    def _apply_objection(self, migration: Migration, objection: Objection) -> None:
        """One that lasts ends it; one that may pass is asked about again, less and less often."""
        if self._has_changed(migration):
            return
        if not objection.passing:
            self._tracker.end_pending(migration, "refused", objection.why)
        elif self._attempts.has_waited(migration.step):
            self._tracker.end_pending(migration, "skipped", objection.why)
        else:
            self._attempts.postpone(migration.step)

    def _has_changed(self, migration: Migration) -> bool:
        """Whether something has taken hold of the guest since the look: then the next one decides."""
        try:
            guest = self._platform.look([migration.guest.id]).guests.get(migration.guest.id)
        except PlatformError:
            return False
        return guest is None or guest.busy is not None or guest.host != migration.source

    def _find_running(self, migration: Migration) -> str | None:
        """Its task, if it is under way and the platform reports it; otherwise the next look decides."""
        try:
            return self._platform.find(request_for(migration))
        except PlatformError:
            return None

    def _taking_room(self) -> list[Migration]:
        """Migrations under way, and those that have ended but may not be counted on their target yet."""
        settling = self._tracker.recently_ended(self._platform.capacities.settling_seconds)
        return [*self._tracker.moving, *settling]

    def _with_partners(
        self, migration: Migration, along: Sequence[CoMigrated], now: ClusterNow
    ) -> PreflightResult:
        """Whether those that the platform takes along may go there as well: there is room for all, and none
        of them breaks a rule.
        """
        tracker = self._tracker
        taking_room = self._taking_room()
        known = {(move.guest.id, move.target) for move in taking_room}
        coming = [move for move in co_migrated(migration, along) if (move.guest.id, move.target) not in known]
        if not coming:
            return GO
        found = free_capacity(
            [migration, *coming], now, taking_room, self._limits, self._rule_targets, self._names
        )
        if found.answer != "go":
            return found
        members = self._rule_check.members([migration, *coming, *tracker.pending])
        present = self._platform.look(members)
        others = [move for move in tracker.pending if move.guest.id not in {one.guest.id for one in coming}]
        for move in coming:
            moving = [*tracker.moving, migration, *(other for other in coming if other is not move)]
            conflict = self._rule_check.with_migration(move, present, moving, [*others, *coming, migration])
            if conflict is not None:
                name = f"{move.guest.name} ({move.guest.id})"
                return PreflightResult(
                    "drop", f"the platform would migrate {name} together with it: {conflict}"
                )
        return GO

    def _start(self, migration: Migration, now: ClusterNow) -> None:
        request = request_for(migration)
        if self._attempts.is_postponed(migration.step):
            return
        try:
            prepared = self._platform.prepare(request)
            if prepared.objection is not None:
                self._apply_objection(migration, prepared.objection)
                return
            judged = self._with_partners(migration, prepared.partners, now)
            if judged.answer == "drop":
                self._tracker.end_pending(migration, "skipped", judged.why)
            if judged.answer != "go":
                return
            at = self._tracker.begin(migration, prepared.partners)
            task = self._platform.start(prepared)
        except UNCERTAIN as error:
            # The next look shows whether it runs, has arrived, or has to be started again.
            self._attempts.count_uncertain(migration.step)
            if self._attempts.are_used_up(migration.step):
                self._tracker.end_pending(migration, "failed", str(error))
        except StartRefused as refused:
            # What the check did not see is an objection all the same.
            self._apply_objection(migration, Objection(refused.objection, refused.passing))
        except PlatformError as error:
            if not self._has_changed(migration):
                self._tracker.end_pending(migration, "failed", str(error))
        else:
            self._tracker.started(migration, task, at)
