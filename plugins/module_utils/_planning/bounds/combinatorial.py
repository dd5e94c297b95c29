# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounds that no plan can beat: on the spread, and on the migrations that lead into the band."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from operator import mul

from ..model.problem import Group, Problem
from ..tolerances import MIGRATIONS, POINTS

CELLS = 24
ROUNDS = 80
NEVER = math.inf


def spread_lower_bound(problem: Problem) -> list[float | None]:
    """By metric, the spread that some host or guest alone forces; None where loads come from uncounted hosts.

    A host at X makes the others' mean (mean * C - X * c) / (C - c), and the emptiest is not above that.
    """
    return [
        _spread_bound(problem, index, frozenset(counted))
        for index, counted in enumerate(problem.metrics.counted)
    ]


def is_out_of_reach(problem: Problem) -> bool:
    """Whether some host or guest alone is proven to keep a metric outside the band."""
    return any(
        bound is not None and bound > limit + POINTS
        for bound, limit in zip(spread_lower_bound(problem), problem.metrics.limits, strict=True)
    )


def _spread_bound(problem: Problem, metric: int, counted: frozenset[int]) -> float | None:
    if len(counted) < 2:
        return 0.0
    if not is_closed(problem, counted):
        return None
    capacity = {host: 1.0 / problem.metrics.scale[host][metric] for host in counted}
    whole = sum(capacity.values())
    mean = problem.mean_points[metric]

    def forced(host: int, points: float) -> float:
        return max(0.0, (points - mean) * whole / (whole - capacity[host]))

    bound = max(forced(host, problem.fixed_points[host][metric]) for host in counted)
    # A rule that can't be restored leaves a guest where it is, and those of a split affinity group apart.
    masks = {
        unit: mask | 1 << home
        for unit, (mask, home) in enumerate(zip(problem.unit_mask, problem.unit_home, strict=True))
        if home >= 0
    }
    best = _emptiest(problem, metric, counted, masks.values())
    for unit, mask in masks.items():
        bound = max(
            bound,
            min(
                forced(host, problem.fixed_points[host][metric] + problem.unit_points[kind][unit][metric])
                for kind, host in best[mask].items()
            ),
        )
    return bound


def _emptiest(
    problem: Problem, metric: int, counted: frozenset[int], masks: Iterable[int]
) -> dict[int, dict[int, int]]:
    """By mask and kind of host, the host on which a guest makes the least: all of a kind have the same
    capacity.
    """
    best: dict[int, dict[int, int]] = {}
    hosts = sorted(counted, key=lambda host: (-problem.fixed_points[host][metric], host))
    for mask in set(masks):
        best[mask] = {problem.host_kind[host]: host for host in hosts if mask >> host & 1}
    return best


def is_closed(problem: Problem, counted: frozenset[int]) -> bool:
    """Whether no load can come to or leave the counted hosts, so that their mean stays."""
    outside = ((1 << len(problem.hosts)) - 1) & ~sum(1 << host for host in counted)
    return all(not mask & outside for mask in problem.unit_mask) and all(
        problem.home[guest] in counted for guests in problem.members for guest in guests
    )


def band_migrations_lower_bound(problem: Problem, *, banded: bool) -> int:
    """The least number of guests that any plan moves which restores every rule, and levels if `banded`.

    Every host above the band must lose, and every host below it must gain, at least this many guests; how
    many depends on where the band lies, in each metric on its own. Weights on hosts and metrics, found by
    letting both sides of that game answer each other, make the metrics independent; any weights give a valid
    bound.
    """
    forced = _forced(problem)
    if not banded or not problem.metrics.names:
        return sum(forced)
    tables = [_table(problem, metric, forced) for metric in range(len(problem.metrics.names))]
    if any(not table for table in tables):
        return sum(forced)
    return max(sum(forced), math.ceil(_fewest_moves_over_hosts(tables, len(problem.hosts)) - MIGRATIONS))


def _forced(problem: Problem) -> list[int]:
    """By host, how many guests rules and maintenance drive away."""
    forced = [0] * len(problem.hosts)
    driven: set[int] = set()
    for unit, home in enumerate(problem.unit_home):
        if home >= 0 and not problem.unit_mask[unit] >> home & 1:
            if problem.traits.levels_band or not problem.roles.leaving[home]:
                forced[home] += len(problem.members[unit])
            driven.update(problem.members[unit])
    for group in problem.groups:
        if group.strict and group.kind == "apart" and not driven & set(group.guests):
            driven.update(group.guests)
            for host, many in _counts(problem, group).items():
                forced[host] += many - 1
    return forced


