# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of vm_placement."""

from __future__ import annotations

from typing import Any, get_args

from ..._model.placement_request import Siblings, Strategy
from .reservation import RESERVATION

_NAMES: dict[str, Any] = {"type": "list", "elements": "str"}
_HOSTS: dict[str, Any] = {
    "names": _NAMES,
    "regex": {"type": "str"},
    "pools": _NAMES,
    "labels": {"type": "dict"},
}
VMS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "required": True,
    "options": {
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
    },
}
PLACEMENT_ARGUMENTS: dict[str, Any] = {
    "vms": VMS,
    "strategy": {"type": "str", "choices": list(get_args(Strategy)), "default": "spread"},
    "spare": {"type": "int", "default": 0},
    "make_room": {"type": "bool"},
    "all_or_nothing": {"type": "bool"},
    "runners_up": {"type": "int", "default": 3},
    "explain": {"type": "bool"},
    "policy": {"type": "dict"},
    "hosts": {
        "type": "list",
        "elements": "dict",
        "options": {
            "hosts": {"type": "dict", "required": True, "options": _HOSTS},
            "pool": {"type": "str"},
            "dedicated": {"type": "bool"},
            "labels": {"type": "dict"},
            "max_guests": {"type": "int"},
            "devices": {"type": "dict"},
        },
    },
    "datastores": {
        "type": "list",
        "elements": "dict",
        "options": {
            "datastores": {"type": "list", "elements": "str", "required": True},
            "class": {"type": "str"},
            "closed": {"type": "bool"},
        },
    },
    "held": {
        "type": "list",
        "elements": "dict",
        "options": {"lease": {"type": "str"}, **RESERVATION},
    },
}
