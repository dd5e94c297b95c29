# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The least departures, as an integer program: a bound on the migrations that is near and quickly found."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from ..model.solution import Solution
from ..tolerances import POINTS
from .assignment_milp import Columns, floor_range
from .combinatorial import is_closed

# Arrivals on a host up to which their load is bounded by the largest guests, one by one; beyond, by the last.
ARRIVALS = 6


class DeparturesModel(Columns):
    """A binary for each unit that leaves home; what arrives is a fluid, drawn from all that leaves.

    To each host comes a whole number of units, as many in all as leave, and no more load with them than so
    many of the largest units have: in each metric, in each two together, and in all. Rules count only where
    they drive a unit away. Every plan is a solution, so the least cost is a bound for every plan.

    Only for states in which every unit has a home (`State.problem.unit_home`).
    """

    def __init__(self, state: Solution) -> None:
        super().__init__()
        self.state, self.problem = state, state.problem
        problem = self.problem
        self.leaves = [self._leave(unit) for unit in range(len(problem.members))]
        self.arrivals = [self.column(0.0, 0.0, None, integer=True) for _host in problem.hosts]
        self.rows.append(
            [
                0.0,
                0.0,
                [*self.arrivals, *self.leaves],
                [1.0] * len(self.arrivals) + [-1.0] * len(self.leaves),
            ]
        )
        self.inflow: list[dict[int, int]] = [{} for _host in problem.hosts]
        for metric, counted in enumerate(problem.metrics.counted):
            if counted:
                self._keep_band(metric, counted)
        self.sums: dict[tuple[int, tuple[int, ...]], list[float]] = {}
        for host in range(len(problem.hosts)):
            self._bound_arrivals(host)

    def model(self, seconds: float | None) -> dict[str, Any]:
        # The bound is all that is wanted; who leaves in the best solution is of no use.
        return {**super().model(seconds), "heuristics": False}

    def _leave(self, unit: int) -> int:
        home, mask = self.problem.unit_home[unit], self.problem.unit_mask[unit]
        must = 0.0 if mask >> home & 1 else 1.0
        may = 1.0 if mask & ~(1 << home) else must
        return self.column(float(len(self.problem.members[unit])), must, may, integer=True)

    def _keep_band(self, metric: int, counted: tuple[int, ...]) -> None:
        problem = self.problem
        limit = problem.metrics.limits[metric] + POINTS
        closed = is_closed(problem, frozenset(counted))
        floor = self.column(0.0, *floor_range(problem, metric, POINTS), integer=False)
        at_home: dict[int, list[int]] = {host: [] for host in counted}
        for unit, home in enumerate(problem.unit_home):
            if home in at_home:
                at_home[home].append(unit)
        for host in counted:
            self.inflow[host][metric] = arrives = self.column(0.0, 0.0, None, integer=False)
            points = problem.unit_points[problem.host_kind[host]]
            units = at_home[host]
            now = problem.fixed_points[host][metric] + sum(points[unit][metric] for unit in units)
            self.rows.append(
                [
                    -now,
                    limit - now,
                    [*(self.leaves[unit] for unit in units), arrives, floor],
                    [*(-points[unit][metric] for unit in units), 1.0, -1.0],
                ]
            )
        points = problem.unit_points[problem.host_kind[counted[0]]]
        scales = [problem.metrics.scale[host][metric] for host in counted]
        loads = [vector[metric] for vector in points]
        columns = [*(self.inflow[host][metric] for host in counted), *self.leaves]
        shares = [*(scales[0] / scale for scale in scales), *(-load for load in loads)]
        # Where there are other hosts, some of what leaves may go there.
        self.rows.append([0.0 if closed else None, 0.0, columns, shares])

    def _bound_arrivals(self, host: int) -> None:
        here = tuple(sorted(self.inflow[host]))
        together = {here, *((metric,) for metric in here), *combinations(here, 2)} - {()}
        for metrics in sorted(together):
            columns = [*(self.inflow[host][metric] for metric in metrics), self.arrivals[host]]
            total = 0.0
            for many, largest in enumerate(self._largest(self.problem.host_kind[host], metrics)):
                # The sum of the largest is concave, so each of its chords bounds it everywhere.
                row = [1.0] * len(metrics) + [-largest]
                self.rows.append([None, total - largest * many, columns, row])
                total += largest

    def _largest(self, kind: int, metrics: tuple[int, ...]) -> list[float]:
        """The points of the largest units in these metrics together, from the largest down."""
        if (kind, metrics) not in self.sums:
            points = self.problem.unit_points[kind]
            sums = sorted((sum(vector[metric] for metric in metrics) for vector in points), reverse=True)
            self.sums[kind, metrics] = sums[:ARRIVALS]
        return self.sums[kind, metrics]
