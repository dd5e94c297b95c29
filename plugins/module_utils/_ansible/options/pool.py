# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of capacity_pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from ..._capacity.from_snapshot import Share
from ..._capacity.pool import NetworkType, PlatformName
from ..._model.quantities import RATIO, SIZE
from ..snapshots import SnapshotOptions
from ..state_session import StateOptions
from .argument_spec import Spec, argument_spec


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """An entry of the option networks of a pool."""

    name: str
    type: NetworkType = "single-tenant"
    vlan: int | None = None
    port_group: str | None = None
    cidr: str | None = None
    gateway: str | None = None
    dns_servers: Sequence[str] | None = None


@dataclass(frozen=True, kw_only=True)
class PoolOptions(StateOptions, SnapshotOptions):
    """The options of capacity_pool."""

    name: str
    state: Literal["present", "absent"] = "present"
    platform: PlatformName | None = None
    server: str | None = None
    port: int | None = None
    username: str | None = None
    datacenter: str | None = None
    cluster: str | None = None
    datastore: str | None = None
    resource_pool: str | None = None
    folder: str | None = None
    template: str | None = None
    region: str | None = None
    zone: str | None = None
    vcpus: int | None = None
    memory: Annotated[int | None, SIZE] = None
    storage: Annotated[int | None, SIZE] = None
    share: Annotated[Mapping[str, Any] | None, Spec(options=argument_spec(Share))] = None
    cpu_overcommit: Annotated[float | None, RATIO] = None
    exclude: bool | None = None
    cordoned: bool | None = None
    labels: Mapping[str, Any] | None = None
    taints: Sequence[str] | None = None
    networks: Annotated[Sequence[Mapping[str, Any]] | None, Spec(options=argument_spec(NetworkOptions))] = (
        None
    )
    networks_state: Literal["exact", "present", "absent"] = "exact"
    allow_below_leased: bool = False
