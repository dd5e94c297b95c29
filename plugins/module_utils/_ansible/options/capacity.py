# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules for leases. Sizes are texts such as 8G, times are in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from ..._capacity.lease import Phase
from ..._capacity.pool import NetworkType
from ..state_session import StateOptions
from .argument_spec import Path, Spec
from .reservation import RESERVATION


@dataclass(frozen=True, kw_only=True)
class LeaseOptions(StateOptions):
    """The options of capacity_lease."""

    name: str
    state: Literal["present", "renewed", "absent"] = "present"
    vcpus: int | None = None
    memory: str | None = None
    storage: str | None = None
    pools: int | None = None
    required_pools: Sequence[str] | None = None
    pool_selector: Mapping[str, Any] | None = None
    tolerations: Sequence[str] | None = None
    min_servers: int | None = None
    max_servers: int | None = None
    networks: int = 0
    network_type: NetworkType = "single-tenant"
    group: str | None = None
    owner: str | None = None
    owner_pid: int | None = None
    purpose: str | None = None
    lifetime: float | None = None
    priority: int = 0
    wait: float = 0
    poll_interval: float = 1
    keep_place: float = 0
    resize: bool = False
    placements: Annotated[Sequence[Mapping[str, Any]] | None, Spec(options=RESERVATION)] = None
    placements_seen: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class InfoOptions(StateOptions):
    """The options of capacity_info. Names and owners are shell patterns."""

    pools: Sequence[str] | None = None
    leases: Sequence[str] | None = None
    owners: Sequence[str] | None = None
    phases: Sequence[Phase] | None = None
    ended_within: float = 0
    metrics_path: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ReapOptions(StateOptions):
    """The options of capacity_reap."""

    gone_owners: Sequence[str] | None = None
    living_owners: Sequence[str] | None = None
    grace: float = 300
