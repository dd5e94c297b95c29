# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan + platform → outcome: starts each migration as soon as it may, looks again before, polls all at once.

Private to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .._model.errors import EvenKeelError
from .._model.outcome import MigrationOutcome, Outcome, Result
from .._model.plan import Migration
from .._model.snapshot import ClusterRef
from .._platforms.errors import AuthenticationFailed, NotQuorate, PermissionMissing, PlatformError
from .._platforms.protocol import ClusterNow, MigrationRequest, MigrationState, Platform
from .clock import Clock
from .errors import WrongCluster
from .freshness import verdict
from .options import CANCEL_SECONDS, PATIENCE_SECONDS, ExecutionOptions

# What no repetition can mend.
_FINAL = (AuthenticationFailed, PermissionMissing, NotQuorate, WrongCluster)
_FIRST_WAIT = 0.1


@dataclass(slots=True)
class _Running:
    migration: Migration
    request: MigrationRequest
    started: float
    started_at: str
    cancelled: float | None = None


@dataclass(slots=True)
class _Run:
    """The state of one execution: every step is in exactly one of pending, running (by task) and ended."""

    pending: list[Migration]
    running: dict[str, _Running] = field(default_factory=dict)
    ended: dict[int, MigrationOutcome] = field(default_factory=dict)
    silent_since: float | None = None


def execute(
    migrations: Sequence[Migration],
    cluster: ClusterRef,
    platform: Platform,
    options: ExecutionOptions,
    clock: Clock,
) -> Outcome:
    """Carry migrations out and tell what became of each.

    Raises WrongCluster before anything is started when the platform serves another cluster, and PlatformError
    when it can't even be looked at.
    """
    executor = _Executor(migrations, cluster, platform, options, clock)
    return executor.run()


