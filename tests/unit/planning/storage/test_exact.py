# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of small clusters against the fewest bytes that any end in order takes, by an integer program.

benchmarks/storage.py does so with more of them, and with those that are levelled, which takes longer.
"""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.benchmarks.storage import SMALL, compare_with_exact


def test_plans_of_small_clusters_copy_the_fewest_bytes() -> None:
    seeds = [seed for seed in range(60) if "max_spread" not in SMALL[seed % len(SMALL)]]
    result = compare_with_exact(seeds)
    assert result.solvable > 15
    assert result.bounds_above == 0
    assert result.fewest >= 0.9 * result.solvable
    assert result.worst <= 1.1
