# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules for leases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from ..._capacity.lease import Phase
from ..._capacity.pool import NetworkType
from ..._model.quantities import LONG_TIME, SIZE, TIME
from ..state_session import StateOptions
from .argument_spec import Path, Spec
from .reservation import RESERVATION


@dataclass(frozen=True, kw_only=True)
class LeaseOptions(StateOptions):
    """The options of capacity_lease."""

    name: str
    state: Literal["present", "renewed", "absent"] = "present"
    vcpus: int | None = None
    memory: Annotated[int | None, SIZE] = None
    storage: Annotated[int | None, SIZE] = None
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
    lifetime: Annotated[float | None, LONG_TIME] = None
    priority: int = 0
    wait: Annotated[float, TIME] = 0
    poll_interval: float = 1
    keep_place: Annotated[float, TIME] = 0
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
    ended_within: Annotated[float, LONG_TIME] = 0
    metrics_path: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ReapOptions(StateOptions):
    """The options of capacity_reap."""

    gone_owners: Sequence[str] | None = None
    living_owners: Sequence[str] | None = None
    grace: Annotated[float, TIME] = 300
