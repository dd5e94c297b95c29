# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The solver is a process of its own, and must not outlive whoever asked it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ansible_collections.evenkeel.cluster.tests.support.processes import alive, descendants

# A market split (Cornuejols and Dawande): it takes solvers by branch and bound hours.
ASKS = """
from random import Random
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.bounds import exact
rng, many = Random(1), 60
rows = []
for _row in range(7):
    values = [float(rng.randrange(100)) for _column in range(many)]
    rows.append([sum(values) // 2, sum(values) // 2, list(range(many)), values])
exact._run({
    "cost": [0.0] * many, "integer": [True] * many, "lower": [0.0] * many, "upper": [1.0] * many,
    "rows": rows, "heuristics": False, "seconds": None,
})
"""


def test_the_solver_ends_with_whoever_asked_it() -> None:
    with subprocess.Popen([sys.executable, "-c", ASKS]) as asking:
        while not (children := descendants(asking.pid)):
            assert asking.poll() is None
            time.sleep(0.1)
        solver = children[0]
        # Its library is loaded: it is at work.
        while b"highs" not in Path(f"/proc/{solver}/maps").read_bytes():
            time.sleep(0.1)
        asking.send_signal(signal.SIGKILL)
    for _look in range(1200):
        if not alive(solver):
            break
        time.sleep(0.1)
    else:
        os.kill(solver, signal.SIGKILL)
        raise AssertionError("the solver works on")
