# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fewest migrations as an integer program over guests and hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model.problem import Problem
from ..model.solution import Solution
from ..tolerances import COST, PROGRAM_POINTS
from .combinatorial import is_closed

Row = list[Any]


def floor_range(problem: Problem, metric: int, slack: float) -> tuple[float, float]:
    """Where the band of a metric may begin, in points, for any placement that is inside of it."""
    counted, limit = problem.metrics.counted[metric], problem.metrics.limits[metric]
    if is_closed(problem, frozenset(counted)):
        # The mean of all hosts is inside every band, and no migration among them changes it.
        mean = problem.mean_points[metric]
        return mean - limit - slack, mean + slack
    most = max(
        problem.fixed_points[host][metric]
        + sum(vector[metric] for vector in problem.unit_points[problem.host_kind[host]])
        for host in counted
    )
    least = min(problem.fixed_points[host][metric] for host in counted)
    return least - limit - slack, most + slack


class Columns:
    """An integer program that is being written: columns with their cost and bounds, and rows over them."""

    def __init__(self) -> None:
        self.cost: list[float] = []
        self.lower: list[float] = []
        self.upper: list[float | None] = []
        self.integer: list[bool] = []
        self.rows: list[Row] = []

    def column(self, cost: float, lower: float, upper: float | None, *, integer: bool) -> int:
        """upper: None for no bound."""
        self.cost.append(cost)
        self.lower.append(lower)
        self.upper.append(upper)
        self.integer.append(integer)
        return len(self.cost) - 1

    def model(self, seconds: float | None) -> dict[str, Any]:
        """As `highs_worker.solve` reads it."""
        return {
            "cost": self.cost,
            "lower": self.lower,
            "upper": self.upper,
            "integer": self.integer,
            "rows": self.rows,
            "seconds": seconds,
        }


