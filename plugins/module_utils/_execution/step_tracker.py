# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where every step of a run stands: pending, running or ended, each in exactly one. The same for migrations
and for moves of disks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from .._model.outcome import Result
from .clock import Clock

SUCCESSFUL: frozenset[Result] = frozenset({"migrated", "already_there"})


class Step(Protocol):
    """A step of a plan; it is not begun before those that it comes `after` have ended."""

    @property
    def step(self) -> int: ...

    @property
    def target(self) -> str: ...

    @property
    def after(self) -> Sequence[int]: ...


class StepOutcome(Protocol):
    """How a step ended."""

    @property
    def step(self) -> int: ...

    @property
    def result(self) -> Result: ...


class RunningStep(Protocol):
    """A step that the platform carries out since then, on the clock's own scale."""

    @property
    def since(self) -> float: ...


StepT = TypeVar("StepT", bound=Step)
OutcomeT = TypeVar("OutcomeT", bound=StepOutcome)
RunningT = TypeVar("RunningT", bound=RunningStep)


class StepTracker(ABC, Generic[StepT, OutcomeT, RunningT]):
    """The books of one run. `write` puts an end into the journal before it counts; `heard` hears of every
    end, and again of one that turned out otherwise.
    """

    def __init__(
        self,
        steps: Sequence[StepT],
        clock: Clock,
        write: Callable[[OutcomeT], None],
        heard: Callable[[OutcomeT], None],
    ) -> None:
        self._steps: dict[int, StepT] = {}
        self._pending: dict[int, StepT] = {}
        self._ended: dict[int, OutcomeT] = {}
        self._left: list[tuple[float, StepT]] = []
        self._clock = clock
        self._write = write
        self._heard = heard
        self.running: dict[str, RunningT] = {}
        self.later_targets: dict[int, frozenset[str]] = {}
        self.add(steps)

    @property
    def steps(self) -> Mapping[int, StepT]:
        """All of the run, by number in the order of the plan."""
        return self._steps

    @property
    def pending(self) -> Sequence[StepT]:
        return tuple(self._pending.values())

    @property
    @abstractmethod
    def underway(self) -> Sequence[StepT]:
        """Those that the platform carries out."""

    @property
    def open(self) -> bool:
        return bool(self._pending or self.running)

    def recently_ended(self, seconds: float) -> Sequence[StepT]:
        """Those that ended no longer ago: the platform may not count what they moved where it is now, and one
        that it called cancelled or failed may still arrive.
        """
        now = self._clock.monotonic()
        return tuple(step for at, step in self._left if now - at < seconds)

    def outcomes(self) -> tuple[OutcomeT, ...]:
        """The outcomes of the steps that have ended, in the order of the plan."""
        return tuple(self._ended[step] for step in self._steps if step in self._ended)

    def counts(self) -> Mapping[str, int]:
        """How many steps have ended in each way."""
        return Counter(outcome.result for outcome in self._ended.values())

    @property
    def failures(self) -> int:
        counts = self.counts()
        return counts.get("failed", 0) + counts.get("cancelled", 0)

    def blocking_failure(self, step: StepT) -> OutcomeT | None:
        """An earlier step that did not end well, on which this one rests."""
        for earlier in step.after:
            if earlier in self._ended and self._ended[earlier].result not in SUCCESSFUL:
                return self._ended[earlier]
        return None

    def is_ready(self, step: StepT) -> bool:
        return all(earlier in self._ended for earlier in step.after)

    def add(self, steps: Sequence[StepT]) -> None:
        """More to do, such as the way back."""
        new = {step.step: step for step in steps}
        self._steps.update(new)
        self._pending.update(new)
        self.later_targets.update(self._later_targets(steps))

    def take_over(self, outcome: OutcomeT) -> None:
        """Results of an earlier part of this run that still hold."""
        del self._pending[outcome.step]
        self._ended[outcome.step] = outcome

    def revise(self, outcome: OutcomeT) -> None:
        """An end that turned out otherwise."""
        if outcome != self._ended[outcome.step]:
            self._record(outcome)

    def _record(self, outcome: OutcomeT) -> None:
        self._ended[outcome.step] = outcome
        self._write(outcome)
        self._heard(outcome)

    @abstractmethod
    def _moved(self, step: StepT) -> Sequence[Hashable]:
        """What a step takes to its target."""

    def _later_targets(self, steps: Sequence[StepT]) -> dict[int, frozenset[str]]:
        """For each step, where later steps take the same: found there, it has been moved on already."""
        seen: dict[Hashable, frozenset[str]] = {}
        nowhere: frozenset[str] = frozenset()
        result = {}
        for step in reversed(steps):
            moved = self._moved(step)
            result[step.step] = nowhere.union(*(seen.get(one, nowhere) for one in moved))
            for one in moved:
                seen[one] = seen.get(one, nowhere) | {step.target}
        return result
