# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Solves one integer program with HiGHS. Run as a program of its own: JSON in, JSON out; imports nothing of
ours.

A process of its own, because a solver can't be stopped from outside otherwise and keeps its memory.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any


def solve(model: dict[str, Any]) -> dict[str, Any]:
    """`cost`, `integer`, `lower`, `upper` (null for none) by column; `rows` of [least, most, columns,
    values]; whether to use `heuristics`; `seconds` at most.
    """
    try:
        # Not above: whoever only sends this program elsewhere would load the solver, too.
        import highspy
    except ImportError:
        return {"status": "missing"}
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("random_seed", 1)
    solver.setOptionValue("mip_rel_gap", 0.0)
    # Costs are whole numbers: nothing better is left once the bound is less than one below.
    solver.setOptionValue("mip_abs_gap", 0.999)
    solver.setOptionValue("mip_feasibility_tolerance", 1e-7)
    if not model["heuristics"]:
        solver.setOptionValue("mip_heuristic_effort", 0.0)
    if model["seconds"] is not None:
        solver.setOptionValue("time_limit", float(model["seconds"]))
    for cost, upper, least in zip(model["cost"], model["upper"], model["lower"]):
        most = highspy.kHighsInf if upper is None else float(upper)
        solver.addCol(float(cost), float(least), most, 0, [], [])
    for column, integer in enumerate(model["integer"]):
        if integer:
            solver.changeColIntegrality(column, highspy.HighsVarType.kInteger)
    for least, most, columns, values in model["rows"]:
        low = -highspy.kHighsInf if least is None else float(least)
        high = highspy.kHighsInf if most is None else float(most)
        if solver.addRow(low, high, len(columns), columns, values) == highspy.HighsStatus.kError:
            # Without one of its rows the program would prove what is not so.
            raise ValueError(f"the solver refuses the row {low} <= {values} <= {high}")
    solver.run()
    status = solver.getModelStatus()
    names = {highspy.HighsModelStatus.kOptimal: "optimal", highspy.HighsModelStatus.kInfeasible: "infeasible"}
    info = solver.getInfo()
    values = list(solver.getSolution().col_value)
    return {
        "status": names.get(status, "stopped"),
        "values": values if info.primal_solution_status == 2 else [],
        "bound": info.mip_dual_bound,
    }


def _watch(parent: int) -> None:
    """End with whoever asked: nobody else is interested, and there may be no time limit."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_watch, args=(int(sys.argv[1]),), daemon=True).start()
    json.dump(solve(json.load(sys.stdin)), sys.stdout)
