# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one plan may cost: time, and placements that are looked at one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..._model.policy.policy import Policy

# Placements for each step of effort; with the default effort they take less than a second.
LOOKED_AT: Final = 5000


class Spending:
    """Calling it returns the share of the time limit that is over, 0 where there is none.

    looks: placements that may still be looked at for fewer migrations or bytes, however often the planner
    begins anew.
    """

    def __init__(self, policy: Policy, clock: Callable[[], float]) -> None:
        self._clock, self._limit = clock, policy.time_limit
        self._started = clock()
        self.looks = LOOKED_AT * policy.effort

    def __call__(self) -> float:
        if self._limit is None:
            return 0.0
        return (self._clock() - self._started) / self._limit if self._limit else 1.0
