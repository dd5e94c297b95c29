# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From where every guest is to where it shall be. Private to the collection."""

from __future__ import annotations

from .band import best_floor
from .level import level, trim
from .mend import mend
from .problem import Problem
from .state import State

UNLIMITED = 1 << 60


def solve(problem: Problem) -> State:
    """The best placement found: rules mended, then every metric inside its band, with few migrations."""
    policy = problem.policy
    budget = UNLIMITED if policy.max_migrations is None else policy.max_migrations
    state = State(problem)
    levels = policy.goal == "spread" and problem.metrics.names and any(problem.roles.receives)
    if levels:
        state.set_band(best_floor(state))
    mend(state, budget=budget, empty_hosts=policy.goal == "spread")
    if levels:
        state.set_band(best_floor(state))
        level(state, budget, steps=4 * len(problem.members) + 100)
        while trim(state):
            pass
    return state
