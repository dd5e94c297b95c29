# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of capacity that leases are taken from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Literal

from .._model.codec import Bounds, Pattern, decode, encode
from .._model.errors import InputError

Name = Annotated[
    str,
    Pattern(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}", "a text of 1 to 200 characters on one line"),
]
Text = Annotated[
    str,
    Pattern(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,2000}", "a text of 1 to 2000 characters on one line"),
]
Count = Annotated[int, Bounds(least=0, most=999_999)]
Bytes = Annotated[int, Bounds(least=0, most=10**18), "bytes"]

NetworkType = Literal["single-tenant", "disconnected", "multi-tenant", "nested-multi-tenant", "public-ipv6"]
PlatformName = Literal["vsphere", "proxmox", "vmmanager"]

# Whoever has a network of another type has its VLAN alone.
SHARED_VLAN: frozenset[NetworkType] = frozenset({"multi-tenant", "nested-multi-tenant"})
# What may be given to who asks for a type, the best first.
STAND_INS: Mapping[NetworkType, tuple[NetworkType, ...]] = {"multi-tenant": ("multi-tenant", "single-tenant")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A port group or bridge that can be leased. `cidr`, `gateway` and `dns_servers` are only handed on."""

    name: Name
    type: NetworkType = "single-tenant"
    vlan: Annotated[int, Bounds(0, 4094)] | None = None
    port_group: Annotated[Text | None, "its name on the platform; null when that is `name`"] = None
    cidr: Text | None = None
    gateway: Text | None = None
    dns_servers: tuple[Text, ...] = ()

    @property
    def port(self) -> str:
        return self.port_group or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Capacity to lease from, usually that of one cluster: a domain that fails as one."""

    name: Name
    platform: PlatformName | None = None
    server: Text | None = None
    port: Annotated[int, Bounds(1, 65535)] | None = None
    username: Text | None = None
    datacenter: Text | None = None
    cluster: Text | None = None
    datastore: Text | None = None
    resource_pool: Text | None = None
    folder: Text | None = None
    template: Text | None = None
    region: Text | None = None
    zone: Text | None = None
    vcpus: Count
    memory: Bytes
    storage: Bytes
    cpu_overcommit: Annotated[float, Bounds(0.1, 100)] = 1.0
    exclude: Annotated[bool, "leased from only by requests that name it"] = False
    cordoned: Annotated[bool, "nothing new is leased from it"] = False
    labels: Mapping[Name, Text] = field(default_factory=dict)
    taints: tuple[Name, ...] = ()
    networks: tuple[Network, ...] = ()

    @classmethod
    def from_json(cls, value: object) -> Pool:
        """Read parsed JSON. Raises InputError with the path of the first field that is wrong."""
        pool = decode(cls, value, "")
        for what in ("name", "port"):
            seen: set[str] = set()
            for index, network in enumerate(pool.networks):
                key = getattr(network, what)
                if key in seen:
                    option = "port_group" if what == "port" else what
                    raise InputError(f"networks[{index}].{option}", key, "unique among the pool's networks")
                seen.add(key)
        return pool

    def to_json(self) -> dict[str, object]:
        result: dict[str, object] = encode(self)
        return result

    @property
    def vcpu_limit(self) -> int:
        """The number of vCPUs that can be leased, overcommitment included."""
        # 10 × 1.1 is to be 11.
        return math.floor(self.vcpus * self.cpu_overcommit + 1e-6)

    @property
    def place(self) -> str:
        """Within a place a port group, and a VLAN, is the same one for every pool."""
        return _place(self.server, self.datacenter, self.name)


@lru_cache(maxsize=1024)
def _place(server: str | None, datacenter: str | None, name: str) -> str:
    return json.dumps({"pool": name} if server is None else [server.lower(), datacenter])
