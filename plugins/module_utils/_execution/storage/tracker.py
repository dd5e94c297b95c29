# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where every move of disks of a run stands, with the volumes that it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, replace

from ..._model.outcome import DiskMoveOutcome, Result
from ..._model.plan import DiskMove
from ..._platforms.storage_protocol import DiskMoveRequest
from ..clock import Clock
from ..journal import Journal
from ..step_tracker import StepTracker
from .job import request_for


@dataclass(frozen=True, slots=True)
class RunningDiskMove:
    """A move that the platform carries out, of a guest on `host`; `since` is on the clock's own scale."""

    move: DiskMove
    host: str
    since: float
    at: str

    @property
    def request(self) -> DiskMoveRequest:
        return request_for(self.move, self.host)


class DiskMoveTracker(StepTracker[DiskMove, DiskMoveOutcome, RunningDiskMove]):
    """The books of the moves of disks of one run."""

    def __init__(
        self,
        moves: Sequence[DiskMove],
        journal: Journal,
        clock: Clock,
        ended: Callable[[DiskMoveOutcome], None],
    ) -> None:
        super().__init__(moves, clock, journal.disks_ended, ended)
        self._journal = journal
        past = journal.past
        self._unused = {step: past.unused.get(step, ()) for step in past.begun}
        self._left_earlier = {step: one.left_behind for step, one in past.disks_ended.items()}

    @property
    def underway(self) -> Sequence[DiskMove]:
        return tuple(begun.move for begun in self.running.values())

    @property
    def guests(self) -> frozenset[str]:
        """All whose disks the run has to do with."""
        return frozenset(move.guest.id for move in self.steps.values())

    def is_ready(self, step: DiskMove) -> bool:
        """Steps that are no moves of disks are those of migrations, which have ended."""
        return all(earlier in self._ended or earlier not in self.steps for earlier in step.after)

    def begin(self, move: DiskMove, unused: Sequence[str]) -> str:
        """A move is about to be started; returns the moment. `unused` are the volumes that the guest did not
        use before.
        """
        at = self._clock.now()
        self._journal.begin_disks(move, at, unused)
        self._unused.setdefault(move.step, tuple(unused))
        return at

    def unused_before(self, guest: str) -> frozenset[str] | None:
        """The volumes that a guest did not use before this run, as far as it has begun a move of it."""
        known = [unused for step, unused in self._unused.items() if self._guest_of(step) == guest]
        return frozenset(known[0]) if known else None

    def _guest_of(self, step: int) -> str | None:
        move = self.steps.get(step)
        return None if move is None else move.guest.id

    def started(self, move: DiskMove, host: str, task: str, at: str) -> None:
        """The platform carries it out, started by this run or found under way."""
        self._journal.started(move.step, task)
        del self._pending[move.step]
        self.running[task] = RunningDiskMove(move, host, self._clock.monotonic(), at)

    def end_pending(self, move: DiskMove, result: Result, why: str = "", moved: Sequence[str] = ()) -> None:
        """The end of a move that was not started by this run."""
        del self._pending[move.step]
        self._record(_outcome(move, result, why, moved, ended_at=self._clock.now()))

    def end_running(
        self,
        task: str,
        result: Result,
        why: str = "",
        moved: Sequence[str] = (),
        left_behind: Sequence[str] = (),
    ) -> None:
        begun = self.running.pop(task)
        now = self._clock.monotonic()
        self._left.append((now, begun.move))
        outcome = _outcome(begun.move, result, why, moved, ended_at=self._clock.now())
        self._record(
            replace(
                outcome,
                left_behind=tuple(left_behind),
                tasks=(task,),
                started_at=begun.at,
                seconds=round(now - begun.since, 3),
            )
        )

    def correct(self, step: int, **changes: object) -> None:
        """It turned out otherwise."""
        self.revise(replace(self._ended[step], **changes))  # type: ignore[arg-type]

    def _record(self, outcome: DiskMoveOutcome) -> None:
        # What an earlier part of the run has left is there all the same.
        earlier = [
            text for text in self._left_earlier.get(outcome.step, ()) if text not in outcome.left_behind
        ]
        if earlier:
            outcome = replace(outcome, left_behind=(*earlier, *outcome.left_behind))
        super()._record(outcome)

    def _moved(self, step: DiskMove) -> Sequence[Hashable]:
        return [(step.guest.id, disk) for disk in step.disks]


def _outcome(
    move: DiskMove, result: Result, why: str, moved: Collection[str], ended_at: str
) -> DiskMoveOutcome:
    return DiskMoveOutcome(
        step=move.step,
        guest=move.guest,
        disks=move.disks,
        source=move.source,
        target=move.target,
        result=result,
        why=why,
        moved=tuple(disk for disk in move.disks if disk in moved),
        ended_at=ended_at,
    )
