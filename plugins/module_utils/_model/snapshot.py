# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster at one moment, the same shape for every platform.

Units: cpu in cores, memory and storage in bytes, I/O in bytes per second, pressure in percent of time
stalled. What a platform does not report is None, never 0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Final, Literal, Optional

from .codec import Bounds, Pattern, decode, demand_schema, encode
from .errors import InputError
from .native_balancer import NativeBalancer

SNAPSHOT_SCHEMA: Final = "evenkeel.cluster/snapshot/2"
# The versions before 1.3 know datastores only as hosts see them. A snapshot keeps the schema that it was read
# with, and so its digest.
READABLE_SCHEMAS: Final = ("evenkeel.cluster/snapshot/1", SNAPSHOT_SCHEMA)

Id = Annotated[str, Pattern(r"[\s\S]+", "a text of at least one character")]
Moment = Annotated[
    str,
    Pattern(
        r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ",
        "a moment in UTC such as 2026-01-31T22:00:00Z",
    ),
]
Amount = Annotated[float, Bounds(least=0)]
Bytes = Annotated[int, Bounds(least=0), "bytes"]
Resource = Annotated[
    str,
    Pattern(
        r"cpu|memory|network_io|disk_io|storage|x_[a-z0-9_]+",
        "a resource: cpu, memory, network_io, disk_io, storage, or one of your own that starts with x_",
    ),
]
Stall = Annotated[str, Pattern(r"cpu|memory|io", "a kind of pressure: cpu, memory or io")]
Amounts = Mapping[Resource, Optional[Amount]]
Pressures = Mapping[Stall, Optional[Annotated[float, Bounds(0, 100)]]]
Source = Literal["present", "average", "not_yet_measured"]
Sources = Annotated[
    Mapping[Resource, Source],
    "where values of `used` come from that are not what window_seconds says: the present value, an average "
    "over the window, or not yet measured, because the guest has just started or arrived (the value is null)",
]
HiddenFact = Literal["pools", "tags", "rules", "networks", "datastores", "guests", "loads", "history"]

