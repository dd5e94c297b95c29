# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fewest bytes that put the datastores of a small cluster in order, the end and the way to it together.

An integer program finds the end with the fewest bytes. Whether there is a safe way to it is found out by
looking at every sequence of moves, one at a time, with disks that wait on another datastore where that helps;
what waits is copied twice. Ends without a way are excluded, and so are those whose way needs that, until no
other end has fewer bytes than the best one with its way. The units, where they may go and what they weigh are
those of the planner; what is wanted of the end and of the way is written down once more.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import highspy

from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.problem import Problem, Unit

MIB = 1024**2
# Ends that are looked at, and arrangements of disks on the way to each of them.
MAX_ENDS = 400
MAX_ARRANGEMENTS = 100_000

End = Mapping[int, int]
"""By unit that moves, its datastore."""


@dataclass(frozen=True)
class Fewest:
    """No safe plan copies less than `least` bytes, and one copies `reached`; None for no plan at all. The two
    differ only where there were too many ends or sequences to look at all of them.
    """

    least: int | None
    reached: int | None

    @property
    def is_exact(self) -> bool:
        return self.least == self.reached


def fewest_bytes(problem: Problem) -> Fewest:
    """What any safe plan copies at least after which all is in order."""
    program = _Program(problem)
    ways = _Ways(problem)
    best: int | None = None
    for _end in range(MAX_ENDS):
        end = program.solve()
        if end is None:
            return Fewest(best, best)
        copied = sum(problem.units[unit].bytes for unit in end)
        if best is not None and copied >= best:
            return Fewest(best, best)
        try:
            extra = ways.least_parking(end, None if best is None else best - copied)
            blocked = ways.blocked_by_rules(end) if extra is None else frozenset()
        except TooMany:
            return Fewest(copied, best)
        if extra == 0:
            return Fewest(copied, copied)
        if extra is not None:
            best = copied + extra
        program.exclude(end, blocked)
    return Fewest(copied, best)


class _Program:
    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.highs = highspy.Highs()
        self.highs.setOptionValue("output_flag", False)
        self.highs.setOptionValue("threads", 1)
        self.highs.setOptionValue("mip_rel_gap", 0.0)
        self.highs.setOptionValue("mip_abs_gap", 0.0)
        self.highs.setOptionValue("mip_feasibility_tolerance", 1e-9)
        self.moves: dict[tuple[int, int], Any] = {}
        self.loads: list[Any] = []
        self.possible = self._build()

    def _build(self) -> bool:
        for number, unit in enumerate(self.problem.units):
            for target in unit.targets:
                self.moves[number, target] = self.highs.addBinary()
            here = [self.moves[number, target] for target in unit.targets]
            if unit.must_leave:
                if not here:
                    return False
                self.highs.addConstr(sum(here) == 1)
            elif here:
                self.highs.addConstr(sum(here) <= 1)
        if not self._limit_loads() or not self._keep_rules():
            return False
        self._limit_spread()
        return True

    def solve(self) -> End | None:
        """The end with the fewest bytes that is not excluded; None where nothing brings all in order."""
        if not self.possible:
            return None
        if not self.moves:
            return {}
        cost = sum(
            self.problem.units[number].bytes / MIB * moved for (number, _target), moved in self.moves.items()
        )
        self.highs.minimize(cost)
        if self.highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        values = self.highs.getSolution().col_value
        return {unit: target for (unit, target), moved in self.moves.items() if values[moved.index] > 0.5}

    def exclude(self, end: End, units: frozenset[int]) -> None:
        """From now on no end that has these units where this one has them; no unit means all of them."""
        chosen = units or frozenset(unit for unit, _target in self.moves)
        same: Any = 0
        many = 0
        for (unit, target), moved in self.moves.items():
            if unit not in chosen:
                continue
            if end.get(unit) == target:
                same, many = same + moved, many + 1
            elif unit not in end:
                same = same - moved
        if many == 0 and not self.moves:
            self.possible = False
            return
        self.highs.addConstr(same <= many - 1)

    def _limit_loads(self) -> bool:
        for number, place in enumerate(self.problem.places):
            load: Any = place.load / MIB
            io: Any = float(place.io)
            for (unit, target), moved in self.moves.items():
                one = self.problem.units[unit]
                if one.home == number:
                    load = load - _weight(one) / MIB * moved
                    io = io - _io(one) * moved
                if target == number:
                    load = load + _room(one, place.datastore.thin is True) / MIB * moved
                    io = io + _io(one) * moved
            self.loads.append(load)
            if not place.judged:
                continue
            for amount, limit in ((load, place.limit / MIB), (io, float(place.io_limit))):
                if isinstance(amount, float):
                    if amount > limit:
                        return False
                elif limit < 1e20:
                    self.highs.addConstr(amount <= limit)
        return True

    def _keep_rules(self) -> bool:
        for members in self.problem.rules:
            if members.rule.kind != "anti_affinity":
                raise NotImplementedError(members.rule.kind)
            units: dict[str, list[int]] = {}
            for unit, owners in members.units.items():
                for owner in owners:
                    units.setdefault(owner, []).append(unit)
            for place in range(len(self.problem.places)):
                present = [self._present(numbers, place) for numbers in units.values()]
                if sum(one is True for one in present) > 1:
                    return False
                there = [1 if one is True else one for one in present if one is not None]
                if len(there) > 1:
                    self.highs.addConstr(sum(there) <= 1)
        return True

    def _present(self, units: list[int], place: int) -> Any:
        """Whether an owner has any unit at a place: True, None for no, or a variable."""
        terms = []
        for number in units:
            unit = self.problem.units[number]
            if unit.home == place:
                if not unit.targets:
                    return True
                terms.append(1 - sum(self.moves[number, target] for target in unit.targets))
            elif (number, place) in self.moves:
                terms.append(self.moves[number, place])
        if not terms:
            return None
        there = self.highs.addBinary()
        for term in terms:
            self.highs.addConstr(there >= term)
        return there

    def _limit_spread(self) -> None:
        spread = self.problem.policy.max_spread
        groups: Mapping[int, list[int]] = {}
        for number, place in enumerate(self.problem.places):
            if place.group >= 0:
                groups.setdefault(place.group, []).append(number)  # type: ignore[attr-defined]
        for group in groups.values() if spread is not None else ():
            low = self.highs.addVariable(lb=-highspy.kHighsInf, ub=highspy.kHighsInf)
            for number in group:
                place = self.problem.places[number]
                used = self.loads[number] * (100 * MIB / place.capacity)
                if place.takes:
                    self.highs.addConstr(low - used <= 0)
                if place.gives:
                    self.highs.addConstr(low - used >= -float(spread or 0))


