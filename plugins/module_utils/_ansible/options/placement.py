# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of vm_placement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from ..._model.placement_request import Siblings, Strategy
from ..snapshots import SnapshotOptions
from .argument_spec import Path, Spec, argument_spec
from .reservation import RESERVATION

_NAMES: dict[str, Any] = {"type": "list", "elements": "str"}
_HOSTS: dict[str, Any] = {
    "names": _NAMES,
    "regex": {"type": "str"},
    "pools": _NAMES,
    "labels": {"type": "dict"},
}
VM: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "count": {"type": "int", "default": 1},
    "first": {"type": "int", "default": 1},
    "cpu": {"type": "float", "required": True},
    "memory": {"type": "str", "required": True},
    "used": {
        "type": "dict",
        "options": {
            "cpu": {"type": "float"},
            "memory": {"type": "str"},
            "disk_io": {"type": "float"},
            "network_io": {"type": "float"},
        },
    },
    "disks": {
        "type": "list",
        "elements": "dict",
        "options": {
            "size": {"type": "str", "required": True},
            "datastore": {"type": "str"},
            "class": {"type": "str"},
            "shared": {"type": "bool"},
        },
    },
    "networks": _NAMES,
    "devices": {
        "type": "list",
        "elements": "dict",
        "options": {"kind": {"type": "str", "required": True}, "count": {"type": "int", "default": 1}},
    },
    "pool": {"type": "str"},
    "dedicated": {"type": "bool"},
    "labels": {"type": "dict"},
    "hosts": {"type": "dict", "options": _HOSTS},
    "cpu_models": _NAMES,
    "min_version": {"type": "str"},
    "tags": _NAMES,
    "affinity": _NAMES,
    "anti_affinity": _NAMES,
    "even_spread": _NAMES,
    "max_skew": {"type": "int", "default": 1},
    "name_prefix": {"type": "str", "choices": list(get_args(Siblings)), "default": "ignore"},
}
_HOST_FACTS: dict[str, Any] = {
    "hosts": {"type": "dict", "required": True, "options": _HOSTS},
    "pool": {"type": "str"},
    "dedicated": {"type": "bool"},
    "labels": {"type": "dict"},
    "max_guests": {"type": "int"},
    "devices": {"type": "dict"},
}
_DATASTORE_FACTS: dict[str, Any] = {
    "datastores": {"type": "list", "elements": "str", "required": True},
    "class": {"type": "str"},
    "closed": {"type": "bool"},
}
_HELD: dict[str, Any] = {"lease": {"type": "str"}, **RESERVATION}


@dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """The options of vm_placement that make up the request."""

    vms: Annotated[Sequence[Mapping[str, Any]], Spec(options=VM)]
    strategy: Strategy = "spread"
    spare: int = 0
    make_room: bool | None = None
    all_or_nothing: bool | None = None
    runners_up: int = 3
    explain: bool | None = None
    policy: Mapping[str, Any] | None = None
    hosts: Annotated[Sequence[Mapping[str, Any]] | None, Spec(options=_HOST_FACTS)] = None
    datastores: Annotated[Sequence[Mapping[str, Any]] | None, Spec(options=_DATASTORE_FACTS)] = None
    held: Annotated[Sequence[Mapping[str, Any]] | None, Spec(options=_HELD)] = None


@dataclass(frozen=True, kw_only=True)
class PlacementOptions(RequestOptions, SnapshotOptions):
    """The options of vm_placement."""

    snapshots: Sequence[Mapping[str, Any]] | None = None
    snapshot_paths: Sequence[Path] | None = None
    placement_path: Path | None = None
    plan_path: Path | None = None


PLACEMENT_ARGUMENTS = argument_spec(RequestOptions)
