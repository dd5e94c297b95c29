# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same loads by fewer migrations, then by fewer bytes: also where the band is out of reach, and no search
that looks for it has a reason to stop early.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import accumulate, combinations
from operator import add, sub
from typing import Final

from ..model.problem import Problem
from ..model.solution import NOWHERE, Solution, best_floor
from ..model.stopping import StoppingCriterion
from ..tolerances import POINTS, SAME_POINTS

# Placements that could be looked at while a search is set up.
SET_UP: Final = 10
# Guests that are looked at together for others in their place, and whether for fewer only.
NEIGHBOURHOODS: Final = ((2, True), (3, True), (2, False), (4, True), (3, False), (5, True))
# Of more guests away from home no pairs are looked at.
MAX_PAIRED: Final = 120
# With more units or hosts the number of placements leaves nothing of what can be looked at.
MAX_UNITS, MAX_HOSTS = 40, 12


def reduce_moves(state: Solution, stop: StoppingCriterion, least: int = 0) -> None:
    """Change the placement to one that is as level in every respect, with fewer migrations or bytes.

    least: migrations that every placement inside the band has at least.
    """
    if not state.problem.policy.effort or not state.moves or stop.elapsed_share() >= 1.0:
        return
    while _shorten(state):
        pass
    problem = state.problem
    if len(problem.members) > MAX_UNITS or len(problem.hosts) > MAX_HOSTS:
        return
    for together, fewer in NEIGHBOURHOODS:
        stop.evaluations = _replaced(state, together, stop.evaluations, least, fewer=fewer)
    search = _BranchAndBound(state, stop.evaluations, least)
    search.run()
    stop.evaluations = search.left


def _replaced(state: Solution, together: int, left: int, least: int, *, fewer: bool) -> int:
    """Send this number of guests home, each choice of them in turn, and look for fewer ones in their place,
    or for as many that are lighter. Returns how many placements may still be looked at.
    """
    while True:
        away = state.away()
        if len(away) <= together or left <= 0:
            return left
        for chosen in combinations(away, together):
            search = _BranchAndBound(state, left, least, kept=frozenset(away).difference(chosen))
            search.run(fewer=fewer)
            left = search.left - SET_UP
            if search.best is not None or left <= 0:
                break
        else:
            return left
        if left <= 0:
            return 0


class Incumbent:
    """The quality of a placement: its evenness and its distance from the rules; another one is as good if it
    is no worse in anything.
    """

    def __init__(self, state: Solution, *, flat: bool = False) -> None:
        """flat: whether the deviations between hosts count as well."""
        self.broken, self.wishes = state.broken, state.soft_cost
        self.misplaced = _misplaced(state)
        self.limits = _widths(state)
        self.excess = max(_excess(state.problem, state.points), POINTS)
        self.flat = flat
        self.deviation = deviation(state) if self.flat else math.inf

    def is_met(self, state: Solution) -> bool:
        return (
            state.broken <= self.broken
            and _misplaced(state) <= self.misplaced
            and state.soft_cost <= self.wishes + POINTS
            and not state.over_ceiling()
            and all(
                width <= limit + SAME_POINTS for width, limit in zip(state.spread(), self.limits, strict=True)
            )
            and _excess(state.problem, state.points) <= self.excess + SAME_POINTS
            and (not self.flat or deviation(state) <= self.deviation + SAME_POINTS)
        )


def _misplaced(state: Solution) -> set[int]:
    """Units that a rule or maintenance wants elsewhere."""
    if not state.misplaced:
        return set()
    return {unit for unit, host in enumerate(state.where) if not state.is_placed(unit, host)}


def _widths(state: Solution) -> list[float]:
    """By metric, how far apart hosts may be: the limit, or as far as they are where that is more."""
    return [max(pair) for pair in zip(state.spread(), state.problem.metrics.limits, strict=True)]


def _excess(problem: Problem, points: Sequence[Sequence[float]]) -> float:
    """The points outside the band, were it where the fewest are."""
    total = 0.0
    for metric, (counted, width) in enumerate(
        zip(problem.metrics.counted, problem.metrics.limits, strict=True)
    ):
        values = sorted(points[host][metric] for host in counted)
        if values and values[-1] - values[0] > width:
            corners = [corner for value in values for corner in (value, value - width)]
            total += min(
                sum(max(0.0, value - low - width, low - value) for value in values) for low in corners
            )
    return total


