# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How few migrations could ever do: bounds that hold for every legal plan. Private to the collection."""

from __future__ import annotations

from .problem import Problem


def migrations_bound(problem: Problem) -> int:
    """Guests that can't stay where they are, whatever else is moved."""
    forced = 0
    for unit, home in enumerate(problem.unit_home):
        misplaced = home >= 0 and not problem.unit_mask[unit] >> home & 1
        if misplaced and (problem.policy.goal == "spread" or not problem.roles.leaving[home]):
            forced += len(problem.members[unit])
    return forced
