# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy: the desired state of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from ..codec import Bounds, decode, encode
from ..quantities import CAPACITIES, CORES, LONG_TIME, PERCENT, RATE, RATIO, SIZE, TIME
from ..selector import Selector
from ..snapshot import Moment, Resource
from .checks import check, in_terms_of_demand
from .choices import Choices
from .goals import Consolidation, Metric, Relief
from .presets import Preset, with_preset
from .rule_spec import RuleSpec
from .storage import StoragePolicy
from .windows import MaintenanceWindow

Goal = Literal["spread", "relieve", "rules", "evacuate", "consolidate", "storage"]
Percent = Annotated[float, Bounds(0, 100), PERCENT]

YEAR = 366 * 86_400.0

# FDRS: five degrees of aggressiveness, in percentage points between the fullest and the emptiest host.
SPREAD_BY_AGGRESSIVENESS: Mapping[int, float] = {1: 25.0, 2: 20.0, 3: 15.0, 4: 10.0, 5: 5.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusions:
    """Exclusions: hosts that give no guests, hosts that take none, guests that stay where they are."""

    sources: Annotated[Selector, "Hosts that no guest leaves."] = field(default_factory=Selector)
    targets: Annotated[Selector, "Hosts that receive no guest."] = field(default_factory=Selector)
    guests: Annotated[Selector, "Guests that are not migrated."] = field(default_factory=Selector)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How full an arriving guest may make a host; a host that is fuller already only may not get fuller."""

    cpu: Annotated[
        Percent, "Maximum percentage of a host's CPU, less what is reserved, in use after a guest arrives."
    ] = 90
    memory: Annotated[
        Percent, "Maximum percentage of a host's memory, less what is reserved, in use after a guest arrives."
    ] = 90
    cpu_for_rules: Annotated[
        Percent, "The same as O(limits.cpu), for migrations that restore a rule. It must not be lower."
    ] = 95
    memory_for_rules: Annotated[
        Percent, "The same as O(limits.memory), for migrations that restore a rule. It must not be lower."
    ] = 95
    memory_reserve: Annotated[
        int, Bounds(least=0), SIZE, "Memory that is kept free on every host, such as V(16G)."
    ] = 0
    cpu_overcommit: Annotated[
        Annotated[float, Bounds(least=0), RATIO] | None,
        "Maximum number of assigned vCPUs per core of a host. No limit when it is left out.",
    ] = None
    memory_overcommit: Annotated[
        Annotated[float, Bounds(least=0), RATIO] | None,
        "Maximum assigned memory per byte of memory of a host. No limit when it is left out.",
    ] = None
    max_guests: Annotated[
        Annotated[int, Bounds(least=0)] | None,
        "Maximum number of running guests on a host. No limit when it is left out.",
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Resources that some hosts keep for themselves, not available to guests."""

    hosts: Annotated[Selector, "The hosts."]
    memory: Annotated[int, Bounds(least=0), SIZE, "Memory, such as V(16G)."] = 0
    cpu: Annotated[float, Bounds(least=0), CORES, "Cores."] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Priority:
    """How important some guests are: where there is a choice, those of lower priority are moved."""

    guests: Annotated[Selector, "The guests."]
    priority: Annotated[int, "A higher number is more important."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The desired state of a cluster, and the actions that are allowed to reach it."""

    preset: Annotated[
        Preset | None,
        "Another system, whose values replace the defaults of all options that are not set. "
        "V(fdrs), V(vmmanager) for the auto-balancer of VMmanager 6, V(proxmox_rebalancing), "
        "V(proxlb), V(drs), or V(proxmox) for the balancer of Proxmox VE 9.2.\n"
        "With V(proxmox) the plan also says what that balancer would do with the datacenter's own "
        "settings.\n"
        "Options that are set win over the preset, single keys of a dictionary too. "
        "RV(plan.policy) shows the resulting policy.\n"
        "The O(max_migrations) of a preset does not apply to O(goal=evacuate) and "
        "O(goal=consolidate), which empty hosts.\n"
        "The guides to coming from these systems list what each of their options is called here.",
    ] = None
    goal: Annotated[
        Goal,
        "V(spread) restores rules and brings the fullest and the emptiest host within "
        "O(max_spread) points of each other, for each metric.\n"
        "V(rules) only restores rules.\n"
        "V(evacuate) empties the hosts of O(evacuate). Targets are chosen so that the other hosts "
        "stay level. Other guests move only when an evacuated guest has no target otherwise, and "
        "rules that are violated elsewhere stay as they are.\n"
        "V(relieve) restores rules and moves guests off hosts that exceed a threshold of "
        "O(relieve.overload), down to O(relieve.target). All other guests stay.\n"
        "V(consolidate) restores rules and empties as many hosts as the capacity of the others "
        "allows, so that they can be switched off. RV(plan.emptied) lists them. No guest moves to "
        "a host that runs no guests.\n"
        "V(storage) only moves disks between datastores, as O(storage) says. It migrates no guest, except "
        "for O(storage.relocate).",
    ] = "spread"
    storage: Annotated[
        StoragePolicy | None,
        "The desired state of datastores. Disks are moved after the guests have been migrated. Without it no "
        "disk changes its datastore, unless O(goal=storage).",
    ] = field(default=None, metadata={"omit": True})
    evacuate: Annotated[
        Selector | None,
        "Hosts that all running guests leave and that receive no guests. It is required for "
        "O(goal=evacuate) and not supported by other goals.\n"
        "Guests that cannot leave are in RV(plan.immovable) with the reason, and "
        "RV(summary.status) is not V(balanced) then.",
    ] = None
    relieve: Annotated[
        Relief | None,
        "When a host is overloaded, and how far it is relieved. It is required for O(goal=relieve).",
    ] = None
    consolidate: Annotated[
        Consolidation | None,
        "Which hosts may be emptied and how full the others may become, for O(goal=consolidate).",
    ] = None
    metrics: Annotated[
        tuple[Metric, ...],
        "Metrics that are balanced together. With O(goal=relieve) the default is the metrics that "
        "have a threshold.\n"
        "V(vcpu) is the number of assigned vCPUs in percent of the cores of a host. V(700) is "
        "seven vCPUs per core.\n"
        "V(storage) is the usage of datastores that only one host has. Guests with disks there "
        "move when O(allow_blockers) contains V(local_disk).",
    ] = ("cpu", "memory")
    aggressiveness: Annotated[
        int,
        Bounds(1, 5),
        "V(1) to V(5) stand for 25, 20, 15, 10 and 5 points of spread. O(max_spread) takes precedence.",
    ] = 3
    max_spread: Annotated[
        Percent | Mapping[str, Percent] | None,
        "Maximum difference between the fullest and the emptiest host, in percentage points, as "
        "one number or as a dictionary with one for each metric.\n"
        "With V(0) the cluster is made as level as O(max_migrations) allows.",
    ] = None
    level_above: Annotated[
        Percent | Mapping[str, Percent] | None,
        "A metric is levelled only when some host uses at least this percentage of it, as one "
        "number or as a dictionary with one for each metric.\n"
        "Every difference counts when it is left out.",
    ] = None
    demand: Annotated[
        Literal["used", "assigned", "max", "pressure"],
        "Which figure counts as a guest's load. V(used) is its measured usage, V(assigned) its "
        "assigned resources, V(max) the larger of the two.\n"
        "V(pressure) is the time for which it stalls its host. The metrics V(cpu), V(memory) and "
        "V(disk_io) then stand for the pressures of CPU, memory and I/O.",
    ] = "used"
    limits: Annotated[
        Limits,
        "How full an arriving guest may make a host. A host that is already fuller receives no guests.",
    ] = field(default_factory=Limits)
    reserves: Annotated[
        tuple[Reserve, ...],
        "Capacity of some hosts that guests cannot use, in addition to what the platform "
        "reserves. The last entry that selects a host applies.\n"
        "O(limits.memory_reserve) applies to all hosts.",
    ] = ()
    assumed_capacity: Annotated[
        Mapping[Resource, Annotated[float, Bounds(least=1)]],
        CAPACITIES,
        "Capacity of hosts for resources that the platform does not report, such as C(disk_io) "
        "and C(network_io) in bytes per second, such as V(500M).\n"
        "No platform reports the disk throughput of a host, so C(disk_io) can only be levelled "
        "when it is set here.",
    ] = field(default_factory=dict)
    target_version: Annotated[
        Literal["any", "not_older"],
        "With V(not_older) no guest moves to a host with an older hypervisor. Unknown versions are ignored.",
    ] = "any"
    max_migrations: Annotated[
        Annotated[int, Bounds(least=0)] | None,
        "Maximum number of migrations in the plan. Migrations that restore rules come first. No "
        "limit when it is left out.",
    ] = None
    exclude: Annotated[Exclusions, "Hosts and guests that take no part."] = field(default_factory=Exclusions)
    rules: Annotated[tuple[RuleSpec, ...], "Rules in addition to those of the platform."] = ()
    platform_rules: Annotated[bool, "Whether the rules of the platform apply."] = True
    allow_blockers: Annotated[
        tuple[str, ...],
        "Blockers that are ignored, such as V(container_restart) or V(local_disk), so that the "
        "guests can be migrated.\n"
        "M(evenkeel.cluster.vm_migrate) must be allowed to do the same by its own options.",
    ] = ()
    migration_bandwidth: Annotated[
        float,
        Bounds(least=1),
        RATE,
        "Bytes per second that one migration copies, such as V(1G). Only estimates of time depend on it.",
    ] = 1_000_000_000 / 8
    dirty_factor: Annotated[
        float,
        Bounds(least=0),
        "Share of a guest's memory that is copied again because the guest writes to it meanwhile. "
        "Only estimates of time depend on it.",
    ] = 0.0
    max_per_host: Annotated[
        int, Bounds(least=1), "Maximum concurrent migrations per host, incoming and outgoing together."
    ] = 2
    max_in_per_host: Annotated[
        Annotated[int, Bounds(least=1)] | None,
        "Maximum concurrent incoming migrations per host. Defaults to O(max_per_host).",
    ] = None
    max_out_per_host: Annotated[
        Annotated[int, Bounds(least=1)] | None,
        "Maximum concurrent outgoing migrations per host. Defaults to O(max_per_host).",
    ] = None
    min_gain: Annotated[
        float,
        Bounds(least=0),
        "Minimum improvement, in percentage points, for a migration to be worthwhile when the "
        "band cannot be reached.\n"
        "With O(goal=relieve) these are points above the target, and the last migration that is "
        "needed is always worthwhile.",
    ] = 0.5
    effort: Annotated[
        int,
        Bounds(least=0),
        "How long to search for fewer migrations, in search steps for each guest (at least 1500 "
        "and at most 4000 guests count).\n"
        "The same effort returns the same plan on every machine.",
    ] = 40
    engine: Annotated[
        Literal["search", "exact"],
        "V(search) uses local search.\n"
        "V(exact) also proves the minimum number of migrations with the solver HiGHS, in a "
        "separate process, for clusters of up to about 10 hosts and 100 guests. It requires the "
        "Python library highspy and supports the goals V(spread) and V(rules) only.",
    ] = "search"
    time_limit: Annotated[
        Annotated[float, Bounds(least=0), TIME] | None,
        "Time after which the search stops with the best plan so far, which may then differ "
        "from run to run. No limit when it is left out.",
    ] = None
    cool_down: Annotated[
        float,
        Bounds(0, YEAR),
        LONG_TIME,
        "Time for which a migrated guest is not migrated again, unless one of its strict rules "
        "is violated or its host is emptied.\n"
        "It counts up to the moment of the snapshot, which holds when each guest was last "
        "migrated as far as that is known. See "
        "O(evenkeel.cluster.cluster_facts#module:state_url).\n"
        "V(1h) suits playbooks that run on a schedule.",
    ] = 0
    retry_after: Annotated[
        float,
        Bounds(0, YEAR),
        LONG_TIME,
        "Time for which a guest is not migrated again after a failed migration, unless its "
        "host is emptied or it has been migrated since.\n"
        "Likewise disks, with all that move together with them, are not moved again after a failed move to "
        "another datastore, unless their datastore is emptied or a move of them has succeeded since.\n"
        "V(0) retries it at once.",
    ] = 3600
    retry_refused_after: Annotated[
        float,
        Bounds(0, YEAR),
        LONG_TIME,
        "Time for which no migration of a guest is planned to a host to which the platform's "
        "own check has refused it.\n"
        "Likewise no move of a disk to a datastore to which it has refused to move it.\n"
        "V(0) plans it again at once.",
    ] = 86_400
    sustained: Annotated[
        int,
        Bounds(least=1),
        "Number of consecutive readings in which the cluster must be out of its band before guests are "
        "migrated for it, the present reading included. V(1) acts at once.\n"
        "It counts for each metric with O(goal=spread) and for each host with O(goal=relieve), so that a "
        "spike of one reading never moves a guest. A metric that waits is not made worse by other "
        "migrations. O(goal=evacuate) and O(goal=consolidate) do not wait.\n"
        "Each run that is not in check mode records its reading in the state database, and "
        "M(evenkeel.cluster.cluster_facts) returns the earlier ones. Readings less than a minute apart count "
        "once. Readings with another O(demand) or window do not count.\n"
        "Readings that are more than two days apart, or one and a half times O(sustained_for) when that is "
        "set, are not consecutive.",
    ] = 1
    sustained_for: Annotated[
        float,
        Bounds(0, YEAR),
        LONG_TIME,
        "Time for which the cluster must have been out of its band in all readings before guests are "
        "migrated for it, such as V(1h). O(sustained) applies as well. V(0) does not wait.",
    ] = 0
    sustained_except: Annotated[
        tuple[Literal["rules", "overload"], ...],
        "What does not wait.\n"
        "V(rules) restores rules at once. Without it, a strict rule must be violated for as long, too. Hosts "
        "in maintenance mode are emptied at once in any case.\n"
        "V(overload) acts at once on a metric or host for which a host uses more than O(limits.cpu) or "
        "O(limits.memory) percent.",
    ] = ("rules",)
    may_stay: Annotated[
        Selector,
        "Guests that may stay on a host that is emptied or in maintenance mode.\n"
        "They are not moved from it, and the host counts as empty with them. On other hosts they "
        "are balanced like other guests.\n"
        "Agents of the platform, such as vCLS, may always stay and need not be selected.",
    ] = field(default_factory=Selector)
    shut_down: Annotated[
        Selector,
        "Guests that M(evenkeel.cluster.host_maintenance) shuts down, by their operating system, "
        "before their host enters maintenance mode.\n"
        "They are not moved from it either, and are not started again.",
    ] = field(default_factory=Selector)
    strict_selectors: Annotated[
        bool,
        "Whether a selector or a rule of the policy that matches nothing is an error. Otherwise "
        "it is a warning.\n"
        "An exact name of a host that does not exist is always an error.",
    ] = False
    other_balancers: Annotated[
        Literal["respect", "ignore"],
        "What to do when another balancer, such as DRS or the one of Proxmox VE, also moves the "
        "guests of the cluster.\n"
        "V(respect) plans nothing and reports the other balancer, except for O(goal=evacuate). "
        "V(ignore) plans anyway.",
    ] = "respect"
    priorities: Annotated[
        tuple[Priority, ...],
        "How important guests are. Among guests that are otherwise equal, those of lower priority "
        "are moved.\n"
        "Guests that are not selected keep the priority of the snapshot, which is 2 when nothing "
        "else is known. The last entry that selects a guest applies.",
    ] = ()
    maintenance_windows: Annotated[
        tuple[MaintenanceWindow, ...],
        "Weekly times in which hosts count as in maintenance, so that their guests leave and no "
        "guest moves to them.\n"
        "The moment that counts is O(now).",
    ] = ()
    now: Annotated[
        Moment | None,
        "The moment that O(maintenance_windows), O(cool_down) and O(retry_after) refer to, in "
        "UTC, such as V(2026-01-31T22:00:00Z). Defaults to the moment of the snapshot.",
    ] = None
    choices: Annotated[
        Choices,
        "Single migrations to leave out of the plan or to insist on. The plan is the best one that respects "
        "them, and RV(plan.proof) is about such plans only.\n"
        "They take precedence over O(cool_down), O(retry_after) and O(sustained), but over no rule, no limit "
        "and no exclusion. A choice that cannot be respected is in RV(plan.unresolved) with the reason.",
    ] = field(default_factory=Choices, metadata={"omit": True})
    seed: Annotated[
        int, "Seed of the random numbers. Another seed may find a different plan of the same quality."
    ] = 1

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
    def waits(self) -> bool:
        """Whether what is out of its band must be so for a while."""
        return self.sustained > 1 or self.sustained_for > 0

    @property
    def levels(self) -> bool:
        """Whether the goal is that hosts are level, or that they stay so."""
        return self.goal in ("spread", "evacuate")

    def levelled_from(self, metric: str) -> float:
        """Percent that some host must have in use before the metric is levelled."""
        if isinstance(self.level_above, Mapping):
            return self.level_above.get(metric, 0.0)
        return self.level_above or 0.0
