# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many examples the properties are tried with: few by default, EVENKEEL_EXAMPLES=2000 for a long look.

The exact solver runs in the process of the test; tests/system/planning has it in one of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.bounds import exact, highs_worker

settings.register_profile(
    "planning",
    max_examples=int(os.environ.get("EVENKEEL_EXAMPLES", "40")),
    deadline=None,
    derandomize="EVENKEEL_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("planning")


@pytest.fixture(autouse=True, scope="session")
def _solver_in_this_process() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "_run", highs_worker.solve)
        yield
