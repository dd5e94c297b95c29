# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of vm_placement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from ..._model.placement_request import DatastoreFacts, HostFacts, Strategy, WantedDisk, WantedVm
from ..log import LogOptions
from ..snapshots import SnapshotOptions
from .argument_spec import Path, Spec, argument_spec
from .policy import SELECTOR
from .reservation import RESERVATION

_SELECTOR = {name: SELECTOR[name] for name in ("names", "regex", "pools", "labels", "where")}


def _spec(cls: type, **parts: dict[str, Any]) -> dict[str, Any]:
    """The argument spec of a dataclass of the request; `parts` are suboptions."""
    spec = argument_spec(cls)
    for name, options in parts.items():
        spec[name]["options"] = options
    return spec


_USED: dict[str, Any] = {
    "cpu": {"type": "float"},
    "memory": {"type": "str"},
    "disk_io": {"type": "float"},
    "network_io": {"type": "float"},
}
VM = _spec(WantedVm, used=_USED, disks=_spec(WantedDisk), hosts=_SELECTOR)


@dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """The options of vm_placement that make up the request."""

    vms: Annotated[Sequence[Mapping[str, Any]], Spec(options=VM)]
    strategy: Strategy = "spread"
    spare: int = 0
    make_room: bool = False
    all_or_nothing: bool = True
    runners_up: int = 3
    explain: bool | None = None
    policy: Mapping[str, Any] | None = None
    hosts: Annotated[Sequence[Mapping[str, Any]] | None, Spec(options=_spec(HostFacts, hosts=_SELECTOR))] = (
        None
    )
    datastores: Annotated[Sequence[Mapping[str, Any]] | None, Spec(options=argument_spec(DatastoreFacts))] = (
        None
    )
    held: Annotated[
        Sequence[Mapping[str, Any]] | None, Spec(options={"lease": {"type": "str"}, **RESERVATION})
    ] = None


@dataclass(frozen=True, kw_only=True)
class PlacementOptions(RequestOptions, SnapshotOptions, LogOptions):
    """The options of vm_placement."""

    snapshots: Sequence[Mapping[str, Any]] | None = None
    snapshot_paths: Sequence[Path] | None = None
    placement_path: Path | None = None
    plan_path: Path | None = None


PLACEMENT_ARGUMENTS = argument_spec(RequestOptions)
