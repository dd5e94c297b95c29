# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single moves of units that are allowed, and how good the state is with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

from .problem import Unit
from .state import FINE, Key, State

# Units looked at on a datastore that could make room there.
MAX_GIVERS = 60


class Moves:
    """What every part of the search asks of the state, and how it changes it. `movable` are the numbers of
    the units that have targets.
    """

    def __init__(self, state: State, rng: Random) -> None:
        self.state, self.rng = state, rng
        self.set_units(state.problem.units)

    def set_units(self, units: Sequence[Unit]) -> None:
        self.problem = self.state.problem = replace(self.state.problem, units=units)
        self.movable = [number for number, unit in enumerate(units) if unit.targets]

    def ways(self, unit: int) -> Iterable[int]:
        """Where a unit may go from where it is, its home among them."""
        here, home = self.state.where[unit], self.problem.units[unit].home
        if here != home:
            yield home
        for target in self.problem.units[unit].targets:
            if target != here:
                yield target

    def best(self, options: Iterable[tuple[int, int]], limit: Key) -> tuple[int, int] | None:
        """The unit and its target with the lowest key, if it is below the limit."""
        best: tuple[Key, int, int] | None = None
        for unit, target in options:
            found = self.key_with(unit, target)
            if found is not None and found < limit and (best is None or (found, unit, target) < best):
                best = (found, unit, target)
        return None if best is None else best[1:]

    def key_with(self, unit: int, target: int) -> Key | None:
        """The key with a unit elsewhere; None where it may not be there."""
        state = self.state
        source = state.where[unit]
        returns = target == self.problem.units[unit].home
        if not returns and not state.has_room(unit, target):
            return None
        if returns and not self.may_return(unit):
            return None
        state.relocate(unit, target)
        key = state.key() if state.keeps_rules(unit) else None
        state.relocate(unit, source)
        return key

    def may_return(self, unit: int) -> bool:
        """Whether its home has room for it, or was too full from the beginning and nothing else came."""
        state = self.state
        home = self.problem.units[unit].home
        if state.load[home] + state.weight[unit] <= state.limit[home]:
            return True
        return all(self.problem.units[other].home == home for other in state.at[home])

    def largest_first(self, units: Iterable[int]) -> list[int]:
        state = self.state
        return sorted(units, key=lambda unit: (-state.room_full[unit], -state.bytes_of[unit], unit))

    def place(self, unit: int, limit: Sequence[int] | None = None) -> bool:
        """Move a unit to the target that is emptiest afterwards and breaks no soft rule more. Returns
        whether there is any.
        """
        target = self.target_for(unit, limit)
        if target is not None:
            self.state.relocate(unit, target)
        return target is not None

    def target_for(self, unit: int, limit: Sequence[int] | None = None) -> int | None:
        """The target that `place` moves a unit to. limit: by datastore, the bytes that it may hold then, if
        that is less than the policy allows.
        """
        state = self.state
        here, under_rules = state.where[unit], unit in self.problem.rules_of
        best: tuple[int, int, int, int] | None = None
        for target in self.problem.units[unit].targets:
            if target == here or not state.has_room(unit, target):
                continue
            after = state.load[target] + state.size(unit, target)
            if limit is not None and after > limit[target]:
                continue
            wishes = 0
            if under_rules:
                state.relocate(unit, target)
                kept, wishes, strict = state.keeps_rules(unit), state.soft, state.strict
                state.relocate(unit, here)
                if not kept:
                    continue
            else:
                strict = 0
            found = (strict, wishes, after * FINE // state.capacity[target], target)
            if best is None or found < best:
                best = found
        return None if best is None else best[3]

    def eject(self, unit: int) -> bool:
        """Move a unit to a datastore that another unit leaves for that: the one with the fewest bytes."""
        state = self.state
        here = state.where[unit]
        best: tuple[int, int, int, int, int] | None = None
        for target in self.problem.units[unit].targets:
            if target == here or (unit, target) in state.forbidden:
                continue
            missing = state.load[target] + state.size(unit, target) - state.limit[target]
            givers = [
                other
                for other in list(state.at[target])
                if self.problem.units[other].targets
                and other != unit
                and state.size(other, target) >= missing
            ]
            givers.sort(key=lambda other: (self.more_bytes(other), other))
            for other in givers[:MAX_GIVERS]:
                more = self.more_bytes(other)
                if best is not None and more >= best[0]:
                    break
                onward = self._onward(unit, target, other)
                if onward is not None:
                    best = (more, unit, target, other, onward)
        if best is None:
            return False
        _more, unit, target, other, onward = best
        state.relocate(other, onward)
        state.relocate(unit, target)
        return True

    def more_bytes(self, unit: int) -> int:
        """The bytes that a move of the unit adds to the plan: none if it is moved anyway."""
        state = self.state
        return state.bytes_of[unit] if state.where[unit] == self.problem.units[unit].home else 0

    def _onward(self, unit: int, target: int, other: int) -> int | None:
        """Where the other unit can go so that the unit fits in its place."""
        state = self.state
        onward = self.target_for(other)
        if onward is None:
            return None
        here = state.where[unit]
        state.relocate(other, onward)
        fits = state.has_room(unit, target)
        if fits:
            state.relocate(unit, target)
            fits = state.keeps_rules(unit) and state.keeps_rules(other)
            state.relocate(unit, here)
        state.relocate(other, target)
        return onward if fits else None