class _Executor:
    def __init__(
        self,
        migrations: Sequence[Migration],
        cluster: ClusterRef,
        platform: Platform,
        options: ExecutionOptions,
        clock: Clock,
    ) -> None:
        self._cluster = cluster
        self._platform = platform
        self._options = options
        self._clock = clock
        self._order = [migration.step for migration in migrations]
        self._state = _Run(pending=list(migrations))
        self._later_targets = _later_targets(migrations)
        self._wait = _FIRST_WAIT
        self._slots = options.max_parallel or platform.capacities.cluster
        self._slots_per_host = options.max_per_host or platform.capacities.per_host

    def run(self) -> Outcome:
        started, started_at = self._clock.monotonic(), self._clock.now()
        state = self._state
        now: ClusterNow | None = self._look()
        while state.pending or state.running:
            open_before = len(state.pending)
            if now is not None:
                self._start_what_may(now)
            if state.running:
                self._pause(progressed=len(state.pending) < open_before)
                self._poll()
            elif now is not None and len(state.pending) == open_before:
                self._drop_stuck()
            now = self._look_or_wait() if state.pending else None
        return Outcome(
            cluster=self._cluster,
            status="done" if all(outcome.result in _WELL for outcome in state.ended.values()) else "partial",
            started_at=started_at,
            seconds=round(self._clock.monotonic() - started, 3),
            migrations=tuple(state.ended[step] for step in self._order),
        )

    def _look(self) -> ClusterNow:
        now = self._platform.look({migration.guest.id for migration in self._state.pending})
        if now.cluster != self._cluster.id:
            raise WrongCluster(
                f"the plan is for cluster {self._cluster.name!r} ({self._cluster.id}),"
                f" the platform serves {now.cluster}",
                where="vm_migrate",
                hint="Nothing was started there",
            )
        return now

    def _pause(self, *, progressed: bool) -> None:
        """Wait before asking again: shortly after something was started, longer and longer while nothing
        happens.
        """
        self._wait = min(_FIRST_WAIT if progressed else 2 * self._wait, self._options.poll_interval)
        self._clock.sleep(self._wait)

    def _look_or_wait(self) -> ClusterNow | None:
        """The cluster now. An unreachable platform is given time while migrations run; then what is pending
        is dropped.
        """
        try:
            now = self._look()
        except (PlatformError, WrongCluster) as error:
            if not self._patient(error):
                self._give_up(error)
            elif not self._state.running:
                self._pause(progressed=False)
            return None
        self._state.silent_since = None
        return now

    def _patient(self, error: EvenKeelError) -> bool:
        if isinstance(error, _FINAL):
            return False
        if self._state.silent_since is None:
            self._state.silent_since = self._clock.monotonic()
        return self._clock.monotonic() - self._state.silent_since < PATIENCE_SECONDS

    def _give_up(self, error: EvenKeelError) -> None:
        for task, running in list(self._state.running.items()):
            self._end_running(task, running, "failed", f"lost sight of it, it may go on: {error}")
        for migration in list(self._state.pending):
            self._end_pending(migration, "skipped", str(error))

    def _start_what_may(self, now: ClusterNow) -> None:
        """Start every migration whose turn it is and that still makes sense."""
        # A failure further up may decide about what stands further down, never the other way round: `after`
        # points back.
        for migration in list(self._state.pending):
            if not self._its_turn(migration) or not self._has_slot(migration):
                continue
            underway = [running.migration for running in self._state.running.values()]
            later = self._later_targets[migration.step]
            judged = verdict(migration, now, underway, self._options.limits, later)
            if judged.answer == "there":
                self._end_pending(migration, "already_there", "")
            elif judged.answer == "drop":
                self._end_pending(migration, "skipped", judged.why)
            elif judged.answer == "go":
                self._start(migration)

    def _its_turn(self, migration: Migration) -> bool:
        ended = self._state.ended
        for step in migration.after:
            if step in ended and ended[step].result not in _WELL:
                self._end_pending(
                    migration, "skipped", f"it comes after step {step}, which was {ended[step].result}"
                )
                return False
        return all(step in ended for step in migration.after)

    def _has_slot(self, migration: Migration) -> bool:
        running = self._state.running.values()
        if len(running) >= self._slots:
            return False
        for host in (migration.source, migration.target):
            if (
                sum(host in (other.migration.source, other.migration.target) for other in running)
                >= self._slots_per_host
            ):
                return False
        return True

    def _start(self, migration: Migration) -> None:
        request = MigrationRequest(
            guest=migration.guest.id,
            source=migration.source,
            target=migration.target,
            storage=migration.storage,
        )
        try:
            objection = self._platform.check(request)
            if objection is not None:
                self._end_pending(migration, "skipped", f"the platform refuses: {objection}")
                return
            started_at = self._clock.now()
            task = self._platform.start(request)
        except PlatformError as error:
            self._end_pending(migration, "failed", str(error))
            return
        self._state.pending.remove(migration)
        self._state.running[task] = _Running(migration, request, self._clock.monotonic(), started_at)

    def _poll(self) -> None:
        try:
            states = self._platform.poll(
                {task: running.request for task, running in self._state.running.items()}
            )
        except PlatformError as error:
            if not self._patient(error):
                self._give_up(error)
            return
        self._state.silent_since = None
        for task, running in list(self._state.running.items()):
            state = states.get(
                task, MigrationState(state="failed", why="the platform does not know the task any more")
            )
            if state.state != "running":
                self._end_running(task, running, state.state, state.why)
            else:
                self._watch_time(task, running)

    def _watch_time(self, task: str, running: _Running) -> None:
        now = self._clock.monotonic()
        if running.cancelled is None and now - running.started > self._options.timeout:
            running.cancelled = now
            try:
                self._platform.cancel(task)
            except PlatformError as error:
                self._end_running(
                    task, running, "failed", f"ran out of time and could not be cancelled: {error}"
                )
        elif running.cancelled is not None and now - running.cancelled > CANCEL_SECONDS:
            self._end_running(task, running, "failed", "was cancelled, but the platform still runs it")

    def _drop_stuck(self) -> None:
        """Nothing runs and nothing may start: what waits, waits for something that does not come."""
        for migration in list(self._state.pending):
            self._end_pending(migration, "skipped", "it waits for room that no migration under way will make")

    def _end_pending(self, migration: Migration, result: Result, why: str) -> None:
        self._state.pending.remove(migration)
        self._end(migration, result, why, None, None, None)

    def _end_running(self, task: str, running: _Running, result: Result, why: str) -> None:
        del self._state.running[task]
        if running.cancelled is not None and result == "cancelled":
            why = f"ran out of its {self._options.timeout:g} seconds"
        seconds = round(self._clock.monotonic() - running.started, 3)
        self._end(running.migration, result, why, task, running.started_at, seconds)

    def _end(
        self,
        migration: Migration,
        result: Result,
        why: str,
        task: str | None,
        started_at: str | None,
        seconds: float | None,
    ) -> None:
        outcome = MigrationOutcome(
            step=migration.step,
            guest=migration.guest,
            source=migration.source,
            target=migration.target,
            result=result,
            why=why,
            task=task,
            started_at=started_at,
            seconds=seconds,
        )
        self._state.ended[migration.step] = outcome


def _later_targets(migrations: Sequence[Migration]) -> dict[int, frozenset[str]]:
    """For each step, where later steps take the same guest: found there, it has been moved on already."""
    seen: dict[str, frozenset[str]] = {}
    result = {}
    for migration in reversed(migrations):
        result[migration.step] = seen.get(migration.guest.id, frozenset())
        seen[migration.guest.id] = result[migration.step] | {migration.target}
    return result


_WELL: frozenset[Result] = frozenset({"migrated", "already_there"})
