# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for a placement with fewer migrations by simulated annealing over the set of guests that are away.

Private to the collection.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import add, neg, sub
from random import Random

from .level import level, trim
from .moves import targets
from .problem import Vector
from .state import State

SETTLED = 1e-6
LIGHTEST, HEAVIEST = 0.05, 50.0
# From this part of the search on, the way leads inwards only.
CLOSING = 0.8
Trial = list[tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How the search cools, in migrations. yields: by how much a point outside the band gains or loses weight
    each time that the search looks whether it is outside or inside; so it walks along the edge of what is
    legal. free: migrations cost nothing and temperatures are points: for a band that can't be reached, only
    approached.
    """

    hot: float = 0.3
    cold: float = 0.08
    weight: float = 1.0
    yields: float = 1.03
    look_every: int = 50
    free: bool = False


Score = tuple[int, float, int, int]


def score(state: State) -> Score:
    """Lower is better: rules, points outside the band, guests moved, bytes moved."""
    excess = state.total_excess if state.total_excess > SETTLED else 0.0
    return state.broken, round(excess, 6), state.moves, state.bytes


class Annealer:
    """One run over a state, which ends as the best placement that the run has seen."""

    def __init__(
        self, state: State, dice: Random, budget: int, spent: Callable[[], float], schedule: Schedule
    ) -> None:
        problem = state.problem
        self.state, self.dice, self.budget, self.spent, self.schedule = (
            state,
            dice,
            budget,
            spent,
            schedule,
        )
        self.home = problem.unit_home
        self.size = [len(members) for members in problem.members]
        mean = max(1.0, sum(problem.unit_bytes) / max(1, len(problem.unit_bytes)))
        # Bytes decide only between plans of equally many migrations, so they weigh little here.
        self.price = [
            size + 0.02 * bytes_ / mean for size, bytes_ in zip(self.size, problem.unit_bytes, strict=True)
        ]
        if schedule.free:
            self.price = [0.0] * len(self.size)
        self.choices: dict[int, tuple[int, ...]] = {}
        self._recount()
        self.hosts = [host for host in range(len(problem.hosts)) if state.on[host]]
        self.weight = schedule.weight
        # Guests that left a host in maintenance have raised the mean since the snapshot.
        self.mean = [
            sum(state.points[host][index] / problem.metrics.scale[host][index] for host in counted)
            / sum(1.0 / problem.metrics.scale[host][index] for host in counted)
            for index, counted in enumerate(problem.metrics.counted)
        ]
        self.soft = any(not group.strict for group in problem.groups)

    def run(self, steps: int, share: float = 1.0) -> None:
        """Cool down over so many steps, or over this share of the time that is left, if that is shorter."""
        state, schedule, dice = self.state, self.schedule, self.dice
        begun = self.spent()
        span = max(1e-9, (1.0 - begun) * share)
        look_every = max(schedule.look_every, len(self.hosts))
        best = score(state)
        kept = self._placement()
        if not self.hosts:
            return
        for step in range(steps):
            if step % look_every == 0:
                done = max(step / steps, (self.spent() - begun) / span)
                if done >= 1.0:
                    break
                temperature = schedule.hot * (schedule.cold / schedule.hot) ** done
                self._weigh(closing=done > CLOSING)
                self._shift(temperature)
            trial = self._propose()
            if not trial:
                continue
            change = self._change(trial)
            if change > 0 and dice.random() >= math.exp(-change / temperature):
                continue
            if self._carry_out(trial) and state.total_excess <= best[1] + SETTLED:
                now = score(state)
                if now < best:
                    best, kept = now, self._placement()
        # In a large cluster some host is always a little outside; one good repair at the end finds it inside.
        level(state, self.budget, steps=len(self.hosts) * 4)
        while trim(state):
            pass
        self._recount()
        if score(state) >= best:
            self._restore(kept)

    def _recount(self) -> None:
        where, mask = self.state.where, self.state.problem.unit_mask
        away = [unit for unit, host in enumerate(where) if host >= 0 and host != self.home[unit]]
        # Units that have no way home can only change their target.
        self.homeless = [u for u in away if self.home[u] < 0 or not mask[u] >> self.home[u] & 1]
        without = set(self.homeless)
        self.away = [unit for unit in away if unit not in without]
        self.slot = {unit: index for index, unit in enumerate(self.away)}

    def _weigh(self, *, closing: bool) -> None:
        factor = self.schedule.yields
        if self.schedule.free:
            return
        if self.state.total_excess > SETTLED:
            self.weight *= factor
        elif not closing:
            self.weight /= factor
        self.weight = min(HEAVIEST, max(LIGHTEST, self.weight))

    def _propose(self) -> Trial:
        draw = self.dice.random()
        if self.homeless and draw > 0.9:
            return self._redirect(self.homeless[int(self.dice.random() * len(self.homeless))])
        if self.away and draw < 0.72:
            unit = self.away[int(self.dice.random() * len(self.away))]
            if draw < 0.18:
                return [(unit, self.home[unit])] if self.home[unit] >= 0 else []
            if draw < 0.48:
                return self._replace(unit)
            if draw < 0.60:
                return self._redirect(unit)
            return self._trade(unit)
        return self._send()

    def _replace(self, unit: int) -> Trial:
        """Another guest goes in its place: one of the same host, or of any."""
        source, target = self.home[unit], self.state.where[unit]
        if source < 0:
            return []
        host = source if self.dice.random() < 0.7 else self._host()
        other = self._one_on(host)
        if other is None or other == unit or self.state.where[other] == target:
            return []
        return [(unit, source), (other, target)]

    def _redirect(self, unit: int) -> Trial:
        target = self._target(unit)
        return [(unit, target)] if target != self.state.where[unit] else []

    def _trade(self, unit: int) -> Trial:
        other = self.away[int(self.dice.random() * len(self.away))]
        mine, theirs = self.state.where[unit], self.state.where[other]
        return [(unit, theirs), (other, mine)] if mine != theirs else []

    def _send(self) -> Trial:
        """One more guest away, mostly from or to a host that is outside the band."""
        state, dice = self.state, self.dice
        host = self._host()
        if state.total_excess > SETTLED:
            # A tournament finds a host outside the band without keeping a list of them.
            for _try in range(4):
                rival = self._host()
                if state.excess[rival] > state.excess[host]:
                    host = rival
        if (
            any(points < low for points, low in zip(state.points[host], state.low, strict=True))
            and dice.random() < 0.7
        ):
            unit = self._one_on(self._host())
            return [(unit, host)] if unit is not None and state.where[unit] != host else []
        unit = self._one_on(host)
        if unit is None:
            return []
        best, gain = -1, math.inf
        for _try in range(3):
            target = self._target(unit)
            if target != host:
                change = state.excess_with(target, state.points_of(unit, target)) - state.excess[target]
                if change < gain:
                    best, gain = target, change
        return [(unit, best)] if best >= 0 else []

    def _host(self) -> int:
        return self.hosts[int(self.dice.random() * len(self.hosts))]

    def _one_on(self, host: int) -> int | None:
        here = list(self.state.on[host])
        return here[int(self.dice.random() * len(here))] if here else None

    def _target(self, unit: int) -> int:
        mask = self.state.problem.unit_mask[unit]
        hosts = self.choices.get(mask)
        if hosts is None:
            hosts = self.choices[mask] = tuple(targets(self.state, unit))
        return hosts[int(self.dice.random() * len(hosts))]

    def _change(self, trial: Trial) -> float:
        """What the trial adds to the cost: points outside the band and migrations, each at its price."""
        state, price, home, excess = self.state, self.price, self.home, self.state.excess
        points, kinds = state.problem.unit_points, state.problem.host_kind
        cost = 0.0
        for unit, target in trial:
            if home[unit] == target:
                cost -= price[unit]
            elif home[unit] == state.where[unit]:
                cost += price[unit]
        if len(trial) == 1:
            unit, target = trial[0]
            source = state.where[unit]
            change = state.excess_without(source, points[kinds[source]][unit]) - excess[source]
            change += state.excess_with(target, points[kinds[target]][unit]) - excess[target]
            return cost + self.weight * change
        change = 0.0
        for host, delta in self._deltas(trial).items():
            change += state.excess_with(host, delta) - excess[host]
        return cost + self.weight * change

    def _deltas(self, trial: Trial) -> dict[int, Vector]:
        """By host, the points that the trial adds there."""
        state = self.state
        points, kinds = state.problem.unit_points, state.problem.host_kind
        deltas: dict[int, Vector] = {}
        for unit, target in trial:
            source = state.where[unit]
            leaving, coming = points[kinds[source]][unit], points[kinds[target]][unit]
            before = deltas.get(source)
            deltas[source] = tuple(map(neg, leaving) if before is None else map(sub, before, leaving))
            before = deltas.get(target)
            deltas[target] = coming if before is None else tuple(map(add, before, coming))
        return deltas

    def _carry_out(self, trial: Trial) -> bool:
        """Do it unless a limit or a rule forbids; gives whether it was done."""
        state = self.state
        broken, wishes = state.broken_count, state.soft_cost if self.soft else 0.0
        before = [(unit, state.take(unit)) for unit, _host in trial]
        placed = 0
        for unit, target in trial:
            if not state.fits(unit, target):
                break
            state.put(unit, target)
            placed += 1
        refused = placed < len(trial) or state.moves > self.budget or state.broken_count > broken
        if not refused and self.soft:
            refused = state.soft_cost > wishes + 1e-9
        if refused:
            for unit, _host in trial[:placed]:
                state.take(unit)
            for unit, host in before:
                state.put(unit, host)
            return False
        for unit, host in before:
            self._note(unit, host)
        return True

    def _note(self, unit: int, before: int) -> None:
        now = self.state.where[unit]
        if unit not in self.slot and before != self.home[unit]:
            return
        if (before != self.home[unit]) == (now != self.home[unit]):
            return
        if now != self.home[unit]:
            self.slot[unit] = len(self.away)
            self.away.append(unit)
        else:
            index, last = self.slot.pop(unit), self.away.pop()
            if last != unit:
                self.away[index] = last
                self.slot[last] = index

    def _shift(self, temperature: float) -> None:
        """Try the band a little higher or lower in one metric."""
        state, dice = self.state, self.dice
        limits = state.problem.metrics.limits
        floor = list(state.low)
        metric = int(dice.random() * len(floor))
        before, excess = floor[metric], state.total_excess
        mean = self.mean[metric]
        floor[metric] = min(mean, max(mean - limits[metric], before + dice.gauss(0.0, 0.1 * limits[metric])))
        state.set_band(floor)
        change = self.weight * (state.total_excess - excess)
        if change > 0 and dice.random() >= math.exp(-change / temperature):
            floor[metric] = before
            state.set_band(floor)

    def _placement(self) -> tuple[dict[int, int], Sequence[float]]:
        return {unit: self.state.where[unit] for unit in (*self.away, *self.homeless)}, self.state.low

    def _restore(self, kept: tuple[dict[int, int], Sequence[float]]) -> None:
        places, floor = kept
        for unit in (*self.away, *self.homeless):
            if unit not in places:
                self.state.move(unit, self.home[unit])
        for unit, host in places.items():
            if self.state.where[unit] != host:
                self.state.move(unit, host)
        self.state.set_band(floor)
