# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a plan differs from the expected result of one of ProxLB's scenarios: by scenario, the verdict, the
unmet expectation (as the comparison prints it, so that another difference is not mistaken for this one), and
the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ansible_collections.evenkeel.cluster.benchmarks.peers.report import Verdict

_STALL: Final = (
    "Stalls of guests do not add up to that of their host. A guest's part in it is therefore estimated by "
    "what it uses of the resource, not by its own stall."
)
_IMPORTANT: Final = (
    "Either guest brings the same spread. There the important one gets the empty node; here it stays, "
    "because a migration is a disturbance, too."
)
_ABOVE: Final = (
    "The node is above a limit from the start. It takes no more guests, but goal spread moves none away for "
    "that alone; goal relieve does, by thresholds of its own."
)
REASONS: Final[Mapping[str, tuple[Verdict, str, str]]] = {
    "basic/cpu_threshold_exceeded": (
        "as good",
        "vm-1 is on node-B, not node-A; vm-2 is on node-A, not node-B",
        "Either guest leaves the same spread and copies the same memory.",
    ),
    "basic/io_psi_bottleneck": (
        "different",
        "the spread is not lower",
        f"{_STALL} The scenario gives no I/O of guests.",
    ),
    "basic/priority_balancing": ("different", "vm-prod is on node-A, not node-B", _IMPORTANT),
    "basic/priority_psi": ("different", "vm-high is on node-A, not node-B", _IMPORTANT),
    "basic/psi_vs_usage": ("different", "vm-pressure is on node-A, not node-B", _STALL),
    "constraints/cpu_psi_anti_affinity": (
        "different",
        "vm-stalling is on node-A, not node-C",
        f"{_STALL} The only guest of the node takes all of it along, and no spread gets lower.",
    ),
    "basic/cpu_dual_strategy": ("different", "vm-2 is on node-A, not node-B", _ABOVE),
    "constraints/cpu_reservation": ("different", "vm-1 is on node-A, not node-B", _ABOVE),
    "constraints/resource_reservation": ("different", "vm-1 is on node-A, not node-B", _ABOVE),
    "migration/circular_swap": (
        "better",
        "vm-a is on node-C, not node-B",
        "Both pins hold after two migrations, at the same spread; the expected places take three.",
    ),
}
