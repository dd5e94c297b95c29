# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules share, named as in vmware.vmware and community.proxmox."""

from __future__ import annotations

from typing import Any

PLATFORMS = ("vsphere", "proxmox", "vmmanager", "rehearsal")

# Environment variables are resolved in connect.py: which ones count depends on `platform`.
PLATFORM_ARGUMENTS: dict[str, Any] = {
    "platform": {"type": "str", "required": True, "choices": list(PLATFORMS)},
    "cluster": {"type": "str"},
    "validate_certs": {"type": "bool"},
    "ca_path": {"type": "path"},
    "api_timeout": {"type": "int", "default": 45},
    "hostname": {"type": "str"},
    "port": {"type": "int"},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "datacenter": {"type": "str"},
    "proxy_host": {"type": "str"},
    "proxy_port": {"type": "int"},
    "api_host": {"type": "list", "elements": "str"},
    "api_port": {"type": "int"},
    "api_user": {"type": "str"},
    "api_password": {"type": "str", "no_log": True},
    "api_token_id": {"type": "str", "no_log": False},
    "api_token_secret": {"type": "str", "no_log": True},
    "vmmanager_host": {"type": "str"},
    "vmmanager_port": {"type": "int"},
    "vmmanager_username": {"type": "str"},
    "vmmanager_password": {"type": "str", "no_log": True},
    "vmmanager_token": {"type": "str", "no_log": True},
    "vmmanager_metrics": {
        "type": "list",
        "elements": "dict",
        "options": {
            "of": {"type": "str", "choices": ["vm", "node"], "required": True},
            "metric": {
                "type": "str",
                "choices": ["cpu", "memory", "network_io", "disk_io"],
                "required": True,
            },
            "target": {"type": "str", "required": True},
            "unit": {
                "type": "str",
                "choices": ["percent", "cores", "bytes", "kib", "mib", "bits"],
                "required": True,
            },
            "interval": {"type": "str", "default": "1hour"},
        },
    },
    "rehearsal_path": {"type": "path"},
}
