# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why decisions of Proxmox' HA manager are not compared, and why some differ, by test and situation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ansible_collections.evenkeel.cluster.benchmarks.peers.report import Verdict

NOT_OURS: Final[Mapping[str, str]] = {
    "return": "The node's maintenance has ended, and the manager takes back the guests that it had moved. "
    "Here the role evacuate does that, from its own record; a plan does not.",
    "retry": "A guest does not start on its node, and the manager tries another one. Even Keel starts no "
    "guests.",
}
_BELOW: Final = (
    "The imbalance of CPU and memory together is below HA's threshold of 0.3, so that HA does nothing. One "
    "metric alone is beyond 15 points of spread, so that Even Keel does."
)
REASONS: Final[Mapping[str, tuple[Verdict, str]]] = {
    "crs-dynamic-auto-rebalance4 end": ("different", _BELOW),
    "crs-dynamic-auto-rebalance-topsis4 end": ("different", _BELOW),
    "node-affinity-nonstrict6 1 recovery": (
        "different",
        "The rule is a preference without failback. HA still prefers its nodes when it starts a guest; "
        "vm_placement takes hosts as a must only.",
    ),
    "resource-affinity-with-node-affinity-strict-negative3 2 rule": (
        "different",
        "HA does not count a stopped guest. Even Keel keeps guests apart also from stopped ones, because "
        "these may be started where they are.",
    ),
}
