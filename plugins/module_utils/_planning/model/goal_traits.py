# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The traits of each goal that the stages of planning depend on, so that none of them names a goal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..._model.policy.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalTraits:
    """levels_band: every metric is to be inside its band. relieves: hosts above a threshold are relieved.
    counts_spread: a smaller spread is better. empties_maintenance: guests have to leave hosts in maintenance.
    allows_maintenance: a rule may count on guests that stay there. names_hosts: the policy names hosts to
    empty, and wants nothing else. chooses_hosts: the planner chooses hosts to empty. counts_closed_hosts:
    hosts that receive no guests are judged by their load, too. proves: engine exact, and the search through
    all placements of a small cluster, support it.
    """

    levels_band: bool = False
    relieves: bool = False
    counts_spread: bool = False
    empties_maintenance: bool = False
    allows_maintenance: bool = False
    names_hosts: bool = False
    chooses_hosts: bool = False
    counts_closed_hosts: bool = False
    proves: bool = False


TRAITS: Final[Mapping[str, GoalTraits]] = {
    "spread": GoalTraits(levels_band=True, counts_spread=True, empties_maintenance=True, proves=True),
    "relieve": GoalTraits(relieves=True, counts_closed_hosts=True),
    "rules": GoalTraits(counts_spread=True, allows_maintenance=True, proves=True),
    "evacuate": GoalTraits(counts_spread=True, empties_maintenance=True, names_hosts=True),
    "consolidate": GoalTraits(empties_maintenance=True, chooses_hosts=True),
    "storage": GoalTraits(allows_maintenance=True),
}


def traits_of(policy: Policy) -> GoalTraits:
    """Returns the traits of the policy's goal."""
    return TRAITS[policy.goal]
