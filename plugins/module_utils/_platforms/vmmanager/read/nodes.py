# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's line in the list, in the shape of 2026 and in that of 2022."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ...._model.snapshot import Host, HostDatastore
from ...protocol import HostNow
from ...values import Row
from ..api.lists import Lists
from ..api.values import flag, mib, number, part, reference, release, whole
from .clusters import ClusterPlace
from .loads import Loads

NODES = "vm/v3/node"

Status = Literal["online", "offline", "unknown"]


def nodes_of(lists: Lists, place: ClusterPlace) -> dict[str, Row]:
    """The cluster's nodes by id. Filtering by cluster is an error on some platforms: it is done here."""
    return {
        str(reference(entry)): entry
        for entry in lists.whole(NODES)
        if reference(entry.get("cluster")) == place.id
    }


def name_of(entry: Row) -> str:
    return str(entry.get("name") or reference(entry))


def status_of(entry: Row) -> Status:
    state = entry.get("state")
    if state == "active" or _speaks_of_maintenance(state):
        return "online"
    return "offline" if state == "offline" else "unknown"


def in_maintenance(entry: Row) -> bool:
    return (
        flag(entry.get("maintenance_mode"))
        or flag(entry.get("maintenance"))
        or _speaks_of_maintenance(entry.get("state"))
    )


def closed_because(entry: Row) -> str | None:
    """Why it receives nothing; its own words where it is neither well nor away."""
    state = entry.get("state")
    if in_maintenance(entry):
        return "in maintenance mode" if not _speaks_of_maintenance(state) else f"its state is {state}"
    if not schedulable(entry):
        return "creating virtual machines on it is blocked in VMmanager"
    return f"its state is {state}" if status_of(entry) == "unknown" else None


def _speaks_of_maintenance(state: object) -> bool:
    """Also of one that is entering it: which words there are is not published."""
    return isinstance(state, str) and "maintenance" in state.lower()


def schedulable(entry: Row) -> bool:
    return not flag(entry.get("host_creation_blocked"))


def cores(entry: Row) -> float | None:
    return number(part(entry.get("cpu"), "number")) or number(
        part(entry.get("cpu_number"), "total") or entry.get("cpu_number")
    )


def memory(entry: Row) -> int | None:
    return mib(part(entry.get("ram_mib"), "total"))


def host_of(entry: Row, place: ClusterPlace, used: Loads) -> Host:
    limits = (whole(entry.get("host_limit")), place.guests_per_node)
    labels = {
        "kernel": entry.get("kernel_version"),
        "os": entry.get("os_version"),
    }
    return Host(
        id=str(reference(entry)),
        name=name_of(entry),
        status=status_of(entry),
        maintenance=in_maintenance(entry),
        schedulable=schedulable(entry),
        capacity={"cpu": cores(entry), "memory": memory(entry), "network_io": None, "disk_io": None},
        used=used,
        max_guests=next((limit for limit in limits if limit), None),
        version=release(entry.get("qemu_version")),
        address=str(entry["ip"]) if entry.get("ip") else None,
        datastores=dict(_datastores(entry, place)),
        labels={name: str(value) for name, value in labels.items() if value},
        closed_because=closed_because(entry),
    )


def host_now(entry: Row, memory_used: float | None) -> HostNow:
    return HostNow(
        active=status_of(entry) == "online" and not in_maintenance(entry) and schedulable(entry),
        memory_capacity=memory(entry),
        memory_used=None if memory_used is None else round(memory_used),
    )


def _datastores(entry: Row, place: ClusterPlace) -> Iterable[tuple[str, HostDatastore]]:
    """A node reports the space of its own main storage only."""
    own = part(entry, "storage", "storage_mib")
    capacity, used = mib(part(own, "size_mib", "total")), mib(part(own, "used_mib", "used"))
    free = mib(part(own, "available_mib"))
    if free is None and capacity is not None and used is not None:
        free = max(capacity - used, 0)
    for storage in place.storages.values():
        closed = None if storage.enabled else "it is disabled in the cluster"
        if storage.shared or not storage.main:
            yield storage.name, HostDatastore(shared=storage.shared, closed_because=closed)
        else:
            yield (
                storage.name,
                HostDatastore(shared=False, capacity=capacity, free=free, closed_because=closed),
            )
