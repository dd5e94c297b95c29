# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rounds of a run: look, start what may start, wait, ask how it goes, until all has ended or nothing may
follow any more. The same for migrations and for moves of disks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, Literal, Protocol, TypeVar

from .._model.errors import EvenKeelError
from .._model.snapshot import ClusterRef
from .._platforms.errors import PlatformError
from .clock import Clock
from .errors import JournalError, WrongCluster
from .job import MAX_CANCEL_SECONDS, MAX_LATE_SECONDS, FailurePolicy
from .journal import Journal
from .pace import Pace
from .step_tracker import SUCCESSFUL, OutcomeT, RunningT, StepT, StepTracker
from .stopping import StopSignal

NowT = TypeVar("NowT")
SeenT_contra = TypeVar("SeenT_contra", contravariant=True)


class StepLauncher(Protocol[SeenT_contra]):
    """Starts steps."""

    def start_ready(self, now: SeenT_contra) -> None: ...

    def take_over(self) -> None: ...


class StepMonitor(Protocol):
    """Follows steps to their end."""

    def poll(self) -> None: ...

    def cancel_all(self, why: str) -> None: ...

    def abandon(self, why: str) -> None: ...


class RunLoop(ABC, Generic[StepT, OutcomeT, RunningT, NowT]):
    """One run of the steps of a plan. `pauses`: whether the stop signal can pause it. `what`: a step for
    people, for one and for several.
    """

    def __init__(
        self,
        tracker: StepTracker[StepT, OutcomeT, RunningT],
        launcher: StepLauncher[NowT],
        monitor: StepMonitor,
        *,
        what: tuple[str, str],
        failure_policy: FailurePolicy,
        journal: Journal,
        stop: StopSignal,
        clock: Clock,
        renew_lock: Callable[[], None],
        rng: Callable[[], float],
        pauses: bool,
    ) -> None:
        self._tracker = tracker
        self._launcher = launcher
        self._monitor = monitor
        self._what = what
        self._planned = len(tracker.steps)
        self._failure_policy = failure_policy
        self._journal = journal
        self._stop = stop
        self._clock = clock
        self._renew_lock = renew_lock
        self._pauses = pauses
        self._paused: str | None = None
        self._halted: str | None = None
        self._pace = Pace(clock, failure_policy.poll_interval, rng)
        self._began = clock.monotonic()

    @abstractmethod
    def _look(self) -> NowT:
        """The state of the platform. Raises PlatformError and WrongCluster."""

    @abstractmethod
    def _skip(self, step: StepT, why: str) -> None:
        """Nothing may be started any more, so a pending step ends."""

    @abstractmethod
    def _report(self) -> None:
        """Tell the progress."""

    def _continue(self, now: NowT | None) -> None:
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
        """Start nothing more after a stop signal, too many failures, or a failed journal write."""
        self._renew_lock()
        stopped = self._stop.reason(self._clock.monotonic())
        if stopped is not None and self._failure_policy.on_stop == "cancel":
            self._monitor.cancel_all(stopped)
        why = stopped or self._journal.broken or self._too_many_failures()
        if self._halted is None:
            self._halted = why
        if self._halted is not None:
            self._launcher.take_over()
            for step in self._tracker.pending:
                self._skip(step, self._halted)

    def _too_many_failures(self) -> str | None:
        failures = self._tracker.failures
        if self._failure_policy.on_failure == "continue" or failures <= self._failure_policy.tolerated(
            self._planned
        ):
            return None
        return f"{failures} {self._what[failures > 1]} failed"

    def _start_ready(self, now: NowT) -> None:
        try:
            self._launcher.start_ready(now)
        except JournalError as error:
            self._halted = str(error)

    def _refresh(self) -> NowT | None:
        """None where the platform does not answer."""
        try:
            now = self._look()
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

    def _roll_back_if_needed(self, *, began_earlier: bool) -> bool:
        """Undo what the run has done, with the same care, after too many failures or where an earlier part of
        it had begun to; failures on the way do not stop that. Returns whether it did: a journal that can't
        say so would let the next run do it all again.
        """
        if not began_earlier:
            if self._failure_policy.on_failure != "rollback" or self._too_many_failures() is None:
                return False
            try:
                self._write_rolling_back()
            except JournalError as error:
                self._halted = str(error)
                return False
        now = self._add_way_back()
        self._halted = None
        self._failure_policy = replace(self._failure_policy, on_failure="continue")
        self._continue(now)
        return True

    @abstractmethod
    def _write_rolling_back(self) -> None:
        """Say so in the journal. Raises JournalError."""

    @abstractmethod
    def _add_way_back(self) -> NowT | None:
        """Add the steps that undo the run, and return the state of the platform."""

    def _may_turn_out_otherwise(self, began: float, *, busy: bool, unconfirmed: bool) -> bool:
        """Whether ends are to be looked at again, for so long since `began`: a guest is still `busy`, or a
        step was cancelled that may go on all the same.
        """
        waited = self._clock.monotonic() - began
        if waited >= MAX_CANCEL_SECONDS or (waited >= MAX_LATE_SECONDS and not busy):
            return False
        return busy or unconfirmed

    def _status(self, *, rolled_back: bool) -> Literal["done", "partial", "stopped", "rolled_back"]:
        outcomes = self._tracker.outcomes()
        if rolled_back:
            back = outcomes[self._planned :]
            return "rolled_back" if all(outcome.result in SUCCESSFUL for outcome in back) else "partial"
        if all(outcome.result in SUCCESSFUL for outcome in outcomes):
            return "done"
        return "partial" if self._halted is None else "stopped"


def refuse_other_cluster(planned: ClusterRef, found: str, hint: str) -> None:
    """Raises WrongCluster where the platform serves another cluster, by id, than that of the plan."""
    if found != planned.id:
        raise WrongCluster(
            f"the plan is for cluster {planned.name!r} (id {planned.id}),"
            f" and the platform has the cluster with the id {found}",
            where="vm_migrate",
            hint=hint,
        )
