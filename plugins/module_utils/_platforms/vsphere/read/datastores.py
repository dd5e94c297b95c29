# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Datastores as the snapshot has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from ...._model.datastores import datastore_id
from ...._model.snapshot import Datastore
from ..api.collector import Found
from ..api.values import find, text
from .datastore_loads import StoreLoads
from .inventory import Inventory
from .mounts import closed_to_new_disks
from .storage_drs import balanced_by, pod_name
from .tags import Tags


def mounting(hosts: Mapping[str, Found], datastores: Collection[str]) -> dict[str, tuple[str, ...]]:
    """By reference of a datastore the hosts that have it."""
    having: dict[str, list[str]] = {identity: [] for identity in datastores}
    for host in sorted(hosts):
        for identity in hosts[host].items("datastore"):
            having.setdefault(identity, []).append(host)
    return {identity: tuple(found) for identity, found in having.items()}


def identities(
    names: Mapping[str, str], hosts: Mapping[str, tuple[str, ...]], shared: Collection[str]
) -> dict[str, str]:
    """The ids of datastores by reference: the name, with the host where only one has it."""
    return {
        identity: datastore_id(
            name, (hosts[identity] or ("",))[0], shared=identity in shared or not hosts[identity]
        )
        for identity, name in names.items()
    }


def datastores(inventory: Inventory, loads: StoreLoads, tags: Tags) -> tuple[Datastore, ...]:
    """All of them, in order of id."""
    hosts = mounting(inventory.hosts, inventory.datastores)
    ids = identities(inventory.datastore_names, hosts, inventory.shared)
    made = [
        _datastore(found, ids[identity], hosts[identity], inventory, loads, tags)
        for identity, found in inventory.datastores.items()
    ]
    doubled = _doubled(inventory)
    for number, found in enumerate(inventory.datastores):
        if found in doubled and made[number].closed_because is None:
            made[number] = replace(made[number], closed_because=doubled[found])
    return tuple(sorted(made, key=lambda datastore: datastore.id))


def _datastore(
    found: Found, identity: str, hosts: tuple[str, ...], inventory: Inventory, loads: StoreLoads, tags: Tags
) -> Datastore:
    return Datastore(
        id=identity,
        name=inventory.datastore_names[found.id],
        shared=found.id in inventory.shared,
        hosts=hosts,
        type=found.text("summary.type") or None,
        capacity=found.whole("summary.capacity") or None,
        free=found.whole("summary.freeSpace"),
        provisioned=_provisioned(found),
        latency=loads.latency.get(found.id),
        iops=loads.iops.get(found.id),
        disk_io=loads.disk_io.get(found.id),
        # A disk that is moved keeps its format, where the target can have it.
        thin=found.flag("capability.perFileThinProvisioningSupported"),
        cluster=pod_name(found, inventory),
        tags=tags.datastores.get(found.id, ()),
        maintenance=closed_to_new_disks(found) is not None,
        closed_because=closed_because(found, inventory.unusable.get(found.id, {}), hosts),
        balanced_by=balanced_by(found, inventory),
    )


def closed_because(found: Found, unusable: Mapping[str, str], hosts: tuple[str, ...]) -> str | None:
    """Why no host can put a new disk on it."""
    closed = closed_to_new_disks(found)
    if closed is None and hosts and all(host in unusable for host in hosts):
        closed = "; ".join(dict.fromkeys(unusable[host] for host in hosts))
    return closed


def same_places(inventory: Inventory) -> list[tuple[str, ...]]:
    """The references of datastores that are one place under several names, such as an export that is mounted
    twice.
    """
    places: dict[tuple[str, ...], list[str]] = {}
    for identity in sorted(inventory.datastores):
        place = _place(inventory.datastores[identity])
        if place is not None:
            places.setdefault(place, []).append(identity)
    return [tuple(alike) for alike in places.values() if len(alike) > 1]


def _place(found: Found) -> tuple[str, ...] | None:
    """What says that it is the same place: the server and the path of an export, or the volume."""
    nas = find(found.values.get("info"), "nas")
    server, path = text(nas, "remoteHost"), text(nas, "remotePath")
    if server and path:
        return server.lower(), path.rstrip("/")
    url = found.text("summary.url")
    return (url,) if url else None


def _doubled(inventory: Inventory) -> dict[str, str]:
    """Why such a datastore takes no disk, by reference: its space would count twice."""
    names = inventory.datastore_names
    return {
        identity: f"it is the same place as {', '.join(names[other] for other in alike if other != identity)}"
        for alike in same_places(inventory)
        for identity in alike
    }


def _provisioned(found: Found) -> int | None:
    capacity, free = found.whole("summary.capacity"), found.whole("summary.freeSpace")
    uncommitted = found.whole("summary.uncommitted")
    if not capacity or free is None or uncommitted is None:
        return None
    return max(0, capacity - free) + uncommitted
