# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rehearsal whose migrations take their time and may go wrong, on a clock that only a run's sleep moves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.concurrency_limits import (
    ConcurrencyLimits,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.executor import Executor
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import (
    FailurePolicy,
    MigrationJob,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.journal import Journal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.progress import Progress
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.stopping import StopSignal
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import (
    CoMigrated,
    MigrationOutcome,
    Outcome,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Migration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Limits
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import ClusterRef, Rule
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    PlatformError,
    Refused,
    StartRefused,
    Unreachable,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import (
    Capacities,
    ClusterNow,
    MigrationRequest,
    MigrationState,
    Prepared,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.rehearsal import RehearsalPlatform

CLUSTER = ClusterRef(id="c", name="prod")


class HandClock:
    """Time passes while somebody sleeps, and only then."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.naps: list[float] = []

    def now(self) -> str:
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds - 1000)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.seconds += seconds


@dataclass
class Slow(RehearsalPlatform):
    """By guest: how long its migration takes (10 s), and whether it fails then, or arrives so many seconds
    after it was called failed. `deaf` ones can't be cancelled. `unheard` starts get no answer, and only those
    of `begun` begin all the same. `busy` is until when something else holds a guest; the first start of one
    in `refuses` is refused, and then it is busy for so many seconds. To those of `objects` the platform
    objects at so many starts, for the moment with `passing`. `silent` says when questions (look,
    poll, cancel) get no answer.
    """

    path: str
    clock: HandClock
    seconds: Mapping[str, float] = field(default_factory=dict)
    fails: Collection[str] = ()
    late: Mapping[str, float] = field(default_factory=dict)
    deaf: Collection[str] = ()
    unheard: Mapping[str, int] = field(default_factory=dict)
    begun: Collection[str] = ()
    busy: dict[str, float] = field(default_factory=dict)
    refuses: Mapping[str, float] = field(default_factory=dict)
    objects: Mapping[str, int] = field(default_factory=dict)
    passing: bool = False
    along: Mapping[str, Sequence[CoMigrated]] = field(default_factory=dict)
    silent: Callable[[str, float], PlatformError | None] = lambda _question, _now: None
    capacities: Capacities = field(default_factory=lambda: Capacities(cluster=8, per_host=4))

    def __post_init__(self) -> None:
        super().__init__(self.path)
        self.tasks: dict[str, tuple[MigrationRequest, float]] = {}
        self.over: dict[str, MigrationState] = {}
        self.arriving: dict[str, tuple[MigrationRequest, float]] = {}
        self.starts: list[tuple[str, float]] = []
        self.cancels: list[tuple[str, float]] = []
        self.most = 0
        self._asked: dict[str, int] = {}

    def _ask(self, question: str) -> float:
        now = self.clock.monotonic()
        error = self.silent(question, now)
        if error is not None:
            raise error
        return now

    def look(self, guests: Collection[str]) -> ClusterNow:
        now = self._ask("look")
        self._pass(now)
        seen = super().look(guests)
        held = {request.guest for task, (request, _at) in self.tasks.items() if task not in self.over}
        held |= {guest for guest, until in self.busy.items() if now < until}
        return replace(
            seen,
            guests={
                guest: replace(state, busy="migrate") if guest in held else state
                for guest, state in seen.guests.items()
            },
        )

    def prepare(self, request: MigrationRequest) -> Prepared:
        partners = tuple(
            replace(moved, source=self._place(moved.guest.id))
            for moved in self.along.get(request.guest, ())
            if self._place(moved.guest.id) != request.target
        )
        return replace(super().prepare(request), partners=partners)

    def start(self, prepared: Prepared) -> str:
        request = replace(prepared.request, along=prepared.partner_ids)
        now = self.clock.monotonic()
        self.starts.append((request.guest, now))
        asked = self._asked[request.guest] = self._asked.get(request.guest, 0) + 1
        if asked == 1 and request.guest in self.refuses:
            self.busy[request.guest] = now + self.refuses[request.guest]
            raise Refused("it can't be locked")
        if asked <= self.objects.get(request.guest, 0):
            raise StartRefused("no such network", hint="Add it", passing=self.passing)
        unheard = asked <= self.unheard.get(request.guest, 0)
        task = f"{request.guest}-{asked}"
        if not unheard or request.guest in self.begun:
            self.tasks[task] = (request, now)
        if unheard:
            raise Unreachable("no answer to the start")
        self.most = max(self.most, len(self.tasks) - len(self.over))
        return task

    def find(self, request: MigrationRequest) -> str | None:
        self._pass(self.clock.monotonic())
        return next(
            (
                task
                for task, (other, _at) in self.tasks.items()
                if other.guest == request.guest and task not in self.over
            ),
            None,
        )

    def poll(self, tasks: Mapping[str, MigrationRequest]) -> Mapping[str, MigrationState]:
        now = self._ask("poll")
        self._pass(now)
        running = {
            task: MigrationState(
                state="running",
                percent=min(99, 100 * (now - at) / self.seconds.get(request.guest, 10)),
            )
            for task, (request, at) in self.tasks.items()
        }
        return {task: state for task, state in {**running, **self.over}.items() if task in tasks}

    def cancel(self, task: str) -> None:
        now = self._ask("cancel")
        self.cancels.append((task, now))
        request, _at = self.tasks[task]
        if request.guest in self.late:
            self.over[task] = MigrationState(state="cancelled", why="stopped by somebody")
            self.arriving[task] = request, now + self.late[request.guest]
        elif request.guest not in self.deaf:
            self.over[task] = MigrationState(state="cancelled", why="stopped by somebody")

    def _pass(self, now: float) -> None:
        """What has happened until now."""
        for task, (request, at) in self.tasks.items():
            if task in self.over or now - at < self.seconds.get(request.guest, 10):
                continue
            if request.guest in self.fails:
                self.over[task] = MigrationState(state="failed", why="no memory")
                if request.guest in self.late:
                    self.arriving[task] = request, now + self.late[request.guest]
                continue
            self._move(request)
            self.over[task] = MigrationState(state="migrated", percent=100, along=request.along)
        for task, (request, at) in list(self.arriving.items()):
            if now >= at:
                self._move(request)
                del self.arriving[task]

    def _move(self, request: MigrationRequest) -> None:
        for guest in (request.guest, *request.along):
            place = self._place(guest)
            if place != request.target:
                super().start(Prepared(request=replace(request, guest=guest, source=place)))

    def _place(self, guest: str) -> str:
        return next(entry.host for entry in self.read().guests if entry.id == guest)


@dataclass
class Run:
    """One run on a slow cluster, and what was heard of it."""

    platform: Slow
    migrations: Sequence[Migration]
    failure_policy: FailurePolicy = field(default_factory=FailurePolicy)
    concurrency: ConcurrencyLimits = field(
        default_factory=lambda: ConcurrencyLimits(cluster=8, per_host=8, per_datastore=8)
    )
    rules: Sequence[Rule] = ()
    limits: Limits = field(default_factory=Limits)
    journal: Path | None = None
    stop: StopSignal = field(default_factory=StopSignal)
    rng: Callable[[], float] = lambda: 0.5
    told: Callable[[Progress], None] = lambda _progress: None

    def __post_init__(self) -> None:
        self.progress: list[Progress] = []
        self.heard: list[MigrationOutcome] = []
        self.renewed: list[float] = []
        self.work = MigrationJob(
            cluster=CLUSTER, migrations=self.migrations, rules=self.rules, limits=self.limits
        )

    def run(self) -> Outcome:
        return Executor(
            self.work,
            self.platform,
            concurrency=self.concurrency,
            failure_policy=self.failure_policy,
            journal=Journal(str(self.journal) if self.journal else None, self.work.digest()),
            stop=self.stop,
            clock=self.platform.clock,
            observe=self._observe,
            renew_lock=lambda: self.renewed.append(self.platform.clock.seconds),
            ended=self.heard.append,
            rng=self.rng,
        ).run()

    def _observe(self, progress: Progress) -> None:
        self.progress.append(progress)
        self.told(progress)
