# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which figures the goals relieve and consolidate take a host for overloaded, underused or empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..._model.policy.goals import Consolidation, Relief
from ..errors import PlanningError
from ..tolerances import POINTS
from .problem import Problem, Vector
from .solution import Solution

NO_THRESHOLD: Final = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialRelief(Relief):
    """The same thresholds, but hosts of these ids are left as they are for now."""

    waiting: frozenset[str]


def relief_of(problem: Problem) -> Relief:
    """The policy's thresholds. Raises PlanningError where it has none."""
    if problem.policy.relieve is None:
        raise PlanningError("goal: relieve requires at least one threshold", where="policy.relieve")
    return problem.policy.relieve


def overloads(problem: Problem) -> Vector:
    """By metric, the percentage above which a host is overloaded; infinite where there is none."""
    percents = relief_of(problem).overload.percents()
    return tuple(percents.get(name, NO_THRESHOLD) for name in problem.metrics.names)


def ceilings(problem: Problem) -> Vector:
    """By metric, what overloaded hosts come down to, and below which hosts receive."""
    percents = relief_of(problem).ceilings()
    return tuple(percents.get(name, NO_THRESHOLD) for name in problem.metrics.names)


def overloaded(problem: Problem, points: Sequence[Sequence[float]]) -> dict[int, tuple[int, ...]]:
    """By host that is above a threshold, the metrics in which it is. Hosts that may give nothing are not
    counted, nor those that are to be emptied anyway, or that are left as they are for now.
    """
    tops, relief = overloads(problem), relief_of(problem)
    waiting = relief.waiting if isinstance(relief, PartialRelief) else ()
    found = {}
    for host, values in enumerate(points):
        if problem.hosts[host].id in waiting:
            continue
        if not problem.roles.releases[host] or problem.roles.leaving[host]:
            continue
        over = tuple(
            index
            for index, (value, top) in enumerate(zip(values, tops, strict=True))
            if problem.metrics.scale[host][index] and value > top + POINTS
        )
        if over:
            found[host] = over
    return found


def points_before(problem: Problem) -> list[Vector]:
    """By host and metric, percent in use as the snapshot has it."""
    return [
        tuple(a * b for a, b in zip(load, scale, strict=True))
        for load, scale in zip(problem.metrics.host, problem.metrics.scale, strict=True)
    ]


def consolidation_of(problem: Problem) -> Consolidation:
    return problem.policy.consolidate or Consolidation()


def running_by_host(problem: Problem, places: Sequence[int]) -> list[int]:
    """The number of guests by host that keep it from being empty."""
    counts = [0] * len(problem.hosts)
    for guest, place in enumerate(places):
        counts[place] += problem.occupies[guest]
    return counts


def may_be_emptied(problem: Problem) -> list[int]:
    """Hosts that run guests, all of which may move, and that no policy or maintenance speaks of. A host that
    takes no guests is never chosen, but a rule may empty it.
    """
    stuck = {
        home
        for guest, home in enumerate(problem.home)
        if problem.occupies[guest] and problem.stays[guest] is not None
    }
    chosen, leaving = problem.hosts_to_empty, problem.roles.leaving
    return [
        host
        for host, guests in enumerate(running_by_host(problem, problem.home))
        if guests and host not in stuck and (host in chosen or not leaving[host])
    ]


def is_underused(state: Solution, host: int) -> bool:
    """Whether the host is below what the policy calls worth emptying, in every metric that it reports."""
    below = consolidation_of(state.problem).below
    scale = state.problem.metrics.scale[host]
    return below is None or all(
        points < below for points, factor in zip(state.points[host], scale, strict=True) if factor
    )
