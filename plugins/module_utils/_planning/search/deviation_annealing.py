# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The most level placement with a limited number of migrations: for a band without width, which nothing is
ever inside of.
"""

from __future__ import annotations

import math
from operator import sub
from random import Random

from ..model.problem import Vector
from ..model.solution import Solution
from ..model.stopping import StoppingCriterion
from ..tolerances import COST, TIME
from .neighbourhood import RandomWalk, Trial
from .params import PARAMS


class DeviationAnnealer(RandomWalk):
    """Anneals the sum of the metrics' standard deviations over the hosts, in points.

    Between two looks each deviation s is taken as linear in its variance, with the slope 1 / (2 s): then what
    a guest changes on a host depends on that host alone.
    """

    # Small ones make the difference where every point counts.
    prefers_large = False
    same_host = 0.8

    def __init__(self, state: Solution, rng: Random, budget: int, stop: StoppingCriterion) -> None:
        super().__init__(state, rng, budget, stop)
        self.slope: Vector = ()
        self.deviation = self._record_best()

    def run(self, steps: int, share: float = 1.0) -> None:
        """Cool down over these steps, or over this share of the time that is left, if that is shorter."""
        state, rng, schedule = self.state, self.rng, PARAMS.less_deviation
        begun = self.stop.elapsed_share()
        span = max(TIME, (1.0 - begun) * share)
        if not self.hosts:
            return
        best, kept = (state.broken, self._record_best()), self._placement()
        many = min(self.budget, len(self.home))
        unit = self.deviation / max(1, many)
        for step in range(steps):
            if step % schedule.look_every == 0:
                done = max(step / steps, (self.stop.elapsed_share() - begun) / span)
                now = state.broken, self._record_best()
                if now < best:
                    best, kept = now, self._placement()
                if done >= 1.0 or now[1] <= COST:
                    break
                temperature = unit * schedule.hot * (schedule.cold / schedule.hot) ** done
            trial = self._propose()
            if not trial:
                continue
            change = self._change(trial)
            if change <= 0 or rng.random() < math.exp(-change / temperature):
                self._apply(trial)
        if (state.broken, self._record_best()) >= best:
            self._restore(kept)

    def _record_best(self) -> float:
        """The sum of the deviations now; sets their slopes."""
        state, total, slope = self.state, 0.0, []
        for index, counted in enumerate(state.problem.metrics.counted):
            mean = self.mean[index]
            many = max(1, len(counted))
            variance = sum((state.points[host][index] - mean) ** 2 for host in counted) / many
            deviation = math.sqrt(variance)
            total += deviation
            slope.append(0.5 / (max(deviation, COST) * many))
        self.slope = tuple(slope)
        return total

    def _propose(self) -> Trial:
        mix = PARAMS.deviation
        draw = self.rng.random()
        if self.homeless and draw > mix.homeless:
            return self._propose_homeless()
        if not self.away or (draw > mix.departs and self.state.moves < self.budget):
            unit = int(self.rng.random() * len(self.home))
            return self._propose_relocation(unit) if self.state.where[unit] == self.home[unit] >= 0 else []
        return self._propose_change(mix, draw)

    def _change(self, trial: Trial) -> float:
        state, change = self.state, 0.0
        kinds, points = state.problem.host_kind, state.problem.unit_points
        unit, target = trial[0]
        source, kind = state.where[unit], kinds[target]
        back = trial[-1][0]
        if kinds[source] == kind and (back == unit or (trial[-1][1], state.where[back]) == (source, target)):
            # Nearly all steps are these, between two hosts alike: the mean drops out.
            goes = points[kind][unit]
            if back != unit:
                goes = tuple(map(sub, goes, points[kind][back]))
            for here, there, more, slope in zip(state.points[source], state.points[target], goes, self.slope):
                change += slope * more * (there - here + more)
            return 2.0 * change
        for host, delta in self._deltas(trial).items():
            for now, mean, more, slope in zip(state.points[host], self.mean, delta, self.slope):
                change += slope * more * (2.0 * (now - mean) + more)
        return change
