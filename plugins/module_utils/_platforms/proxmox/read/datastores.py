# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The storages as datastores: a shared one once, a local one for each node that has it.

Proxmox VE measures neither the latency nor the traffic of storages, and has no maintenance mode for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...._model.datastores import datastore_id
from ...._model.snapshot import Datastore, Disk, Guest
from ...values import Row
from ..api.notices import ReadFailures, with_names
from ..api.values import whole
from .cluster import Resources
from .same_place import same_places, sharing_space
from .storages import RAW_TYPES, Storage

# By how much nodes may differ in the size of one storage: some count what is free as part of it.
_SAME_SIZE = 0.05
# On these lies nothing but volumes of guests.
_ONLY_VOLUMES = frozenset({"lvmthin", "rbd", "zfspool"})


@dataclass(frozen=True, slots=True)
class _Seen:
    """A storage as one node sees it: whether it is there, and its size and what is in use of it."""

    node: str
    available: bool
    capacity: int | None
    used: int | None


def datastores_of(storages: Mapping[str, Storage], resources: Resources) -> tuple[Datastore, ...]:
    """In the order of their names. Those that hold no disks of guests, such as backups, are left out."""
    online = {str(entry.get("node")): entry.get("status") == "online" for entry in resources.nodes}
    rows = {(str(row.get("storage")), str(row.get("node"))): row for row in resources.storages}
    aliases = same_places(storages)
    found = []
    for name, storage in sorted(storages.items()):
        if not storage.holds_disks:
            continue
        seen = [
            _seen(node, up, storage, rows.get((name, node)))
            for node, up in sorted(online.items())
            if storage.on(node)
        ]
        places = [seen] if storage.shared else [[each] for each in seen]
        for place in places:
            datastore = _datastore(storage, place, aliases.get(name))
            if datastore is not None:
                found.append(datastore)
    return tuple(found)


def _seen(node: str, up: bool, storage: Storage, entry: Row | None) -> _Seen:
    entry = entry or {}
    available = not storage.disabled and (not up or entry.get("status") == "available")
    capacity = whole(entry.get("maxdisk")) or None
    return _Seen(node, available, capacity, whole(entry.get("disk")))


def _datastore(storage: Storage, seen: Sequence[_Seen], alias: str | None) -> Datastore | None:
    if not seen:
        return None
    # Where it is nowhere to be had, the nodes are named that should have it.
    here = [each for each in seen if each.available] or list(seen)
    sizes = [each.capacity for each in here if each.capacity is not None]
    differ = bool(sizes) and max(sizes) - min(sizes) > _SAME_SIZE * max(sizes)
    free = [each.capacity - each.used for each in here if each.capacity is not None and each.used is not None]
    known = bool(free) and not differ
    return Datastore(
        id=datastore_id(storage.name, seen[0].node, shared=storage.shared),
        name=storage.name,
        shared=storage.shared,
        hosts=tuple(each.node for each in here),
        type=storage.kind or None,
        capacity=min(sizes) if known else None,
        # What was measured last differs from node to node by some seconds.
        free=max(min(free), 0) if known else None,
        thin=storage.thin,
        content=tuple(name for name in storage.content if name in ("images", "rootdir")),
        closed_because=_closed_because(storage, seen, alias, differ=differ),
    )


def _closed_because(
    storage: Storage, seen: Sequence[_Seen], alias: str | None, *, differ: bool
) -> str | None:
    if storage.disabled:
        return "it is disabled"
    if not any(each.available for each in seen):
        return f"it is not active on {', '.join(each.node for each in seen)}"
    if storage.kind in RAW_TYPES:
        return f"no volume is allocated on a storage of the type {storage.kind}"
    if differ:
        return "it is marked as shared, but its size differs from node to node"
    if alias is not None:
        return f"it is the same place as {alias}"
    return None


def note_doubts(found: Sequence[Datastore], storages: Mapping[str, Storage], gaps: ReadFailures) -> None:
    """What is strange about storages, beyond what each says of itself."""
    differ = [place.name for place in found if "differs from node to node" in (place.closed_because or "")]
    if differ:
        gaps.add(
            f"nodes see {with_names('storage', differ)} with different sizes, though marked as shared: no "
            "disk is moved there. Remove the mark, or mount the same storage on all nodes"
        )
    aliases = same_places(storages)
    for first in sorted(set(aliases.values())):
        others = sorted(name for name, other in aliases.items() if other == first)
        gaps.add(
            f"{with_names('storage', [first, *others])} are one place under several names: no disk is moved "
            f"to {', '.join(others)}. Define it once"
        )
    for names in sharing_space(storages):
        gaps.add(
            f"{with_names('storage', names)} are pools of one Ceph cluster: what is free there is counted for"
            " each of them"
        )


def with_provisioned(datastores: Iterable[Datastore], guests: Iterable[Guest]) -> tuple[Datastore, ...]:
    """What would be in use if all thin disks had grown to their full size, as far as their use is known."""
    datastores = tuple(datastores)
    ids = {(host, place.name): place.id for place in datastores for host in place.hosts}
    disks: dict[str, list[Disk]] = {}
    for guest in guests:
        for disk in guest.disks:
            identity = ids.get((guest.host, disk.datastore))
            if identity is not None and "cdrom" not in disk.blockers:
                disks.setdefault(identity, []).append(disk)
    return tuple(
        replace(place, provisioned=_provisioned(place, disks.get(place.id, ()))) for place in datastores
    )


def _provisioned(place: Datastore, disks: Sequence[Disk]) -> int | None:
    if not place.thin or place.capacity is None or place.free is None:
        return None
    in_use = place.capacity - place.free
    sizes = [(disk.size, disk.used) for disk in disks]
    known = [(size, used) for size, used in sizes if size is not None and used is not None]
    if len(known) == len(sizes):
        return in_use + sum(max(size - used, 0) for size, used in known)
    if place.type in _ONLY_VOLUMES:
        return max(in_use, sum(size or 0 for size, _used in sizes))
    return None