class AssignmentModel(Columns):
    """A binary for each unit and each other host that it may go to, and one for its leaving home.

    Everything is written as the change against home: most units stay, so most rows are short where it counts,
    and the solver's relaxation is tight. The place of each metric's band is free. Rules that are wishes are
    not in it. fewer_than: only placements with fewer migrations than this are of interest; None for any.
    least: what is proven already.
    """

    def __init__(self, state: Solution, fewer_than: int | None, least: int = 0) -> None:
        super().__init__()
        self.state, self.problem, self.fewer_than = state, state.problem, fewer_than
        self.arrives: dict[tuple[int, int], int] = {}
        self.leaves: dict[int, int] = {}
        self.arrivals: list[list[tuple[int, int]]] = [[] for _host in self.problem.hosts]
        self.departures: list[list[tuple[int, int]]] = [[] for _host in self.problem.hosts]
        for unit in range(len(self.problem.members)):
            self._place(unit)
        if fewer_than is not None:
            columns = [column for column, cost in enumerate(self.cost) if cost]
            costs = [self.cost[column] for column in columns]
            self.rows.append([float(least), fewer_than - 1.0, columns, costs])
        self._keep_needs()
        self._keep_groups()
        if self.problem.traits.levels_band:
            self._keep_band()

    def model(self, seconds: float | None) -> dict[str, Any]:
        # A better solution than the search's mostly does not exist; looking for one delays the proof.
        return {**super().model(seconds), "heuristics": self.fewer_than is None}

    def places(self, values: list[float]) -> dict[int, int]:
        """By unit, the host that a solution has it on."""
        places = {unit: self.problem.unit_home[unit] for unit in self.leaves}
        places.update({unit: host for (unit, host), column in self.arrives.items() if values[column] > 0.5})
        return places

    def _place(self, unit: int) -> None:
        problem = self.problem
        home, mask = problem.unit_home[unit], problem.unit_mask[unit]
        columns = []
        for host in range(len(problem.hosts)):
            if host != home and mask >> host & 1:
                # Guests that are not together have no home as one; what moves depends on where they meet.
                cost = 0.0 if home >= 0 else float(self.state.guests_moved(unit, host))
                columns.append(self.column(cost, 0.0, 1.0, integer=True))
                self.arrives[unit, host] = columns[-1]
                self.arrivals[host].append((unit, columns[-1]))
        if home < 0:
            self.rows.append([1.0, 1.0, columns, [1.0] * len(columns)])
            return
        must = 0.0 if mask >> home & 1 else 1.0
        leaves = self.column(float(len(problem.members[unit])), must, 1.0, integer=True)
        self.leaves[unit] = leaves
        self.departures[home].append((unit, leaves))
        self.rows.append([0.0, 0.0, [*columns, leaves], [1.0] * len(columns) + [-1.0]])

    def _row(
        self, least: float | None, most: float, host: int, amounts: Mapping[int, float], floor: int = -1
    ) -> None:
        """least <= what comes to the host - what leaves it - the floor <= most."""
        columns, values = [], []
        for pairs, sign in ((self.arrivals[host], 1.0), (self.departures[host], -1.0)):
            for unit, column in pairs:
                amount = amounts.get(unit, 0.0)
                if amount:
                    columns.append(column)
                    values.append(sign * amount)
        if floor >= 0:
            columns.append(floor)
            values.append(-1.0)
        if columns:
            self.rows.append([least, most, columns, values])

    def _at_home(self, host: int, amounts: Mapping[int, float]) -> float:
        return sum(amounts.get(unit, 0.0) for unit, _column in self.departures[host])

    def _keep_needs(self) -> None:
        """The higher ceiling everywhere if any guest has to leave its host: a wider program, so a valid
        bound. A host above it may stay there if nothing comes.
        """
        problem = self.problem
        forced = any(self.state.must_move(unit) for unit in range(len(problem.members)))
        largest = [max(column) for column in zip(*problem.unit_need, strict=True)] or [0.0] * len(
            problem.needs.resources
        )
        for need in range(len(problem.needs.resources)):
            for host, fixed in enumerate(problem.fixed_need):
                ceiling = problem.needs.ceiling[host][need]
                top = problem.needs.ceiling_for_rules[host][need] if forced else ceiling
                # In shares of what is there, or of the largest guest where nothing is: a solver refuses
                # figures of many sizes.
                unit = max(ceiling, problem.needs.used[host][need], largest[need], COST)
                amounts = {u: vector[need] / unit for u, vector in enumerate(problem.unit_need)}
                free = (top - fixed[need]) / unit - self._at_home(host, amounts)
                if free >= 0:
                    self._row(None, free, host, amounts)
                else:
                    self._come_down(host, amounts, free)

    def _come_down(self, host: int, amounts: Mapping[int, float], free: float) -> None:
        """Nothing comes, or so much leaves that the host gets below its ceiling."""
        comes = [column for unit, column in self.arrivals[host] if amounts.get(unit)]
        if not comes:
            return
        taking = self.column(0.0, 0.0, 1.0, integer=True)
        self.rows.extend([None, 0.0, [column, taking], [1.0, -1.0]] for column in comes)
        columns, values = [taking], [-free]
        for pairs, sign in ((self.arrivals[host], 1.0), (self.departures[host], -1.0)):
            for unit, column in pairs:
                if amounts.get(unit):
                    columns.append(column)
                    values.append(sign * amounts[unit])
        self.rows.append([None, 0.0, columns, values])

    def _keep_groups(self) -> None:
        problem = self.problem
        members: dict[int, dict[int, float]] = {}
        for unit, groups in enumerate(problem.unit_groups):
            for number, many in groups:
                members.setdefault(number, {})[unit] = float(many)
        for number, amounts in members.items():
            group, fixed = problem.groups[number], problem.fixed_groups[number]
            if not group.strict:
                continue
            if group.kind == "apart":
                for host in range(len(problem.hosts)):
                    stay = float(fixed.get(host, 0))
                    most = max(1.0, stay) - stay - self._at_home(host, amounts)
                    self._row(None, most, host, amounts)
                continue
            floor = self.column(0.0, 0.0, len(group.guests), integer=True)
            for host in sorted(group.domain):
                here = float(fixed.get(host, 0)) + self._at_home(host, amounts)
                self._row(-here, group.skew - here, host, amounts, floor)

    def _keep_band(self) -> None:
        problem = self.problem
        for metric, counted in enumerate(problem.metrics.counted):
            limit = problem.metrics.limits[metric] + PROGRAM_POINTS
            floor = self.column(0.0, *floor_range(problem, metric, PROGRAM_POINTS), integer=False)
            for host in counted:
                points = problem.unit_points[problem.host_kind[host]]
                amounts = {unit: vector[metric] for unit, vector in enumerate(points)}
                now = problem.fixed_points[host][metric] + self._at_home(host, amounts)
                self._row(-now, limit - now, host, amounts, floor)
