# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where every unit is, and what that costs, kept up to date move by move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import add, sub

from ..tolerances import POINTS
from .capacity import MEMORY
from .problem import Problem, Vector
from .rule_counters import RuleCounter

NOWHERE = -2
SPLIT_AT_HOME = -1
WIDE = 1e300
STALE = 60


class Solution:
    """A placement of all units. Costs follow each `remove` and `insert`; nothing is ever searched for here.

    where: the host of each unit, SPLIT_AT_HOME for a split affinity group that is not united, NOWHERE while
    taken.
    excess: points by which each host is outside the band, summed over the metrics.
    """

    def __init__(self, problem: Problem) -> None:
        hosts, units = problem.size
        self.problem = problem
        self.where = [NOWHERE] * units
        self.on: list[dict[int, None]] = [{} for _host in range(hosts)]
        # How many units on each host came there.
        self.came = [0] * hosts
        self.points = [list(vector) for vector in problem.fixed_points]
        self.need = [list(vector) for vector in problem.fixed_need]
        self.counts = [
            RuleCounter(group, dict(fixed))
            for group, fixed in zip(problem.groups, problem.fixed_groups, strict=True)
        ]
        metrics = len(problem.metrics.names)
        self.low: Vector = (-WIDE,) * metrics
        self.high: Vector = (WIDE,) * metrics
        self.excess = [0.0] * hosts
        self.total_excess = 0.0
        self.moves = 0
        self.bytes = 0
        # Places that turned out to have no safe way there.
        self.forbidden: set[tuple[int, int]] = set()
        self.misplaced = 0
        self._by_room: list[int] = []
        self._by_room_until = 0
        self._changes = 0
        self.strict = tuple(counts for counts in self.counts if counts.group.strict)
        self.broken_count = sum(counts.amount for counts in self.strict)
        for unit in range(units):
            self.insert(unit, problem.unit_home[unit])

    def set_band(self, floor: Sequence[float]) -> None:
        """Ask for every metric between floor and floor + its limit, in percent."""
        metrics = self.problem.metrics
        self.low = tuple(floor)
        self.high = tuple(bottom + limit for bottom, limit in zip(floor, metrics.limits, strict=True))
        for index, counted in enumerate(metrics.counted):
            for host in set(range(len(self.points))).difference(counted):
                # Nothing changes a metric where its scale is 0: inside the band, it never counts.
                self.points[host][index] = floor[index]
        for host in range(len(self.excess)):
            self.excess[host] = self._excess(host)
        self.total_excess = sum(self.excess)

    def _excess(self, host: int) -> float:
        total = 0.0
        for points, low, high in zip(self.points[host], self.low, self.high):
            if points > high:
                total += points - high
            elif points < low:
                total += low - points
        return total

    def excess_of(self, metric: int, floor: float) -> float:
        """The points outside in one metric, were its band to begin there."""
        ceiling, points = floor + self.problem.metrics.limits[metric], self.points
        total = 0.0
        for host in self.problem.metrics.counted[metric]:
            value = points[host][metric]
            if value > ceiling:
                total += value - ceiling
            elif value < floor:
                total += floor - value
        return total

    def excess_with(self, host: int, vector: Vector) -> float:
        """The host's excess once `vector` has arrived."""
        total = 0.0
        for points, more, low, high in zip(self.points[host], vector, self.low, self.high):
            points += more
            if points > high:
                total += points - high
            elif points < low:
                total += low - points
        return total

    def excess_without(self, host: int, vector: Vector) -> float:
        """The host's excess once `vector` has left."""
        total = 0.0
        for points, less, low, high in zip(self.points[host], vector, self.low, self.high):
            points -= less
            if points > high:
                total += points - high
            elif points < low:
                total += low - points
        return total

    def points_of(self, unit: int, host: int) -> Vector:
        """The unit's points on that host."""
        return self.problem.unit_points[self.problem.host_kind[host]][unit]

    def guests_moved(self, unit: int, host: int) -> int:
        """The number of the unit's guests that are away from home when it is on this host."""
        problem = self.problem
        if host == problem.unit_home[unit] or host == SPLIT_AT_HOME:
            return 0
        if problem.unit_home[unit] >= 0:
            return len(problem.members[unit])
        return sum(problem.home[guest] != host for guest in problem.members[unit])

    def bytes_moved(self, unit: int, host: int) -> int:
        problem = self.problem
        if host == problem.unit_home[unit] or host == SPLIT_AT_HOME:
            return 0
        if problem.unit_home[unit] >= 0:
            return problem.unit_bytes[unit]
        memory = problem.needs.resources.index(MEMORY)
        return int(
            sum(
                problem.needs.guest[guest][memory]
                for guest in problem.members[unit]
                if problem.home[guest] != host
            )
        )

    def insert(self, unit: int, host: int) -> None:
        if host == SPLIT_AT_HOME:
            for guest in self.problem.members[unit]:
                self._change_guest(guest, self.problem.home[guest], 1)
        else:
            self._change(host, unit, 1)
            self.on[host][unit] = None
            self.came[host] += host != self.problem.unit_home[unit]
        self.where[unit] = host
        self._changes += 1
        if not self.is_placed(unit, host):
            self.misplaced += len(self.problem.members[unit])
        self.moves += self.guests_moved(unit, host)
        self.bytes += self.bytes_moved(unit, host)

    def remove(self, unit: int) -> int:
        """Remove a unit from where it is; returns that place."""
        host = self.where[unit]
        if host == SPLIT_AT_HOME:
            for guest in self.problem.members[unit]:
                self._change_guest(guest, self.problem.home[guest], -1)
        else:
            self._change(host, unit, -1)
            del self.on[host][unit]
            self.came[host] -= host != self.problem.unit_home[unit]
        self.where[unit] = NOWHERE
        if not self.is_placed(unit, host):
            self.misplaced -= len(self.problem.members[unit])
        self.moves -= self.guests_moved(unit, host)
        self.bytes -= self.bytes_moved(unit, host)
        return host

    def places(self) -> list[int]:
        """By guest, the host that it is on; home, where its group is split and not united."""
        places = list(self.problem.home)
        for unit, host in enumerate(self.where):
            if host >= 0:
                for guest in self.problem.members[unit]:
                    places[guest] = host
        return places

    def away(self) -> list[int]:
        """Units that are on another host than the one that the snapshot has them on."""
        places = enumerate(zip(self.where, self.problem.unit_home, strict=True))
        return [unit for unit, (host, home) in places if host != home and host >= 0 and home >= 0]

    def is_placed(self, unit: int, host: int) -> bool:
        """Whether no host rule and no maintenance wants the unit elsewhere."""
        return host >= 0 and bool(self.problem.unit_mask[unit] >> host & 1)

    def hosts_by_free_capacity(self) -> Sequence[int]:
        """Hosts from the emptiest to the fullest, as they were not long ago: an order to try them in."""
        if self._changes >= self._by_room_until:
            self._by_room_until = self._changes + STALE
            self._by_room = sorted(range(len(self.points)), key=lambda host: (sum(self.points[host]), host))
        return self._by_room

    def relocate(self, unit: int, host: int) -> None:
        self.remove(unit)
        self.insert(unit, host)

    def try_moves(
        self, moves: Sequence[tuple[int, int]], accept: Callable[[], bool], *, origin_fits: bool = False
    ) -> bool:
        """Moves units to hosts, all if each fits and `accept` agrees to the result, else none; none either
        when `accept` raises. origin_fits: a unit may return to its original host even where `fits` refuses
        it. Returns whether they were moved.
        """
        home = self.problem.unit_home
        before = [(unit, self.remove(unit)) for unit, _host in moves]
        placed, accepted = 0, False
        try:
            for unit, host in moves:
                if not (origin_fits and host == home[unit]) and not self.fits(unit, host):
                    break
                self.insert(unit, host)
                placed += 1
            accepted = placed == len(moves) and accept()
        finally:
            if not accepted:
                for unit, _host in moves[:placed]:
                    self.remove(unit)
                for unit, host in before:
                    self.insert(unit, host)
        return accepted

    def keeps_rules(self, tolerance: float = POINTS) -> Callable[[], bool]:
        """Returns a test whether the rules, strict and soft, hold no less than at this moment."""
        broken, wishes = self.broken, self.soft_cost
        return lambda: self.broken <= broken and self.soft_cost <= wishes + tolerance

    def restore(self, places: Sequence[int]) -> None:
        """Moves every unit back to where it was: `places` is a copy of `where`."""
        for unit, host in enumerate(places):
            if self.where[unit] != host:
                self.relocate(unit, host)

    def return_to_origin(self, unit: int) -> None:
        """Insert a unit where the snapshot has it, whether it fits there or not."""
        home = self.problem.unit_home[unit]
        self.insert(unit, SPLIT_AT_HOME if home < 0 else home)

    def _change(self, host: int, unit: int, sign: int) -> None:
        problem = self.problem
        points, need, change = self.points[host], self.need[host], add if sign > 0 else sub
        points[:] = map(change, points, self.points_of(unit, host))
        need[:] = map(change, need, problem.unit_need[unit])
        self._refresh(host)
        for group, many in problem.unit_groups[unit]:
            counts = self.counts[group]
            before = counts.amount
            counts.add(host, sign * many)
            if counts.group.strict:
                self.broken_count += counts.amount - before

    def _change_guest(self, guest: int, host: int, sign: int) -> None:
        problem = self.problem
        points, need = self.points[host], self.need[host]
        for index, value in enumerate(problem.metrics.guest[guest]):
            points[index] += sign * value * problem.metrics.scale[host][index]
        for index, value in enumerate(problem.needs.guest[guest]):
            need[index] += sign * value
        self._refresh(host)
        for group, counts in enumerate(self.counts):
            if guest in problem.groups[group].guests:
                before = counts.amount
                counts.add(host, sign)
                if counts.group.strict:
                    self.broken_count += counts.amount - before

    def _refresh(self, host: int) -> None:
        excess = self._excess(host)
        self.total_excess += excess - self.excess[host]
        self.excess[host] = excess

    def fits(self, unit: int, host: int) -> bool:
        """Whether a taken unit may be put there: its mask, the host's ceilings and every strict rule.

        A host to which nothing has come carries no more than at first, so its own guests always fit.
        """
        problem = self.problem
        if not problem.unit_mask[unit] >> host & 1 or (unit, host) in self.forbidden:
            return False
        comes = host != problem.unit_home[unit]
        if comes or self.came[host]:
            ceiling = problem.needs.ceiling[host]
            if comes and self.must_move(unit):
                ceiling = problem.needs.ceiling_for_rules[host]
            for have, more, top in zip(self.need[host], problem.unit_need[unit], ceiling):
                if more and have + more > top:
                    return False
        for group, many in problem.unit_groups[unit]:
            if not self.counts[group].allows(host, many, problem.unit_home[unit]):
                return False
        return True

    def over_ceiling(self) -> bool:
        """Whether guests arrived on a host that is fuller than arrivals may find it."""
        problem = self.problem
        for host, units in enumerate(self.on):
            came = [unit for unit in units if problem.unit_home[unit] != host]
            if came:
                restores = any(self.must_move(unit) for unit in came)
                ceilings = problem.needs.ceiling_for_rules if restores else problem.needs.ceiling
                for need, (have, top) in enumerate(zip(self.need[host], ceilings[host], strict=True)):
                    if have > top and any(problem.unit_need[unit][need] for unit in came):
                        return True
        return False

    def must_move(self, unit: int) -> bool:
        """Whether staying breaks a rule or keeps a host in maintenance from being emptied."""
        problem = self.problem
        home = problem.unit_home[unit]
        return home < 0 or not problem.unit_mask[unit] >> home & 1 or unit in problem.crowded

    @property
    def soft_cost(self) -> float:
        return sum(counts.weighted for counts in self.counts if not counts.group.strict)

    @property
    def broken(self) -> int:
        """The distance of the strict rules over several guests from holding, in guests that would have to
        move."""
        return self.broken_count

    def spread(self) -> list[float]:
        """Points between the fullest and the emptiest host, by metric."""
        metrics = self.problem.metrics
        result = []
        for index, counted in enumerate(metrics.counted):
            points = [self.points[host][index] for host in counted]
            result.append(max(points) - min(points))
        return result


