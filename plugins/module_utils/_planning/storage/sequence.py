# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A few moves, one at a time: the sequence that copies the fewest bytes in addition, by looking at all.

It is needed where datastores are so full that most sequences end in a deadlock. A unit may wait on another
datastore until its target has room (parking), which copies it once more.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .problem import NO_LIMIT
from .state import State

MAX_UNITS = 16
# Arrangements of the units that are looked at.
MAX_STATES = 4000

Move = tuple[int, int, bool]
"""A unit, the datastore that it moves to, and whether it only waits there."""


@dataclass(frozen=True, slots=True)
class SequenceFound:
    """`moves` is None for no sequence. `is_complete`: there is none then that parks less than was asked for,
    and no more than the limits of the policy allow; `is_limited`: steps were left out for those limits.
    """

    moves: Sequence[Move] | None
    is_complete: bool
    is_limited: bool = False

    @property
    def tried_all(self) -> bool:
        """Whether there is no sequence, and not only because of limits."""
        return self.is_complete and not self.is_limited


@dataclass(slots=True)
class Budget:
    """How many arrangements may still be looked at."""

    states: int


def has_way_by_rules(state: State, units: Sequence[int], budget: Budget) -> bool:
    """Whether some units can get from home to where the state has them, if space did not count and nothing
    else moved. True as well where that is not known.
    """
    moved = [unit for unit in units if state.where[unit] != state.problem.units[unit].home]
    if len(moved) > MAX_UNITS or budget.states <= 0:
        return True
    search = _Sequences(state, moved)
    search.limit = [NO_LIMIT] * len(search.limit)
    found = search.find(NO_LIMIT, budget)
    return found.moves is not None or not found.is_complete


def find_sequence(state: State, most_extra: int = NO_LIMIT, budget: Budget | None = None) -> SequenceFound:
    """The moves that bring all units from home to where the state has them, with less than `most_extra` bytes
    of parking. Not all are tried where the budget ends before, or where too many units move.
    """
    units = state.moved()
    if len(units) > MAX_UNITS:
        return SequenceFound(None, is_complete=False)
    return _Sequences(state, units).find(most_extra, budget or Budget(MAX_STATES))


class _Sequences:
    """Arrangements of the units that move, the cheapest first."""

    def __init__(self, state: State, units: Sequence[int]) -> None:
        self.state, self.units = state, units
        self.problem = state.problem
        self.homes = tuple(self.problem.units[unit].home for unit in units)
        self.goals = tuple(state.where[unit] for unit in units)
        self.numbers = {unit: number for number, unit in enumerate(units)}
        self.limit = [
            limit if judged else NO_LIMIT for limit, judged in zip(state.limit, state.judged, strict=True)
        ]
        self.frees = [sum(part.frees for part in self.problem.units[unit].parts) for unit in units]
        self.more_bytes = min(NO_LIMIT, state.max_bytes - state.bytes)
        self.more_moves = min(NO_LIMIT, state.max_moves - state.moves)

    def find(self, most_extra: int, budget: Budget) -> SequenceFound:
        most_states = min(MAX_STATES, budget.states)
        start = (self.homes, tuple(place.load for place in self.problem.places))
        queue: list[tuple[int, int, int, tuple[int, ...], tuple[int, ...]]] = [
            (0, len(self.units), 0, *start)
        ]
        came: dict[tuple[int, ...], tuple[int, tuple[int, ...] | None, Move | None]] = {
            self.homes: (0, None, None)
        }
        done: set[tuple[int, ...]] = set()
        count = 0
        limited = False
        while queue and len(done) < most_states:
            extra, left, _count, now, load = heapq.heappop(queue)
            if now in done:
                continue
            if not left:
                return SequenceFound(self._path(came, now), is_complete=False)
            done.add(now)
            budget.states -= 1
            for number, place, parking in self._moves(now, load):
                unit = self.units[number]
                cost = extra + parking * self.state.bytes_of[unit]
                then = (*now[:number], place, *now[number + 1 :])
                if cost > self.more_bytes or self._parked(then) > self.more_moves:
                    limited = True
                    continue
                if cost >= most_extra:
                    continue
                if then not in came or cost < came[then][0]:
                    came[then] = (cost, now, (unit, place, parking))
                    count += 1
                    after = self._load_after(load, number, now[number], place)
                    heapq.heappush(queue, (cost, left - (not parking), count, then, after))
        return SequenceFound(None, is_complete=not queue, is_limited=limited)

    def _path(
        self,
        came: dict[tuple[int, ...], tuple[int, tuple[int, ...] | None, Move | None]],
        end: tuple[int, ...],
    ) -> list[Move]:
        moves = []
        now: tuple[int, ...] | None = end
        while now is not None:
            _cost, now, move = came[now]
            if move is not None:
                moves.append(move)
        return moves[::-1]

    def _parked(self, now: tuple[int, ...]) -> int:
        """Moves for units that wait now. Those that waited before are not counted: the caller's limit of
        moves is checked again by whoever takes the sequence.
        """
        return sum(
            self.state.moves_of[unit]
            for unit, place, home, goal in zip(self.units, now, self.homes, self.goals, strict=True)
            if place not in (home, goal)
        )

    def _load_after(self, load: tuple[int, ...], number: int, source: int, target: int) -> tuple[int, ...]:
        unit = self.units[number]
        after = list(load)
        at_home = source == self.homes[number]
        after[source] -= self.frees[number] if at_home else self.state.size(unit, source)
        after[target] += self.state.size(unit, target)
        return tuple(after)

    def _moves(self, now: tuple[int, ...], load: tuple[int, ...]) -> Iterator[tuple[int, int, bool]]:
        """What can move next: alone what takes room from nobody, where there is such a unit."""
        waiting = [number for number, place in enumerate(now) if place != self.goals[number]]
        coming = list(load)
        for number in waiting:
            coming[self.goals[number]] += self.state.size(self.units[number], self.goals[number])
        possible = []
        for number in waiting:
            goal = self.goals[number]
            if not self._has_room(number, goal, load) or self._is_barred(number, goal, now, parking=False):
                continue
            if coming[goal] <= self.limit[goal] and self.units[number] not in self.problem.rules_of:
                yield number, goal, False
                return
            possible.append((number, goal, False))
        yield from possible
        for number in waiting:
            if now[number] != self.homes[number]:
                continue
            unit = self.problem.units[self.units[number]]
            for place in sorted({*unit.targets, *unit.later} - {self.goals[number]}):
                if self._has_room(number, place, load) and not self._is_barred(
                    number, place, now, parking=True
                ):
                    yield number, place, True

    def _has_room(self, number: int, place: int, load: Sequence[int]) -> bool:
        return load[place] + self.state.size(self.units[number], place) <= self.limit[place]

    def _is_barred(self, number: int, place: int, now: Sequence[int], *, parking: bool) -> bool:
        """Whether another unit that may not be beside it is there. Rules that are broken at first may be
        broken on the way, too.
        """
        unit = self.units[number]
        for rule in self.problem.rules_of.get(unit, ()):
            members = self.problem.rules[rule]
            if not members.rule.strict or members.rule.kind != "anti_affinity" or self.state.initially[rule]:
                continue
            own = members.units[unit]
            for other, owners in members.units.items():
                if other == unit or (owners == own and len(owners) == 1):
                    continue
                position = self.numbers.get(other)
                goal = self.state.where[other]
                here = goal if position is None else now[position]
                if here == place and (parking or goal != place):
                    return True
                if parking and goal == place:
                    return True
        return False
