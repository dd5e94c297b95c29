# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A safe order for a few guests, one migration at a time, found by looking at every placement on the way.

The scheduler is quick and starts whatever is safe at once; it sends a guest over a third host at most once,
and keeps the guests of an affinity rule side by side. Where that leads nowhere, this search tries everything.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from ..._model.snapshot import Rule
from ..model.problem import Group, Problem
from ..model.rules import PINS
from ..model.snapshot_index import mask_of
from .moves import Move

Job = tuple[Move, ...]
# By guest of the search its host, and by unit the host to which it is on its way, or TOGETHER.
Spot = tuple[tuple[int, ...], tuple[int, ...]]
# Migrations, those of them that go where a broken rule does not want the guest, bytes.
Cost = tuple[int, int, float]

TOGETHER = -1
MEMORY = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOutcome:
    """The result of a search. complete: whether it looked at everything that there is, so that nothing better
    is left."""

    jobs: tuple[Job, ...] | None
    places: tuple[int, ...]
    complete: bool


class ExhaustiveSearch:
    """Placements of a few units that can be reached one safe migration after another.

    No strict rule that held is broken on the way, and one that was broken at the beginning gets no worse; a
    guest that stands where a host rule wants it goes only where that rule wants it. The guests of a strict
    affinity rule that held go one by one from one host to one other, and only then on.
    """

    def __init__(
        self,
        problem: Problem,
        units: Sequence[int],
        hosts: Sequence[int],
        ceilings: Sequence[Sequence[float]],
        places: Sequence[int] | None = None,
    ) -> None:
        """units: those that may move, over these hosts; places: by guest where it is, home by default."""
        self._problem = problem
        at = problem.home if places is None else places
        self._guests = [guest for unit in units for guest in problem.members[unit]]
        local = {guest: number for number, guest in enumerate(self._guests)}
        self._parts = [tuple(local[guest] for guest in problem.members[unit]) for unit in units]
        along = {guest for rule in problem.rules if rule.co_migrates for guest in rule.guests}
        ids = [problem.guests[guest].id for guest in self._guests]
        self._at_once = [any(ids[number] in along for number in parts) for parts in self._parts]
        self._held = [
            len(parts) > 1 and len({at[self._guests[number]] for number in parts}) == 1
            for parts in self._parts
        ]
        self._mask = [problem.unit_mask[unit] for unit in units for _guest in problem.members[unit]]
        self._targets = [
            self._hosts_for(guest, mask, hosts) for guest, mask in zip(self._guests, self._mask, strict=True)
        ]
        self._runs_on = [problem.runs_on[guest] for guest in self._guests]
        pins: dict[str, list[Rule]] = {}
        for rule in problem.rules:
            for id_ in rule.guests if rule.strict and rule.kind in PINS else ():
                pins.setdefault(id_, []).append(rule)
        self._wanted = [self._wanted_by_pins(pins.get(id_, ())) for id_ in ids]
        self._pins = [tuple(rule.name for rule in pins.get(id_, ())) for id_ in ids]
        self._need = [problem.needs.guest[guest] for guest in self._guests]
        self._ceilings = ceilings
        self._rest = [list(used) for used in problem.needs.used]
        for guest, (home, place) in enumerate(zip(problem.home, at, strict=True)):
            for host, sign in ((home, -1.0), (place, 1.0)):
                if home != place and not (guest in local and host == place):
                    self._add(self._rest[host], guest, sign)
            if home == place and guest in local:
                self._add(self._rest[home], guest, -1.0)
        self._groups = [
            _Group(group, problem.home, at, local)
            for group in problem.groups
            if group.strict and any(guest in local for guest in group.guests)
        ]
        self._groups_of: list[list[int]] = [[] for _guest in self._guests]
        for number, group in enumerate(self._groups):
            for item in group.local:
                self._groups_of[item].append(number)
        self._split = self._split_affinities(at, local)
        # Host rules that guests which do not move break in any case.
        self._given_up = frozenset(
            rule.name
            for guest, item in enumerate(problem.guests)
            if guest not in local
            for rule in pins.get(item.id, ())
            if (problem.hosts[at[guest]].id in rule.hosts) != (rule.kind == "host_affinity")
        )
        self.start: Spot = tuple(at[guest] for guest in self._guests), (TOGETHER,) * len(self._parts)

    def _add(self, used: list[float], guest: int, sign: float) -> None:
        for need, amount in enumerate(self._problem.needs.guest[guest]):
            used[need] += sign * amount

    def _hosts_for(self, guest: int, mask: int, hosts: Sequence[int]) -> tuple[int, ...]:
        problem = self._problem
        receiving = mask_of(problem.roles.receives)
        # A guest may wait wherever it runs; where a host rule does not want it, only `_may_go` says.
        wide = mask & receiving | problem.runs_on[guest] | problem.shelters.get(guest, 0)
        return tuple(host for host in hosts if wide >> host & 1)

    def _wanted_by_pins(self, pins: Sequence[Rule]) -> tuple[int, ...]:
        """By host, a bit mask of the host rules that want the guest there."""
        return tuple(
            sum(
                1 << number
                for number, rule in enumerate(pins)
                if (host.id in rule.hosts) == (rule.kind == "host_affinity")
            )
            for host in self._problem.hosts
        )

    def _split_affinities(
        self, at: Sequence[int], local: Mapping[int, int]
    ) -> list[tuple[list[int], list[int], int]]:
        """Affinity rules that are broken: their guests that move, the places of the others, and how many
        guests are apart from the most."""
        problem = self._problem
        found = []
        for rule in problem.rules:
            guests = problem.index.members(rule)
            homes = [problem.home[guest] for guest in guests]
            if rule.kind != "affinity" or not rule.strict or len(set(homes)) < 2:
                continue
            moving = [local[guest] for guest in guests if guest in local]
            others = [at[guest] for guest in guests if guest not in local]
            if moving:
                apart = len(homes) - max(homes.count(home) for home in homes)
                found.append((moving, others, apart))
        return found

    def reach(self, goals: Mapping[int, int], most: int) -> SearchOutcome:
        """The way on which every guest gets to its host, by the fewest migrations; `most`: placements that
        are looked at."""
        wanted = tuple(goals[guest] for guest in self._guests)

        def missing(places: tuple[int, ...]) -> int:
            return sum(1 for place, goal in zip(places, wanted) if place != goal)

        first = missing(self.start[0])
        queue: list[tuple[int, Cost, int, Spot]] = [(first, (0, 0, 0.0), 0, self.start)]
        cost: dict[Spot, Cost] = {self.start: (0, 0, 0.0)}
        came: dict[Spot, tuple[Spot, Job]] = {}
        serial = count(1)
        looked = 0
        while queue and looked < most:
            _estimate, so_far, _serial, spot = heapq.heappop(queue)
            if so_far != cost[spot]:
                continue
            if spot[0] == wanted:
                return SearchOutcome(jobs=self._track(came, spot), places=wanted, complete=True)
            looked += 1
            for following, job, more in self._steps(spot, wanted):
                total = (so_far[0] + more[0], so_far[1] + more[1], so_far[2] + more[2])
                if following not in cost or total < cost[following]:
                    cost[following] = total
                    came[following] = spot, job
                    heapq.heappush(queue, (total[0] + missing(following[0]), total, next(serial), following))
        return SearchOutcome(jobs=None, places=self.start[0], complete=not queue)

    def repair(self, most: int, budget: int, *, empty_hosts: bool) -> SearchOutcome:
        """The way to where as few guests as possible stand where a strict rule, or maintenance, does not want
        them; by at most `budget` migrations. `most`: placements that are looked at.
        """
        queue: list[tuple[Cost, int, Spot]] = [((0, 0, 0.0), 0, self.start)]
        cost: dict[Spot, Cost] = {self.start: (0, 0, 0.0)}
        came: dict[Spot, tuple[Spot, Job]] = {}
        serial = count(1)
        best, rank = self.start, self.wrong(self.start[0], empty_hosts=empty_hosts)
        looked = 0
        while queue and looked < most and any(rank):
            so_far, _serial, spot = heapq.heappop(queue)
            if so_far != cost[spot]:
                continue
            if self._may_stay(spot):
                wrong = self.wrong(spot[0], empty_hosts=empty_hosts)
                if wrong < rank:
                    best, rank = spot, wrong
            looked += 1
            for following, job, more in self._steps(spot, None):
                total = (so_far[0] + more[0], so_far[1] + more[1], so_far[2] + more[2])
                if total[0] <= budget and (following not in cost or total < cost[following]):
                    cost[following] = total
                    came[following] = spot, job
                    heapq.heappush(queue, (total, next(serial), following))
        jobs = self._track(came, best) if best != self.start else None
        return SearchOutcome(jobs=jobs, places=best[0], complete=not queue or not any(rank))

    def wrong(self, places: tuple[int, ...], *, empty_hosts: bool) -> tuple[int, int]:
        """The number of rules that do not hold, and of guests that stand where one of them, or maintenance,
        does not want them.
        """
        amounts = [group.amount(group.counts(places)) for group in self._groups]
        amounts += [_apart(moving, others, places) for moving, others, _apart_first in self._split]
        pins = self._pins_broken(places)
        rules = sum(1 for amount in amounts if amount) + len(self._given_up.union(pins))
        leaving = self._problem.roles.leaving
        return rules, sum(amounts) + len(pins) + sum(leaving[place] for place in places if empty_hosts)

    def _pins_broken(self, places: tuple[int, ...]) -> list[str]:
        """For each guest, the host rules that want it elsewhere."""
        return [
            name
            for number, place in enumerate(places)
            for bit, name in enumerate(self._pins[number])
            if not self._wanted[number][place] >> bit & 1
        ]

    def _may_stay(self, spot: Spot) -> bool:
        """Whether every guest may end where it is, its whole group with it."""
        places, heading = spot
        return all(way == TOGETHER for way in heading) and all(
            place == first or (mask | runs_on) >> place & 1
            for place, first, mask, runs_on in zip(
                places, self.start[0], self._mask, self._runs_on, strict=True
            )
        )

    def _track(self, came: Mapping[Spot, tuple[Spot, Job]], spot: Spot) -> tuple[Job, ...]:
        jobs = []
        while spot in came:
            spot, job = came[spot]
            jobs.append(job)
        return tuple(reversed(jobs))

    def _steps(self, spot: Spot, wanted: tuple[int, ...] | None) -> Iterator[tuple[Spot, Job, Cost]]:
        """The possible next steps: the resulting spot, the guests that move, and the cost."""
        places, heading = spot
        used = [list(vector) for vector in self._rest]
        for place, need in zip(places, self._need, strict=True):
            here = used[place]
            for index, amount in enumerate(need):
                here[index] += amount
        counts = [group.counts(places) for group in self._groups]
        for number, parts in enumerate(self._parts):
            if self._at_once[number]:
                yield from self._all_at_once(spot, number, wanted, used, counts)
                continue
            for item in parts:
                here_, towards = places[item], heading[number]
                for target in self._targets[item] if towards == TOGETHER else (towards,):
                    if target == here_ or not self._may_go(item, here_, target, used, counts, places):
                        continue
                    after = (*places[:item], target, *places[item + 1 :])
                    ways = heading
                    if self._held[number]:
                        arrived = all(after[other] == target for other in parts)
                        ways = (
                            *heading[:number],
                            TOGETHER if arrived else target,
                            *heading[number + 1 :],
                        )
                    yield (after, ways), (self._hop(item, here_, target),), self._cost(item, target)

    def _all_at_once(
        self,
        spot: Spot,
        number: int,
        wanted: tuple[int, ...] | None,
        used: Sequence[Sequence[float]],
        counts: Sequence[dict[int, int]],
    ) -> Iterator[tuple[Spot, Job, Cost]]:
        """Guests that the platform moves along with each other: once, and to where they stay."""
        places, heading = spot
        parts = self._parts[number]
        if any(places[item] != self.start[0][item] for item in parts):
            return
        for target in self._targets[parts[0]] if wanted is None else (wanted[parts[0]],):
            moving = [item for item in parts if places[item] != target]
            if not moving or any(not self._mask[item] >> target & 1 for item in parts):
                continue
            filled = list(used[target])
            for item in moving[:-1]:
                filled = [a + b for a, b in zip(filled, self._need[item], strict=True)]
            at_target = [*used[:target], filled, *used[target + 1 :]]
            if all(self._may_go(item, places[item], target, at_target, counts, places) for item in moving):
                after = tuple(target if item in parts else place for item, place in enumerate(places))
                costs = [self._cost(item, target) for item in moving]
                total = (len(moving), sum(cost[1] for cost in costs), sum(cost[2] for cost in costs))
                yield (after, heading), tuple(self._hop(item, places[item], target) for item in moving), total

    def _hop(self, item: int, source: int, target: int) -> Move:
        return Move(guest=self._guests[item], source=source, target=target)

    def _cost(self, item: int, target: int) -> Cost:
        return 1, not self._mask[item] >> target & 1, self._need[item][MEMORY]

    def _may_go(
        self,
        item: int,
        source: int,
        target: int,
        used: Sequence[Sequence[float]],
        counts: Sequence[dict[int, int]],
        places: tuple[int, ...],
    ) -> bool:
        if self._wanted[item][source] & ~self._wanted[item][target]:
            return False
        for more, have, top in zip(self._need[item], used[target], self._ceilings[target], strict=True):
            if more and have + more > top:
                return False
        for number in self._groups_of[item]:
            if not self._groups[number].allows(counts[number], source, target):
                return False
        for moving, others, most in self._split:
            if item in moving:
                after = (*places[:item], target, *places[item + 1 :])
                if _apart(moving, others, after) > most:
                    return False
        return True