def _counts(problem: Problem, group: Group) -> dict[int, int]:
    counts: dict[int, int] = {}
    for guest in group.guests:
        counts[problem.home[guest]] = counts.get(problem.home[guest], 0) + 1
    return counts


Row = tuple[list[float], list[float]]


def _table(problem: Problem, metric: int, forced: Sequence[int]) -> list[Row]:
    """By cell of the band's place: the least departures and arrivals of each host, wherever in the cell the
    band is.

    A higher band lets departures be fewer and arrivals more, so a cell has its departures from its upper end
    and
    its arrivals from its lower end.
    """
    limit = problem.metrics.limits[metric]
    counted = problem.metrics.counted[metric]
    points = [
        host[metric] * scale[metric]
        for host, scale in zip(problem.metrics.host, problem.metrics.scale, strict=True)
    ]
    if is_closed(problem, frozenset(counted)):
        top = problem.mean_points[metric]
        bottom = top - limit
    else:
        top, bottom = max(points[host] for host in counted), min(points[host] for host in counted) - limit
    sizes = _sizes(problem, metric)
    largest = {
        kind: list(accumulate(sorted((s * scale for host in sizes for s in host), reverse=True)))
        for kind, scale in {problem.host_kind[h]: problem.metrics.scale[h][metric] for h in counted}.items()
    }
    leaving = {
        host: list(
            accumulate(s * problem.metrics.scale[host][metric] for s in sorted(sizes[host], reverse=True))
        )
        for host in counted
    }
    edges = [bottom + (top - bottom) * cell / CELLS for cell in range(CELLS + 1)]
    rows = []
    for low, high in pairwise(edges):
        departures, arrivals = [float(many) for many in forced], [0.0] * len(forced)
        for host in counted:
            departures[host] = max(departures[host], _fewest(leaving[host], points[host] - high - limit))
            arrivals[host] = _fewest(largest[problem.host_kind[host]], low - points[host])
        if NEVER not in departures and NEVER not in arrivals:
            rows.append((departures, arrivals))
    return rows


def _sizes(problem: Problem, metric: int) -> list[list[float]]:
    """By host, the loads of the guests that may leave it."""
    sizes: list[list[float]] = [[] for _host in problem.hosts]
    for guests in problem.members:
        for guest in guests:
            sizes[problem.home[guest]].append(problem.metrics.guest[guest][metric])
    return sizes


def _fewest(sums: Sequence[float], wanted: float) -> float:
    if wanted <= POINTS:
        return 0.0
    many = bisect_left(sums, wanted - POINTS)
    return NEVER if many == len(sums) else many + 1.0


def _fewest_moves_over_hosts(tables: Sequence[Sequence[Row]], hosts: int) -> float:
    """Fictitious play: the band goes where the weights so far make it cheapest, the weights go where it
    hurts."""
    metrics = len(tables)
    weights = [[[1.0 / metrics] * hosts for _table in tables] for _side in range(2)]
    share, best = 0.5, 0.0
    for turn in range(ROUNDS):
        cells, value = [], 0.0
        for metric, rows in enumerate(tables):
            costs = [
                share * _dot(weights[0][metric], row[0]) + (1.0 - share) * _dot(weights[1][metric], row[1])
                for row in rows
            ]
            value += min(costs)
            cells.append(rows[costs.index(min(costs))])
        best = max(best, value)
        step = 1.0 / (turn + 2)
        totals = []
        for side in range(2):
            most = [max(cell[side][host] for cell in cells) for host in range(hosts)]
            totals.append(sum(most))
            for host in range(hosts):
                winners = [metric for metric in range(metrics) if cells[metric][side][host] == most[host]]
                for metric in range(metrics):
                    old = weights[side][metric][host]
                    new = 1.0 / len(winners) if metric in winners else 0.0
                    weights[side][metric][host] = old + step * (new - old)
        share += step * ((1.0 if totals[0] >= totals[1] else 0.0) - share)
    return best


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return float(sum(map(mul, left, right)))
