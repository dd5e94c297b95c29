# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the search for one plan stops: by time, and by placements that are evaluated one by one."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Final

from ..._model.policy.policy import Policy

# Placements for each step of effort; with the default effort they take less than a second.
EVALUATIONS_PER_EFFORT: Final = 5000


class StoppingCriterion:
    """One for all searches of a plan. evaluations: placements that may still be evaluated for fewer
    migrations or bytes, however often the planner starts again.
    """

    def __init__(self, policy: Policy, clock: Callable[[], float]) -> None:
        """clock: returns seconds, for the policy's time_limit. It is read often, and may raise to end the
        search.
        """
        self._clock, self._limit = clock, policy.time_limit
        self._started = clock()
        self._all_evaluations = EVALUATIONS_PER_EFFORT * policy.effort
        self.evaluations = self._all_evaluations

    def renewed(self) -> StoppingCriterion:
        """Returns one that ends at the same moment, and with evaluations anew: for another plan of the same
        request.
        """
        other = copy(self)
        other.evaluations = self._all_evaluations
        return other

    def elapsed_share(self) -> float:
        """Returns the share of the time limit that is over, 0 where there is no limit."""
        elapsed = self._clock() - self._started
        if self._limit is None:
            return 0.0
        return elapsed / self._limit if self._limit else 1.0

    def seconds_left(self, share: float = 1.0) -> float | None:
        """Returns this share of the seconds that are left, None where there is no limit."""
        return None if self._limit is None else max(0.0, 1.0 - self.elapsed_share()) * self._limit * share