RuleKind = Literal["affinity", "anti_affinity", "even_spread", "host_affinity", "host_anti_affinity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRef:
    """Which cluster this is."""

    id: Id
    name: Id
    instance: Annotated[
        str | None, "the vCenter or VMmanager that it belongs to: each counts its ids from the same start"
    ] = field(default=None, metadata={"omit": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDatastore:
    """A datastore as one host sees it. A shared one is the same place on all hosts that have it."""

    shared: bool
    capacity: Bytes | None = None
    free: Bytes | None = None
    kind: Annotated[Id | None, "the class that it is of, such as ssd or gold"] = field(
        default=None, metadata={"json": "class", "omit": True}
    )
    disk_io: Annotated[Amount | None, "bytes per second that it reads and writes, for all hosts"] = field(
        default=None, metadata={"omit": True}
    )
    closed_because: Annotated[
        str | None,
        "why this host can't put new disks on it, such as: in maintenance mode; null when it can",
    ] = field(default=None, metadata={"omit": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Datastore:
    """A place for disks. One that only one host has is another one than that of the same name elsewhere."""

    id: Annotated[Id, "unique in the cluster: its name, or name@host of one that only one host has"]
    name: Annotated[Id, "as in `datastores` of its hosts, and in `datastore` of disks"]
    shared: bool
    hosts: Annotated[tuple[Id, ...], "ids of the hosts that have it"]
    type: Annotated[Id | None, "the platform's word for what it is, such as VMFS, NFS, lvmthin or rbd"] = (
        field(default=None, metadata={"omit": True})
    )
    kind: Annotated[Id | None, "the class that it is of, such as ssd or gold"] = field(
        default=None, metadata={"json": "class", "omit": True}
    )
    capacity: Bytes | None = None
    free: Bytes | None = None
    provisioned: Annotated[
        Bytes | None, "what would be in use if each thin disk on it had grown to its full size"
    ] = field(default=None, metadata={"omit": True})
    arriving: Annotated[
        Bytes, "what disks may still take on it that runs which are under way are to move to it"
    ] = field(default=0, metadata={"omit": True})
    latency: Annotated[
        Amount | None, "milliseconds that requests take, the 90th percentile of the window or of a day"
    ] = field(default=None, metadata={"omit": True})
    iops: Annotated[Amount | None, "requests per second, of all hosts"] = field(
        default=None, metadata={"omit": True}
    )
    disk_io: Annotated[Amount | None, "bytes per second that are read and written, of all hosts"] = field(
        default=None, metadata={"omit": True}
    )
    thin: Annotated[
        bool | None, "whether disks on it take only the space that was written; null when it is not known"
    ] = field(default=None, metadata={"omit": True})
    content: Annotated[
        tuple[Id, ...] | None,
        "what it may hold, in the platform's words, such as images and rootdir; null where all may be",
    ] = field(default=None, metadata={"omit": True})
    cluster: Annotated[Id | None, "the cluster of datastores that it belongs to"] = field(
        default=None, metadata={"omit": True}
    )
    tags: tuple[str, ...] = field(default=(), metadata={"omit": True})
    maintenance: Annotated[bool, "whether it is in, or enters, maintenance mode: disks have to leave it"] = (
        field(default=False, metadata={"omit": True})
    )
    closed_because: Annotated[
        str | None, "why no disk may be moved to it, such as: not accessible; null when disks may"
    ] = field(default=None, metadata={"omit": True})
    balanced_by: Annotated[
        str | None,
        "what else moves its disks by itself, such as Storage DRS; null when nothing does",
    ] = field(default=None, metadata={"omit": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDevices:
    """Devices of one kind that a host can hand to guests, such as PCI cards, and how many no guest has."""

    total: Annotated[int, Bounds(least=0)]
    free: Annotated[int, Bounds(least=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A hypervisor. `used` is what it measured, guests included; `reserved` is out of their reach."""

    id: Id
    name: Id
    status: Literal["online", "offline", "unknown"]
    maintenance: bool
    schedulable: Annotated[bool, "false when the platform lets no guest be started or received here"]
    capacity: Amounts
    used: Amounts
    reserved: Amounts = field(default_factory=dict)
    pressure: Pressures = field(default_factory=dict)
    max_guests: Annotated[int, Bounds(least=0)] | None = None
    version: str | None = None
    cpu_model: str | None = None
    pool: str | None = None
    dedicated: bool = False
    address: str | None = None
    datastores: Mapping[Id, HostDatastore] = field(default_factory=dict)
    networks: tuple[Id, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    reclaimable: Annotated[
        int,
        Bounds(least=0),
        "bytes of memory that the platform counts as used, but `used` does not, since the host gives them "
        "back when they are wanted, as ZFS does with its cache",
    ] = field(default=0, metadata={"omit": True})
    devices: Annotated[Mapping[Id, HostDevices], "devices for guests, by kind, such as nvidia-a100"] = field(
        default_factory=dict, metadata={"omit": True}
    )
    sources: Sources = field(default_factory=dict, metadata={"omit": True})
    cpu_features: Annotated[
        tuple[Id, ...] | None,
        "CPU features of the host, at least those that any guest requires; null when they are not known",
    ] = field(default=None, metadata={"omit": True})
    closed_because: Annotated[
        str | None,
        "why schedulable is false or maintenance is true, where the platform says so, such as: no VMkernel "
        "port with vMotion",
    ] = field(default=None, metadata={"omit": True})

    @property
    def active(self) -> bool:
        """Whether it may receive guests."""
        return self.status == "online" and not self.maintenance and self.schedulable


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A virtual disk and where it lies. `blockers` say why it can't be moved to another datastore."""

    datastore: Annotated[Id, "name of the datastore, as the guest's host has it"]
    size: Annotated[Bytes | None, "what it may grow to"]
    id: Annotated[
        Id | None,
        "its name in the guest's configuration, such as scsi0, rootfs or 2000; home for the files of a guest "
        "that are no disk; null where the platform does not tell, so that it can't be moved",
    ] = field(default=None, metadata={"omit": True})
    used: Annotated[Bytes | None, "what it takes on its datastore; null where it is not known"] = field(
        default=None, metadata={"omit": True}
    )
    thin: Annotated[bool | None, "whether it takes only what was written"] = field(
        default=None, metadata={"omit": True}
    )
    format: Annotated[Id | None, "raw, qcow2, vmdk, subvol and the like"] = field(
        default=None, metadata={"omit": True}
    )
    disk_io: Annotated[Amount | None, "bytes per second that it reads and writes"] = field(
        default=None, metadata={"omit": True}
    )
    copied_whole: Annotated[
        bool,
        "whether a copy of it may take its full size where it goes, though it takes less where it is",
    ] = field(default=False, metadata={"omit": True})
    migrated_whole: Annotated[
        bool, "the same of its copy on another host, when its guest is migrated together with it"
    ] = field(default=False, metadata={"omit": True})
    storage_policy: Annotated[Id | None, "name of the storage policy that the platform keeps for it"] = field(
        default=None, metadata={"omit": True}
    )
    targets: Annotated[
        tuple[Id, ...] | None,
        "ids of the only datastores that may have it, by its storage policy; null for any",
    ] = field(default=None, metadata={"omit": True})
    last_failed_at: Annotated[
        Moment | None, "when a move of it to another datastore last failed, unless one has succeeded since"
    ] = field(default=None, metadata={"omit": True})
    blockers: Annotated[
        tuple[Id, ...],
        "why it stays: linked_clone, snapshot_chain, raw_device, cdrom, not_backed_up, shared_disk, "
        "running_container, unsupported and the like",
    ] = field(default=(), metadata={"omit": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A virtual machine or container. `blockers` say why it can't be migrated live.

    `power` says whether the guest holds memory on its host: "running" includes paused and the like (see
    `run_state`), "suspended" is saved to disk, "unknown" may hold memory.
    """

    id: Id
    name: Id
    kind: Literal["vm", "container"]
    host: Id
    power: Literal["running", "stopped", "suspended", "unknown"]
    assigned: Amounts
    used: Amounts
    pressure: Pressures = field(default_factory=dict)
    disks: tuple[Disk, ...] = ()
    networks: tuple[Id, ...] = ()
    tags: tuple[str, ...] = ()
    pool: str | None = None
    priority: int = 2
    migratable: bool
    blockers: tuple[Id, ...] = ()
    last_migrated_at: Moment | None = None
    last_failed_at: Annotated[Moment | None, "when a migration of it last failed"] = field(
        default=None, metadata={"omit": True}
    )
    cpu_models: Annotated[tuple[str, ...] | None, "host CPU models it can run on; null when any will do"] = (
        field(default=None, metadata={"omit": True})
    )
    min_version: Annotated[str | None, "least hypervisor version of a target; null when any will do"] = field(
        default=None, metadata={"omit": True}
    )
    cpu_features: Annotated[tuple[Id, ...], "CPU features that a target host must have"] = field(
        default=(), metadata={"omit": True}
    )
    targets: Annotated[
        tuple[Id, ...] | None,
        "the only hosts that it can be migrated to, such as those with a replica of its disks; null for any",
    ] = field(default=None, metadata={"omit": True})
    run_state: Annotated[
        str | None, "the platform's own word for what it does, where `power` says too little, such as paused"
    ] = field(default=None, metadata={"omit": True})
    sources: Sources = field(default_factory=dict, metadata={"omit": True})
    migrating_to: Annotated[
        Id | None, "the host that a migration under way takes it to; it is on `host` until that ends"
    ] = field(default=None, metadata={"omit": True})
    platform_managed: Annotated[
        bool,
        "true for agents such as vCLS: the platform moves it or shuts it down itself when its host enters "
        "maintenance mode",
    ] = field(default=False, metadata={"omit": True})

    @property
    def is_on_host(self) -> bool:
        """Whether the guest holds, or may hold, memory on its host: the one definition of still being
        there.
        """
        return self.power in ("running", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Guests together, apart or evenly spread; or pinned to, or banned from, hosts. Not strict: soft, with a
    weight.
    """

    name: Id
    kind: RuleKind
    guests: tuple[Id, ...]
    hosts: tuple[Id, ...] = ()
    strict: bool
    source: Annotated[
        str, "where the rule comes from, such as drs-rule:web, ha-rule:web or policy:name_prefix"
    ]
    max_skew: Annotated[
        int, Bounds(least=1), "even_spread only: by how much the counts on two hosts may differ"
    ] = field(default=1, metadata={"omit": True})
    weight: Annotated[float, Bounds(least=0), "of a rule that is not strict"] = field(
        default=1, metadata={"omit": True}
    )
    co_migrates: Annotated[
        bool,
        "true when the platform itself migrates all guests of the rule to where one of them is migrated, as "
        "HA of Proxmox VE does",
    ] = field(default=False, metadata={"omit": True})
    enforced: Annotated[
        bool,
        "true when the platform itself refuses a migration to a host where the rule does not hold, even if "
        "it does not hold on the present host either, as vCenter and HA of Proxmox VE do",
    ] = field(default=False, metadata={"omit": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageRule:
    """Disks on different datastores, or on one, as the platform itself has it."""

    name: Id
    kind: Literal["anti_affinity", "affinity"]
    guests: Annotated[tuple[Id, ...], "whose disks; one guest where the rule is about its own disks"]
    disks: Annotated[
        tuple[Id, ...],
        "ids of those disks of the one guest that the rule is about; empty for all disks of the guests",
    ] = field(default=(), metadata={"omit": True})
    strict: bool = True
    source: Annotated[str, "where the rule comes from, such as storage-drs-rule:web"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that could not be read, or not wholly, and what that hides."""

    text: Annotated[Id, "what is missing and why, for people"]
    hides: Annotated[
        tuple[HiddenFact, ...], "kinds of facts that are missing wherever the account does not see them"
    ] = field(default=(), metadata={"omit": True})
    hosts: Annotated[tuple[Id, ...], "the hosts concerned, by id or name"] = field(
        default=(), metadata={"omit": True}
    )
    guests: Annotated[tuple[Id, ...], "the guests concerned, by id or name"] = field(
        default=(), metadata={"omit": True}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The platform's own check has refused to migrate a guest to a host."""

    guest: Id
    host: Id
    why: str
    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRefusal:
    """The platform's own check has refused to move disks of a guest to a datastore."""

    guest: Id
    disks: Annotated[tuple[Id, ...], "ids of the disks that were to be moved together"]
    datastore: Annotated[Id, "id of the datastore that they were to be moved to"]
    why: str
    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The loads that an earlier run planned with, before it migrated anything."""

    at: Annotated[Moment, "when they were read, by the clock of the platform"]
    window_seconds: Annotated[
        int, Bounds(least=0), "what the loads are an average over; 0 for the present value"
    ]
    demand: Annotated[str, "which figure counted as the load of a guest, such as used"]
    spread: Annotated[Mapping[str, Optional[float]], "points of spread, by metric"]
    hosts: Annotated[
        Mapping[Id, Mapping[str, Optional[float]]], "percent in use, by id of the host and by metric"
    ]
    broken: Annotated[tuple[str, ...], "names of the strict rules that did not hold"] = field(
        default=(), metadata={"omit": True}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A cluster at one moment: its hosts, guests and the rules that the platform itself holds."""

    schema: Literal["evenkeel.cluster/snapshot/1", "evenkeel.cluster/snapshot/2"] = SNAPSHOT_SCHEMA
    platform: Id
    cluster: ClusterRef
    taken_at: Moment
    window_seconds: Annotated[
        int, Bounds(least=0), "what the loads are an average over; 0 for the present value"
    ]
    hosts: tuple[Host, ...]
    guests: tuple[Guest, ...]
    rules: tuple[Rule, ...]
    datastores: Annotated[
        tuple[Datastore, ...], "each of them once; empty in snapshots of versions before 1.3"
    ] = field(default=(), metadata={"omit": True})
    storage_rules: Annotated[
        tuple[StorageRule, ...], "rules of the platform for datastores, such as those of Storage DRS"
    ] = field(default=(), metadata={"omit": True})
    other_balancers: Annotated[tuple[str, ...], "what else moves guests in this cluster by itself"] = field(
        default=(), metadata={"omit": True}
    )
    native_balancer: Annotated[
        NativeBalancer | None, "how the platform's own balancer is set up; null where it has none"
    ] = field(default=None, metadata={"omit": True})
    remembered_at: Annotated[
        Amount | None,
        "when the reading began, in seconds since 1970 by the clock of the state database: what runs "
        "recorded by then is in here",
    ] = field(default=None, metadata={"omit": True})
    notices: Annotated[tuple[Notice, ...], "what could not be read, and what that hides"] = field(
        default=(), metadata={"omit": True}
    )
    refusals: Annotated[
        tuple[Refusal, ...], "migrations that the platform refused a short while ago, guest by guest and host"
    ] = field(default=(), metadata={"omit": True})
    disk_refusals: Annotated[
        tuple[DiskRefusal, ...], "moves of disks to datastores that the platform refused a short while ago"
    ] = field(default=(), metadata={"omit": True})
    readings: Annotated[
        tuple[Reading, ...] | None,
        "what earlier runs read, the newest first; null where they were not looked up or are not remembered",
    ] = field(default=None, metadata={"omit": True})

    @classmethod
    def from_json(cls, value: object) -> Snapshot:
        """Read parsed JSON. Raises InputError with the path of the first field that is wrong."""
        demand_schema(value, SNAPSHOT_SCHEMA, "snapshot", READABLE_SCHEMAS)
        snapshot = decode(cls, value, "snapshot")
        _refuse_duplicates("hosts", (host.id for host in snapshot.hosts))
        _refuse_duplicates("guests", (guest.id for guest in snapshot.guests))
        _refuse_duplicates("datastores", (place.id for place in snapshot.datastores))
        _refuse_duplicates("rules", (rule.name for rule in snapshot.rules), what="name")
        _refuse_duplicates("storage_rules", (rule.name for rule in snapshot.storage_rules), what="name")
        known = {host.id for host in snapshot.hosts}
        for index, guest in enumerate(snapshot.guests):
            if guest.host not in known:
                raise InputError(
                    f"snapshot.guests[{index}].host", guest.host, "the id of a host in snapshot.hosts"
                )
        return replace(snapshot, rules=tuple(_with_platform_facts(rule) for rule in snapshot.rules))

    def to_json(self) -> dict[str, object]:
        result: dict[str, object] = encode(self)
        return result

    def digest(self) -> str:
        """The digest by which a plan names its snapshot: sha256 over the canonical JSON."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _with_platform_facts(rule: Rule) -> Rule:
    """Snapshots of version 0.1 say only by `source` that the platform follows a rule itself."""
    sources = ("drs-rule:", "fault-tolerance", "ha-rule:", "ha-group:")
    if not rule.strict or rule.co_migrates or rule.enforced or not rule.source.startswith(sources):
        return rule
    together = rule.kind == "affinity" and rule.source.startswith("ha-rule:")
    return replace(rule, co_migrates=together, enforced=True)


def _refuse_duplicates(collection: str, keys: Iterable[str], what: str = "id") -> None:
    seen: set[str] = set()
    for index, key in enumerate(keys):
        if key in seen:
            raise InputError(
                f"snapshot.{collection}[{index}].{what}", key, f"unique among snapshot.{collection}"
            )
        seen.add(key)
