# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to place new guests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from .codec import Bounds, decode, encode
from .errors import InputError
from .policy.policy import Policy
from .quantities import AMOUNTS, CORES, DISK_SIZE, SIZE
from .reservation import Reservation
from .selector import Selector
from .snapshot import Amounts, Bytes, Id
from .where import HOST, check_selector

REQUEST_SCHEMA: Final = "evenkeel.cluster/placement_request/1"

Strategy = Literal["spread", "pack", "least_loaded"]
Siblings = Literal["ignore", "anti_affinity", "even_spread"]
Positive = Annotated[int, Bounds(least=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedDisk:
    """A disk, and which datastores will do for it; any that has room where nothing is said."""

    size: Annotated[Bytes, DISK_SIZE]
    datastore: Annotated[str | None, "id or shell pattern of ids"] = None
    kind: Annotated[str | None, "class of the datastore"] = field(default=None, metadata={"json": "class"})
    shared: Annotated[bool | None, "whether more than one host must have it"] = None
    storage_policy: Annotated[
        str | None, "name of a storage policy that a disk of the cluster has, with which it must comply"
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedDevice:
    """Devices for the guest alone, by kind or shell pattern of kinds."""

    kind: Id
    count: Positive = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedVm:
    """One guest, or `count` of them that are alike.

    With a count of more than one, numbers from `first` on take the place of the # in the name (web## makes
    web01), or are added to it. Guests are meant by id, name or shell pattern of names, those of the same
    request among them.
    """

    name: Id
    count: Annotated[int, Bounds(1, 100_000)] = 1
    first: Annotated[int, Bounds(least=0)] = 1
    cpu: Annotated[float, Bounds(least=0), CORES, "cores that it is given"]
    memory: Annotated[int, Bounds(least=1), SIZE, "bytes that it is given"]
    used: Annotated[
        Amounts, AMOUNTS, "what it will use, as far as known; of cpu and memory all that it is given"
    ] = field(default_factory=dict)
    disks: tuple[WantedDisk, ...] = ()
    networks: tuple[Id, ...] = ()
    devices: tuple[WantedDevice, ...] = ()
    pool: Annotated[str | None, "pool of the host; any where nothing is said"] = None
    dedicated: Annotated[bool, "true: dedicated hosts only; false: never those"] = False
    labels: Annotated[Mapping[str, str], "labels that the host must have"] = field(default_factory=dict)
    hosts: Annotated[Selector | None, "the only hosts that will do"] = None
    cpu_models: tuple[str, ...] | None = None
    min_version: str | None = None
    tags: tuple[str, ...] = ()
    affinity: Annotated[tuple[Id, ...], "guests that it must share a host with"] = ()
    anti_affinity: Annotated[tuple[Id, ...], "guests that it must not share a host with"] = ()
    even_spread: Annotated[tuple[Id, ...], "guests that it is to be evenly spread with"] = ()
    max_skew: Annotated[int, Bounds(least=1), "for even_spread"] = 1
    name_prefix: Annotated[
        Siblings, "what to do about guests whose names are alike but for trailing digits"
    ] = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """Facts of hosts that the platform does not report; of several for one host the last one counts."""

    hosts: Selector
    pool: str | None = None
    dedicated: bool | None = None
    labels: Annotated[Mapping[str, str], "besides those that it has"] = field(default_factory=dict)
    max_guests: Annotated[int, Bounds(least=0)] | None = None
    devices: Annotated[Mapping[Id, Annotated[int, Bounds(least=0)]], "free ones, by kind"] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatastoreFacts:
    """Facts of datastores that the platform does not report, by id or shell pattern of ids."""

    datastores: tuple[Id, ...]
    kind: Annotated[str | None, "class"] = field(default=None, metadata={"json": "class"})
    closed: Annotated[bool, "takes no disks of new guests"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldReservation:
    """Room that somebody else was promised in a cluster, named as in `platform:id`."""

    cluster: Id
    reservation: Reservation


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementRequest:
    """Guests that are to be placed together, in one cluster, and how."""

    schema: Literal["evenkeel.cluster/placement_request/1"] = REQUEST_SCHEMA
    vms: tuple[WantedVm, ...]
    strategy: Annotated[
        Strategy,
        "spread: hosts as level as can be; pack: the fullest host that has room; least_loaded: the host "
        "whose fullest metric is lowest",
    ] = "spread"
    spare: Annotated[int, Bounds(least=0), "hosts that may fail without the rest lacking room"] = 0
    make_room: Annotated[bool, "whether guests that are there may be migrated where there is no room"] = False
    all_or_nothing: bool = True
    runners_up: Annotated[int, Bounds(0, 1000), "number of next best hosts that are reported"] = 3
    explain: Annotated[
        bool | None,
        "whether hosts that do not fit are reported with reasons; null: for a single guest",
    ] = None
    policy: Annotated[Policy, "limits, reserves, exclusions and rules, as for plans"] = field(
        default_factory=Policy
    )
    hosts: tuple[HostFacts, ...] = ()
    datastores: tuple[DatastoreFacts, ...] = ()
    held: tuple[HeldReservation, ...] = ()

    @classmethod
    def from_json(cls, value: object) -> PlacementRequest:
        """Read parsed JSON, with what a preset adds to the policy. Raises InputError with the path of the
        first field that is wrong.
        """
        if isinstance(value, Mapping):
            if value.get("schema", REQUEST_SCHEMA) != REQUEST_SCHEMA:
                raise InputError("request.schema", value.get("schema"), repr(REQUEST_SCHEMA))
            value = {**value, "policy": Policy.from_json(value.get("policy", {})).to_json()}
        request = decode(cls, value, "request")
        if not request.vms:
            raise InputError.required("request.vms", expected="at least one guest")
        for index, wanted in enumerate(request.vms):
            _check(wanted, f"request.vms[{index}]")
        for index, facts in enumerate(request.hosts):
            check_selector(facts.hosts, f"request.hosts[{index}].hosts", HOST)
        return request

    def to_json(self) -> dict[str, object]:
        result: dict[str, object] = encode(self)
        return result


def _check(wanted: WantedVm, path: str) -> None:
    if wanted.hosts is not None:
        check_selector(wanted.hosts, f"{path}.hosts", HOST)
    if wanted.name.count("#") and "#" * wanted.name.count("#") not in wanted.name:
        raise InputError(f"{path}.name", wanted.name, "a name in which all # are adjacent")
    for name in wanted.used:
        if name not in ("cpu", "memory", "disk_io", "network_io"):
            raise InputError(f"{path}.used", name, "one of cpu, memory, disk_io, network_io")
