# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disks move where: rules first, then what is to be emptied, too full or too slow, then the band; and
then the same with fewer bytes. The same seed gives the same plan.

rule_repair, limits and levelling bring in order what they are named for; reduction and improvement make the
result better; annealing and exact look further in small clusters. All of them change one state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from .annealing import anneal
from .exact import improve_exactly
from .improvement import flatten, improve_by_one, improve_by_two
from .levelling import bands_to_try, level, shifted_bands
from .limits import empty_datastores, relieve, relieve_io
from .moves import Moves
from .order import order_moves
from .problem import Problem, Unit
from .reduction import reduce
from .rule_repair import repair_rules
from .state import Key, State

# Rounds of putting a part of the solution back and solving it again, and the units that there may be for
# each of them.
RUINS = 150
RUIN_WORK = 12_000
ROUNDS = 4


class Search:
    """One search. `least` are the fewest bytes of any end in order, where all of them were looked at;
    `has_no_way`: there are such ends, but none with a safe order was found; `tried_all`: there is none.
    """

    def __init__(self, problem: Problem, forbidden: Iterable[tuple[int, int]] = ()) -> None:
        self.state = State(problem)
        self.state.forbidden.update(forbidden)
        self.moves = Moves(self.state, Random(problem.seed))
        self.least: int | None = None
        self.has_no_way = self.tried_all = False
        self.is_best = self.is_hopeless = False

    @property
    def problem(self) -> Problem:
        return self.moves.problem

    def run(self) -> State:
        state = self.state
        if not self.moves.movable or not (any(state.key()[:6])):
            self.least = 0
            return state
        self._solve()
        best, where = state.key(), list(state.where)
        for band in bands_to_try(self.moves)[1:]:
            state.restore([unit.home for unit in self.problem.units])
            self._solve(band)
            best, where = self._better(best, where)
        state.restore(where)
        reduce(self.moves)
        if not self._examine():
            units = self.problem.units
            self._ruin_and_recreate()
            self._finish()
            for weight in (30.0, 6.0):
                anneal(state, self.moves.movable, self.moves.rng, weight)
            reduce(self.moves)
            self._look_further()
            if not self.is_hopeless or self.problem.units is not units:
                self._examine()
        self._spread_out()
        return state

    def _examine(self) -> bool:
        """Take the best end of all for small clusters. Returns whether nothing can be better, but for how
        even the datastores are.
        """
        examined = improve_exactly(self.state, self.moves.movable)
        self.least = examined.least
        self.has_no_way, self.tried_all = examined.has_no_way, examined.tried_all
        self.is_best, self.is_hopeless = examined.is_best, examined.is_hopeless
        return examined.is_best

    def _better(self, best: Key, where: list[int]) -> tuple[Key, list[int]]:
        found = self.state.key()
        return (found, list(self.state.where)) if found < best else (best, where)

    def _solve(self, band: dict[int, tuple[int, int]] | None = None) -> None:
        """What was moved for one thing may make room for another, so that there are several rounds."""
        for _round in range(ROUNDS):
            before, where = self.state.key(), list(self.state.where)
            self._solve_once(band)
            found = self.state.key()
            if found > before:
                self.state.restore(where)
            if found >= before or not any(found[:6]):
                return

    def _solve_once(self, band: dict[int, tuple[int, int]] | None) -> None:
        state = self.state
        repair_rules(self.moves, strict=True)
        empty_datastores(self.moves)
        relieve(self.moves, state.limit)
        relieve_io(self.moves)
        bands = bands_to_try(self.moves)
        if bands:
            level(self.moves, band if band is not None else bands[0])
        if state.soft:
            repair_rules(self.moves, strict=False)

    def _ruin_and_recreate(self) -> None:
        """Put what left one or two datastores back, and solve that again without some of it."""
        state = self.state
        best, where = state.key(), list(state.where)
        rounds = min(RUINS * self.problem.effort // 40, RUIN_WORK // max(1, len(self.moves.movable)))
        for _round in range(rounds):
            moved = state.moved()
            if not moved:
                return
            sources = sorted({self.problem.units[unit].home for unit in moved})
            chosen = set(self.moves.rng.sample(sources, min(len(sources), self.moves.rng.randint(1, 3))))
            back = [unit for unit in moved if self.problem.units[unit].home in chosen]
            for unit in back:
                state.relocate(unit, self.problem.units[unit].home)
            barred = self.moves.rng.sample(back, min(len(back), self.moves.rng.randint(0, 2)))
            pairs = {(unit, target) for unit in barred for target in self.problem.units[unit].targets}
            pairs -= state.forbidden
            state.forbidden |= pairs
            self._solve(shifted_bands(self.moves))
            state.forbidden -= pairs
            if state.key()[:7] <= best[:7]:
                reduce(self.moves)
            if state.key() < best:
                best, where = state.key(), list(state.where)
            else:
                state.restore(where)

    def _look_further(self) -> None:
        """Where something is still out of order, also moves between datastores that differ enough only now
        that others have moved.
        """
        state = self.state
        for _round in range(ROUNDS):
            before, where, units = state.key(), list(state.where), self.problem.units
            if not any(before[:6]):
                return
            self.moves.set_units([self._extended(number, unit) for number, unit in enumerate(units)])
            self._finish()
            state.settle()
            self._return_too_near()
            if state.key() >= before:
                self.moves.set_units(units)
                state.restore(where)
                return

    def _extended(self, number: int, unit: Unit) -> Unit:
        if not unit.later or self.state.where[number] != unit.home:
            return unit
        more = tuple(place for place in unit.later if self.state.differs(number, place))
        if not more:
            return unit
        later = tuple(place for place in unit.later if place not in more)
        return replace(unit, targets=tuple(sorted((*unit.targets, *more))), later=later)

    def _return_too_near(self) -> None:
        """Only what differs enough at the end, or did at first, may be moved."""
        state = self.state
        while near := state.too_near():
            for unit in near:
                state.relocate(unit, self.problem.units[unit].home)

    def _finish(self) -> None:
        """As long as something is out of order: whatever single move, or another round, is better."""
        state = self.state
        for _round in range(ROUNDS):
            before = state.key()
            if not any(before[:6]):
                return
            self._solve()
            improve_by_one(self.moves)
            improve_by_two(self.moves)
            if state.key()[:6] < before[:6]:
                reduce(self.moves)
            else:
                return

    def _spread_out(self) -> None:
        """Other targets for what moves anyway, for flatter datastores, if there is a safe order then."""
        state, where = self.state, list(self.state.where)
        flatten(self.moves)
        if state.where == where:
            return
        if state.too_near():
            state.restore(where)
        elif self.is_best:
            order = order_moves(state)
            if order.left or any(step.parking for step in order.steps):
                state.restore(where)
