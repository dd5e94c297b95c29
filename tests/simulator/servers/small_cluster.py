# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three hosts and a guest of every sort."""

from __future__ import annotations

from typing import Any

GIB = 1024**3
HOSTS = ("pve1", "pve2", "pve3")


def host(name: str, **changes: object) -> dict[str, Any]:
    local = {"shared": False, "capacity": 500 * GIB, "free": 400 * GIB}
    datastores: dict[str, object] = {
        "ceph": {"shared": True, "capacity": 2000 * GIB, "free": 800 * GIB},
        "local-lvm": local,
    }
    if name != "pve3":
        datastores["san"] = {"shared": True}
    return {
        "id": name,
        "name": name,
        "status": "online",
        "maintenance": False,
        "schedulable": True,
        "capacity": {"cpu": 16, "memory": 128 * GIB, "network_io": 1250000000, "disk_io": 4000000000},
        "used": {"cpu": 6.0, "memory": 60 * GIB, "network_io": 1000000, "disk_io": 2000000},
        "reserved": {},
        "pressure": {"cpu": 3.5, "memory": 0.0, "io": 1.25},
        "version": "9.2.1",
        "cpu_model": "AMD EPYC 7313",
        "address": f"10.0.0.{11 + HOSTS.index(name)}",
        "datastores": datastores,
        "networks": ["vmbr0"],
        **changes,
    }


def guest(number: int, place: str, **changes: object) -> dict[str, Any]:
    return {
        "id": str(number),
        "name": f"guest{number}",
        "kind": "vm",
        "host": place,
        "power": "running",
        "assigned": {"cpu": 4, "memory": 8 * GIB},
        "used": {"cpu": 1.0, "memory": 4 * GIB, "network_io": 1000, "disk_io": 2000},
        "pressure": {},
        "disks": [{"datastore": "ceph", "size": 32 * GIB}],
        "networks": ["vmbr0"],
        "tags": [],
        "pool": None,
        "migratable": True,
        "blockers": [],
        **changes,
    }


def rule(name: str, kind: str, guests: list[str], **changes: object) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "guests": guests,
        "hosts": [],
        "strict": True,
        "source": f"ha-rule:{name}",
        **changes,
    }


def snapshot(**changes: object) -> dict[str, Any]:
    """100-102 are under HA; the guests from 113 on have something that blocks or shapes a move."""
    local = [{"datastore": "local-lvm", "size": 10 * GIB}]
    return {
        "schema": "evenkeel.cluster/snapshot/1",
        "platform": "proxmox",
        "cluster": {"id": "prod", "name": "prod"},
        "taken_at": "2026-11-20T22:00:00Z",
        "window_seconds": 3600,
        "hosts": [host(name) for name in HOSTS],
        "guests": [
            guest(100, "pve1"),
            guest(101, "pve2"),
            guest(102, "pve1"),
            guest(103, "pve1"),
            guest(110, "pve1", tags=["prod", "web"], pool="shop"),
            guest(111, "pve1", power="stopped", used={"cpu": 0, "memory": 0}),
            guest(112, "pve2", kind="container", disks=[{"datastore": "ceph", "size": 8 * GIB}]),
            guest(113, "pve1", blockers=["iso_mounted"]),
            guest(114, "pve1", blockers=["passthrough_device"]),
            guest(115, "pve1", blockers=["snapshot"]),
            guest(116, "pve1", disks=local, blockers=["local_disk"]),
            guest(117, "pve1", blockers=["locked"]),
            guest(118, "pve2", power="stopped", used={}, blockers=["template"]),
            guest(119, "pve1", disks=[{"datastore": "san", "size": 10 * GIB}]),
        ],
        "rules": [
            rule("web", "anti_affinity", ["100", "101"]),
            rule("pair", "affinity", ["102", "103"]),
            rule("licence", "host_affinity", ["100"], hosts=["pve1", "pve3"]),
        ],
        **changes,
    }