def _weight(unit: Unit) -> int:
    return sum(part.weight for part in unit.parts)


def _room(unit: Unit, thin: bool) -> int:
    return sum(part.room_thin if thin else part.room_full for part in unit.parts)


def _io(unit: Unit) -> int:
    return sum(part.io for part in unit.parts)


class TooMany(Exception):
    """There are too many arrangements to look at all of them."""


class _Ways:
    """Moves one at a time. If there is a safe order at all, there is one of this kind, since a move that
    waits for all others before it meets no more than it has to.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.apart: dict[int, list[int]] = {}
        """By unit, the units that it may never meet, be it for the time of a copy."""
        for members in problem.rules:
            at: dict[int, set[str]] = {}
            for unit, owners in members.units.items():
                at.setdefault(problem.units[unit].home, set()).update(owners)
            if any(len(owners) > 1 for owners in at.values()):
                continue  # It does not hold at first, so that it can't be broken on the way.
            for unit, owners in members.units.items():
                for other, others in members.units.items():
                    if other != unit and set(owners) | set(others) != set(owners) & set(others):
                        self.apart.setdefault(unit, []).append(other)

    def least_parking(self, end: End, below: int | None) -> int | None:
        """The least bytes that are copied besides those of an end on the way to it; None for no way."""
        return self._search(end, below, has_space=False)

    def blocked_by_rules(self, end: End) -> frozenset[int]:
        """The units under rules, if they alone can't get to this end even with all space in the world."""
        under_rules = frozenset(number for number in self.apart if self.problem.units[number].targets)
        ruled = {unit: target for unit, target in end.items() if unit in under_rules}
        return under_rules if ruled and self._search(ruled, None, has_space=True) is None else frozenset()

    def _search(self, end: End, below: int | None, *, has_space: bool) -> int | None:
        units = self.problem.units
        start = tuple(units[unit].home for unit in end)
        goal = tuple(end.values())
        costs = {start: 0}
        queue = [(0, 0, start)]
        done: set[tuple[int, ...]] = set()
        while queue:
            cost, _moved, now = heapq.heappop(queue)
            if now in done:
                continue
            if now == goal:
                return cost
            done.add(now)
            if len(done) > MAX_ARRANGEMENTS:
                raise TooMany
            load = self._loads(end, now)
            for number, place in self._steps(end, now):
                unit = list(end)[number]
                room = _room(units[unit], self.problem.places[place].datastore.thin is True)
                if not has_space and load[place] + room > self.problem.places[place].limit:
                    continue
                if self._meets(end, now, unit, place):
                    continue
                then = (*now[:number], place, *now[number + 1 :])
                more = cost + (0 if place == goal[number] else units[unit].bytes)
                if (below is None or more < below) and more < costs.get(then, more + 1):
                    costs[then] = more
                    gone = sum(a == b for a, b in zip(then, goal, strict=True))
                    heapq.heappush(queue, (more, -gone, then))
        return None

    def _steps(self, end: End, now: tuple[int, ...]) -> Iterator[tuple[int, int]]:
        for number, (unit, target) in enumerate(end.items()):
            one = self.problem.units[unit]
            if now[number] == target:
                continue
            yield number, target
            if now[number] == one.home:
                yield from ((number, place) for place in (*one.targets, *one.later) if place != target)

    def _loads(self, end: End, now: tuple[int, ...]) -> list[int]:
        loads = [place.load for place in self.problem.places]
        for unit, place in zip(end, now, strict=True):
            one = self.problem.units[unit]
            if place != one.home:
                loads[one.home] -= sum(part.frees for part in one.parts)
                loads[place] += _room(one, self.problem.places[place].datastore.thin is True)
        return loads

    def _meets(self, end: End, now: tuple[int, ...], unit: int, place: int) -> bool:
        where = dict(zip(end, now, strict=True))
        return any(
            where.get(other, self.problem.units[other].home) == place for other in self.apart.get(unit, ())
        )
