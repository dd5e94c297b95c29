# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fewest bytes after which the datastores of a small cluster are in order, by an integer program.

Only the end counts, not the way to it: no plan can do with less. The units and their targets are those of the
planner, what is wanted of the end is written down once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import highspy

from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.problem import Problem, Unit

MIB = 1024**2


def fewest_bytes(problem: Problem) -> int | None:
    """None where nothing brings all in order."""
    return _Program(problem).solve()


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

    def solve(self) -> int | None:
        for number, unit in enumerate(self.problem.units):
            for target in unit.targets:
                self.moves[number, target] = self.highs.addBinary()
            here = [self.moves[number, target] for target in unit.targets]
            if unit.must_leave:
                if not here:
                    return None
                self.highs.addConstr(sum(here) == 1)
            elif here:
                self.highs.addConstr(sum(here) <= 1)
        if not self._limit_loads() or not self._keep_rules():
            return None
        self._limit_spread()
        cost = sum(
            self.problem.units[number].bytes / MIB * moved for (number, _target), moved in self.moves.items()
        )
        if not self.moves:
            return 0
        self.highs.minimize(cost)
        if self.highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        values = self.highs.getSolution().col_value
        return sum(
            self.problem.units[number].bytes
            for (number, _target), moved in self.moves.items()
            if values[moved.index] > 0.5
        )

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
