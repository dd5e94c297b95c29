# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exact solver runs in the process of the test; tests/system/planning has it in one of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.bounds import exact, highs_worker


@pytest.fixture(autouse=True, scope="session")
def _solver_in_this_process() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "_run", highs_worker.solve)
        yield
