# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A placement with more migrations than needed is replaced by one as level with fewer."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.builder import build_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.solution import Solution
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.stopping import (
    StoppingCriterion,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.search.move_reduction import (
    reduce_moves,
)

from .test_scenarios import cluster


@pytest.mark.parametrize("hosts", [2, 3, 6, 9])
def test_one_large_guest_takes_the_place_of_two_small_ones(hosts: int) -> None:
    """However many other hosts there are, which need nothing."""
    others = [f"h{number}" for number in range(3, hosts + 1)]
    snapshot = cluster(
        {
            "hosts": {host: {"memory": 100} for host in ("h1", "h2", *others)},
            "guests": {
                "large": {"host": "h1", "memory": 30},
                "small 1": {"host": "h1", "memory": 15},
                "small 2": {"host": "h1", "memory": 15},
                **{f"stays on {host}": {"host": host, "memory": 30} for host in others},
            },
        }
    )
    policy = Policy.from_json({"metrics": ["memory"], "max_spread": 10})
    problem = build_problem(snapshot, policy)
    names = [guest.name for guest in problem.guests]
    unit_of = {name: problem.unit_of[names.index(name)] for name in names}
    target = [host.name for host in problem.hosts].index("h2")
    state = Solution(problem)
    assert state.try_moves([(unit_of["small 1"], target), (unit_of["small 2"], target)], lambda: True)
    assert state.moves == 2
    reduce_moves(state, StoppingCriterion(policy, lambda: 0.0))
    assert state.moves == 1
    assert state.where[unit_of["large"]] == target
