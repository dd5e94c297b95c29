# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An order in which every datastore has room at every moment, in whatever interleaving it permits.

A copy takes its room on the target from its start, and the source is free of it only when the move has ended
and the old copy has been deleted. Steps are put one after the other: of all steps to a datastore so far, each
counts as begun, and only what a step waits for counts as ended. What holds for that holds for every
interleaving, because of the steps that have begun one is the last in the list, and all that it waits for has
ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .problem import NO_LIMIT, Part
from .sequence import Budget, Move, find_sequence
from .state import State

MAX_TRIES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One part on its way. `after` are positions in the list of steps; `parking`: it goes on later."""

    unit: int
    part: Part
    source: int
    target: int
    after: tuple[int, ...]
    parking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The steps, and the units that have no safe moment. `tried_all`: whether there is no order for these,
    since all were tried that copy less for parking than was asked for.
    """

    steps: tuple[Step, ...]
    left: tuple[int, ...] = ()
    tried_all: bool = False


def order_moves(state: State, most_extra: int = NO_LIMIT, budget: Budget | None = None) -> Order:
    """The steps from where the disks are to where the state has them. Sequences with `most_extra` bytes of
    parking or more need not be found.
    """
    found = _Ledger(state, set(), parks=False).run()
    if not found.left:
        return found
    sequence = find_sequence(state, most_extra, budget)
    if sequence.moves is not None:
        found = _Ledger(state, set(), parks=True, mends=True).follow(sequence.moves)
        if not found.left:
            return found
    banned: set[int] = set()
    for _try in range(MAX_TRIES):
        ledger = _Ledger(state, banned, parks=True)
        found = ledger.run()
        stranded = [unit for unit in found.left if unit in ledger.parked]
        if not stranded:
            return replace(found, tried_all=sequence.tried_all and bool(found.left))
        # A disk that would wait for ever is better not moved at all.
        banned.update(stranded)
    return replace(_Ledger(state, banned, parks=False).run(), tried_all=sequence.tried_all)


