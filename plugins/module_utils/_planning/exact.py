# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Engine exact: proves that nothing better is left, or finds it, for clusters small enough to be closed.

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
from .band import best_floor
from .errors import PlanningError
from .moves import go_home
from .program import Program
from .state import State
from .walk import SETTLED


def refine(state: State, budget: int | None) -> None:
    """Bring a placement to the proven optimum, or as near as the time allows; one outside the band to one
    inside, or to the proof that there is none.

    budget: how many guests may move; None for any number.

    Sets the state's `proven` bound, or `impossible`. Raises PlanningError when the solver is not installed or
    fails.
    """
    if state.broken or state.misplaced or state.forbidden:
        return
    inside = state.total_excess <= SETTLED
    most = None if budget is None else budget + 1
    program = Program(state, state.moves if inside else most)
    answer = _run(program.model(state.problem.policy.time_limit))
    if answer["status"] == "missing":
        raise PlanningError(
            "engine exact needs the Python library highspy, which is not installed",
            where="policy.engine",
            hint="Install it (pip install highspy), or use engine: search",
        )
    if answer["status"] == "infeasible":
        # Nothing has fewer migrations; or nothing at all is inside the band.
        state.proven, state.impossible = (state.moves, False) if inside else (None, budget is None)
        return
    if math.isfinite(answer["bound"]):
        least = max(0, math.ceil(answer["bound"] - 1e-6))
        state.proven = min(least, state.moves) if inside else least
    if answer["values"]:
        _take_over(state, program.places(answer["values"]), inside=inside)


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


def _take_over(state: State, places: dict[int, int], *, inside: bool) -> None:
    """Move the units to where the solution has them, if that is better by the state's own account."""
    before, floor = list(state.where), state.low
    moves, wishes = state.moves, state.soft_cost
    for unit, host in places.items():
        if state.where[unit] != host:
            state.move(unit, host)
    if state.problem.policy.goal == "spread":
        state.set_band(best_floor(state))
    worse = state.total_excess > SETTLED or state.broken or state.misplaced or state.over_ceiling()
    if inside:
        worse = worse or state.soft_cost > wishes + SETTLED or state.moves >= moves
    if worse:
        for unit, host in enumerate(before):
            if state.where[unit] != host:
                state.take(unit)
                if host >= 0:
                    state.put(unit, host)
                else:
                    go_home(state, unit)
        state.set_band(floor)
