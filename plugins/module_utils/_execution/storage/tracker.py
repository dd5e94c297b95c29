# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where every move of disks of a run stands: pending, running or ended, each in exactly one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ..._model.outcome import DiskMoveOutcome, Result
from ..._model.plan import DiskMove
from ..._platforms.storage_protocol import DiskMoveRequest
from ..clock import Clock
from ..journal import Journal
from ..migration_tracker import SUCCESSFUL
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


class DiskMoveTracker:
    """The books of one run. Every change goes to the journal before it counts; `ended` hears of every end,
    and again of one that turned out otherwise.
    """

    def __init__(
        self,
        moves: Sequence[DiskMove],
        journal: Journal,
        clock: Clock,
        ended: Callable[[DiskMoveOutcome], None],
    ) -> None:
        self._order = [move.step for move in moves]
        self._moves = {move.step: move for move in moves}
        self._pending = dict(self._moves)
        self._ended: dict[int, DiskMoveOutcome] = {}
        self._journal = journal
        self._clock = clock
        self._heard = ended
        self._left: list[tuple[float, DiskMove]] = []
        past = journal.past
        self._unused = {step: past.unused.get(step, ()) for step in past.begun}
        self._left_earlier = {step: one.left_behind for step, one in past.disks_ended.items()}
        self.running: dict[str, RunningDiskMove] = {}
        self.later_targets: Mapping[int, frozenset[str]] = _later_targets(moves)

    @property
    def pending(self) -> Sequence[DiskMove]:
        return tuple(self._pending.values())

    @property
    def underway(self) -> Sequence[DiskMove]:
        return tuple(begun.move for begun in self.running.values())

    @property
    def open(self) -> bool:
        return bool(self._pending or self.running)

    @property
    def guests(self) -> frozenset[str]:
        """All whose disks the run has to do with."""
        return frozenset(move.guest.id for move in self._moves.values())

    @property
    def moves(self) -> Mapping[int, DiskMove]:
        return self._moves

    def recently_ended(self, seconds: float) -> Sequence[DiskMove]:
        """Those that ended no longer ago: the platform may not count their disks where they are now."""
        now = self._clock.monotonic()
        return tuple(move for at, move in self._left if now - at < seconds)

    def outcomes(self) -> tuple[DiskMoveOutcome, ...]:
        """The outcomes of the moves that have ended, in the order of the plan."""
        return tuple(self._ended[step] for step in self._order if step in self._ended)

    def counts(self) -> Mapping[str, int]:
        """How many moves have ended in each way."""
        return Counter(outcome.result for outcome in self._ended.values())

    @property
    def failures(self) -> int:
        counts = self.counts()
        return counts.get("failed", 0) + counts.get("cancelled", 0)

    def blocking_failure(self, move: DiskMove) -> DiskMoveOutcome | None:
        """An earlier step that did not end well, on which this one rests."""
        for step in move.after:
            if step in self._ended and self._ended[step].result not in SUCCESSFUL:
                return self._ended[step]
        return None

    def is_ready(self, move: DiskMove) -> bool:
        """Steps that are no moves of disks are those of migrations, which have ended."""
        return all(step in self._ended or step not in self._moves for step in move.after)

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
        move = self._moves.get(step)
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
        outcome = replace(self._ended[step], **changes)  # type: ignore[arg-type]
        if outcome != self._ended[step]:
            self._record(outcome)

    def _record(self, outcome: DiskMoveOutcome) -> None:
        # What an earlier part of the run has left is there all the same.
        earlier = [
            text for text in self._left_earlier.get(outcome.step, ()) if text not in outcome.left_behind
        ]
        if earlier:
            outcome = replace(outcome, left_behind=(*earlier, *outcome.left_behind))
        self._ended[outcome.step] = outcome
        self._journal.disks_ended(outcome)
        self._heard(outcome)

    def add(self, moves: Sequence[DiskMove]) -> None:
        """More to do: the way back."""
        self._order += [move.step for move in moves]
        self._moves.update({move.step: move for move in moves})
        self._pending.update({move.step: move for move in moves})
        self.later_targets = {**self.later_targets, **_later_targets(moves)}

    def take_over(self, outcome: DiskMoveOutcome) -> None:
        """Results of an earlier part of this run that still hold."""
        del self._pending[outcome.step]
        self._ended[outcome.step] = outcome


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


def _later_targets(moves: Sequence[DiskMove]) -> Mapping[int, frozenset[str]]:
    """For each step, where later steps take the same disks: found there, they have been moved on already."""
    seen: dict[tuple[str, str], frozenset[str]] = {}
    result = {}
    for move in reversed(moves):
        keys = [(move.guest.id, disk) for disk in move.disks]
        result[move.step] = frozenset().union(*(seen.get(key, frozenset()) for key in keys))
        for key in keys:
            seen[key] = seen.get(key, frozenset()) | {move.target}
    return result
