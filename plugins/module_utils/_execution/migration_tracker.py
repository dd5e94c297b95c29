# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where every migration of a run stands, with the guests that the platform takes along."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, replace

from .._model.outcome import CoMigrated, MigrationOutcome, Result
from .._model.plan import Migration
from .._platforms.protocol import MigrationRequest
from .clock import Clock
from .journal import Journal
from .step_tracker import StepTracker


@dataclass(frozen=True, slots=True)
class RunningMigration:
    """A migration that the platform carries out, and `along` what it takes along; `since` is on the clock's
    own scale.
    """

    migration: Migration
    since: float
    at: str
    along: tuple[CoMigrated, ...] = ()

    @property
    def request(self) -> MigrationRequest:
        return request_for(self.migration, self.along)

    @property
    def moves(self) -> tuple[Migration, ...]:
        """All that is under way with it."""
        return self.migration, *co_migrated(self.migration, self.along)


def co_migrated(migration: Migration, along: Sequence[CoMigrated]) -> list[Migration]:
    """Migrations that the platform makes in addition, as if they were planned."""
    return [
        replace(
            migration,
            guest=moved.guest,
            source=moved.source,
            cost=replace(migration.cost, memory=moved.memory, disks=0),
            storage={},
        )
        for moved in along
    ]


def request_for(migration: Migration, along: Sequence[CoMigrated] = ()) -> MigrationRequest:
    return MigrationRequest(
        guest=migration.guest.id,
        source=migration.source,
        target=migration.target,
        storage=migration.storage,
        along=tuple(moved.guest.id for moved in along),
    )


class MigrationTracker(StepTracker[Migration, MigrationOutcome, RunningMigration]):
    """The books of the migrations of one run."""

    def __init__(
        self,
        migrations: Sequence[Migration],
        journal: Journal,
        clock: Clock,
        ended: Callable[[MigrationOutcome], None],
    ) -> None:
        super().__init__(migrations, clock, journal.ended, ended)
        self._journal = journal
        self._along = dict(journal.past.along)

    @property
    def underway(self) -> Sequence[Migration]:
        return tuple(begun.migration for begun in self.running.values())

    @property
    def moving(self) -> Sequence[Migration]:
        """Migrations under way, with those of partners that the platform moves along; each guest once."""
        moves = [*self.underway, *(move for begun in self.running.values() for move in begun.moves[1:])]
        return tuple({(move.guest.id, move.target): move for move in reversed(moves)}.values())

    def is_co_migrated(self, migration: Migration) -> bool:
        """Whether one that is under way takes this guest along to where it is to go."""
        return any(
            begun.migration.target == migration.target
            and any(moved.guest.id == migration.guest.id for moved in begun.along)
            for begun in self.running.values()
        )

    def co_migrated_with(self, migration: Migration | MigrationOutcome) -> int | None:
        """The step of this run that took the guest along to where it was to go; None when none has."""
        # One whose start was not answered may have arrived, and be looked at later than what it took along.
        begun = {step: pending.target for step, pending in self._pending.items()}
        begun.update((begun.migration.step, begun.migration.target) for begun in self.running.values())
        begun.update((step, outcome.target) for step, outcome in self._ended.items())
        steps = (
            step
            for step, along in self._along.items()
            if begun.get(step) == migration.target
            and any(moved.guest.id == migration.guest.id for moved in along)
        )
        return next(steps, None)

    def expected_co_migrations(self) -> set[str]:
        """Guests that migrations which did not end well were to take along."""
        return {
            moved.guest.id
            for step, along in self._along.items()
            for moved in along
            if step in self._ended and self._ended[step].result in ("failed", "cancelled")
        }

    def begin(self, migration: Migration, along: Sequence[CoMigrated] = ()) -> str:
        """A migration is about to be started, and takes others along; returns the moment."""
        at = self._clock.now()
        self._journal.begin(migration.step, at, along)
        self._along[migration.step] = tuple(along)
        return at

    def begun_with(self, migration: Migration) -> tuple[CoMigrated, ...]:
        """Those that it was last begun to take along, by this run or an earlier part of it."""
        return self._along.get(migration.step, ())

    def started(self, migration: Migration, task: str, at: str) -> None:
        """The platform carries it out, started by this run or found under way."""
        self._journal.started(migration.step, task)
        del self._pending[migration.step]
        along = self.begun_with(migration)
        self.running[task] = RunningMigration(migration, self._clock.monotonic(), at, along)

    def end_pending(self, migration: Migration, result: Result, why: str = "") -> None:
        """The end of a migration that was not started by this run."""
        del self._pending[migration.step]
        self._end(migration, result, why)

    def end_running(self, task: str, result: Result, why: str = "", along: Collection[str] = ()) -> None:
        """`along` are the guests that were seen to have come along."""
        begun = self.running.pop(task)
        seconds = round(self._clock.monotonic() - begun.since, 3)
        self._left += [(self._clock.monotonic(), move) for move in begun.moves]
        co_migrated = self._co_migrated_at(begun.migration.step, begun.migration.target, along)
        self._end(begun.migration, result, why, task, begun.at, seconds, co_migrated)

    def record_co_migrated(self, step: int, guests: Collection[str]) -> None:
        """Some of these turn out to have come along with a step that did not end well."""
        outcome = self._ended[step]
        along = self._co_migrated_at(step, outcome.target, guests)
        self.revise(replace(outcome, along=along))

    def _co_migrated_at(self, step: int, target: str, guests: Collection[str]) -> tuple[CoMigrated, ...]:
        """Those that are in no step of the plan."""
        came = [moved for moved in self._along.get(step, ()) if moved.guest.id in guests]
        planned = {(one.guest.id, one.target) for one in self.steps.values()} if came else set()
        return tuple(moved for moved in came if (moved.guest.id, target) not in planned)

    def _end(
        self,
        migration: Migration,
        result: Result,
        why: str,
        task: str | None = None,
        started_at: str | None = None,
        seconds: float | None = None,
        along: tuple[CoMigrated, ...] = (),
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
            ended_at=self._clock.now(),
            seconds=seconds,
            along=along,
        )
        self._record(outcome)

    def correct(self, step: int, why: str) -> None:
        """Change a failure to a success: the guest was found on its target later."""
        self.revise(replace(self._ended[step], result="migrated", why=why))

    def _moved(self, step: Migration) -> Sequence[Hashable]:
        return (step.guest.id,)
