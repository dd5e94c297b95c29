# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the goals relieve and consolidate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Literal

from ..codec import Bounds
from ..quantities import PERCENT, RATIO

Metric = Literal[
    "cpu",
    "memory",
    "disk_io",
    "network_io",
    "storage",
    "vcpu",
    "pressure_cpu",
    "pressure_memory",
    "pressure_io",
]
# Assigned resources may be more than there are, so a threshold may be above 100.
Share = Annotated[float, Bounds(0, 1000), PERCENT]
# Less than a percent of the time may be much.
Stall = Annotated[float, Bounds(0, 1000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """How much of a host may be in use: percent of its capacity, by metric. What is left out has no
    threshold.
    """

    vcpus_per_core: Annotated[
        Annotated[float, Bounds(0, 1000), RATIO] | None, "Assigned vCPUs per core, such as V(7.0)."
    ] = None
    cpu: Annotated[Share | None, "Percent of the CPU."] = None
    memory: Annotated[Share | None, "Percent of the memory."] = None
    disk_io: Annotated[Share | None, "Percent of the disk throughput."] = None
    network_io: Annotated[Share | None, "Percent of the network throughput."] = None
    storage: Annotated[Share | None, "Percent of the local storage."] = None
    pressure_cpu: Annotated[Stall | None, "Percent of the time in which a task waits for CPU."] = None
    pressure_memory: Annotated[Stall | None, "Percent of the time in which a task waits for memory."] = None
    pressure_io: Annotated[Stall | None, "Percent of the time in which a task waits for I/O."] = None

    def percents(self) -> Mapping[str, float]:
        """By metric, in percent."""
        found: dict[str, float] = {}
        for part in fields(self):
            value = getattr(self, part.name)
            if value is not None:
                ratio = part.name == "vcpus_per_core"
                found["vcpu" if ratio else part.name] = 100.0 * value if ratio else float(value)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """Which hosts are overloaded, and how far they are relieved."""

    overload: Annotated[
        Thresholds,
        "A host that exceeds any of these thresholds is overloaded. At least one is required. A "
        "metric that is left out has no threshold.",
    ]
    target: Annotated[
        Thresholds,
        "Overloaded hosts are brought down to these thresholds. Only hosts that are below all of "
        "them receive guests, as long as they stay under the thresholds of O(relieve.overload).\n"
        "A threshold that is left out, or is higher than that of O(relieve.overload), is replaced "
        "by that of O(relieve.overload).",
    ] = field(default_factory=Thresholds)
    first: Annotated[
        Literal["fewest", "smallest", "largest"],
        "Which guests leave an overloaded host first.\n"
        "V(fewest) moves as few guests as possible. V(smallest) and V(largest) start with the "
        "smallest or largest guests, by assigned cores and GiB of memory.",
    ] = "fewest"
    density_weight: Annotated[
        float,
        Bounds(least=0),
        "Hosts are ranked by vCPUs per core (or measured CPU, when that is the metric) and "
        "memory. The worst is relieved first, the best receives first. This is the weight of "
        "guests per core (at most 2) in the rank.",
    ] = 0

    def ceilings(self) -> Mapping[str, float]:
        """By metric, in percent, what relieved hosts come down to and receiving hosts are below."""
        overload, target = self.overload.percents(), self.target.percents()
        return {
            metric: min(table[metric] for table in (overload, target) if metric in table)
            for metric in {**overload, **target}
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Consolidation:
    """Which hosts may be emptied, and how full the others may become by it."""

    min_hosts: Annotated[int, Bounds(least=1), "Minimum number of hosts that stay in use."] = 1
    below: Annotated[
        Annotated[float, Bounds(0, 100), PERCENT] | None,
        "Only hosts that are below this percentage in every metric are emptied. Any host may be "
        "emptied when it is left out.\n"
        "Hosts below it that cannot be emptied are in RV(plan.unresolved).",
    ] = None
    fill: Annotated[
        Annotated[float, Bounds(0, 100), PERCENT] | None,
        "Percent of CPU and memory up to which the other hosts are filled. O(limits) apply as well.",
    ] = None
