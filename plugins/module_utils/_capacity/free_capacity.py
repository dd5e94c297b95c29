# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Free capacity of pools and networks while requests are served in turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from .pool import SHARED_VLAN, Network, NetworkType, Pool
from .request import Request

Resource = Literal["vcpus", "memory", "storage"]
RESOURCES: tuple[Resource, ...] = ("vcpus", "memory", "storage")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkUse:
    """A port group that a lease has, in its place. Leases of the same `shared_by` may have it together."""

    place: str
    port_group: str
    vlan: int | None
    kind: NetworkType
    shared_by: str


class FreeCapacity:
    """Free capacity of one pool. Below 0 where more is leased than the pool has now."""

    __slots__ = ("memory", "pool", "storage", "vcpus")

    def __init__(self, pool: Pool, vcpus: int = 0, memory: int = 0, storage: int = 0) -> None:
        """With what leases have of it."""
        self.pool = pool
        self.vcpus = pool.vcpu_limit - vcpus
        self.memory = pool.memory - memory
        self.storage = pool.storage - storage

    def subtract(self, request: Request) -> None:
        self.vcpus -= request.vcpus
        self.memory -= request.memory
        self.storage -= request.storage

    @property
    def score(self) -> float:
        """The higher the less it is utilised: the free part of its vCPUs plus the free part of its memory."""
        pool = self.pool
        vcpus = self.vcpus / pool.vcpus if pool.vcpus else 0.0
        memory = self.memory / pool.memory if pool.memory else 0.0
        return vcpus + memory

    def shortages(self, request: Request) -> tuple[Resource, ...]:
        """The resources that the request wants more of than is left."""
        return tuple(
            name
            for name in RESOURCES
            if getattr(request, name) > 0 and getattr(request, name) > getattr(self, name)
        )

    def shortage(self, request: Request) -> float:
        """How much is missing for the request, in parts of what it wants; 0 when nothing is."""
        missing = 0.0
        for name in RESOURCES:
            wanted: int = getattr(request, name)
            if wanted > 0:
                missing += max(0, wanted - getattr(self, name)) / wanted
        return missing


class NetworkBook:
    """The owners of port groups."""

    def __init__(self, uses: Iterable[NetworkUse] = ()) -> None:
        self._ports: dict[tuple[str, str], NetworkUse] = {}
        self._vlans: dict[tuple[str, int], dict[str, NetworkUse]] = {}
        for use in uses:
            self.add(use)

    def add(self, use: NetworkUse) -> None:
        """Leases that share a port group may know it from pools that describe it differently: who has its
        VLAN alone counts.
        """
        known = self._ports.get((use.place, use.port_group))
        if known is not None:
            kind = use.kind if known.kind in SHARED_VLAN else known.kind
            use = replace(use, kind=kind, vlan=known.vlan if use.vlan is None else use.vlan)
        self._ports[use.place, use.port_group] = use
        if use.vlan is not None:
            self._vlans.setdefault((use.place, use.vlan), {})[use.port_group] = use

    def user(self, pool: Pool, network: Network) -> str | None:
        """The owner; None without one."""
        use = self._ports.get((pool.place, network.port))
        return None if use is None else use.shared_by

    def is_free(self, pool: Pool, network: Network, who: str) -> bool:
        """Whether nobody else has it, nor its VLAN, unless that may be shared."""
        if self.user(pool, network) not in (None, who):
            return False
        if network.vlan is None:
            return True
        others = self._vlans.get((pool.place, network.vlan), {})
        alone = network.type not in SHARED_VLAN
        return not any(
            use.shared_by != who and (alone or use.kind not in SHARED_VLAN) for use in others.values()
        )

    def choose(self, pool: Pool, request: Request, who: str) -> tuple[Network, ...]:
        """The networks of the pool that the request would get, as many as it wants or as there are: first
        those that it shares, then the type that fits best, in the order of the pool.
        """
        ranks: Mapping[NetworkType, int] = {kind: rank for rank, kind in enumerate(request.network_types)}

        def rank(network: Network) -> tuple[bool, int]:
            return self.user(pool, network) != who, ranks[network.type]

        chosen: list[Network] = []
        for network in sorted((one for one in pool.networks if one.type in ranks), key=rank):
            if len(chosen) == request.networks:
                break
            if self.is_free(pool, network, who):
                chosen.append(network)
        return tuple(chosen)

    def take(self, pool: Pool, networks: Iterable[Network], who: str) -> None:
        for network in networks:
            self.add(
                NetworkUse(
                    place=pool.place,
                    port_group=network.port,
                    vlan=network.vlan,
                    kind=network.type,
                    shared_by=who,
                )
            )

    def uses(self) -> tuple[NetworkUse, ...]:
        return tuple(self._ports.values())

    def copy(self) -> NetworkBook:
        return NetworkBook(self._ports.values())
