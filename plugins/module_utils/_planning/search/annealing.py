# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for a placement with fewer migrations by simulated annealing over the set of guests that are away."""

from __future__ import annotations

import math
from random import Random

from ..model.solution import Solution
from ..model.stopping import StoppingCriterion
from ..tolerances import POINTS, TIME
from .neighbourhood import RandomWalk, Trial, score
from .params import PARAMS, CoolingSchedule


class Annealer(RandomWalk):
    """One run over a state, which ends as the best placement that the run has seen."""

    def __init__(
        self, state: Solution, rng: Random, budget: int, stop: StoppingCriterion, schedule: CoolingSchedule
    ) -> None:
        super().__init__(state, rng, budget, stop)
        self.schedule, self.weight = schedule, schedule.weight
        problem = state.problem
        mean = max(1.0, sum(problem.unit_bytes) / max(1, len(problem.unit_bytes)))
        # Bytes decide only between plans of equally many migrations, so they weigh little here.
        self.price = [
            0.0 if schedule.free else len(members) + 0.02 * bytes_ / mean
            for members, bytes_ in zip(problem.members, problem.unit_bytes, strict=True)
        ]

    def run(self, steps: int, share: float = 1.0) -> None:
        """Cool down over these steps, or over this share of the time that is left, if that is shorter."""
        state, schedule, rng, log = self.state, self.schedule, self.rng, math.log
        begun = self.stop.elapsed_share()
        span = max(TIME, (1.0 - begun) * share)
        look_every = max(schedule.look_every, len(self.hosts))
        best = score(state)
        kept = self._placement()
        if not self.hosts:
            return
        for step in range(steps):
            if step % look_every == 0:
                done = max(step / steps, (self.stop.elapsed_share() - begun) / span)
                if done >= 1.0:
                    break
                temperature = schedule.hot * (schedule.cold / schedule.hot) ** done
                self._set_weights(closing=done > PARAMS.closing)
                self._moved_band(self.weight, temperature)
            trial = self._propose()
            if not trial:
                continue
            # As much as chance allows it to cost, in points outside the band.
            allowed = (-temperature * log(1.0 - rng.random()) - self._cost(trial)) / self.weight
            if not self._is_within(trial, allowed):
                continue
            if self._apply(trial) and state.total_excess <= best[1] + POINTS:
                now = score(state)
                if now < best:
                    best, kept = now, self._placement()
        self._settle(best, kept)

    def _set_weights(self, *, closing: bool) -> None:
        factor = self.schedule.yields
        if self.schedule.free:
            return
        if self.state.total_excess > POINTS:
            self.weight *= factor
        elif not closing:
            self.weight /= factor
        self.weight = min(PARAMS.heaviest, max(PARAMS.lightest, self.weight))

    def _propose(self) -> Trial:
        mix = PARAMS.priced
        draw = self.rng.random()
        if self.homeless and draw > mix.homeless:
            return self._propose_homeless()
        if self.away and draw < mix.departs:
            return self._propose_change(mix, draw)
        return self._propose_departure()

    def _cost(self, trial: Trial) -> float:
        """The price of the migrations that the trial adds."""
        where, price, home = self.state.where, self.price, self.home
        cost = 0.0
        for unit, target in trial:
            if home[unit] == target:
                cost -= price[unit]
            elif home[unit] == where[unit]:
                cost += price[unit]
        return cost
