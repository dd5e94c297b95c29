# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short form in which the scenarios of presets write a cluster. A host has 100 cores and 100 GiB unless
told otherwise, so that what its guests use is percent.

host: cpu (cores), memory (GiB), own {cpu, memory}, disk and net (MB/s that it can do), pressure, local (GiB
of a local datastore); guest: host, cpu and memory (used), vcpus and given (assigned), disk and net (MB/s),
local (GiB of a disk there). Everything else is as in a snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot

GIB = 1024**3
MB = 1_000_000
HOST_WORDS = {"cpu", "memory", "own", "disk", "net", "local"}
GUEST_WORDS = {"cpu", "memory", "vcpus", "given", "disk", "net", "local"}


def cluster(short: Mapping[str, Any]) -> Snapshot:
    """Raises InputError for a word that is neither of the short form nor of a snapshot."""
    guests = [guest(name, values) for name, values in (short.get("guests") or {}).items()]
    return Snapshot.from_json(
        {
            "schema": "evenkeel.cluster/snapshot/1",
            "platform": "scenario",
            "cluster": {"id": "scenario", "name": "scenario"},
            "taken_at": "2026-01-01T12:00:00Z",
            "window_seconds": 0,
            "hosts": [host(name, values or {}, guests) for name, values in short["hosts"].items()],
            "guests": guests,
            "rules": [
                {"name": name, "guests": [], "strict": True, "source": "scenario", **values}
                for name, values in (short.get("rules") or {}).items()
            ],
            "other_balancers": short.get("other_balancers", []),
        }
    )


def host(name: str, values: Mapping[str, Any], guests: list[dict[str, Any]]) -> dict[str, Any]:
    here = [item for item in guests if item["host"] == name and item.get("power", "running") == "running"]
    own = values.get("own", {})
    stores: dict[str, Any] = {"san": {"shared": True}}
    if "local" in values:
        taken = sum(
            disk["size"]
            for item in guests
            if item["host"] == name
            for disk in item["disks"]
            if disk["datastore"] == "local"
        )
        size = values["local"] * GIB
        stores["local"] = {"shared": False, "capacity": size, "free": size - taken}
    return {
        "id": name,
        "name": name,
        "status": "online",
        "maintenance": False,
        "schedulable": True,
        "capacity": {
            "cpu": values.get("cpu", 100),
            "memory": values.get("memory", 100) * GIB,
            "disk_io": values["disk"] * MB if values.get("disk") else None,
            "network_io": values["net"] * MB if values.get("net") else None,
        },
        "used": {
            "cpu": own.get("cpu", 0) + sum(item["used"]["cpu"] for item in here),
            "memory": own.get("memory", 0) * GIB + sum(item["used"]["memory"] for item in here),
            "disk_io": sum(item["used"]["disk_io"] for item in here),
            "network_io": sum(item["used"]["network_io"] for item in here),
        },
        "datastores": stores,
        "networks": ["lan"],
        **{key: value for key, value in values.items() if key not in HOST_WORDS},
    }


def guest(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    cpu, memory = values.get("cpu", 0.1), int(values.get("memory", 1) * GIB)
    local = values.get("local")
    blockers = [*values.get("blockers", []), *(["local_disk"] if local else [])]
    disk = {"datastore": "local", "size": local * GIB} if local else {"datastore": "san", "size": GIB}
    more = {key: value for key, value in values.items() if key not in GUEST_WORDS}
    return {
        "id": name,
        "name": name,
        "kind": "vm",
        "power": "running",
        "assigned": {"cpu": values.get("vcpus", 1), "memory": int(values.get("given", memory / GIB) * GIB)},
        "used": {
            "cpu": cpu,
            "memory": memory,
            "disk_io": values.get("disk", 0) * MB,
            "network_io": values.get("net", 0) * MB,
        },
        "disks": [disk],
        "networks": ["lan"],
        **more,
        "migratable": not blockers,
        "blockers": blockers,
    }
