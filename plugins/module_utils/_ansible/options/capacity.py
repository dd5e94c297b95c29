# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules for pools and leases."""

from __future__ import annotations

from typing import Any, get_args

from ..._capacity.lease import Phase
from ..._capacity.pool import NetworkType, PlatformName
from .reservation import RESERVATION

_NETWORK = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "choices": list(get_args(NetworkType)), "default": "single-tenant"},
    "vlan": {"type": "int"},
    "port_group": {"type": "str"},
    "cidr": {"type": "str"},
    "gateway": {"type": "str"},
    "dns_servers": {"type": "list", "elements": "str"},
}

POOL_ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "platform": {"type": "str", "choices": list(get_args(PlatformName))},
    "server": {"type": "str"},
    "port": {"type": "int"},
    "username": {"type": "str"},
    "datacenter": {"type": "str"},
    "cluster": {"type": "str"},
    "datastore": {"type": "str"},
    "resource_pool": {"type": "str"},
    "folder": {"type": "str"},
    "template": {"type": "str"},
    "region": {"type": "str"},
    "zone": {"type": "str"},
    "vcpus": {"type": "int"},
    "memory": {"type": "str"},
    "storage": {"type": "str"},
    "snapshot": {"type": "dict"},
    "snapshot_path": {"type": "path"},
    "share": {
        "type": "dict",
        "options": {
            "hosts": {"type": "list", "elements": "str"},
            "spare_hosts": {"type": "int", "default": 0},
            "percent": {"type": "float", "default": 100},
            "datastores": {"type": "list", "elements": "str"},
        },
    },
    "cpu_overcommit": {"type": "float"},
    "exclude": {"type": "bool"},
    "cordoned": {"type": "bool"},
    "labels": {"type": "dict"},
    "taints": {"type": "list", "elements": "str"},
    "networks": {"type": "list", "elements": "dict", "options": _NETWORK},
    "networks_state": {"type": "str", "choices": ["exact", "present", "absent"], "default": "exact"},
    "allow_below_leased": {"type": "bool", "default": False},
}

LEASE_ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "renewed", "absent"], "default": "present"},
    "vcpus": {"type": "int"},
    "memory": {"type": "str"},
    "storage": {"type": "str"},
    "pools": {"type": "int"},
    "required_pools": {"type": "list", "elements": "str"},
    "pool_selector": {"type": "dict"},
    "tolerations": {"type": "list", "elements": "str"},
    "min_servers": {"type": "int"},
    "max_servers": {"type": "int"},
    "networks": {"type": "int"},
    "network_type": {"type": "str", "choices": list(get_args(NetworkType))},
    "group": {"type": "str"},
    "owner": {"type": "str"},
    "owner_pid": {"type": "int"},
    "purpose": {"type": "str"},
    "lifetime": {"type": "float"},
    "priority": {"type": "int"},
    "wait": {"type": "float", "default": 0},
    "poll_interval": {"type": "float", "default": 1},
    "keep_place": {"type": "float", "default": 0},
    "resize": {"type": "bool", "default": False},
    "placements": {"type": "list", "elements": "dict", "options": RESERVATION},
    "placements_seen": {"type": "dict"},
}

INFO_ARGUMENTS: dict[str, Any] = {
    "pools": {"type": "list", "elements": "str"},
    "leases": {"type": "list", "elements": "str"},
    "owners": {"type": "list", "elements": "str"},
    "phases": {"type": "list", "elements": "str", "choices": list(get_args(Phase))},
    "ended_within": {"type": "float", "default": 0},
    "metrics_path": {"type": "path"},
}

REAP_ARGUMENTS: dict[str, Any] = {
    "gone_owners": {"type": "list", "elements": "str"},
    "living_owners": {"type": "list", "elements": "str"},
    "grace": {"type": "float", "default": 300},
}
