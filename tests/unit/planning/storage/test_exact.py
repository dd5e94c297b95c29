# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of small clusters against the fewest bytes that any end in order takes, by an integer program."""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.benchmarks.storage import compare_with_exact


def test_plans_of_small_clusters_copy_the_fewest_bytes() -> None:
    result = compare_with_exact(range(40))
    assert result.bounds_above == 0
    assert result.fewest >= 0.95 * result.solvable
    assert result.worst <= 1.1