def best_floor(state: Solution) -> list[float]:
    """By metric, the lower edge of the band that leaves the fewest points outside.

    The mean over the hosts, weighted by capacity, does not change when guests move, so the band must contain
    it.
    """
    metrics = state.problem.metrics
    return [
        _floor(
            [state.points[host][index] for host in counted],
            [1.0 / metrics.scale[host][index] for host in counted],
            limit,
        )
        for index, (counted, limit) in enumerate(zip(metrics.counted, metrics.limits, strict=True))
    ]


def _floor(points: Sequence[float], capacity: Sequence[float], limit: float) -> float:
    most, least = max(points), min(points)
    if most - least <= limit:
        return (most + least - limit) / 2
    mean = sum(p * c for p, c in zip(points, capacity, strict=True)) / sum(capacity)

    def outside(floor: float) -> float:
        return sum(max(0.0, p - floor - limit) + max(0.0, floor - p) for p in points)

    # The sum is convex and piecewise linear with its corners at p and p - limit.
    corners = {mean - limit, mean} | {c for p in points for c in (p, p - limit) if mean - limit < c < mean}
    return min(sorted(corners), key=outside)


def solution_of(problem: Problem, places: list[int]) -> Solution:
    """Returns the solution in which every guest is on the host of this index."""
    state = Solution(problem)
    if problem.policy.levels and problem.metrics.names:
        state.set_band(best_floor(state))
    for unit, guests in enumerate(problem.members):
        hosts = {places[guest] for guest in guests}
        target = hosts.pop() if len(hosts) == 1 else SPLIT_AT_HOME
        if target != state.where[unit]:
            state.remove(unit)
            if target == SPLIT_AT_HOME:
                state.return_to_origin(unit)
            else:
                state.insert(unit, target)
    if problem.policy.levels and problem.metrics.names:
        state.set_band(best_floor(state))
    return state
