# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""As many migrations as there may be, and no search for what they can't bring."""

from __future__ import annotations

from random import Random

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.builder import build_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.solution import Solution
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.search.repair import (
    repair,
    ruin_and_recreate,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate


def test_nothing_is_tried_at_random_once_nobody_more_may_move() -> None:
    state = Solution(build_problem(generate(Shape(hosts=8, guests=100, seed=3)), Policy()))
    assert state.broken > 3
    repair(state, budget=3, empty_hosts=True)
    assert (state.moves, state.broken > 0) == (3, True)
    rng = Random(1)
    before = rng.getstate()
    ruin_and_recreate(state, rng, budget=3, empty_hosts=True)
    assert (state.moves, rng.getstate() == before) == (3, True)
