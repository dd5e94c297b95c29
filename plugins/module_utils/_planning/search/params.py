# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers that steer the search, found by trying them on generated clusters of 4 to 100 hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolingSchedule:
    """The cooling of the search, in migrations. yields: by how much a point outside the band gains or loses
    weight each time that the search looks whether it is outside or inside; so it walks along the edge of what
    is legal. free: migrations cost nothing and temperatures are points: for a band that can't be reached,
    only approached. look_every: steps between two looks.
    """

    hot: float = 0.3
    cold: float = 0.08
    weight: float = 1.0
    yields: float = 1.03
    look_every: int = 50
    free: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalMix:
    """The frequency of each kind of proposal, as thresholds of one random number from 0 to 1. Above
    `homeless` a unit without a way home changes its target, if there is one. Of the units away from home, one
    returns below `returns`; below `replaces` another departs in its place; below `relocates` it changes its
    target; else two swap their targets. `departs`: where one more unit departs instead; see each annealer.
    """

    returns: float
    replaces: float
    relocates: float
    departs: float
    homeless: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedCountSchedule:
    """hot, warm, cold: temperatures, as a part of the points that the average guest has in the metric where
    it takes the most: at the beginning, after one migration more was granted, and at the end of a round.
    round_steps, longest_round: steps a guest of the first and of the longest round; one that leads nowhere is
    followed by one `longer` times as long. improvement: the first round asks for this part less than what
    there is. candidates: of how many migrations the least useful is looked for; in a large cluster the least
    of some is as good. look_every: as in CoolingSchedule.
    """

    hot: float = 0.2
    warm: float = 0.05
    cold: float = 0.003
    round_steps: int = 200
    longer: float = 1.5
    longest_round: int = 1500
    improvement: float = 0.1
    candidates: int = 60
    look_every: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchParams:
    """min_steps, max_steps: steps of annealing for each effort; one for each unit, within these.
    steps_per_placement: no more than these for each placement that there is. priced_steps: steps for each
    unit that pay for each migration; further ones have a fixed number of migrations. attempts: other places
    for the band that are tried where the nearest one leads nowhere, fewer of them in large clusters
    (attempted_units divided by the units), which have enough guests to fill any gap, and in tiny ones
    (attempts_per_unit), of which few attempts see all placements; attempt_steps, attempt_steps_per_unit:
    steps of each.

    priced, fixed_count, deviation: the proposals of the three annealers. lightest, heaviest: the weights that
    a point outside the band may have; from the part `closing` of the search on, none loses weight.
    less_deviation: temperatures in what each migration of the budget gains on average when the search begins.
    repair_tries, repair_candidates: insertions tried, and guests considered, for one broken rule or host.
    """

    min_steps: int = 1500
    max_steps: int = 4000
    steps_per_placement: int = 200
    priced_steps: int = 100
    attempts: int = 48
    attempted_units: int = 20_000
    attempts_per_unit: float = 0.6
    attempt_steps: int = 2000
    attempt_steps_per_unit: int = 24
    fewer_migrations: CoolingSchedule = CoolingSchedule()
    fewer_bytes: CoolingSchedule = CoolingSchedule(hot=0.2, cold=0.01)
    less_excess: CoolingSchedule = CoolingSchedule(hot=5.0, cold=0.05, free=True)
    quick_less_excess: CoolingSchedule = CoolingSchedule(hot=0.5, cold=0.01, free=True)
    less_deviation: CoolingSchedule = CoolingSchedule(hot=12.0, cold=0.1, look_every=250, free=True)
    fixed_rounds: FixedCountSchedule = FixedCountSchedule()
    lightest: float = 0.05
    heaviest: float = 50.0
    closing: float = 0.8
    repair_tries: int = 120
    repair_candidates: int = 24
    # One more departs from 0.72 on.
    priced: ProposalMix = ProposalMix(returns=0.18, replaces=0.48, relocates=0.60, departs=0.72)
    # One more departs below 0.5, while fewer are away than may be.
    fixed_count: ProposalMix = ProposalMix(returns=0.005, replaces=0.45, relocates=0.75, departs=0.5)
    # One more departs above 0.75, while fewer are away than may be.
    deviation: ProposalMix = ProposalMix(returns=0.02, replaces=0.5, relocates=0.6, departs=0.75)


PARAMS: Final = SearchParams()
