# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as in order: what the user wants of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from ..codec import Bounds, decode, encode
from ..selector import Selector
from ..snapshot import Moment, Resource
from .checks import check, in_terms_of_demand
from .goals import Consolidation, Metric, Relief
from .presets import Preset, with_preset
from .rule_spec import RuleSpec
from .windows import MaintenanceWindow

Goal = Literal["spread", "relieve", "rules", "evacuate", "consolidate"]
Percent = Annotated[float, Bounds(0, 100)]

YEAR = 366 * 86_400.0

# FDRS: five degrees of aggressiveness, in percentage points between the fullest and the emptiest host.
SPREAD_BY_AGGRESSIVENESS: Mapping[int, float] = {1: 25.0, 2: 20.0, 3: 15.0, 4: 10.0, 5: 5.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusions:
    """What stays out: hosts that give nothing, hosts that take nothing, guests that stay where they are."""

    sources: Selector = field(default_factory=Selector)
    targets: Selector = field(default_factory=Selector)
    guests: Selector = field(default_factory=Selector)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How full an arriving guest may make a host; a host that is fuller already only may not get fuller."""

    cpu: Annotated[
        Percent, "percent of a host's cpu, less what is reserved, that may be in use after an arrival"
    ] = 90
    memory: Annotated[Percent, "the same of its memory"] = 90
    cpu_for_rules: Annotated[Percent, "the same for migrations that mend a rule"] = 95
    memory_for_rules: Annotated[Percent, "the same for migrations that mend a rule"] = 95
    memory_reserve: Annotated[int, Bounds(least=0), "bytes of every host that are kept free besides"] = 0
    cpu_overcommit: (
        Annotated[float, Bounds(least=0), "assigned vCPUs per core of a host; null for no limit"] | None
    ) = None
    memory_overcommit: (
        Annotated[float, Bounds(least=0), "assigned memory per byte of a host; null for no limit"] | None
    ) = None
    max_guests: Annotated[int, Bounds(least=0), "running guests on a host; null for no limit"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """What some hosts keep for themselves, out of the reach of guests."""

    hosts: Selector
    memory: Annotated[int, Bounds(least=0), "bytes"] = 0
    cpu: Annotated[float, Bounds(least=0), "cores"] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Priority:
    """How important some guests are: where there is a choice, those of lower priority are moved."""

    guests: Selector
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What counts as in order, and what may be done to get there."""

    preset: Annotated[
        Preset | None, "another system, whose numbers stand for everything that is not given"
    ] = None
    goal: Goal = "spread"
    evacuate: Annotated[
        Selector | None, "hosts that are to be emptied and take no guests; goal evacuate needs it"
    ] = None
    relieve: Annotated[Relief | None, "goal relieve needs it"] = None
    consolidate: Annotated[Consolidation | None, "for goal consolidate"] = None
    metrics: Annotated[
        tuple[Metric, ...],
        "vcpu: assigned vCPUs in percent of the cores; those of its thresholds with goal relieve",
    ] = ("cpu", "memory")
    aggressiveness: Annotated[int, Bounds(1, 5), "1 to 5 stand for 25, 20, 15, 10 and 5 points of spread"] = 3
    max_spread: Annotated[
        Percent | Mapping[str, Percent] | None,
        "points of spread, one number or one a metric; wins over aggressiveness",
    ] = None
    level_above: Annotated[
        Percent | Mapping[str, Percent] | None,
        "a metric is levelled only where some host has at least this percentage in use",
    ] = None
    demand: Annotated[
        Literal["used", "assigned", "max", "pressure"],
        "what a guest weighs: what it uses, what it was given, the larger of both, or how long it stalls its "
        "host (then the metrics are the pressures of cpu, memory and io)",
    ] = "used"
    limits: Limits = field(default_factory=Limits)
    reserves: Annotated[
        tuple[Reserve, ...], "of several that mean a host the last one counts, besides what the platform says"
    ] = ()
    assumed_capacity: Annotated[
        Mapping[Resource, Annotated[float, Bounds(least=1)]],
        "what a host has of a resource where the platform does not say, such as disk_io in bytes per second",
    ] = field(default_factory=dict)
    target_version: Annotated[
        Literal["any", "not_older"],
        "whether a guest may go to a host with an older hypervisor; unknown versions never matter",
    ] = "any"
    max_migrations: Annotated[int, Bounds(least=0)] | None = None
    exclude: Exclusions = field(default_factory=Exclusions)
    rules: tuple[RuleSpec, ...] = ()
    platform_rules: Annotated[bool, "whether the rules of the platform itself count"] = True
    allow_blockers: Annotated[
        tuple[str, ...],
        "blockers that do not keep a guest from being migrated, such as container_restart or local_disk",
    ] = ()
    migration_bandwidth: Annotated[
        float,
        Bounds(least=1),
        "bytes per second that one migration copies; only estimates of time rest on it",
    ] = 1_000_000_000 / 8
    dirty_factor: Annotated[
        float,
        Bounds(least=0),
        "share of a guest's memory that is copied once more because the guest writes meanwhile; only "
        "estimates of time rest on it",
    ] = 0.0
    max_per_host: Annotated[int, Bounds(least=1), "migrations into or out of one host at the same time"] = 2
    max_in_per_host: (
        Annotated[int, Bounds(least=1), "of them, those into it; null for as many as max_per_host"] | None
    ) = None
    max_out_per_host: (
        Annotated[int, Bounds(least=1), "of them, those out of it; null for as many as max_per_host"] | None
    ) = None
    min_gain: Annotated[
        float,
        Bounds(least=0),
        "points outside the band that a migration must take away to pay, where the band can't be reached",
    ] = 0.5
    effort: Annotated[
        int,
        Bounds(least=0),
        "how long to look for fewer migrations, in search steps for each guest (of 1500 to 4000 guests); "
        "the same effort, the same plan",
    ] = 40
    engine: Annotated[
        Literal["search", "exact"],
        "exact: prove the fewest migrations with HiGHS, for clusters of up to about 10 hosts and 100 guests",
    ] = "search"
    time_limit: (
        Annotated[
            float,
            Bounds(least=0),
            "seconds after which the search stops early with the best plan so far; null for none",
        ]
        | None
    ) = None
    cool_down: Annotated[
        float,
        Bounds(0, YEAR),
        "seconds for which a migrated guest stays, unless its strict rule is broken or its host is emptied",
    ] = 0
    retry_after: Annotated[
        float,
        Bounds(0, YEAR),
        "seconds for which a guest stays that failed to be migrated, unless its host is emptied",
    ] = 3600
    retry_refused_after: Annotated[
        float,
        Bounds(0, YEAR),
        "seconds for which a guest is not planned to a host to which the platform's own check refused it",
    ] = 86_400
    may_stay: Annotated[
        Selector,
        "guests that may stay on a host that is to be emptied: they are not moved from it, and do not keep "
        "it from counting as emptied",
    ] = field(default_factory=Selector)
    shut_down: Annotated[
        Selector,
        "guests that are shut down before a host that is to be emptied enters maintenance mode: they are not "
        "moved from it either",
    ] = field(default_factory=Selector)
    strict_selectors: Annotated[
        bool, "true: a selector or rule of the policy that matches nothing is an error, not a warning"
    ] = False
    other_balancers: Annotated[
        Literal["respect", "ignore"],
        "what to do where something else moves guests by itself: plan nothing, or plan all the same",
    ] = "respect"
    priorities: Annotated[tuple[Priority, ...], "of several that mean a guest the last one counts"] = ()
    maintenance_windows: Annotated[
        tuple[MaintenanceWindow, ...], "weekly times in which hosts count as in maintenance"
    ] = ()
    now: Annotated[
        Moment | None, "what windows, cool_down and retry_after count from; null for the snapshot's moment"
    ] = None
    seed: int = 1

    @classmethod
    def from_json(cls, value: object) -> Policy:
        """Read parsed JSON, with what its preset adds. Raises InputError with the path of the first field
        that is wrong or contradicts another.
        """
        policy = in_terms_of_demand(decode(cls, with_preset(value), "policy"), value)
        check(policy)
        return policy

    def to_json(self) -> dict[str, object]:
        result: dict[str, object] = encode(self)
        return result

    def spread_limit(self, metric: str) -> float:
        """Points between the fullest and the emptiest host that are in order."""
        if isinstance(self.max_spread, Mapping):
            return self.max_spread.get(metric, SPREAD_BY_AGGRESSIVENESS[self.aggressiveness])
        if self.max_spread is not None:
            return self.max_spread
        return SPREAD_BY_AGGRESSIVENESS[self.aggressiveness]

    @property
    def levels(self) -> bool:
        """Whether the goal is that hosts are level, or that they stay so."""
        return self.goal in ("spread", "evacuate")

    def levelled_from(self, metric: str) -> float:
        """Percent that some host must have in use before the metric is levelled."""
        if isinstance(self.level_above, Mapping):
            return self.level_above.get(metric, 0.0)
        return self.level_above or 0.0
