# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where new guests go, and why not elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from .codec import Bounds, decode, demand_schema, encode
from .plan import Plan
from .snapshot import Bytes, ClusterRef, Disk, Id, Moment

PLACEMENT_SCHEMA: Final = "evenkeel.cluster/placement/1"

Count = Annotated[int, Bounds(least=0)]
Points = Annotated[float, "the lower the better; what it counts depends on the strategy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRef:
    """Which host this is; the id counts, name and address are for whoever creates the guest there."""

    id: Id
    name: Id
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerUp:
    """A host that would have done as well, with its score."""

    host: HostRef
    score: Points


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRefusal:
    """A host that does not fit: the reason in a word, as it is counted, and in full."""

    host: Id
    name: Id
    reason: Id
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The hosts that were considered: the number that fit, and the others counted by reason."""

    hosts: Count
    fit: Count
    refused: Mapping[str, Count]
    says: Annotated[
        str, "the same in a sentence, such as 0 of 12 hosts fit: 5 memory, 4 pool, 3 anti-affinity"
    ]
    refusals: Annotated[tuple[HostRefusal, ...], "each host that does not fit, where that was asked for"] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A guest and its place. `state`: new; held by a reservation already; or present in the cluster already,
    and then where it is.
    """

    name: Id
    request: Annotated[Count, "position of what it was asked for by in the request's vms"]
    state: Literal["new", "held", "present"]
    host: HostRef
    cpu: Annotated[float, Bounds(least=0)]
    memory: Bytes
    disks: Annotated[tuple[Disk, ...], "in the order of the request"]
    networks: tuple[Id, ...]
    tags: tuple[str, ...] = ()
    score: Points | None = None
    runners_up: tuple[RunnerUp, ...] = ()
    search: Search | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LargestFit:
    """The largest guest of its kind that would fit: with the cpu, and with the memory, that it asks for."""

    memory: Annotated[Bytes | None, "with the cpu that was asked for; null where that itself has no room"]
    memory_host: Id | None
    cpu: Annotated[float | None, "with the memory that was asked for; null where that itself has no room"]
    cpu_host: Id | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplaced:
    """A guest that has no place."""

    name: Id
    request: Count
    search: Search
    largest: LargestFit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterTried:
    """The offer of one of the clusters."""

    cluster: ClusterRef
    platform: Id
    placed: Count
    wanted: Count
    migrations: Annotated[Count, "that it takes to make room"]
    load: Annotated[
        float | None, "percent in use of its fullest metric, all hosts taken as one, once all are placed"
    ]
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A place as capacity_lease takes it, so that a lease holds it."""

    cluster: Id
    guest: Id
    host: Id
    cpu: Annotated[float, Bounds(least=0)]
    memory: Bytes
    disks: tuple[Disk, ...] = ()
    networks: tuple[Id, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The answer. `placed`: all guests have a place; `partial`: some have; `impossible`: none gets one."""

    schema: Literal["evenkeel.cluster/placement/1"] = PLACEMENT_SCHEMA
    status: Literal["placed", "partial", "impossible"]
    cluster: ClusterRef
    platform: Id
    taken_at: Annotated[Moment, "the moment of the snapshot"]
    placements: tuple[Placed, ...]
    unplaced: tuple[Unplaced, ...]
    spread_before: Annotated[
        Mapping[str, float], "points between the fullest and the emptiest host, by metric"
    ]
    spread_after: Mapping[str, float]
    clusters: Annotated[tuple[ClusterTried, ...], "all that were looked at, the chosen one first"]
    plan: Annotated[
        Plan | None, "migrations that make room, to be carried out before anything is created"
    ] = None
    promises: Annotated[tuple[Promise, ...], "the new places, for a lease to hold"] = ()
    says: Annotated[tuple[str, ...], "the answer in lines"] = ()
    notes: Annotated[tuple[str, ...], "what could not be made sense of, and was left out"] = field(
        default=(), metadata={"omit": True}
    )

    @classmethod
    def from_json(cls, value: object) -> Placement:
        """Read parsed JSON. Raises InputError with the path of the first field that is wrong."""
        demand_schema(value, PLACEMENT_SCHEMA, "placement")
        return decode(cls, value, "placement")

    def to_json(self) -> dict[str, object]:
        result: dict[str, object] = encode(self)
        return result