def deviation(state: Solution) -> float:
    """The sum over the metrics of the standard deviation over the hosts, in points."""
    total = 0.0
    for metric, counted in enumerate(state.problem.metrics.counted):
        points = [state.points[host][metric] for host in counted]
        mean = sum(points) / max(1, len(points))
        total += math.sqrt(sum((value - mean) ** 2 for value in points) / max(1, len(points)))
    return total


def _shorten(state: Solution) -> bool:
    """Where one guest comes to a host and another leaves it: the first goes on to where the second would go.

    Returns whether that was as good somewhere.
    """
    home = state.problem.unit_home
    away = state.away()
    if len(away) > MAX_PAIRED:
        return False
    standard = Incumbent(state, flat=not any(state.problem.metrics.limits))
    for leaver in away:
        for comer in away:
            if comer != leaver and state.where[comer] == home[leaver]:
                target = state.where[leaver]
                changes = [(leaver, home[leaver]), (comer, target)]
                if _try(state, changes, standard):
                    return True
    return False


def _try(state: Solution, changes: Sequence[tuple[int, int]], standard: Incumbent) -> bool:
    """Make the changes if they are as good; returns whether they were made."""
    return state.try_moves(changes, lambda: standard.is_met(state), origin_fits=True)


def _max_within(values: Sequence[float], width: float, but: int) -> bool:
    """Whether all of these ascending values except `but` of them are that near to each other."""
    rest = len(values) - but
    return any(
        values[first + rest - 1] - values[first] <= width + SAME_POINTS
        for first in range(len(values) - rest + 1)
    )


