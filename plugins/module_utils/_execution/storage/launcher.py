# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting each move of disks as soon as it may, after looking at the cluster again."""

from __future__ import annotations

from collections.abc import Sequence

from ..._model.plan import DiskMove
from ..._platforms.errors import PlatformError, StartRefused
from ..._platforms.protocol import Objection
from ..._platforms.storage_protocol import StorageNow, StoragePlatform
from ..clock import Clock
from ..journal import EarlierRun
from ..preflight import PreflightResult
from ..start_attempts import UNCERTAIN, StartAttempts
from ..step_tracker import SUCCESSFUL
from .job import DiskMoveJob, DiskSlots, request_for
from .policy_check import policy_breach
from .preflight import disk_preflight, disks_elsewhere
from .rule_check import DiskRuleCheck
from .tracker import DiskMoveTracker


class DiskLauncher:
    """Decides, step by step in the order of the plan, what starts now and what never will."""

    def __init__(
        self,
        job: DiskMoveJob,
        platform: StoragePlatform,
        slots: DiskSlots,
        tracker: DiskMoveTracker,
        past: EarlierRun,
        clock: Clock,
    ) -> None:
        self._job = job
        self._platform = platform
        self._slots = slots
        self._tracker = tracker
        self._past = past
        self._attempts = StartAttempts(clock)
        self._rule_check = DiskRuleCheck(job.rules, job.ignored)
        self.copies = past.copies
        """Those of runs that were killed, which go on."""

    def look_for_copies(self, now: StorageNow) -> None:
        """Forget those whose guest is held by nothing any more."""
        guests = now.guests
        self.copies = tuple(
            move for move in self.copies if move.guest.id in guests and guests[move.guest.id].busy is not None
        )

    def take_over(self) -> None:
        """Count what an earlier part of this run has done as done by this one."""
        for move in self._tracker.pending:
            past = self._past.disks_ended.get(move.step)
            if past is not None and (past.result == "migrated" or past.moved):
                self._tracker.take_over(past)

    def resume(self, now: StorageNow) -> None:
        """Follow the moves that an earlier part of this run has started and not seen the end of."""
        for move in self._tracker.pending:
            at = self._past.begun.get(move.step)
            guest = now.guests.get(move.guest.id)
            if at is None or guest is None or move.step in self._past.disks_ended:
                continue
            task = self._past.tasks.get(move.step) or self._find_running(move, guest.host)
            if task is not None:
                self._tracker.started(move, guest.host, task, at)

    def start_ready(self, now: StorageNow) -> None:
        """Start every move whose turn it is, that has a slot and still makes sense."""
        tracker = self._tracker
        for move in _longest_chain_first(tracker.pending):
            hindrance = tracker.blocking_failure(move)
            if hindrance is not None:
                why = f"depends on step {hindrance.step}, which was {hindrance.result}"
                self.end_pending(move, now, why)
            elif tracker.is_ready(move):
                self._consider(move, now)

    def end_pending(self, move: DiskMove, now: StorageNow | None, why: str) -> None:
        """It is not started any more; those of its disks that are there all the same are named."""
        guest = None if now is None else now.guests.get(move.guest.id)
        moved = () if guest is None else set(move.disks).difference(disks_elsewhere(move, guest))
        self._tracker.end_pending(move, "skipped", why, tuple(moved))

    def _consider(self, move: DiskMove, now: StorageNow) -> None:
        tracker = self._tracker
        settling = tracker.recently_ended(self._job.settling_seconds)
        taking_room = [*tracker.underway, *settling, *self.copies]
        later = tracker.later_targets[move.step]
        judged = disk_preflight(move, now, self._job, taking_room, later)
        if judged.answer == "there":
            self._arrived(move)
        elif judged.answer == "busy":
            self._follow_or_drop(move, now, judged)
        elif judged.answer == "drop":
            self.end_pending(move, now, judged.why)
        elif judged.answer == "go" and self._slots.allows(move, tracker.underway):
            self._start(move, now)

    def _arrived(self, move: DiskMove) -> None:
        """On the target already: by an earlier part of this run, or by anybody."""
        past = self._past.disks_ended.get(move.step)
        if past is not None and past.result in SUCCESSFUL:
            self._tracker.take_over(past)
        elif move.step in self._past.begun or self._attempts.may_have_started(move.step):
            self._tracker.end_pending(
                move, "migrated", "Completed while no run was monitoring it.", move.disks
            )
        else:
            self._tracker.end_pending(move, "already_there", moved=move.disks)

    def _follow_or_drop(self, move: DiskMove, now: StorageNow, judged: PreflightResult) -> None:
        """Disks that are being moved already, by a run that was killed perhaps, are not started again; what
        else holds the guest may be over in a moment.
        """
        host = now.guests[move.guest.id].host
        task = self._find_running(move, host)
        if task is not None and task not in self._tracker.running:
            at = self._tracker.begin(move, now.guests[move.guest.id].unused)
            self._tracker.started(move, host, task, at)
        elif any(other.guest.id == move.guest.id for other in self._tracker.underway):
            # Another step of this run holds it.
            self._attempts.wait_anew(move.step)
        elif self._attempts.has_waited(move.step):
            self.end_pending(move, now, judged.why)

    def _apply_objection(self, move: DiskMove, now: StorageNow, objection: Objection) -> None:
        """One that lasts ends it; one that may pass is asked about again, less and less often."""
        if self._has_changed(move):
            return
        if not objection.passing:
            self._tracker.end_pending(move, "refused", objection.why)
        elif self._attempts.has_waited(move.step):
            self.end_pending(move, now, objection.why)
        else:
            self._attempts.postpone(move.step)

    def _has_changed(self, move: DiskMove) -> bool:
        """Whether something has taken hold of the guest since the look: then the next one decides."""
        try:
            guest = self._platform.look_at_storage([move.guest.id]).guests.get(move.guest.id)
        except PlatformError:
            return False
        return guest is None or guest.busy is not None or not disks_elsewhere(move, guest)

    def _find_running(self, move: DiskMove, host: str) -> str | None:
        """Its task, if it is under way and the platform reports it; otherwise the next look decides."""
        try:
            return self._platform.find_disk_move(request_for(move, host))
        except PlatformError:
            return None

    def _start(self, move: DiskMove, now: StorageNow) -> None:
        if self._attempts.is_postponed(move.step):
            return
        if not self._keeps_rules(move, now) or not self._keeps_policies(move, now):
            return
        guest = now.guests[move.guest.id]
        try:
            prepared = self._platform.prepare_disk_move(request_for(move, guest.host))
            if prepared.objection is not None:
                self._apply_objection(move, now, prepared.objection)
                return
            at = self._tracker.begin(move, guest.unused)
            task = self._platform.start_disk_move(prepared)
        except UNCERTAIN as error:
            # The next look shows whether it runs, has arrived, or has to be started again.
            self._attempts.count_uncertain(move.step)
            if self._attempts.are_used_up(move.step):
                self._tracker.end_pending(move, "failed", str(error))
        except StartRefused as refused:
            # What the check did not see is an objection all the same.
            self._apply_objection(move, now, Objection(refused.objection, refused.passing))
        except PlatformError as error:
            if not self._has_changed(move):
                self._tracker.end_pending(move, "failed", str(error))
        else:
            self._tracker.started(move, guest.host, task, at)

    def _keeps_rules(self, move: DiskMove, now: StorageNow) -> bool:
        """Whether it breaks no rule, as far as all disks that decide that can be seen; otherwise it is asked
        again, or ended. A move back restores what was there before.
        """
        members = () if move.kind == "rollback" else self._rule_check.members(move)
        if not members:
            return True
        try:
            guests = self._platform.look_at_storage(members).guests
        except PlatformError:
            # The next look of the run says what is wrong with the platform.
            return False
        hidden = [name for name, guest in guests.items() if guest.busy is not None and not guest.disks]
        if hidden:
            if self._attempts.has_waited(move.step):
                self.end_pending(move, now, f"it is not known where the disks of guest {hidden[0]} are")
            return False
        why = self._rule_check.with_move(move, guests, self._tracker.underway, self._tracker.pending)
        if why is not None:
            self.end_pending(move, now, why)
        return why is None

    def _keeps_policies(self, move: DiskMove, now: StorageNow) -> bool:
        """Whether the target complies with the storage policies of the disks; otherwise it is ended, or asked
        again where they can't be read. A move back restores what was there before.
        """
        if move.kind == "rollback":
            return True
        request = request_for(move, now.guests[move.guest.id].host)
        try:
            why = policy_breach(self._platform, request, self._job.policies)
        except PlatformError as error:
            if self._attempts.has_waited(move.step):
                self.end_pending(move, now, f"its storage policies could not be read: {error}")
            return False
        if why is not None:
            self.end_pending(move, now, why)
        return why is None


def _longest_chain_first(pending: Sequence[DiskMove]) -> list[DiskMove]:
    """In the order of the seconds of what has to follow each; otherwise in that of the plan."""
    chains: dict[int, float] = {}
    for move in reversed(pending):
        chains[move.step] = chains.get(move.step, 0.0) + move.seconds
        for step in move.after:
            chains[step] = max(chains.get(step, 0.0), chains[move.step])
    return sorted(pending, key=lambda move: -chains[move.step])
