# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the band lies that all hosts shall be in: as wide as the limit, placed where least is outside."""

from __future__ import annotations

from collections.abc import Sequence

from .solution import Solution


def best_floor(state: Solution) -> list[float]:
    """By metric, the lower edge of the band that leaves the fewest points outside.

    The mean over the hosts, weighted by capacity, does not change when guests move, so the band must contain
    it.
    """
    metrics = state.problem.metrics
    return [
        _floor(
            [state.points[host][index] for host in counted],
            [1.0 / metrics.scale[host][index] for host in counted],
            limit,
        )
        for index, (counted, limit) in enumerate(zip(metrics.counted, metrics.limits, strict=True))
    ]


def _floor(points: Sequence[float], capacity: Sequence[float], limit: float) -> float:
    most, least = max(points), min(points)
    if most - least <= limit:
        return (most + least - limit) / 2
    mean = sum(p * c for p, c in zip(points, capacity, strict=True)) / sum(capacity)

    def outside(floor: float) -> float:
        return sum(max(0.0, p - floor - limit) + max(0.0, floor - p) for p in points)

    # The sum is convex and piecewise linear with its corners at p and p - limit.
    corners = {mean - limit, mean} | {c for p in points for c in (p, p - limit) if mean - limit < c < mean}
    return min(sorted(corners), key=outside)
