# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short form in which the scenarios of presets write a cluster. A host has 100 cores and 100 GiB unless
told otherwise, so that what its guests use is percent.

host: cpu (cores), memory (GiB), own {cpu, memory}, disk and net (MB/s that it can do), pressure, local (GiB
of a local datastore); guest: host, cpu and memory (used), vcpus and given (assigned), disk and net (MB/s),
local (GiB of a disk there). Everything else is as in a snapshot.

A cluster with datastores has the hosts h1 and h2, which share them, with all guests on h1, unless told
otherwise. datastore: capacity (GiB, 100 unless told otherwise), holds (GiB besides the disks); disks of a
guest: GiB by datastore, or a list of datastore, size (GiB), and used (GiB) of a thin one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot

GIB = 1024**3
MB = 1_000_000
HOST_WORDS = {"cpu", "memory", "own", "disk", "net", "local"}
DATASTORE_WORDS = {"capacity", "holds"}
DISK_WORDS = {"size", "used"}
GUEST_WORDS = {"disks", "cpu", "memory", "vcpus", "given", "disk", "net", "local"}


def cluster(short: Mapping[str, Any]) -> Snapshot:
    """Raises InputError for a word that is neither of the short form nor of a snapshot."""
    if "datastores" in short:
        return cluster_of_datastores(short)
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


def cluster_of_datastores(short: Mapping[str, Any]) -> Snapshot:
    guests = [
        {**guest(name, {"host": "h1", **values}), "disks": disks(values["disks"])}
        for name, values in short["guests"].items()
    ]
    hosts = [host(name, values or {}, guests) for name, values in short.get("hosts", NO_HOSTS).items()]
    names = [one["id"] for one in hosts]
    stores = [
        datastore(name, {"hosts": names, **(values or {})}, guests)
        for name, values in short["datastores"].items()
    ]
    for one in hosts:
        one["datastores"] = {
            store["name"]: {key: store[key] for key in ("shared", "capacity", "free")}
            for store in stores
            if one["id"] in store["hosts"]
        }
    return Snapshot.from_json(
        {
            "schema": "evenkeel.cluster/snapshot/2",
            "platform": "scenario",
            "cluster": {"id": "scenario", "name": "scenario"},
            "taken_at": "2026-01-01T12:00:00Z",
            "window_seconds": 0,
            "hosts": hosts,
            "guests": guests,
            "rules": [],
            "datastores": stores,
            "storage_rules": [
                {"name": name, "source": "scenario", **values}
                for name, values in (short.get("storage_rules") or {}).items()
            ],
        }
    )


NO_HOSTS: Mapping[str, Any] = {"h1": {}, "h2": {}}


def datastore(name: str, values: Mapping[str, Any], guests: list[dict[str, Any]]) -> dict[str, Any]:
    capacity = values.get("capacity", 100) * GIB
    held = sum(
        disk.get("used", disk["size"]) for one in guests for disk in one["disks"] if disk["datastore"] == name
    )
    return {
        "id": name,
        "name": name,
        "shared": len(values["hosts"]) > 1,
        "capacity": capacity,
        "free": capacity - held - values.get("holds", 0) * GIB,
        **{key: value for key, value in values.items() if key not in DATASTORE_WORDS},
    }


def disks(short: Mapping[str, int] | list[dict[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(short, Mapping):
        short = [{"datastore": name, "size": size} for name, size in short.items()]
    return [
        {
            "id": f"scsi{number}",
            "size": values["size"] * GIB,
            "used": values.get("used", values["size"]) * GIB,
            "thin": "used" in values,
            **{key: value for key, value in values.items() if key not in DISK_WORDS},
        }
        for number, values in enumerate(short)
    ]
