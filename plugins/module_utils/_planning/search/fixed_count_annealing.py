# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for the band with a fixed number of migrations, then with fewer or more."""

from __future__ import annotations

import math
from random import Random

from ..model.solution import Solution
from ..model.stopping import StoppingCriterion
from ..tolerances import POINTS
from .neighbourhood import RandomWalk, Trial, score
from .params import PARAMS


class FixedCountAnnealer(RandomWalk):
    """Anneals the points outside the band over the placements of a fixed number of migrations.

    That number begins low. A round that does not reach the band is granted one more, until it is reached;
    from then on each time with one fewer. A search that pays for its migrations spends its time among the
    many placements that are no progress; here there are none.
    """

    def __init__(
        self, state: Solution, rng: Random, budget: int, stop: StoppingCriterion, least: int
    ) -> None:
        """least: migrations that every placement inside the band has at least."""
        super().__init__(state, rng, budget, stop)
        self.unit = sum(self.largest) / max(1, len(self.largest))
        self.least = least
        self.best, self.kept = score(state), self._placement()

    def run(self, steps: int, share: float = 1.0) -> None:
        """Cool down over these steps, or over this share of the time that is left, if that is shorter. Ends
        as the best placement that it has seen.
        """
        rounds = PARAMS.fixed_rounds
        state, most, begun = self.state, self.budget, self.stop.elapsed_share()
        until = begun + (1.0 - begun) * share
        units = max(1, len(self.home))
        length, hot, taken = rounds.round_steps * units, rounds.hot, 0
        goal = state.moves - max(1, round(rounds.improvement * state.moves))
        # Where no guest has points there is no band to look for.
        some = bool(self.hosts) and self.unit > 0
        while some and taken < steps and self.best[2] > self.least and self.stop.elapsed_share() < until:
            goal = max(goal, self.least)
            if not self._drop_to(goal):
                break
            self.budget = goal
            reached = self._round(min(length, steps - taken), hot, until)
            taken += length
            if reached:
                goal = self.best[2] - 1
            elif goal < self.best[2] - 1:
                goal, hot = goal + 1, rounds.warm
            else:
                length = min(rounds.longest_round * units, int(rounds.longer * length))
                hot = rounds.hot
        self.budget = most
        self._settle(self.best, self.kept)

    def _round(self, steps: int, hot: float, until: float) -> bool:
        """Cool down once; returns whether the band was reached with fewer migrations than before."""
        state, rng, log, rounds = self.state, self.rng, math.log, PARAMS.fixed_rounds
        reached, temperature = False, self.unit * hot
        look_every = max(rounds.look_every, len(self.hosts))
        for step in range(steps):
            if step % look_every == 0:
                if self.stop.elapsed_share() >= until:
                    break
                temperature = self.unit * hot * (rounds.cold / hot) ** (step / steps)
                self._moved_band(1.0, temperature)
            if state.total_excess <= POINTS:
                now = score(state)
                if now < self.best:
                    self.best, self.kept, reached = now, self._placement(), True
                if state.moves <= self.least or not self._drop_to(state.moves - 1):
                    break
                self.budget = state.moves
                continue
            trial = self._propose()
            if trial and self._is_within(trial, -temperature * log(1.0 - rng.random())):
                self._apply(trial)
        return reached

    def _drop_to(self, goal: int) -> bool:
        """Undo the moves that matter least until at most `goal` are left; returns whether that succeeds."""
        budget, self.budget = self.budget, self.state.moves
        while self.state.moves > goal and self._drop():
            pass
        self.budget = budget
        return self.state.moves <= goal

    def _drop(self) -> bool:
        away, rng, candidates = self.away, self.rng, PARAMS.fixed_rounds.candidates
        if len(away) > candidates:
            away = [away[int(rng.random() * len(away))] for _look in range(candidates)]
        missed = sorted((self._missed(unit), unit) for unit in away)
        return any(self._apply([(unit, self.home[unit])]) for _excess, unit in missed)

    def _missed(self, unit: int) -> float:
        """The points outside the band that its going home adds."""
        state, here, home = self.state, self.state.where[unit], self.home[unit]
        left = state.excess_without(here, state.points_of(unit, here)) - state.excess[here]
        return left + state.excess_with(home, state.points_of(unit, home)) - state.excess[home]

    def _propose(self) -> Trial:
        mix = PARAMS.fixed_count
        draw = self.rng.random()
        if self.homeless and draw > mix.homeless:
            return self._propose_homeless()
        if not self.away or (self.state.moves < self.budget and draw < mix.departs):
            return self._propose_departure()
        return self._propose_change(mix, draw)