class _BranchAndBound:
    """All placements by their number of migrations, from few to all."""

    def __init__(self, state: Solution, most: int, least: int, kept: Collection[int] = ()) -> None:
        """most: placements that are looked at; least: as in reduce_moves; kept: units that stay where they
        are.
        """
        problem = state.problem
        self.state, self.problem, self.left = state, problem, most
        self.least, self.standard = least, Incumbent(state)
        home = problem.unit_home
        self.units = sorted(
            (
                unit
                for unit, host in enumerate(home)
                if host >= 0 and problem.unit_mask[unit] & ~(1 << host) and unit not in kept
            ),
            key=lambda unit: (state.where[unit] == home[unit], problem.unit_bytes[unit], unit),
        )
        self.targets = {unit: self._targets_of(unit) for unit in self.units}
        # What stays of the placement: what is kept, and the guests of a split group, wherever they meet.
        inside = set(self.units)
        self.fixed_moves = sum(
            state.guests_moved(unit, host) for unit, host in enumerate(state.where) if unit not in inside
        )
        self.fixed_bytes = sum(
            state.bytes_moved(unit, host) for unit, host in enumerate(state.where) if unit not in inside
        )
        self.points = [list(vector) for vector in state.points]
        for unit in self.units:
            if state.where[unit] != home[unit]:
                self._shift(unit, state.where[unit], home[unit])
        # By metric, how much nearer a number of moves brings the fullest and the emptiest host at most: each
        # guest leaves one and comes to another.
        self.gains = []
        for metric in range(len(problem.metrics.names)):
            largest = sorted(
                (max(points[unit][metric] for points in problem.unit_points) for unit in self.units),
                reverse=True,
            )
            self.gains.append([0.0, *accumulate(2.0 * points for points in largest)])
        self.single = all(len(problem.members[unit]) == 1 for unit in self.units)
        self.lightest = [0] * (len(self.units) + 1)
        for index in reversed(range(len(self.units))):
            own = problem.unit_bytes[self.units[index]]
            self.lightest[index] = min(own, self.lightest[index + 1]) if index + 1 < len(self.units) else own
        self.best: list[tuple[int, int]] | None = None
        self.bytes = math.inf

    def _targets_of(self, unit: int) -> list[int]:
        mask, home = self.problem.unit_mask[unit], self.problem.unit_home[unit]
        return [
            host
            for host in range(len(self.problem.hosts))
            if mask >> host & 1 and host != home and (unit, host) not in self.state.forbidden
        ]

    def _shift(self, unit: int, source: int, target: int) -> None:
        kinds, points = self.problem.host_kind, self.problem.unit_points
        self.points[source][:] = map(sub, self.points[source], points[kinds[source]][unit])
        self.points[target][:] = map(add, self.points[target], points[kinds[target]][unit])

    def run(self, *, fewer: bool = False) -> None:
        """fewer: whether as many migrations with fewer bytes are of no interest."""
        moves, bytes_ = self.state.moves, self.state.bytes
        fewest = self.least if self.standard.excess <= POINTS else 0
        for many in range(max(fewest, self.fixed_moves), moves + (not fewer)):
            self.bytes = math.inf if many < moves else bytes_ - self.fixed_bytes
            self._look(0, many - self.fixed_moves, [], 0)
            if self.best is not None or self.left <= 0:
                break

    def _look(self, first: int, moves: int, chosen: list[tuple[int, int]], bytes_: int) -> None:
        """Choose this many more guests to migrate, of the units from `first` on."""
        if moves <= 0:
            if moves == 0 and bytes_ < self.bytes and self._is_level():
                self._accept(chosen, bytes_)
            return
        if self._hopeless(moves):
            return
        home, size, members = self.problem.unit_home, self.problem.unit_bytes, self.problem.members
        for index in range(first, len(self.units)):
            unit = self.units[index]
            further = moves - len(members[unit])
            total = bytes_ + size[unit]
            # Whoever follows weighs at least as much as the lightest that is left.
            if further < 0 or total + self.lightest[index + 1] * self._least_units(further) >= self.bytes:
                continue
            for host in self.targets[unit]:
                if self.left <= 0:
                    return
                if total >= self.bytes:
                    break
                self.left -= 1
                self._shift(unit, home[unit], host)
                chosen.append((unit, host))
                if further:
                    self._look(index + 1, further, chosen, total)
                elif self._is_level():
                    self._accept(chosen, total)
                chosen.pop()
                self._shift(unit, host, home[unit])

    def _least_units(self, moves: int) -> int:
        return moves if self.single else min(moves, 1)

    def _hopeless(self, moves: int) -> bool:
        """Whether no choice of this many migrations brings enough inside the band, wherever that lies: each
        changes two hosts, by its points.
        """
        limits = self.standard.limits
        for metric, counted in enumerate(self.problem.metrics.counted):
            values = sorted(self.points[host][metric] for host in counted)
            gains = self.gains[metric]
            most = gains[min(moves, len(gains) - 1)]
            if values[-1] - values[0] - limits[metric] > most + SAME_POINTS:
                return True
            if len(values) > 2 * moves and not _max_within(values, limits[metric], 2 * moves):
                return True
        return False

    def _is_level(self) -> bool:
        for metric, counted in enumerate(self.problem.metrics.counted):
            values = [self.points[host][metric] for host in counted]
            if max(values) - min(values) > self.standard.limits[metric] + SAME_POINTS:
                return False
        return _excess(self.problem, self.points) <= self.standard.excess + SAME_POINTS

    def _accept(self, chosen: Sequence[tuple[int, int]], bytes_: int) -> None:
        """Take the placement over if rules and limits allow it, and go on for fewer bytes."""
        state, home = self.state, self.problem.unit_home
        before = list(state.where)
        wanted = dict(chosen)
        moving = [unit for unit in self.units if wanted.get(unit, home[unit]) != before[unit]]
        taken = set(moving)
        for unit in moving:
            state.remove(unit)
        for unit in sorted(moving, key=lambda unit: unit in wanted):
            host = wanted.get(unit, home[unit])
            if unit in wanted and not state.fits(unit, host):
                break
            state.insert(unit, host)
            taken.discard(unit)
        if not taken and self.standard.is_met(state):
            # The band may lie elsewhere now.
            state.set_band(best_floor(state))
            self.best, self.bytes = list(chosen), bytes_
            return
        for unit in moving:
            if state.where[unit] != NOWHERE:
                state.remove(unit)
        for unit in moving:
            state.insert(unit, before[unit])