def _apart(moving: Sequence[int], others: Sequence[int], places: Sequence[int]) -> int:
    at = [*others, *(places[item] for item in moving)]
    return len(at) - max(at.count(place) for place in at)


class _Group:
    """A rule that counts guests by host, on the way: what held goes on holding, what is broken gets no
    worse."""

    def __init__(
        self, group: Group, home: Sequence[int], at: Sequence[int], local: Mapping[int, int]
    ) -> None:
        self.group = group
        self.local = [local[guest] for guest in group.guests if guest in local]
        self._fixed: dict[int, int] = {}
        first: dict[int, int] = {}
        for guest in group.guests:
            first[home[guest]] = first.get(home[guest], 0) + 1
            if guest not in local:
                self._fixed[at[guest]] = self._fixed.get(at[guest], 0) + 1
        self._first = self._measure(first)

    def counts(self, places: Sequence[int]) -> dict[int, int]:
        counts = dict(self._fixed)
        for item in self.local:
            counts[places[item]] = counts.get(places[item], 0) + 1
        return counts

    def allows(self, counts: Mapping[int, int], source: int, target: int) -> bool:
        apart = self.group.kind == "apart" or self.group.torn
        if self.group.enforced and apart and 0 < counts.get(target, 0) >= counts[source] - 1:
            return False
        before = self._measure(counts)
        after = dict(counts)
        after[source] -= 1
        after[target] = after.get(target, 0) + 1
        measure = self._measure(after)
        # Guests that go one after the other may be evenly spread half way.
        passing = self.group.kind == "even" and not self.group.torn
        return measure <= self._first and (measure == 0 or before > 0 or passing)

    def amount(self, counts: Mapping[int, int]) -> int:
        return self._measure(counts)

    def _measure(self, counts: Mapping[int, int]) -> int:
        """The distance from holding: 0 when it holds."""
        group = self.group
        if group.kind == "apart" or group.torn:
            return sum(many - 1 for many in counts.values() if many > 1)
        numbers = [counts.get(host, 0) for host in group.domain]
        return max(0, max(numbers, default=0) - min(numbers, default=0) - group.skew)
