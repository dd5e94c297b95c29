# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated execution that starts whatever is safe in any interleaving."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..model.problem import Problem
from .capacity_ledger import CapacityLedger
from .even_spread import EvenSpreadTracker
from .moves import HostSlots, Move, free_at_first, seconds_of

Job = tuple[Move, ...]


@dataclass(slots=True, kw_only=True)
class ScheduledMove:
    """A move in its order; `after` are positions in the list of placed moves."""

    move: Move
    after: list[int]
    starts: float
    ends: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The moves in order, and those for which no safe moment was found. bound: no order of all of them
    takes fewer seconds without further migrations. proven: all of them together have no safe order, since all
    were tried. rerouted: whether some of them go one after another, as a search over all placements on the
    way found it."""

    placed: list[ScheduledMove] = field(default_factory=list)
    left: list[Move] = field(default_factory=list)
    bound: float = 0.0
    proven: bool = False
    rerouted: bool = False

    @property
    def rank(self) -> tuple[int, int, float]:
        return len(self.left), len(self.placed), self.seconds

    @property
    def seconds(self) -> float:
        return max((placed.ends for placed in self.placed), default=0.0)


class ListScheduler:
    """An event-driven simulation: at every moment start what is safe, largest first, then let the next one
    end.
    """

    def __init__(self, problem: Problem, moves: Sequence[Job], ceilings: Sequence[Sequence[float]]) -> None:
        self.problem = problem
        self.jobs = list(moves)
        self.waiting = set(range(len(self.jobs)))
        self.touching: dict[int, list[int]] = {}
        self.in_group: dict[int, list[int]] = {}
        self.ledger = CapacityLedger(free_at_first(problem, ceilings))
        self.placed: list[ScheduledMove] = []
        self.ancestors: list[int] = []
        self.running: list[tuple[float, int]] = []
        self.ended: set[int] = set()
        self.parked: set[int] = set()
        self.late: list[tuple[Move, list[int]]] = []
        self.slots = HostSlots.of(problem.policy)
        self.coming = [0] * len(problem.hosts)
        self.going = [0] * len(problem.hosts)
        self.now = 0.0
        self.groups_of: dict[int, list[int]] = {}
        for number, group in enumerate(problem.groups):
            if group.strict:
                for guest in group.guests:
                    self.groups_of.setdefault(guest, []).append(number)
        for job, parts in enumerate(self.jobs):
            for host in {host for move in parts for host in (move.source, move.target)}:
                self.touching.setdefault(host, []).append(job)
            for number in {number for move in parts for number in self.groups_of.get(move.guest, ())}:
                self.in_group.setdefault(number, []).append(job)
        self.at: dict[int, dict[int, int]] = {}
        self.left_by: dict[tuple[int, int], list[int]] = {}
        self.last_of_group: dict[int, list[int]] = {}
        for number in {number for numbers in self.groups_of.values() for number in numbers}:
            counts: dict[int, int] = {}
            for guest in problem.groups[number].guests:
                counts[problem.home[guest]] = counts.get(problem.home[guest], 0) + 1
            self.at[number] = counts
        self.turns = {
            number: self._turns(number) for number in self.at if problem.groups[number].kind == "even"
        }
        self.serial = {number for number, turns in self.turns.items() if turns.needed}

    def _turns(self, number: int) -> EvenSpreadTracker:
        group = self.problem.groups[number]
        moves = [move for job in self.in_group.get(number, ()) for move in self.jobs[job]]
        return EvenSpreadTracker(
            group, self.at[number], [move for move in moves if number in self.groups_of.get(move.guest, ())]
        )

    def run(self) -> Schedule:
        self._start_ready(range(len(self.jobs)))
        while self.waiting or self.late:
            if not self.running:
                if not self._start_ready(sorted(self.waiting)) and not self._break_cycle():
                    break
                continue
            self.now, position = heapq.heappop(self.running)
            self._end(position)
            self._start_late()
            self._start_ready(self._concerned(self.placed[position].move))
        return Schedule(
            placed=self.placed, left=[move for job in sorted(self.waiting) for move in self.jobs[job]]
        )

    def _start_late(self) -> None:
        late, self.late = self.late, []
        for move, after in late:
            if self._has_slots(move):
                self._place(move, after)
            else:
                self.late.append((move, after))

    def _concerned(self, move: Move) -> list[int]:
        """Waiting jobs that the end of this move may have made safe: of its hosts, its guest, its rules."""
        jobs = set(self.touching.get(move.source, ())) | set(self.touching.get(move.target, ()))
        for number in self.groups_of.get(move.guest, ()):
            jobs.update(self.in_group.get(number, ()))
        return sorted(jobs & self.waiting)

    def _break_cycle(self) -> bool:
        """Nothing can start: send one guest to a third host first, so that the ring opens. Once for each
        guest."""
        for number in sorted(self.waiting):
            job = self.jobs[number]
            move = job[0]
            if len(job) > 1 or move.guest in self.parked or not self._is_in_the_way(move):
                continue
            if any(
                self.problem.groups[group].kind == "even" and group not in self.serial
                for group in self.groups_of.get(move.guest, ())
            ):
                continue  # a host more would need another look at its turns
            for host in self._staging_hosts(move):
                detour = Move(guest=move.guest, source=move.source, target=host, parking=True)
                if self._obeys_rules((detour,)) and self._has_room((detour,)):
                    self.parked.add(move.guest)
                    self.jobs[number] = (Move(guest=move.guest, source=host, target=move.target),)
                    self.touching.setdefault(host, []).append(number)
                    self._start((detour,))
                    return True
        return False

    def _is_in_the_way(self, move: Move) -> bool:
        return any(self.jobs[number][0].target == move.source for number in self.waiting)

    def _staging_hosts(self, move: Move) -> list[int]:
        """Hosts that may run the guest, those with the most free memory first; then those that are to be
        empty, except for a guest whose rule counts hosts.
        """
        problem = self.problem
        unit = problem.unit_of.get(move.guest)
        if unit is None or len(problem.members[unit]) > 1:
            return []
        groups = (problem.groups[number] for number in self.groups_of.get(move.guest, ()))
        counted = any(group.kind == "even" for group in groups)
        mask = problem.unit_mask[unit]
        wide = mask if counted else mask | problem.shelters.get(move.guest, 0)
        hosts = [h for h in range(len(self.going)) if wide >> h & 1 and h not in (move.source, move.target)]
        return sorted(hosts, key=lambda host: (not mask >> host & 1, -self.ledger.free[host][1], host))

    def _start_ready(self, jobs: Iterable[int]) -> bool:
        any_started = False
        for number in jobs:
            job = self.jobs[number]
            if (
                self._has_arrived(job[0])
                and self._has_slots(job[0])
                and self._obeys_rules(job)
                and self._has_room(job)
            ):
                self.waiting.discard(number)
                self._start(job)
                any_started = True
        return any_started

    def _has_arrived(self, move: Move) -> bool:
        return move.guest not in self.parked or all(
            position in self.ended
            for position, placed in enumerate(self.placed)
            if placed.move.guest == move.guest
        )

    def _has_slots(self, move: Move) -> bool:
        return (
            all(self.coming[host] + self.going[host] < self.slots.both for host in (move.source, move.target))
            and self.coming[move.target] < self.slots.into
            and self.going[move.source] < self.slots.out
        )

    def _has_room(self, job: Job) -> bool:
        return self.ledger.suffices(job[0].target, self._needed(job))

    def _needed(self, job: Job) -> list[float]:
        guests = [self.problem.needs.guest[move.guest] for move in job]
        return [sum(parts) for parts in zip(*guests, strict=True)]

    def _obeys_rules(self, job: Job) -> bool:
        for move in job:
            for number in self.groups_of.get(move.guest, ()):
                group, counts = self.problem.groups[number], self.at[number]
                if group.kind == "apart":
                    if counts.get(move.target, 0):
                        return False
                elif number in self.serial and (
                    self._group_is_moving(number) or not self.turns[number].allows(counts, job)
                ):
                    return False
        return True

    def _group_is_moving(self, number: int) -> bool:
        return any(position not in self.ended for position in self.last_of_group.get(number, ())) or any(
            number in self.groups_of.get(move.guest, ()) for move, _after in self.late
        )

    def _start(self, job: Job) -> None:
        host = job[0].target
        after = self.ledger.reserve(host, self._needed(job))
        for move in job:
            for number in self.groups_of.get(move.guest, ()):
                if self.problem.groups[number].kind == "apart":
                    after.update(self.left_by.get((number, host), ()))
                else:
                    after.update(self.last_of_group.get(number, ()))
            if move.guest in self.parked:
                after.update(p for p, placed in enumerate(self.placed) if placed.move.guest == move.guest)
        kept = self._without_implied(after)
        for number in {number for move in job for number in self.groups_of.get(move.guest, ())} & self.serial:
            self.turns[number].record(self.at[number], job)
            self.last_of_group[number] = []
        # The rest of an affinity group follows as slots come free; what it needs is paid for now.
        for move in job:
            if self._has_slots(move):
                self._place(move, kept)
            else:
                self.late.append((move, kept))

    def _place(self, move: Move, after: list[int]) -> None:
        position = len(self.placed)
        ends = self.now + seconds_of(self.problem, move)
        self.placed.append(ScheduledMove(move=move, after=list(after), starts=self.now, ends=ends))
        mask = 0
        for step in after:
            mask |= self.ancestors[step] | 1 << step
        self.ancestors.append(mask)
        for number in self.groups_of.get(move.guest, ()):
            counts = self.at[number]
            counts[move.target] = counts.get(move.target, 0) + 1
            if number in self.serial:
                self.last_of_group[number].append(position)
        self.going[move.source] += 1
        self.coming[move.target] += 1
        heapq.heappush(self.running, (ends, position))

    def _without_implied(self, after: set[int]) -> list[int]:
        implied = 0
        for step in after:
            implied |= self.ancestors[step]
        return sorted(step for step in after if not implied >> step & 1)

    def _end(self, position: int) -> None:
        move = self.placed[position].move
        self.ended.add(position)
        self.going[move.source] -= 1
        self.coming[move.target] -= 1
        self.ledger.release(move.source, position, self.problem.needs.guest[move.guest])
        for number in self.groups_of.get(move.guest, ()):
            counts = self.at[number]
            counts[move.source] -= 1
            self.left_by.setdefault((number, move.source), []).append(position)
