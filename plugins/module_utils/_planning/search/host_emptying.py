# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses the hosts that shall become empty: the most that the others have capacity for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ..model.rule_counters import RuleCounter
from ..model.solution import SPLIT_AT_HOME, Solution
from ..model.thresholds import consolidation_of, is_underused
from .insertion import crowding
from .local_search import revert_redundant_moves

Undo = list[tuple[int, int]]


def choose_hosts_to_empty(state: Solution, banned: frozenset[int] = frozenset()) -> list[int]:
    """Empty hosts, other than the banned, as long as the others have capacity within their limits and enough
    hosts stay on. Changes the state, and returns the hosts.
    """
    work = _Emptying(state, banned)
    before = set(work.carrying())
    while work.empty_more():
        revert_redundant_moves(state)
    return sorted(before - set(work.carrying()))


class _Emptying:
    """Hosts that run no guests are shut: nothing goes there any more, and no even spread is over them."""

    def __init__(self, state: Solution, banned: frozenset[int]) -> None:
        problem = state.problem
        self.state, self.problem, self.banned = state, problem, banned
        self.wants = consolidation_of(problem)
        self.budget = problem.budget
        self.fixed = [0] * len(problem.hosts)
        for guest, home in enumerate(problem.home):
            self.fixed[home] += problem.occupies[guest] and guest not in problem.unit_of
        self.kept = frozenset(state.forbidden)
        self.shut: set[int] = set()

    def empty_more(self) -> bool:
        """Try hosts in several orders and keep what empties the most, with the fewest guests moved. Returns
        whether any was emptied.
        """
        state = self.state
        start, best = list(state.where), None
        first = len(self.carrying())
        for order in self._orders():
            self._shut_empty()
            for host in order:
                if len(self.carrying()) <= self.wants.min_hosts:
                    break
                self._empty(host)
            rank = (len(self.carrying()), state.moves, state.bytes)
            if rank[0] < first and (best is None or rank < best[0]):
                best = (rank, list(state.where))
            self._restore(start)
        if best is not None:
            self._restore(best[1])
        self._shut_empty()
        return best is not None

    def carrying(self) -> list[int]:
        """Hosts that run guests and could go on doing so."""
        problem = self.problem
        parted = {
            problem.home[guest]
            for unit, host in enumerate(self.state.where)
            if host == SPLIT_AT_HOME
            for guest in problem.members[unit]
        }
        return [
            host
            for host in range(len(problem.hosts))
            if (self.fixed[host] or self.state.on[host] or host in parted) and not problem.roles.leaving[host]
        ]

    def _shut_empty(self) -> None:
        carrying = set(self.carrying())
        for host in range(len(self.problem.hosts)):
            if host not in carrying and host not in self.shut:
                self._shut(host)

    def _shut(self, host: int) -> None:
        self.shut.add(host)
        self.state.forbidden.update((unit, host) for unit in range(len(self.problem.members)))
        self._narrow()

    def _reopen(self, hosts: set[int]) -> None:
        units = range(len(self.problem.members))
        self.state.forbidden -= {(unit, host) for host in hosts for unit in units} - self.kept
        self.shut -= hosts
        self._narrow()

    def _narrow(self) -> None:
        """Let even spreads be over the hosts that are not shut."""
        state = self.state
        for number, group in enumerate(self.problem.groups):
            if group.kind == "even":
                counts = state.counts[number]
                domain = group.domain - self.shut
                if domain != counts.group.domain:
                    state.counts[number] = RuleCounter(replace(group, domain=domain), dict(counts.at))
        state.strict = tuple(counts for counts in state.counts if counts.group.strict)
        state.broken_count = sum(counts.amount for counts in state.strict)

    def _restore(self, places: Sequence[int]) -> None:
        self._reopen(set(self.shut))
        self.state.restore(places)

    def _orders(self) -> Iterable[list[int]]:
        state, problem = self.state, self.problem
        hosts = [
            host
            for host in self.carrying()
            if not self.fixed[host]
            and host not in self.banned
            and problem.hosts[host].active
            and problem.roles.releases[host]
            and is_underused(state, host)
        ]
        guests = {host: sum(len(problem.members[unit]) for unit in state.on[host]) for host in hosts}
        memory = {host: sum(problem.unit_bytes[unit] for unit in state.on[host]) for host in hosts}
        limit = {host: problem.needs.ceiling[host][1] for host in hosts}
        keys: tuple[Callable[[int], tuple[float, ...]], ...] = (
            lambda host: (guests[host], memory[host], host),
            lambda host: (memory[host], guests[host], host),
            lambda host: (limit[host], guests[host], host),
            lambda host: (max(state.points[host], default=0.0), guests[host], host),
        )
        seen: list[list[int]] = []
        for key in keys:
            order = sorted(hosts, key=key)
            if order not in seen:
                seen.append(order)
        return seen

    def _empty(self, host: int) -> bool:
        """Move all guests of the host to others and shut it; returns whether that could be done, else nothing
        changed.
        """
        broken = self.state.broken
        self._shut(host)
        for tight in (False, True):
            start = list(self.state.where)
            if self._empty_into(host, tight=tight):
                if self.state.broken <= broken:
                    return True
                self.state.restore(start)
        self._reopen({host})
        return False

    def _empty_into(self, host: int, *, tight: bool) -> bool:
        state, undo = self.state, Undo()
        size = self.problem.unit_bytes
        for unit in sorted(state.on[host], key=lambda unit: (-size[unit], unit)):
            if not self._place(unit, host, undo, tight=tight) or state.moves > self.budget:
                for moved, before in reversed(undo):
                    state.relocate(moved, before)
                return False
        return True

    def _place(self, unit: int, closing: int, undo: Undo, *, tight: bool) -> bool:
        state = self.state
        source = state.remove(unit)
        target = self._best(unit, closing, tight=tight)
        if target is not None:
            state.insert(unit, target)
            undo.append((unit, source))
            return True
        state.insert(unit, source)
        return False

    def _best(self, unit: int, closing: int, *, tight: bool) -> int | None:
        """The emptiest host that it fits on, so that the others stay level, or the fullest."""
        state, best = self.state, None
        sign = -1.0 if tight else 1.0
        wishes = state.soft_cost
        for host in range(len(self.problem.hosts)):
            if host == closing or not state.fits(unit, host):
                continue
            harm = 0.0
            if wishes or any(not group.strict for group in self.problem.groups):
                state.insert(unit, host)
                harm = max(0.0, state.soft_cost - wishes)
                state.remove(unit)
            key = (harm, sign * crowding(state, unit, host), host)
            if best is None or key < best:
                best = key
        return None if best is None else best[-1]