class _Ledger:
    """Steps one after the other. mends: whether rules that are broken at first may be broken on the way."""

    def __init__(self, state: State, banned: set[int], *, parks: bool, mends: bool = False) -> None:
        self.state, self.problem = state, state.problem
        self.free = [mends and broken > 0 for broken in state.initially]
        """By rule, whether nobody has to wait for it."""
        self.banned, self.parks = banned, parks
        self.goal = list(state.where)
        self.now = [unit.home for unit in self.problem.units]
        self.load = [place.load for place in self.problem.places]
        """With all arrivals so far, and no departure."""
        self.departures: list[list[tuple[int, int]]] = [[] for _place in self.load]
        """By datastore, the steps that leave it, and what each certainly frees."""
        self.steps: list[Step] = []
        self.ancestors: list[int] = []
        self.last: dict[int, int] = {}
        """By guest, the last step that moves disks of it: one guest is in one move at a time."""
        self.left_at: dict[tuple[int, int], int] = {}
        """By unit and datastore, the last step with which it left."""
        self.parked: set[int] = set()
        self.bytes = self.moves = 0

    def run(self) -> Order:
        units = self.problem.units
        pending = [unit for unit, place in enumerate(self.goal) if place != units[unit].home]
        pending.sort(key=lambda unit: (not units[unit].restoring, -self.state.bytes_of[unit], unit))
        self.bytes = sum(self.state.bytes_of[unit] for unit in pending)
        self.moves = sum(self.state.moves_of[unit] for unit in pending)
        while pending:
            placed = {unit for unit in pending if self._put(unit, self.goal[unit], waits=False)}
            if not placed:
                found = next((unit for unit in pending if self._put(unit, self.goal[unit], waits=True)), None)
                placed = set() if found is None else {found}
            if placed:
                pending = [unit for unit in pending if unit not in placed]
            elif not (self.parks and self._park(pending)):
                break
        return Order(steps=tuple(self.steps), left=tuple(pending))

    def follow(self, sequence: Sequence[Move]) -> Order:
        """The steps of a sequence that is possible one by one, as many at a time as there is room for."""
        left = dict.fromkeys(unit for unit, _place, _parking in sequence)
        for unit, place, parking in sequence:
            if not self._put(unit, place, waits=True, parking=parking):
                return Order(steps=(), left=tuple(left))
        return Order(steps=tuple(self.steps))

    def _put(self, unit: int, target: int, *, waits: bool, parking: bool = False) -> bool:
        """Put all parts of a unit next, if there is room. waits: whether it may wait for departures."""
        source = self.now[unit]
        barriers = self._rule_barriers(unit, target, parking=parking)
        if barriers is None:
            return False
        chosen: list[tuple[Part, tuple[int, ...]]] = []
        arriving = self.load[target]
        limit = self.problem.places[target].limit
        thin = self.state.thin[target]
        for part in self.problem.units[unit].parts:
            arriving += part.room_thin if thin else part.room_full
            after = set(barriers)
            if part.guest in self.last:
                after.add(self.last[part.guest])
            if arriving > limit:
                more = self._relief(target, arriving - limit, after) if waits else None
                if more is None:
                    return False
                after |= more
            chosen.append((part, tuple(after)))
        for part, after_steps in chosen:
            self._append(unit, part, source, target, after_steps, parking=parking)
        self.load[target] = arriving
        self.now[unit] = target
        return True

    def _append(
        self, unit: int, part: Part, source: int, target: int, after: Iterable[int], *, parking: bool
    ) -> None:
        number = len(self.steps)
        # Two parts of one guest in one unit do not exist, but two units of one guest do.
        steps = self._needed(after)
        mask = 0
        for step in steps:
            mask |= self.ancestors[step] | 1 << step
        self.ancestors.append(mask)
        self.steps.append(
            Step(unit=unit, part=part, source=source, target=target, after=steps, parking=parking)
        )
        frees = part.frees
        if source != self.problem.units[unit].home:
            frees = part.room_thin if self.state.thin[source] else part.room_full
        self.departures[source].append((number, frees))
        self.left_at[unit, source] = number
        self.last[part.guest] = number

    def _needed(self, after: Iterable[int]) -> tuple[int, ...]:
        """Without those that another one waits for anyway."""
        steps = sorted(set(after))
        return tuple(step for step in steps if not any(self.ancestors[other] >> step & 1 for other in steps))

    def _relief(self, place: int, need: int, after: set[int]) -> set[int] | None:
        """Departures that free so much, few of them, besides those that are waited for anyway."""
        mask = 0
        for step in after:
            mask |= self.ancestors[step] | 1 << step
        free: list[tuple[int, int]] = []
        for step, frees in self.departures[place]:
            if mask >> step & 1:
                need -= frees
            elif frees > 0:
                free.append((step, frees))
        if need <= 0:
            return set()
        enough = [item for item in free if item[1] >= need]
        if enough:
            return {min(enough)[0]}
        chosen: set[int] = set()
        for step, frees in sorted(free, key=lambda item: (-item[1], item[0])):
            chosen.add(step)
            need -= frees
            if need <= 0:
                return chosen
        return None

    def _rule_barriers(self, unit: int, target: int, *, parking: bool) -> set[int] | None:
        """Steps with which others that may not be beside this unit leave its target; None while one of them
        is still there and is to leave.
        """
        barriers: set[int] = set()
        for rule in self.problem.rules_of.get(unit, ()):
            members = self.problem.rules[rule]
            if not members.rule.strict or members.rule.kind != "anti_affinity" or self.free[rule]:
                continue
            own = members.units[unit]
            for other, owners in members.units.items():
                if other == unit or (owners == own and len(owners) == 1):
                    continue
                if self.now[other] == target and (parking or self.goal[other] != target):
                    return None
                if parking and self.goal[other] == target:
                    return None
                if (other, target) in self.left_at:
                    barriers.add(self.left_at[other, target])
        return barriers

    def _park(self, pending: Sequence[int]) -> bool:
        """Let a unit wait on another datastore, so that others can go on; the one with the fewest bytes."""
        most = self.state
        for unit in sorted(pending, key=lambda unit: (most.bytes_of[unit], unit)):
            if unit in self.parked or unit in self.banned:
                continue
            if self.moves + most.moves_of[unit] > most.max_moves:
                continue
            if self.bytes + most.bytes_of[unit] > most.max_bytes:
                continue
            if not self._is_waited_for(unit, pending):
                continue
            for place in self.problem.units[unit].targets:
                if place != self.goal[unit] and self._put(unit, place, waits=True, parking=True):
                    self.parked.add(unit)
                    self.bytes += most.bytes_of[unit]
                    self.moves += most.moves_of[unit]
                    return True
        return False

    def _is_waited_for(self, unit: int, pending: Sequence[int]) -> bool:
        """Whether another unit is to come to where this one is now."""
        return any(self.goal[other] == self.now[unit] for other in pending if other != unit)
