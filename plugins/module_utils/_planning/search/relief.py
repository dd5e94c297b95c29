# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings overloaded hosts down to their target, and touches no other guest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations

from ..model.solution import Solution
from ..model.thresholds import NO_THRESHOLD, ceilings, overloaded, overloads, relief_of
from ..tolerances import POINTS
from .local_search import revert_redundant_moves

GIB = 1024**3
# Pairs of departures that are looked at for a single one in their place.
MAX_PAIRS = 200


def relieve_hosts(state: Solution) -> None:
    """Move guests off overloaded hosts, the worst first, until each is at its target or nothing more can be
    done within the policy's limits.
    """
    # What restoring rules turned out not to need is taken back, so that every migration has one reason.
    revert_redundant_moves(state)
    work = _Relieving(state)
    while work.step():
        pass
    if work.relief.first == "fewest":
        work.trim()


class _Relieving:
    """The work that is left: by overloaded host the metrics that have to come down."""

    def __init__(self, state: Solution) -> None:
        problem = state.problem
        self.state, self.problem = state, problem
        self.relief = relief_of(problem)
        self.tops, self.ceilings = overloads(problem), ceilings(problem)
        self.wanted = overloaded(problem, state.points)
        self.budget = problem.budget
        self.stuck: set[int] = set()
        self.moved = False
        self.fixed = [0] * len(problem.hosts)
        for guest, home in enumerate(problem.home):
            if problem.guests[guest].is_on_host and guest not in problem.unit_of:
                self.fixed[home] += 1
        self.known = [
            all(problem.metrics.scale[host][i] for i, top in enumerate(self.ceilings) if top < NO_THRESHOLD)
            for host in range(len(problem.hosts))
        ]

    def step(self) -> bool:
        """One migration, off the worst host that one can be found for."""
        hosts = [host for host in self.wanted if host not in self.stuck and self._over(host)]
        for host in sorted(hosts, key=self._badness):
            if any(self._send(unit) for unit in self._leavers(host)):
                self.moved = True
                return True
            self.stuck.add(host)
        # Guests that have left since may have opened a host under a rule.
        again = self.moved and bool(self.stuck)
        self.stuck.clear()
        self.moved = False
        return again

    def _over(self, host: int) -> dict[int, float]:
        """By metric that has to come down, by how many points."""
        points = self.state.points[host]
        return {
            index: points[index] - self.ceilings[index]
            for index in self.wanted[host]
            if points[index] > self.ceilings[index] + POINTS
        }

    def rank(self, host: int) -> tuple[float, float, float]:
        """Load that counts, memory, and everything else: 1 is full. The first is vCPUs per core, or the
        measured cpu, with the density of guests.
        """
        names, points = self.problem.metrics.names, self.state.points[host]
        use = {name: value / 100.0 for name, value in zip(names, points, strict=True)}
        load = use.pop("vcpu", None)
        if load is None:
            load = use.pop("cpu", 0.0)
        cores = self.problem.hosts[host].capacity.get("cpu") or 0.0
        guests = self.fixed[host] + sum(len(self.problem.members[unit]) for unit in self.state.on[host])
        density = min(guests / cores, 2.0) if cores else 0.0
        memory = use.pop("memory", 0.0)
        return load + self.relief.density_weight * density, memory, sum(use.values())

    def _badness(self, host: int) -> tuple[float, int]:
        return -sum(self.rank(host)), host

    def _leavers(self, host: int) -> list[int]:
        """Guests whose leaving helps enough, in the order in which they shall go."""
        over = self._over(host)
        worth = min(self.problem.policy.min_gain, sum(over.values()))
        helpful = []
        for unit in self.state.on[host]:
            points = self.state.points_of(unit, host)
            gain = sum(min(points[index], amount) for index, amount in over.items())
            if gain > POINTS and gain >= worth - POINTS:
                helpful.append(unit)
        if self.relief.first == "fewest":
            return sorted(helpful, key=lambda unit: self._usefulness(unit, host, over))
        sign = 1 if self.relief.first == "smallest" else -1
        return sorted(helpful, key=lambda unit: (self._priority(unit), sign * self._size(unit), unit))

    def _usefulness(self, unit: int, host: int, over: dict[int, float]) -> tuple[float, ...]:
        """The least important and smallest of those that suffice alone, else those that help most."""
        points = self.state.points_of(unit, host)
        done = sum(min(points[index], amount) / amount for index, amount in over.items())
        alone = all(points[index] >= amount - POINTS for index, amount in over.items())
        size = (self._priority(unit), self.problem.unit_bytes[unit], self._size(unit), unit)
        return (0.0, *size) if alone else (1.0, -done / len(self.problem.members[unit]), *size)

    def _priority(self, unit: int) -> int:
        return max(self.problem.guests[guest].priority for guest in self.problem.members[unit])

    def _size(self, unit: int) -> float:
        """Cores and GiB of memory, as they were assigned."""
        guests = [self.problem.guests[guest] for guest in self.problem.members[unit]]
        return sum(
            (guest.assigned.get("cpu") or 0.0) + (guest.assigned.get("memory") or 0.0) / GIB
            for guest in guests
        )

    def _send(self, unit: int) -> bool:
        """Take it to the best host that may have it. Returns whether there was one."""
        state = self.state
        wishes = state.soft_cost
        source = state.remove(unit)
        best: tuple[float, float, float, float, int] | None = None
        for host in range(len(self.problem.hosts)):
            if host == source or not self._receives(host, unit) or not state.fits(unit, host):
                continue
            state.insert(unit, host)
            harm = max(0.0, state.soft_cost - wishes)
            allowed = state.moves <= self.budget
            state.remove(unit)
            load, memory, others = self.rank(host)
            key = (harm, load, memory, others, host)
            if allowed and (best is None or key < best):
                best = key
        state.insert(unit, source if best is None else best[-1])
        return best is not None

    def _receives(self, host: int, unit: int) -> bool:
        """Whether it is below every target now, and under every overload threshold with the guest."""
        if host in self.wanted or not self.known[host]:
            return False
        points, more = self.state.points[host], self.state.points_of(unit, host)
        return all(
            value < ceiling - POINTS and value + part < top - POINTS
            for value, part, ceiling, top in zip(points, more, self.ceilings, self.tops, strict=True)
        )

    def trim(self) -> None:
        """Take back what turned out not to be needed, and let one guest go in the place of two."""
        for host in sorted(self.wanted):
            if self._over(host):
                continue
            self._send_home(host)
            while self._merge(host):
                pass

    def _gone(self, host: int) -> list[int]:
        state, problem = self.state, self.problem
        return sorted(
            (
                unit
                for unit, home in enumerate(problem.unit_home)
                if home == host and state.where[unit] != host and not state.must_move(unit)
            ),
            key=lambda unit: (-problem.unit_bytes[unit], unit),
        )

    def _send_home(self, host: int) -> None:
        for unit in self._gone(host):
            self.state.try_moves([(unit, host)], lambda: not self._over(host))

    def _merge(self, host: int) -> bool:
        """Returns whether two departures were replaced by one."""
        pairs = list(combinations(self._gone(host), 2))[:MAX_PAIRS]
        return any(
            self.state.try_moves(
                [(unit, host) for unit in pair], partial(self._one_suffices, host, without=pair)
            )
            for pair in pairs
        )

    def _one_suffices(self, host: int, without: Sequence[int]) -> bool:
        over = self._over(host)
        for unit in self._leavers(host):
            points = self.state.points_of(unit, host)
            if unit in without or len(self.problem.members[unit]) > 1:
                continue
            if all(points[index] >= amount - POINTS for index, amount in over.items()) and self._send(unit):
                return True
        return False
