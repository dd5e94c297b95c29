# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ordered migrations with their reasons, the cluster before and after, and what is proven."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Final, Literal

from .codec import Bounds, decode, demand_schema, encode
from .errors import InputError
from .policy.policy import Policy
from .snapshot import Bytes, ClusterRef, Id, Moment

PLAN_SCHEMA: Final = "evenkeel.cluster/plan/1"

MigrationKind = Literal[
    "balance", "rule", "evacuate", "relieve", "consolidate", "parking", "storage", "manual", "rollback"
]
# Migrations that may fill a host up to memory_for_rules; then every other migration to that host may, too.
RULE_RESTORING: Final[frozenset[MigrationKind]] = frozenset(
    {"rule", "evacuate", "storage", "manual", "rollback"}
)
Step = Annotated[int, Bounds(least=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRef:
    """Which guest this is; the id counts, the name is for people."""

    id: Id
    name: Id


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of a migration: bytes of memory to copy, and its estimated seconds; of kind storage also the
    bytes of disks.
    """

    memory: Bytes
    seconds: Annotated[float, Bounds(least=0)]
    disks: Annotated[Bytes, "what is copied of disks, where they are the reason of the migration"] = field(
        default=0, metadata={"omit": True}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One guest from one host to another, once the steps in `after` have ended well."""

    step: Step
    wave: Annotated[int, Bounds(least=1), "migrations of one wave may run side by side; derived from after"]
    guest: GuestRef
    source: Annotated[Id, "the host that the guest leaves"] = field(metadata={"json": "from"})
    target: Annotated[Id, "the host that the guest goes to"] = field(metadata={"json": "to"})
    kind: MigrationKind
    why: str
    after: Annotated[tuple[Step, ...], "steps that must have ended well before this one starts"]
    cost: Cost
    storage: Annotated[Mapping[Id, Id], "datastores whose disks go along: from which to which"] = field(
        default_factory=dict, metadata={"omit": True}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A rule that does not hold."""

    rule: str
    detail: str
    strict: Annotated[bool, "false: a soft rule, which may stay broken"] = field(
        default=True, metadata={"omit": True}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """A host in a plan: percent of its capacity in use for each metric (null when not known), and its running
    guests.
    """

    name: Id
    used: Mapping[str, float | None]
    guests: Annotated[int, Bounds(least=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterState:
    """The cluster at one end of a plan: points of spread for each metric, broken rules, hosts by id."""

    spread: Mapping[str, float | None]
    violations: tuple[Violation, ...]
    hosts: Mapping[Id, HostState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The proven quality of a plan: no legal plan achieves as much with fewer migrations than the
    bound.
    """

    migrations_lower_bound: Annotated[int, Bounds(least=0)]
    optimal: bool
    spread_lower_bound: Mapping[str, float | None]
    method: str
    seconds: Annotated[float, Bounds(least=0), "how long the migrations take, by the costs of each"] = 0
    seconds_lower_bound: Annotated[
        float, Bounds(least=0), "what the busiest host, or the longest migration, takes at least"
    ] = 0


UnresolvedCode = Literal[
    "metric_unavailable",
    "spread_exceeded",
    "datastore_full",
    "datastore_not_empty",
    "datastore_unknown",
    "latency_exceeded",
    "rule_broken",
    "rule_impossible",
    "rule_names_unknown",
    "host_above_limits",
    "host_load_unknown",
    "host_not_empty",
    "host_overloaded",
    "host_stays_on",
    "no_safe_order",
    "no_target_host",
    "not_sustained",
    "not_where_moved",
    "other_balancer",
    "unknown",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """Something that the plan does not put in order, and why: `what` and `why` are for people, `code` and
    `subject` for programs.
    """

    what: str
    why: str
    code: Annotated[UnresolvedCode, "unknown in plans of version 0.1, which have no codes"] = "unknown"
    subject: Annotated[
        str,
        "the id of the host, or the name of the rule or metric, that this is about; empty for the cluster",
    ] = field(default="", metadata={"omit": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Immovable:
    """A guest on a host that is too full, or under a broken rule, that can't be migrated."""

    guest: GuestRef
    host: Id
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMemory:
    """Bytes of a host's memory in use, and what the platform counts as used besides, though the host gives it
    back when it is wanted.
    """

    used: Bytes
    reclaimable: Bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Which loads a plan rests on."""

    at: Annotated[Moment, "taken_at of the snapshot"]
    window_seconds: Annotated[int, Bounds(least=0), "window_seconds of the snapshot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfBand:
    """A part of the cluster that is out of its band, and since when without a break."""

    what: Annotated[str, "as in unresolved, for people"]
    subject: Annotated[str, "the metric, the id of the host, or the name of the rule"]
    readings: Annotated[
        int, Bounds(least=1), "consecutive readings in which it was out of its band, the present one included"
    ]
    since: Annotated[Moment, "the first of these readings"]
    waits: Annotated[bool, "whether no guest is migrated for it yet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sustained:
    """How long parts of the cluster must be out of their band before guests are migrated, and have been."""

    readings: Annotated[int, Bounds(least=1), "sustained of the policy"]
    seconds: Annotated[float, Bounds(least=0), "sustained_for of the policy"]
    seen: Annotated[
        int, Bounds(least=0), "the most consecutive readings out of a band; 0 inside of all bands"
    ]
    out_of_band: tuple[OutOfBand, ...] = ()


DiskMoveKind = Literal[
    "rule", "evacuate", "placement", "space", "latency", "level", "parking", "manual", "rollback"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskMove:
    """Disks of one guest from one datastore to another, once the steps in `after` have ended well. Steps are
    counted on from those of the migrations, and each disk move comes after all migrations.
    """

    step: Step
    wave: Annotated[int, Bounds(least=1)]
    guest: GuestRef
    host: Annotated[Id, "the host of the guest at that time"]
    disks: Annotated[tuple[Id, ...], "ids of its disks that move, all of them on `from`"]
    source: Annotated[Id, "id of the datastore that the disks leave"] = field(metadata={"json": "from"})
    target: Annotated[Id, "id of the datastore that the disks go to"] = field(metadata={"json": "to"})
    kind: DiskMoveKind
    why: str
    after: Annotated[tuple[Step, ...], "steps that must have ended well before this one starts"]
    bytes: Annotated[Bytes, "what is copied"]
    room: Annotated[Bytes, "what it may take on the target: each disk at its full size, or as it grows"]
    seconds: Annotated[float, Bounds(least=0), "estimated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatastoreState:
    """A datastore in a plan: bytes and percent in use (null when not known), and its latency in
    milliseconds.
    """

    name: Id
    capacity: Bytes | None
    used: Bytes | None
    percent: float | None
    latency: float | None = None
    disks: Annotated[int, Bounds(least=0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageState:
    """The datastores at one end of a plan, by id."""

    datastores: Mapping[Id, DatastoreState]
    violations: tuple[Violation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageProof:
    """No legal plan achieves as much with fewer bytes copied than the bound."""

    bytes: Bytes
    bytes_lower_bound: Bytes
    optimal: bool
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImmovableDisk:
    """Disks on a datastore that is too full, or is to be emptied, that can't be moved."""

    guest: GuestRef
    disks: tuple[Id, ...]
    datastore: Id
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoragePlan:
    """The moves of disks, and the datastores before and after them. `status` as in the plan."""

    status: Literal["balanced", "improved", "unchanged", "infeasible"]
    moves: tuple[DiskMove, ...]
    before: StorageState
    after: StorageState
    proof: StorageProof
    unresolved: tuple[Unresolved, ...] = ()
    immovable: tuple[ImmovableDisk, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The migrations that put a cluster in order. `balanced`: nothing was wrong, or nothing will be after it;
    `improved`: better, but something stays; `unchanged`: no beneficial move; `infeasible`: what was asked for
    can't be had, see unresolved.
    """

    schema: Literal["evenkeel.cluster/plan/1"] = PLAN_SCHEMA
    cluster: ClusterRef
    platform: Id
    snapshot_digest: str
    policy: Policy
    status: Literal["balanced", "improved", "unchanged", "infeasible"]
    migrations: tuple[Migration, ...]
    before: ClusterState
    after: ClusterState
    proof: Proof
    unresolved: tuple[Unresolved, ...] = ()
    immovable: tuple[Immovable, ...] = ()
    emptied: Annotated[tuple[Id, ...], "goal consolidate: hosts that run guests now and none after it"] = (
        field(default=(), metadata={"omit": True})
    )
    reclaimable: Annotated[
        Mapping[Id, HostMemory], "by id, hosts that the platform calls fuller than they are, before the plan"
    ] = field(default_factory=dict, metadata={"omit": True})
    remembered_at: Annotated[
        Annotated[float, Bounds(least=0)] | None,
        "remembered_at of the snapshot: what runs recorded later is not reckoned with",
    ] = field(default=None, metadata={"omit": True})
    notices: Annotated[
        tuple[str, ...],
        "what the plan rests on that was not measured or not seen, and selectors that match nothing",
    ] = field(default=(), metadata={"omit": True})
    hypothetical: Annotated[bool, "made for changes by what_if, so that no run applies it"] = field(
        default=False, metadata={"omit": True}
    )
    measured: Annotated[Measured | None, "when the loads were read; null in plans of versions before 1.1"] = (
        field(default=None, metadata={"omit": True})
    )
    sustained: Annotated[
        Sustained | None, "null when the policy has no sustained, or its goal does not wait"
    ] = field(default=None, metadata={"omit": True})

    storage: Annotated[
        StoragePlan | None, "what is done about datastores; null when the policy says nothing about them"
    ] = field(default=None, metadata={"omit": True})

    @classmethod
    def from_json(cls, value: object) -> Plan:
        """Read parsed JSON. Raises InputError with the path of the first field that is wrong."""
        demand_schema(value, PLAN_SCHEMA, "plan")
        plan = decode(cls, value, "plan")
        plan = replace(plan, unresolved=tuple(_with_code(item) for item in plan.unresolved))
        _check_order("plan.migrations", plan.migrations)
        moves = () if plan.storage is None else plan.storage.moves
        _check_order("plan.storage.moves", moves, {migration.step for migration in plan.migrations})
        for index, move in enumerate(moves):
            if not move.disks:
                raise InputError.required(f"plan.storage.moves[{index}].disks", expected="at least one disk")
        return plan

    def to_json(self) -> dict[str, object]:
        result: dict[str, object] = encode(self)
        return result

    def waiting(self) -> int:
        """How many of its unresolved entries only wait for further readings."""
        return sum(item.code == "not_sustained" for item in self.unresolved)


def _check_order(
    path: str, steps: Sequence[Migration | DiskMove], before: Collection[int] = frozenset()
) -> None:
    """Raises InputError where a step is there twice, or comes after one that does not stand earlier. All of
    `before` end before the first of these.
    """
    waves: dict[int, int] = {}
    for index, one in enumerate(steps):
        if one.step in waves or one.step in before:
            raise InputError(f"{path}[{index}].step", one.step, f"unique among {path}")
        for step in one.after:
            if step in before:
                continue
            if step not in waves:
                raise InputError(f"{path}[{index}].after", step, f"a step that stands earlier in {path}")
            if waves[step] >= one.wave:
                raise InputError(
                    f"{path}[{index}].wave",
                    one.wave,
                    f"later than the wave of step {step}, which it comes after",
                )
        waves[one.step] = one.wave


def _with_code(item: Unresolved) -> Unresolved:
    """Plans of version 0.1 say only in words what nothing can put in order, and so keeps no run waiting."""
    if item.code == "unknown" and item.what.startswith("metric "):
        return replace(item, code="metric_unavailable", subject=item.what.removeprefix("metric "))
    if item.code == "unknown" and item.what.startswith("limits of "):
        return replace(item, code="host_above_limits")
    return item
