# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random walks over placements: what may change next, what that adds, and doing it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import add, neg, sub
from random import Random

from ..model.problem import Vector
from ..model.snapshot_index import bits
from ..model.solution import Solution
from ..model.stopping import StoppingCriterion
from ..tolerances import POINTS, WISHES
from .local_search import local_search, revert_redundant_moves
from .params import ProposalMix

Trial = list[tuple[int, int]]
Score = tuple[int, float, int, int]
Placement = tuple[dict[int, int], Sequence[float]]


def score(state: Solution) -> Score:
    """Lower is better: rules, points outside the band, guests moved, bytes moved."""
    excess = state.total_excess if state.total_excess > POINTS else 0.0
    return state.broken, round(excess, 6), state.moves, state.bytes


class RandomWalk:
    """A state, and the units that are away from home in it.

    budget: how many guests may move. stop: the share of the time limit that is over.
    """

    # In a plan of few migrations most are of large guests, so they are tried more often.
    prefers_large = True
    # How often the guest that goes in another's place is of the same host.
    same_host = 0.7

    def __init__(self, state: Solution, rng: Random, budget: int, stop: StoppingCriterion) -> None:
        problem = state.problem
        self.state, self.rng, self.budget, self.stop = state, rng, budget, stop
        self.home = problem.unit_home
        # By unit, its points in the metric where it takes the most.
        self.largest = [self._largest(unit) for unit in range(len(self.home))]
        self.choices: dict[int, tuple[int, ...]] = {}
        self._recount()
        self.hosts = [host for host in range(len(problem.hosts)) if state.on[host]]
        # Guests that left a host in maintenance have raised the mean since the snapshot.
        self.mean = [
            sum(state.points[host][index] / problem.metrics.scale[host][index] for host in counted)
            / sum(1.0 / problem.metrics.scale[host][index] for host in counted)
            for index, counted in enumerate(problem.metrics.counted)
        ]
        self.soft = any(not group.strict for group in problem.groups)

    def _largest(self, unit: int) -> float:
        """At home; on a host that takes no part nobody has points, so there elsewhere."""
        problem, home = self.state.problem, self.home[unit]
        at_home = max(self.state.points_of(unit, home), default=0.0) if home >= 0 else 0.0
        return at_home or max((max(points[unit], default=0.0) for points in problem.unit_points), default=0.0)

    def _recount(self) -> None:
        where, mask = self.state.where, self.state.problem.unit_mask
        away = [unit for unit, host in enumerate(where) if host >= 0 and host != self.home[unit]]
        # Units that have no way home can only change their target.
        self.homeless = [u for u in away if self.home[u] < 0 or not mask[u] >> self.home[u] & 1]
        without = set(self.homeless)
        self.away = [unit for unit in away if unit not in without]
        self.slot = {unit: index for index, unit in enumerate(self.away)}

    def _propose_homeless(self) -> Trial:
        return self._propose_relocation(self.homeless[int(self.rng.random() * len(self.homeless))])

    def _propose_change(self, mix: ProposalMix, draw: float) -> Trial:
        """Another place, or another guest, for one that is away."""
        unit = self.away[int(self.rng.random() * len(self.away))]
        if draw < mix.returns:
            return [(unit, self.home[unit])]
        if draw < mix.replaces:
            return self._propose_replacement(unit)
        return self._propose_relocation(unit) if draw < mix.relocates else self._propose_swap(unit)

    def _settle(self, best: Score, kept: Placement) -> None:
        """Repair the placement at the end of a run; then restore the best one that the run has seen, unless
        this one is better. In a large cluster some host is always a little outside; one good repair finds it
        inside.
        """
        local_search(self.state, self.budget, steps=len(self.hosts) * 4)
        revert_redundant_moves(self.state)
        self._recount()
        if score(self.state) >= best:
            self._restore(kept)

    def _propose_replacement(self, unit: int) -> Trial:
        """Another guest goes in its place: one of the same host, or of any."""
        source, target = self.home[unit], self.state.where[unit]
        if source < 0:
            return []
        host = source if self.rng.random() < self.same_host else self._host()
        other = self._one_on(host)
        if other is None or other == unit or self.state.where[other] == target:
            return []
        return [(unit, source), (other, target)]

    def _propose_relocation(self, unit: int) -> Trial:
        target = self._target(unit)
        return [(unit, target)] if target != self.state.where[unit] else []

    def _propose_swap(self, unit: int) -> Trial:
        other = self.away[int(self.rng.random() * len(self.away))]
        mine, theirs = self.state.where[unit], self.state.where[other]
        return [(unit, theirs), (other, mine)] if mine != theirs else []

    def _propose_departure(self) -> Trial:
        """One more guest away, mostly from or to a host that is outside the band."""
        state, rng = self.state, self.rng
        host = self._host()
        if state.total_excess > POINTS:
            # A tournament finds a host outside the band without keeping a list of them.
            for _try in range(4):
                rival = self._host()
                if state.excess[rival] > state.excess[host]:
                    host = rival
        if (
            any(points < low for points, low in zip(state.points[host], state.low, strict=True))
            and rng.random() < 0.7
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
        return self.hosts[int(self.rng.random() * len(self.hosts))]

    def _one_on(self, host: int) -> int | None:
        here = list(self.state.on[host])
        if not here:
            return None
        first = here[int(self.rng.random() * len(here))]
        if not self.prefers_large:
            return first
        second = here[int(self.rng.random() * len(here))]
        return first if self.largest[first] >= self.largest[second] else second

    def _target(self, unit: int) -> int:
        mask = self.state.problem.unit_mask[unit]
        hosts = self.choices.get(mask)
        if hosts is None:
            hosts = self.choices[mask] = tuple(bits(mask))
        return hosts[int(self.rng.random() * len(hosts))]

    def _is_within(self, trial: Trial, allowed: float) -> bool:
        """Whether the trial adds no more than this to the points outside the band; most are refused at the
        first host.
        """
        state, excess = self.state, self.state.excess
        if len(trial) == 1:
            unit, target = trial[0]
            source = state.where[unit]
            allowed += excess[source] + excess[target]
            allowed -= state.excess_without(source, state.points_of(unit, source))
            return allowed >= 0 and allowed >= state.excess_with(target, state.points_of(unit, target))
        deltas = self._deltas(trial)
        for host in deltas:
            allowed += excess[host]
        for host, delta in deltas.items():
            allowed -= state.excess_with(host, delta)
            if allowed < 0:
                return False
        return True

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

    def _apply(self, trial: Trial) -> bool:
        """Do it unless a limit or a rule forbids; returns whether it was done."""
        state = self.state
        broken, wishes = state.broken_count, state.soft_cost if self.soft else 0.0
        before = [(unit, state.where[unit]) for unit, _host in trial]
        done = state.try_moves(
            trial,
            lambda: (
                state.moves <= self.budget
                and state.broken_count <= broken
                and (not self.soft or state.soft_cost <= wishes + WISHES)
            ),
        )
        for unit, host in before if done else ():
            self._record(unit, host)
        return done

    def _record(self, unit: int, before: int) -> None:
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

    def _moved_band(self, weight: float, temperature: float) -> None:
        """Try the band a little higher or lower in one metric."""
        state, rng = self.state, self.rng
        metric = int(rng.random() * len(state.low))
        limit, mean, before = state.problem.metrics.limits[metric], self.mean[metric], state.low[metric]
        floor = min(mean, max(mean - limit, before + rng.gauss(0.0, 0.1 * limit)))
        change = weight * (state.excess_of(metric, floor) - state.excess_of(metric, before))
        if change <= 0 or rng.random() < math.exp(-change / temperature):
            state.set_band([*state.low[:metric], floor, *state.low[metric + 1 :]])

    def _placement(self) -> Placement:
        return {unit: self.state.where[unit] for unit in (*self.away, *self.homeless)}, self.state.low

    def _restore(self, kept: Placement) -> None:
        places, floor = kept
        for unit in (*self.away, *self.homeless):
            if unit not in places:
                self.state.relocate(unit, self.home[unit])
        for unit, host in places.items():
            if self.state.where[unit] != host:
                self.state.relocate(unit, host)
        self.state.set_band(floor)
