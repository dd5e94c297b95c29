# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the goals relieve and consolidate ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Literal

from ..codec import Bounds

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
Share = Annotated[float, Bounds(0, 1000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """How much of a host may be in use: percent of its capacity, by metric. What is left out has no
    threshold.
    """

    vcpus_per_core: (
        Annotated[float, Bounds(0, 1000), "assigned vCPUs for each core of a host: metric vcpu, as a ratio"]
        | None
    ) = None
    cpu: Share | None = None
    memory: Share | None = None
    disk_io: Share | None = None
    network_io: Share | None = None
    storage: Share | None = None
    pressure_cpu: Share | None = None
    pressure_memory: Share | None = None
    pressure_io: Share | None = None

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

    overload: Annotated[Thresholds, "a host that is above any of them is overloaded"]
    target: Annotated[
        Thresholds,
        "an overloaded host is brought down to these, and only hosts below all of them receive; where one is "
        "left out or higher than that of overload, that of overload counts",
    ] = field(default_factory=Thresholds)
    first: Annotated[
        Literal["fewest", "smallest", "largest"],
        "whose guests leave: as few as will do, or the smallest or largest first, by cores and GiB of memory",
    ] = "fewest"
    density_weight: Annotated[
        float,
        Bounds(least=0),
        "how much guests per core, up to 2, add to the vCPUs per core by which hosts are ranked",
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

    min_hosts: Annotated[int, Bounds(least=1), "hosts that run guests, or may, in the end at least"] = 1
    below: (
        Annotated[float, Bounds(0, 100), "only hosts below this percentage in every metric are emptied"]
        | None
    ) = None
    fill: (
        Annotated[
            float,
            Bounds(0, 100),
            "percent of cpu and memory up to which the others are filled; limits count besides",
        ]
        | None
    ) = None
