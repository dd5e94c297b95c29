# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The goals by their names in a policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .goals.consolidate import Consolidate
from .goals.evacuate import Evacuate
from .goals.goal import Goal
from .goals.relieve import Relieve
from .goals.rules import Rules
from .goals.spread import Spread
from .model.problem import Problem

GOALS: Final[Mapping[str, Goal]] = {
    "spread": Spread(),
    "relieve": Relieve(),
    "rules": Rules(),
    "evacuate": Evacuate(),
    "consolidate": Consolidate(),
}


def goal_of(problem: Problem) -> Goal:
    """Returns the goal of the problem's policy."""
    return GOALS[problem.policy.goal]
