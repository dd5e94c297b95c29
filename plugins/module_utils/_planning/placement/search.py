# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for places: the best host for each unit in turn; where one has none, an exhaustive search."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..._model.placement import Search
from .solution import PlacementSolution

# Steps of the search through all; a few seconds at most.
MAX_STEPS = 60_000


@dataclass(frozen=True, slots=True)
class Choice:
    """The hosts for one unit: the best ones with their scores, the number that fit, and refusals by
    reason.
    """

    best: tuple[tuple[float, int], ...]
    fit: int
    refused: dict[str, int] = field(default_factory=dict)


def survey(state: PlacementSolution, number: int, most: int) -> Choice:
    """Look at every host for a unit; the best `most` by wishes, score and order in the snapshot."""
    unit = state.task.units[number]
    refused = Counter(reason[0] for reason in unit.unfit if reason is not None)
    found = []
    for host in unit.open:
        word = state.obstacle(number, host)
        if word is None:
            wishes = state.wishes(number, host) if unit.wishes else 0.0
            found.append((wishes, state.score(unit, host), host))
        else:
            refused[word] += 1
    best = heapq.nsmallest(most, found)
    return Choice(
        best=tuple((score, host) for _wishes, score, host in best), fit=len(found), refused=dict(refused)
    )


def greedy(state: PlacementSolution, order: Iterable[int], most: int) -> dict[int, Choice]:
    """Place what can be placed, in this order, each where it is best; return what was found for each."""
    found = {}
    for number in order:
        choice = survey(state, number, most)
        found[number] = choice
        if choice.best:
            state.insert(number, choice.best[0][1])
    return found


def local_improvement(state: PlacementSolution, choices: dict[int, Choice], most: int, passes: int) -> None:
    """Place each again with all others where they are, until nobody finds a better place."""
    for _pass in range(passes):
        moved = False
        for number in by_hardness(state):
            before = state.seats[number].host
            state.remove(number)
            choice = survey(state, number, most)
            host = choice.best[0][1] if choice.best else before
            state.insert(number, host)
            if choice.best:
                choices[number] = choice
            moved |= host != before
        if not moved:
            break


def by_hardness(state: PlacementSolution) -> list[int]:
    """Units from the largest to the smallest; of those that are as large, the one with fewer hosts first."""
    tops = [
        max((tops[need] for tops in state.ceiling), default=0.0)
        for need in range(len(state.cluster.resources))
    ]

    def size(number: int) -> float:
        unit = state.task.units[number]
        return max((part / top for part, top in zip(unit.need, tops, strict=True) if top > 0), default=0.0)

    units = state.task.units
    return sorted(range(len(units)), key=lambda number: (-size(number), len(units[number].open), number))


class Exhaustive:
    """Whether everything can be placed at all: tries all ways, always the unit with the fewest hosts next.

    `proven`: the search came to its end, so that what it did not find does not exist.
    """

    def __init__(self, state: PlacementSolution, most: int = MAX_STEPS) -> None:
        self._state = state
        self._most = most
        self.steps = 0
        self.proven = False

    def run(self) -> bool:
        """Places all units, or none."""
        waiting = [number for number in by_hardness(self._state) if number not in self._state.seats]
        done = self._place(waiting)
        self.proven = done or self.steps <= self._most
        return done

    def _place(self, waiting: list[int]) -> bool:
        if not waiting:
            return True
        state = self._state
        options: list[tuple[int, list[int]]] = []
        for number in waiting:
            hosts = [host for host in state.task.units[number].open if state.obstacle(number, host) is None]
            self.steps += len(state.task.units[number].open)
            if not hosts:
                return False
            options.append((number, hosts))
            if self.steps > self._most:
                return False
        number, hosts = min(options, key=lambda option: len(option[1]))
        rest = [other for other in waiting if other != number]
        # Full hosts first: what is small goes where little is left.
        for host in sorted(hosts, key=lambda host: (-sum(state.points[host]), host)):
            state.insert(number, host)
            if self._place(rest):
                return True
            state.remove(number)
            if self.steps > self._most:
                return False
        return False


def described(state: PlacementSolution, choice: Choice) -> Search:
    """The counts as operators know them."""
    hosts = len(state.cluster.hosts)
    parts = sorted(choice.refused.items(), key=lambda item: (-item[1], item[0]))
    reasons = ", ".join(f"{many} {word}" for word, many in parts)
    verb = "fits" if choice.fit == 1 else "fit"
    says = f"{choice.fit} of {hosts} host{'' if hosts == 1 else 's'} {verb}"
    return Search(
        hosts=hosts,
        fit=choice.fit,
        refused=dict(parts),
        says=f"{says}: {reasons}" if reasons else says,
    )
