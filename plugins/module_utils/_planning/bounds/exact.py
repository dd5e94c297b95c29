# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Engine exact: proves that nothing better is left, or finds it, for clusters small enough to be closed."""

from __future__ import annotations

import inspect
import json
import math
import os
import subprocess
import sys
from typing import Any

from ..errors import PlanningError
from ..model.solution import Solution, best_floor
from ..model.stopping import StoppingCriterion
from ..tolerances import MIGRATIONS, POINTS
from . import highs_worker
from .assignment_milp import AssignmentModel
from .departures_relaxation import DeparturesModel

# With more columns the program has no end; what the departures prove is all there is to have.
MAX_BINARIES = 20_000


def prove_or_improve(state: Solution, budget: int | None, stop: StoppingCriterion) -> tuple[int | None, bool]:
    """Bring a placement to the proven optimum, or as near as the time allows; one outside the band to one
    inside, or to the proof that there is none.

    budget: how many guests may move; None for any number. stop: the share of the time limit that is over; of
    what is left then the departures have half, and the whole program what they leave.

    Returns the fewest migrations that any placement inside the band has, None where nothing is proven; and
    whether it is proven that there is no such placement. Raises PlanningError when the solver is not
    installed or fails.
    """
    if state.broken or state.misplaced or state.forbidden:
        return None, False
    inside = state.total_excess <= POINTS
    least = _departures(state, stop.seconds_left(0.5))
    if least is None:
        return None, budget is None
    if inside and least >= state.moves:
        return state.moves, False
    most = None if budget is None else budget + 1
    program = AssignmentModel(state, state.moves if inside else most, least)
    if len(program.cost) > MAX_BINARIES and inside:
        return least, False
    answer = _run(program.model(stop.seconds_left()))
    if answer["status"] == "infeasible":
        # Nothing has fewer migrations; or nothing at all is inside the band.
        return (state.moves, False) if inside else (None, budget is None)
    least = max(least, _whole(answer["bound"]))
    proven = min(least, state.moves) if inside else least
    if answer["values"]:
        _take_over(state, program.places(answer["values"]), inside=inside)
    return proven, False


def _departures(state: Solution, seconds: float | None) -> int | None:
    """The fewest departures that bring every metric into its band; None if that is impossible."""
    problem = state.problem
    if not problem.traits.levels_band or min(problem.unit_home, default=0) < 0:
        return 0
    answer = _run(DeparturesModel(state).model(seconds))
    return None if answer["status"] == "infeasible" else _whole(answer["bound"])


def _whole(bound: float) -> int:
    return max(0, math.ceil(bound - MIGRATIONS)) if math.isfinite(bound) else 0


def _run(model: dict[str, Any]) -> dict[str, Any]:
    source = inspect.getsource(highs_worker)
    done = subprocess.run(
        [sys.executable, "-c", source, str(os.getpid())],
        input=json.dumps(model),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PlanningError(
            f"the solver ended with status {done.returncode}: {done.stderr.strip().splitlines()[-1:]}",
            where="policy.engine",
            hint="Use engine: search",
        )
    result: dict[str, Any] = json.loads(done.stdout)
    if result["status"] == "missing":
        raise PlanningError(
            "engine exact needs the Python library highspy, which is not installed",
            where="policy.engine",
            hint=f"Run {sys.executable} -m pip install highspy, or use engine: search",
        )
    return result


def _take_over(state: Solution, places: dict[int, int], *, inside: bool) -> None:
    """Move the units to where the solution has them, if that is better by the state's own account."""
    before, floor = list(state.where), state.low
    moves, wishes = state.moves, state.soft_cost
    for unit, host in places.items():
        if state.where[unit] != host:
            state.relocate(unit, host)
    if state.problem.traits.levels_band:
        state.set_band(best_floor(state))
    worse = state.total_excess > POINTS or state.broken or state.misplaced or state.over_ceiling()
    if inside:
        worse = worse or state.soft_cost > wishes + POINTS or state.moves >= moves
    if worse:
        state.restore(before)
        state.set_band(floor)
