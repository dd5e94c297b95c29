# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disks move where: rules first, then what is too full, to be emptied or too slow, then the band; and
then the same with fewer bytes. The same seed gives the same plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

from .annealing import anneal
from .bounds import best_band
from .cover import Item, cover
from .exact import improve_exactly
from .order import order_moves
from .problem import Problem, Unit
from .state import FINE, Key, State

# Rounds of putting a part of the solution back and solving it again, and the units that there may be for
# each of them.
RUINS = 150
RUIN_WORK = 12_000
ROUNDS = 4
# Single moves that are tried for what is still out of order.
FINISH_WORK = 200_000
# How often a place is solved again without a unit that no target has room for.
RETRIES = 30
# Sources looked at for a unit that could make room, and units there.
MAX_GIVERS = 60
# Units that are tried between two datastores, those of the best size first; and instead of a moved unit.
MAX_SIZED = 20
MAX_OTHERS = 24


class Search:
    """One search. `least` are the fewest bytes of any end in order, where all of them were looked at;
    `has_no_way`: there are such ends, but none with a safe order.
    """

    def __init__(self, problem: Problem, forbidden: Iterable[tuple[int, int]] = ()) -> None:
        self.problem = problem
        self.state = State(problem)
        self.state.forbidden.update(forbidden)
        self.initially = list(self.state.broken)
        self.rng = Random(problem.seed)
        self.movable = [number for number, unit in enumerate(problem.units) if unit.targets]
        self.least: int | None = None
        self.has_no_way = False
        self.is_best = self.is_hopeless = False

    def run(self) -> State:
        state = self.state
        if not self.movable or not (any(state.key()[:6])):
            self.least = 0
            return state
        self._solve()
        best, where = state.key(), list(state.where)
        for band in self._bands()[1:]:
            state.restore([unit.home for unit in self.problem.units])
            self._solve(band)
            best, where = self._better(best, where)
        state.restore(where)
        self.reduce()
        if not self._examine():
            units = self.problem.units
            self._ruin_and_recreate()
            self._finish()
            for weight in (30.0, 6.0):
                anneal(state, self.movable, self.rng, weight)
            self.reduce()
            self._look_further()
            if not self.is_hopeless or self.problem.units is not units:
                self._examine()
        self._spread_out()
        return state

    def _examine(self) -> bool:
        """Take the best end of all for small clusters. Returns whether nothing can be better, but for how
        even the datastores are.
        """
        examined = improve_exactly(self.state, self.movable)
        self.least, self.has_no_way = examined.least, examined.has_no_way
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
        self._repair_rules(strict=True)
        self._empty()
        self._relieve(state.limit)
        self._relieve_io()
        bands = self._bands()
        if bands:
            self._level(band if band is not None else bands[0])
        if state.soft:
            self._repair_rules(strict=False)

    # -- rules ---------------------------------------------------------------------------------------------

    def _repair_rules(self, *, strict: bool) -> None:
        state = self.state
        for number, members in enumerate(self.problem.rules):
            if members.rule.strict is not strict:
                continue
            while state.broken[number]:
                before = state.key()
                units = [unit for unit in members.units if self.problem.units[unit].targets]
                options = ((unit, target) for unit in units for target in self._ways(unit))
                found = self._best(options, before)
                if found is None and not self._make_way(number, units):
                    break
                if found is not None:
                    state.relocate(*found)
        state.settle()

    def _make_way(self, rule: int, units: Sequence[int]) -> bool:
        """Let another unit leave a datastore so that one of these fits; whether the rule is broken less."""
        state = self.state
        before, where = state.key(), list(state.where)
        for unit in sorted(units, key=lambda unit: (state.bytes_of[unit], unit)):
            if self._eject(unit) and state.key() < before:
                return True
            state.restore(where)
        return False

    def _ways(self, unit: int) -> Iterable[int]:
        """Where a unit may go from where it is, its home among them."""
        here, home = self.state.where[unit], self.problem.units[unit].home
        if here != home:
            yield home
        for target in self.problem.units[unit].targets:
            if target != here:
                yield target

    def _best(self, options: Iterable[tuple[int, int]], limit: Key) -> tuple[int, int] | None:
        """The unit and its target with the lowest key, if it is below the limit."""
        best: tuple[Key, int, int] | None = None
        for unit, target in options:
            found = self._key_with(unit, target)
            if found is not None and found < limit and (best is None or (found, unit, target) < best):
                best = (found, unit, target)
        return None if best is None else best[1:]

    def _key_with(self, unit: int, target: int) -> Key | None:
        """The key with a unit elsewhere; None where it may not be there."""
        state = self.state
        source = state.where[unit]
        returns = target == self.problem.units[unit].home
        if not returns and not state.has_room(unit, target):
            return None
        if returns and not self._may_return(unit):
            return None
        state.relocate(unit, target)
        key = state.key() if state.keeps_rules(unit) else None
        state.relocate(unit, source)
        return key

    def _may_return(self, unit: int) -> bool:
        """Whether its home has room for it, or was too full from the beginning and nothing else came."""
        state = self.state
        home = self.problem.units[unit].home
        if state.load[home] + state.weight[unit] <= state.limit[home]:
            return True
        return all(self.problem.units[other].home == home for other in state.at[home])

    # -- emptying and limits -------------------------------------------------------------------------------

    def _empty(self) -> None:
        """Place the units that have to leave, the largest first."""
        state = self.state
        units = [
            unit
            for unit in self.movable
            if self.problem.units[unit].must_leave and state.where[unit] == self.problem.units[unit].home
        ]
        left = [unit for unit in self._largest_first(units) if not self._place(unit)]
        for unit in left:
            where = list(state.where)
            before = state.key()
            if not self._eject(unit) or state.key() >= before:
                state.restore(where)

    def _largest_first(self, units: Iterable[int]) -> list[int]:
        state = self.state
        return sorted(units, key=lambda unit: (-state.room_full[unit], -state.bytes_of[unit], unit))

    def _place(self, unit: int, limit: Sequence[int] | None = None) -> bool:
        """Move a unit to the target that is emptiest afterwards and breaks no soft rule more. Returns
        whether there is any.
        """
        target = self._target_for(unit, limit)
        if target is not None:
            self.state.relocate(unit, target)
        return target is not None

    def _target_for(self, unit: int, limit: Sequence[int] | None = None) -> int | None:
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

    def _eject(self, unit: int) -> bool:
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
            givers.sort(key=lambda other: (self._more_bytes(other), other))
            for other in givers[:MAX_GIVERS]:
                more = self._more_bytes(other)
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

    def _more_bytes(self, unit: int) -> int:
        state = self.state
        return state.bytes_of[unit] if state.where[unit] == self.problem.units[unit].home else 0

    def _onward(self, unit: int, target: int, other: int) -> int | None:
        """Where the other unit can go so that the unit fits in its place."""
        state = self.state
        onward = self._target_for(other)
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

    def _relieve(self, limit: Sequence[int], targets: Sequence[int] | None = None) -> None:
        """Bring every datastore below its limit, the one that is furthest above first."""
        state = self.state
        places = [
            place
            for place in range(len(state.load))
            if state.judged[place] and self.problem.places[place].gives and state.load[place] > limit[place]
        ]
        places.sort(key=lambda place: (limit[place] - state.load[place], place))
        for place in places:
            self._relieve_place(place, limit[place], targets)

    def _relieve_place(self, place: int, limit: int, targets: Sequence[int] | None) -> None:
        state = self.state
        refused: set[int] = set()
        for _attempt in range(RETRIES):
            need = state.load[place] - limit
            if need <= 0:
                return
            items = self._items(place, refused)
            found = cover(items, need)
            if found is None:
                break
            placed = [unit for unit in self._largest_first(found[0]) if not self._place(unit, targets)]
            if not placed:
                return
            refused.update(placed)
            for unit in found[0]:
                if state.where[unit] != place:
                    state.relocate(unit, place)
        self._relieve_greedily(place, limit, targets)

    def _items(self, place: int, refused: set[int]) -> list[Item]:
        state = self.state
        return [
            (unit, state.weight[unit], state.bytes_of[unit])
            for unit in state.at[place]
            if unit not in refused
            and self.problem.units[unit].home == place
            and self.problem.units[unit].targets
        ]

    def _relieve_greedily(self, place: int, limit: int, targets: Sequence[int] | None) -> None:
        """As much as there is room for: what covers the need alone and is cheapest, else the largest."""
        state = self.state
        tried: set[int] = set()
        while state.load[place] > limit:
            need = state.load[place] - limit
            items = self._items(place, tried)
            if not items:
                return
            enough = [item for item in items if item[1] >= need]
            chosen = (
                min(enough, key=lambda item: (item[2], item[0]))
                if enough
                else max(items, key=lambda item: (item[1], -item[0]))
            )
            tried.add(chosen[0])
            if not self._place(chosen[0], targets) and targets is None:
                where, before = list(state.where), state.key()
                if not self._eject(chosen[0]) or state.key() >= before:
                    state.restore(where)

    def _relieve_io(self) -> None:
        """Take I/O off datastores whose latency is too high, with few bytes."""
        state = self.state
        if not state.io_over:
            return
        for place in range(len(state.load)):
            here = self.problem.places[place]
            refused: set[int] = set()
            for _attempt in range(RETRIES):
                need = state.io[place] - here.io_limit
                if need <= 0 or not state.judged[place] or not here.gives:
                    break
                items = [
                    (unit, state.io_of[unit], cost) for unit, _weight, cost in self._items(place, refused)
                ]
                found = cover(items, need)
                # Less than all that is needed helps, too.
                chosen = found[0] if found is not None else [unit for unit, io, _cost in items if io]
                stay = [unit for unit in self._largest_first(chosen) if not self._place(unit)]
                if not stay or found is None:
                    break
                refused.update(stay)

    # -- the band ------------------------------------------------------------------------------------------

    def _bands(self) -> list[dict[int, tuple[int, int]]]:
        """By group, the lower and the upper end of bands to try, the most promising first."""
        state = self.state
        if state.max_spread is None or not state.groups:
            return []
        middle = {group: best_band(state, places) for group, places in state.groups.items()}
        step = max(1, state.max_spread // 4)
        return [
            {group: (low + shift, low + shift + state.max_spread) for group, low in middle.items()}
            for shift in (0, step, -step)
        ]

    def _shifted_bands(self) -> dict[int, tuple[int, int]] | None:
        """The most promising bands, a little higher or lower."""
        bands = self._bands()
        most = (self.state.max_spread or 0) // 2
        if not bands or not most:
            return None
        shift = self.rng.randint(-most, most)
        return {group: (low + shift, high + shift) for group, (low, high) in bands[0].items()}

    def _level(self, bands: dict[int, tuple[int, int]]) -> None:
        state = self.state
        top = list(state.limit)
        for group, places in state.groups.items():
            for place in places:
                top[place] = min(top[place], bands[group][1] * state.capacity[place] // FINE)
        if state.band():
            self._relieve(top, top)
        for group, places in state.groups.items():
            self._fill(places, bands[group][0], top)
        self._descend(top)

    def _fill(self, group: Sequence[int], low: int, top: Sequence[int]) -> None:
        """Bring units to datastores below the band, from the fullest ones first."""
        state = self.state
        for place in sorted(group, key=lambda place: (state.use[place], place)):
            if not self.problem.places[place].takes:
                continue
            for _attempt in range(RETRIES):
                missing = low * state.capacity[place] // FINE - state.load[place]
                if missing <= 0 or not state.band():
                    break
                best: tuple[int, int, int] | None = None
                for source in group:
                    spare = state.load[source] - low * state.capacity[source] // FINE
                    if source == place or spare <= 0:
                        continue
                    for unit in list(state.at[source]):
                        size = state.size(unit, place)
                        if place not in self.problem.units[unit].targets or size <= 0:
                            continue
                        if state.size(unit, source) > spare or state.load[place] + size > top[place]:
                            continue
                        rated = (abs(missing - size), self._more_bytes(unit), unit)
                        if (best is None or rated < best) and state.fits(unit, place):
                            best = rated
                if best is None:
                    break
                state.relocate(best[2], place)

    def _descend(self, top: Sequence[int]) -> None:
        """Move units off the fullest and to the emptiest datastore of a group as long as the band gets
        nearer.
        """
        state = self.state
        for group in state.groups.values():
            for _step in range(4 * len(group) + 20):
                before = state.key()
                if not before[4]:
                    return
                givers = sorted(group, key=lambda place: (-state.use[place], place))[:3]
                takers = sorted(group, key=lambda place: (state.use[place], place))[:3]
                options = {
                    (unit, target)
                    for number, source in enumerate(givers)
                    for target in (takers if number == 0 else takers[:1])
                    if target != source
                    for unit in self._sized_between(source, target)
                }
                found = self._best(sorted(options), before)
                if found is None:
                    break
                state.relocate(*found)

    def _sized_between(self, source: int, target: int) -> list[int]:
        """Units that would make two datastores equally full, or nearly."""
        state = self.state
        wanted = (state.use[source] - state.use[target]) * state.capacity[source] // (2 * FINE)
        units = [unit for unit in list(state.at[source]) if target in self.problem.units[unit].targets]
        units.sort(key=lambda unit: (abs(state.size(unit, source) - wanted), unit))
        return units[:MAX_SIZED]

    # -- the same with less --------------------------------------------------------------------------------

    def reduce(self) -> None:
        """Let moved units stay, or smaller ones go instead, as long as that is better."""
        changed = True
        for _round in range(8):
            if not changed:
                return
            changed = self._return_some()
            changed |= self._exchange_some()
            changed |= self._merge_some()

    def _return_some(self) -> bool:
        state = self.state
        changed = False
        for unit in sorted(state.moved(), key=lambda unit: (-state.bytes_of[unit], unit)):
            home = self.problem.units[unit].home
            before = state.key()
            found = self._key_with(unit, home)
            if found is not None and found < before:
                state.relocate(unit, home)
                changed = True
        return changed

    def _exchange_some(self) -> bool:
        """Instead of a moved unit one of its neighbours at home, with fewer bytes."""
        state = self.state
        changed = False
        for unit in sorted(state.moved(), key=lambda unit: (-state.bytes_of[unit], unit)):
            source, target = self.problem.units[unit].home, state.where[unit]
            others = [
                other
                for other in list(state.at[source])
                if self.problem.units[other].home == source
                and self.problem.units[other].targets
                and state.bytes_of[other] < state.bytes_of[unit]
            ]
            others.sort(key=lambda other: (state.bytes_of[other], other))
            if not self._may_return(unit):
                continue
            others = others[:: 1 + len(others) // MAX_OTHERS]
            spare = state.limit[source] - state.load[source] - state.weight[unit]
            for other in others:
                if state.judged[source] and not state.over and state.weight[other] + spare < 0:
                    continue
                if self._exchange(unit, source, target, [other]):
                    changed = True
                    break
        return changed

    def _merge_some(self) -> bool:
        """Instead of two moved units of one datastore a single one, with fewer bytes together."""
        state = self.state
        changed = False
        by_home: dict[int, list[int]] = {}
        for unit in state.moved():
            by_home.setdefault(self.problem.units[unit].home, []).append(unit)
        for source, moved in by_home.items():
            if len(moved) < 2 or len(moved) > 40:
                continue
            for number, one in enumerate(moved):
                for two in moved[:number]:
                    if state.where[one] == source or state.where[two] == source:
                        continue
                    changed |= self._merge(one, two, source)
        return changed

    def _merge(self, one: int, two: int, source: int) -> bool:
        state = self.state
        total = state.bytes_of[one] + state.bytes_of[two]
        others = [
            other
            for other in list(state.at[source])
            if self.problem.units[other].targets
            and self.problem.units[other].home == source
            and state.bytes_of[other] <= total
            and state.bytes_of[other] > max(state.bytes_of[one], state.bytes_of[two])
        ]
        for other in sorted(others, key=lambda other: (state.bytes_of[other], other))[:10]:
            where = state.where[two]
            before = state.key()
            if not self._may_return(one) or not self._may_return(two):
                return False
            state.relocate(two, source)
            if self._exchange(one, source, state.where[one], [other], before):
                return True
            state.relocate(two, where)
        return False

    def _exchange(
        self, unit: int, source: int, target: int, others: Sequence[int], before: Key | None = None
    ) -> bool:
        """Bring a unit home and move others instead, if that is better. Returns whether it was done."""
        state = self.state
        before = state.key() if before is None else before
        state.relocate(unit, source)
        gone: list[int] = []
        for other in others:
            fits = target in self.problem.units[other].targets and state.fits(other, target)
            place = target if fits else self._target_for(other)
            if place is None:
                break
            state.relocate(other, place)
            gone.append(other)
        if len(gone) == len(others) and state.keeps_rules(unit) and state.key() < before:
            return True
        for other in reversed(gone):
            state.relocate(other, source)
        state.relocate(unit, target)
        return False

    def _ruin_and_recreate(self) -> None:
        """Put what left one or two datastores back, and solve that again without some of it."""
        state = self.state
        best, where = state.key(), list(state.where)
        rounds = min(RUINS * self.problem.effort // 40, RUIN_WORK // max(1, len(self.movable)))
        for _round in range(rounds):
            moved = state.moved()
            if not moved:
                return
            sources = sorted({self.problem.units[unit].home for unit in moved})
            chosen = set(self.rng.sample(sources, min(len(sources), self.rng.randint(1, 3))))
            back = [unit for unit in moved if self.problem.units[unit].home in chosen]
            for unit in back:
                state.relocate(unit, self.problem.units[unit].home)
            barred = self.rng.sample(back, min(len(back), self.rng.randint(0, 2)))
            pairs = {(unit, target) for unit in barred for target in self.problem.units[unit].targets}
            pairs -= state.forbidden
            state.forbidden |= pairs
            self._solve(self._shifted_bands())
            state.forbidden -= pairs
            if state.key()[:7] <= best[:7]:
                self.reduce()
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
            self._set_units([self._extended(number, unit) for number, unit in enumerate(units)])
            self._finish()
            state.settle()
            self._return_too_near()
            if state.key() >= before:
                self._set_units(units)
                state.restore(where)
                return

    def _set_units(self, units: Sequence[Unit]) -> None:
        self.problem = replace(self.problem, units=units)
        self.state.problem = self.problem
        self.movable = [number for number, unit in enumerate(units) if unit.targets]

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
        for unit in state.moved():
            one = self.problem.units[unit]
            target = state.where[unit]
            if not one.restoring and not state.differed(unit, target):
                state.relocate(unit, one.home)
                if state.differs(unit, target) and state.has_room(unit, target):
                    state.relocate(unit, target)

    def _finish(self) -> None:
        """As long as something is out of order: whatever single move, or another round, is better."""
        state = self.state
        for _round in range(ROUNDS):
            before = state.key()
            if not any(before[:6]):
                return
            self._solve()
            self._improve_by_one()
            self._improve_by_two()
            if state.key()[:6] < before[:6]:
                self.reduce()
            else:
                return

    def _improve_by_one(self) -> None:
        state = self.state
        work = FINISH_WORK
        while any(state.key()[:6]):
            options = [(unit, target) for unit in self.movable for target in self._ways(unit)]
            work -= len(options)
            found = self._best(options, state.key()) if work >= 0 else None
            if found is None:
                return
            state.relocate(*found)

    def _improve_by_two(self) -> None:
        """Two moves at once, one of which may make things worse: in small clusters."""
        state = self.state
        work = FINISH_WORK
        while any(state.key()[:6]):
            options = [(unit, target) for unit in self.movable for target in self._ways(unit)]
            work -= len(options) ** 2 // 2
            if work < 0 or not self._move_two(options):
                return
            self._improve_by_one()

    def _move_two(self, options: Sequence[tuple[int, int]]) -> bool:
        """Make the best two moves, if they are better than none."""
        state = self.state
        limit = state.key()
        best: tuple[Key, tuple[int, int], tuple[int, int]] | None = None
        for number, (unit, target) in enumerate(options):
            if self._key_with(unit, target) is None:
                continue
            source = state.where[unit]
            state.relocate(unit, target)
            others = [option for option in options[:number] if option[0] != unit]
            found = self._best(others, limit if best is None else best[0])
            if found is not None:
                key = self._key_with(*found)
                if key is not None:
                    best = (key, (unit, target), found)
            state.relocate(unit, source)
        if best is None:
            return False
        state.relocate(*best[1])
        state.relocate(*best[2])
        return True

    def _spread_out(self) -> None:
        """Other targets for what moves anyway, for flatter datastores, if there is a safe order then."""
        state, where = self.state, list(self.state.where)
        self._flatten()
        if state.where != where and self.is_best:
            order = order_moves(state)
            if order.left or any(step.parking for step in order.steps):
                state.restore(where)

    def _flatten(self) -> None:
        state = self.state
        for _round in range(4):
            changed = False
            for unit in self._largest_first(state.moved()):
                before = state.key()
                options = [
                    (unit, target)
                    for target in self.problem.units[unit].targets
                    if target != state.where[unit]
                ]
                found = self._best(options, before)
                if found is not None:
                    state.relocate(*found)
                    changed = True
            if not changed:
                return
