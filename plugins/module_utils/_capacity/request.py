# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request of a lease."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated

from .._model.codec import Bounds, decode, encode
from .._model.errors import InputError
from .._model.quantities import LONG_TIME, SIZE
from .pool import STAND_INS, Bytes, Count, Name, NetworkType, Text

DAY = 86_400.0
_LONGEST_SECONDS = 3660 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Sizes are those wanted of each pool. `lifetime` in seconds."""

    vcpus: Count = 0
    memory: Annotated[Bytes, SIZE] = 0
    storage: Annotated[Bytes, SIZE] = 0
    pools: Annotated[int, Bounds(0, 100)] = 1
    required_pools: tuple[Name, ...] = ()
    pool_selector: Mapping[Name, Text] = field(default_factory=dict)
    tolerations: tuple[Name, ...] = ()
    min_servers: Annotated[int, Bounds(1, 100)] = 1
    max_servers: Annotated[int, Bounds(1, 100)] | None = None
    networks: Annotated[int, Bounds(0, 100)] = 0
    network_type: NetworkType = "single-tenant"
    group: Name | None = None
    owner: Text | None = None
    purpose: Text | None = None
    lifetime: Annotated[float, Bounds(1, _LONGEST_SECONDS), LONG_TIME] = DAY
    priority: Annotated[int, Bounds(-100, 100)] = 0

    @classmethod
    def from_json(cls, value: object) -> Request:
        """Read parsed JSON. Raises InputError with the path of the first field that is wrong."""
        request = decode(cls, value, "")
        request._check()
        return request

    def to_json(self) -> dict[str, object]:
        result: dict[str, object] = encode(self)
        return result

    def _check(self) -> None:
        if len(set(self.required_pools)) < len(self.required_pools):
            raise InputError("required_pools", list(self.required_pools), "a list without duplicates")
        if self.required_pools and self.pools > len(self.required_pools):
            raise InputError.exceeds(
                "pools", self.pools, "the number of required_pools", len(self.required_pools)
            )
        if self.min_servers > max(self.pools, 1):
            raise InputError.exceeds("min_servers", self.min_servers, "pools", self.pools)
        if self.max_servers is not None and self.min_servers > self.max_servers:
            raise InputError.exceeds("min_servers", self.min_servers, "max_servers", self.max_servers)
        if self.pools == 0:
            for name in ("vcpus", "memory", "storage", "networks", "required_pools"):
                if getattr(self, name):
                    raise InputError.conflict(name, "pools: 0")
        elif not (self.vcpus or self.memory or self.storage or self.networks):
            raise InputError.required(
                "vcpus", when="memory, storage and networks are left out", expected="a number above 0"
            )

    @property
    def network_types(self) -> tuple[NetworkType, ...]:
        """The types of network that will do, the best first."""
        return STAND_INS.get(self.network_type, (self.network_type,))

    def differences(self, other: Request) -> tuple[str, ...]:
        """The names of the fields that are not alike."""
        return tuple(
            item.name for item in fields(self) if getattr(self, item.name) != getattr(other, item.name)
        )
