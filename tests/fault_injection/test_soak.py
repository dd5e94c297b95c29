# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A short soak: random plans, faults and kills. The long one is benchmarks/soak.py without arguments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


def test_eight_random_runs() -> None:
    ended = subprocess.run(
        [sys.executable, SOAK, "--runs", "8", "--seed", "1001"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "8 runs (seeds 1001 to 1008)" in ended.stdout
    assert ", 0 violations" in ended.stdout
