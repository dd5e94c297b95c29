# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Engine exact: the fewest migrations as an integer program, for clusters small enough to be closed.

Private to the collection.
"""

from __future__ import annotations

import inspect
import json
import math
import subprocess
import sys
from typing import Any

from . import exact_worker
from .anneal import SETTLED
from .band import best_floor
from .errors import PlanningError
from .state import State

# The solver keeps rows to its own tolerance; the band is asked for narrower, so that the result is in it.
MARGIN = 1e-6


def refine(state: State) -> None:
    """Bring a placement that lacks nothing to the proven optimum, or as near as the time limit allows.

    Sets the state's `proven` bound. Raises PlanningError when the solver is not installed or fails.
    """
    problem = state.problem
    if state.total_excess > SETTLED or state.broken or state.misplaced or state.forbidden:
        return
    program = _Program(state)
    answer = _run(program.model(problem.policy.time_limit))
    if answer["status"] == "missing":
        raise PlanningError(
            "engine exact needs the Python library highspy, which is not installed",
            where="policy.engine",
            hint="Install it (pip install highspy), or use engine: search",
        )
    if answer["status"] == "infeasible" or not math.isfinite(answer["bound"]):
        return
    state.proven = max(0, math.ceil(answer["bound"] - 1e-6))
    if answer["values"]:
        program.take_over(answer["values"])


def _run(model: dict[str, Any]) -> dict[str, Any]:
    source = inspect.getsource(exact_worker)
    done = subprocess.run(
        [sys.executable, "-c", source], input=json.dumps(model), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise PlanningError(
            f"the solver ended with status {done.returncode}: {done.stderr.strip().splitlines()[-1:]}",
            where="policy.engine",
            hint="Use engine: search",
        )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


class _Program:
    """One binary for each unit and each host that it may be on; a band whose place is free."""

    def __init__(self, state: State) -> None:
        self.state, self.problem = state, state.problem
        self.columns: dict[tuple[int, int], int] = {}
        self.cost: list[float] = []
        self.upper: list[float] = []
        self.lower: list[float] = []
        self.integer: list[bool] = []
        self.rows: list[list[Any]] = []
        self.floors: dict[int, int] = {}
        self.bands: dict[int, int] = {}
        for unit in range(len(self.problem.members)):
            self._place(unit)
        self._keep_needs()
        self._keep_groups()
        if self.problem.policy.goal == "spread":
            self._keep_band()

    def model(self, seconds: float | None) -> dict[str, Any]:
        return {
            "cost": self.cost,
            "lower": self.lower,
            "upper": self.upper,
            "integer": self.integer,
            "rows": self.rows,
            "start": self.start(),
            "seconds": seconds,
        }

    def start(self) -> list[float]:
        """The placement that the search has found, as a solution."""
        values = [0.0] * len(self.cost)
        for unit, host in enumerate(self.state.where):
            values[self.columns[unit, host]] = 1.0
        for number, column in self.floors.items():
            counts = self.state.counts[number]
            values[column] = float(min(counts.at.get(host, 0) for host in counts.group.domain))
        for metric, column in self.bands.items():
            counted = self.problem.metrics.counted[metric]
            values[column] = min(self.state.points[host][metric] for host in counted)
        return values

    def take_over(self, values: list[float]) -> None:
        """Move the units to where the solution has them, if that is better by the state's own account."""
        state = self.state
        before = list(state.where)
        moves, bytes_, wishes = state.moves, state.bytes, state.soft_cost
        chosen = {unit: host for (unit, host), column in self.columns.items() if values[column] > 0.5}
        for unit, host in chosen.items():
            if state.where[unit] != host:
                state.move(unit, host)
        if self.problem.policy.goal == "spread":
            state.set_band(best_floor(state))
        worse = state.total_excess > SETTLED or state.broken or state.misplaced or state.over_ceiling()
        worse = worse or state.soft_cost > wishes + SETTLED
        if worse or (state.moves, state.bytes) >= (moves, bytes_):
            for unit, host in enumerate(before):
                if state.where[unit] != host:
                    state.move(unit, host)

    def _column(self, cost: float, lower: float, upper: float, *, integer: bool) -> int:
        self.cost.append(cost)
        self.lower.append(lower)
        self.upper.append(upper)
        self.integer.append(integer)
        return len(self.cost) - 1

    def _place(self, unit: int) -> None:
        problem = self.problem
        columns = []
        for host in range(len(problem.hosts)):
            if problem.unit_mask[unit] >> host & 1:
                cost = float(self.state.guests_moved(unit, host))
                columns.append(self._column(cost, 0.0, 1.0, integer=True))
                self.columns[unit, host] = columns[-1]
        self.rows.append([1.0, 1.0, columns, [1.0] * len(columns)])

    def _keep_needs(self) -> None:
        """The higher ceiling everywhere if any guest has to leave its host: a wider program, so a valid
        bound.
        """
        problem = self.problem
        forced = any(self.state.must_move(unit) for unit in range(len(problem.members)))
        for host in range(len(problem.hosts)):
            for need, fixed in enumerate(problem.fixed_need[host]):
                ceiling = problem.needs.ceiling[host][need]
                columns, values = [], []
                for (unit, where), column in self.columns.items():
                    if where == host and problem.unit_need[unit][need]:
                        columns.append(column)
                        values.append(problem.unit_need[unit][need] / max(ceiling, 1e-12))
                if columns:
                    top = problem.needs.ceiling_for_rules[host][need] if forced else ceiling
                    self.rows.append([None, (top - fixed) / max(ceiling, 1e-12), columns, values])

    def _keep_groups(self) -> None:
        problem = self.problem
        members: dict[int, list[tuple[int, int]]] = {}
        for unit, groups in enumerate(problem.unit_groups):
            for number, many in groups:
                members.setdefault(number, []).append((unit, many))
        for number, units in members.items():
            group, fixed = problem.groups[number], problem.fixed_groups[number]
            if not group.strict:
                continue
            hosts = range(len(problem.hosts)) if group.kind == "apart" else sorted(group.domain)
            floor = -1
            if group.kind == "even":
                floor = self.floors[number] = self._column(0.0, 0.0, len(group.guests), integer=True)
            for host in hosts:
                pairs = [
                    (self.columns[unit, host], float(many))
                    for unit, many in units
                    if (unit, host) in self.columns
                ]
                columns, values = [column for column, _many in pairs], [many for _column, many in pairs]
                here = float(fixed.get(host, 0))
                if group.kind == "apart":
                    self.rows.append([None, max(1.0, here) - here, columns, values])
                else:
                    self.rows.append([-here, group.skew - here, [*columns, floor], [*values, -1.0]])

    def _keep_band(self) -> None:
        problem = self.problem
        for metric, counted in enumerate(problem.metrics.counted):
            limit = problem.metrics.limits[metric]
            floor = self.bands[metric] = self._column(0.0, -1000.0, 1000.0, integer=False)
            for host in counted:
                points = problem.unit_points[problem.host_kind[host]]
                pairs = [
                    (column, points[unit][metric])
                    for (unit, where), column in self.columns.items()
                    if where == host and points[unit][metric]
                ]
                fixed = problem.fixed_points[host][metric]
                self.rows.append(
                    [
                        -fixed,
                        max(0.0, limit - MARGIN) - fixed,
                        [*(column for column, _value in pairs), floor],
                        [*(value for _column, value in pairs), -1.0],
                    ]
                )
