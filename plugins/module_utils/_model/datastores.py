# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The datastores of a cluster as things of their own, also those that only hosts name."""

from __future__ import annotations

from collections.abc import Mapping

from .snapshot import Datastore, Guest, Snapshot


def datastore_id(name: str, host: str, *, shared: bool) -> str:
    """What identifies a datastore: one that only one host has is named with that host."""
    return name if shared else f"{name}@{host}"


def datastores_of(snapshot: Snapshot) -> tuple[Datastore, ...]:
    """Each datastore once, in the order of the snapshot. What hosts see differently is not known."""
    if snapshot.datastores:
        return snapshot.datastores
    found: dict[str, Datastore] = {}
    for host in snapshot.hosts:
        for name, place in host.datastores.items():
            identity = datastore_id(name, host.id, shared=place.shared)
            before = found.get(identity)
            found[identity] = Datastore(
                id=identity,
                name=name,
                shared=place.shared,
                hosts=(*(before.hosts if before else ()), host.id),
                kind=place.kind,
                capacity=place.capacity if before is None or before.capacity == place.capacity else None,
                free=place.free if before is None or before.free == place.free else None,
                disk_io=place.disk_io,
                closed_because=place.closed_because,
            )
    return tuple(found.values())


def datastore_ids(snapshot: Snapshot) -> Mapping[tuple[str, str], str]:
    """By id of a host and name of a datastore there, the id of that datastore."""
    return {(host, place.name): place.id for place in datastores_of(snapshot) for host in place.hosts}


def disk_places(snapshot: Snapshot, guest: Guest) -> tuple[str | None, ...]:
    """By disk of the guest, the id of its datastore; None for one that its host does not have."""
    ids = datastore_ids(snapshot)
    return tuple(ids.get((guest.host, disk.datastore)) for disk in guest.disks)
