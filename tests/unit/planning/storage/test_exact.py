# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of small clusters against the fewest bytes of any safe plan, by an integer program and all orders.

benchmarks/storage.py does so with more of them.
"""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.benchmarks.storage import compare_with_exact


def test_plans_of_small_clusters_copy_the_fewest_bytes() -> None:
    result = compare_with_exact([*range(2, 25), 26, 28, 29, 32, 104, 116, 144, 176])
    assert result.solvable > 15
    assert result.undecided == 0
    assert result.bounds_above == 0
    assert result.fewest >= 0.95 * result.solvable
    assert result.worst <= 1.1
    assert result.unsafe == 0
    assert result.not_empty == 0
