# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages, and which of them each node sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...._model.snapshot import HostDatastore
from ...values import Row
from ..api.values import flag, names, whole

# Where the volumes and images of guests may lie; a storage for backups alone is no one's concern here.
DISKS = frozenset({"images", "rootdir"})
_OF_GUESTS = DISKS | {"iso"}
# Whole devices, which are handed to guests as they are: nothing is allocated there.
RAW_TYPES = frozenset({"iscsi", "iscsidirect"})
_THICK = frozenset({"lvm", *RAW_TYPES})
_THIN = frozenset({"btrfs", "cephfs", "cifs", "dir", "glusterfs", "lvmthin", "nfs", "rbd"})
_SPARSE = frozenset({"zfs", "zfspool"})


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage of the cluster. `nodes` is None when every node sees it; `holds_disks` is false where it is
    only for images of CDs. `settings` are the keys of its own type.
    """

    name: str
    shared: bool
    nodes: frozenset[str] | None
    kind: str = ""
    holds_disks: bool = True
    content: tuple[str, ...] = ()
    disabled: bool = False
    settings: Row = field(default_factory=dict, compare=False, repr=False)

    def on(self, node: str) -> bool:
        return self.nodes is None or node in self.nodes

    @property
    def thin(self) -> bool | None:
        """Whether volumes take only what was written to them; None for a type that is not known."""
        if self.kind in _SPARSE:
            return flag(self.settings.get("sparse"))
        if self.kind in _THIN:
            return self.settings.get("preallocation") not in ("falloc", "full")
        return False if self.kind in _THICK else None


def all_storages(entries: Iterable[Row], resources: Iterable[Row]) -> dict[str, Storage]:
    """From /storage; that one is shared, /cluster/resources may know better."""
    shared = {str(entry.get("storage")) for entry in resources if flag(entry.get("shared"))}
    result = {}
    for entry in entries:
        content = names(entry.get("content"))
        name = str(entry.get("storage"))
        nodes = frozenset(names(entry["nodes"])) if entry.get("nodes") else None
        result[name] = Storage(
            name,
            flag(entry.get("shared")) or name in shared,
            nodes,
            kind=str(entry.get("type") or ""),
            holds_disks=bool(DISKS.intersection(content)),
            content=content,
            disabled=flag(entry.get("disable")),
            settings=entry,
        )
    return result


def storages(entries: Iterable[Row], resources: Iterable[Row]) -> dict[str, Storage]:
    """Those that are enabled and may hold anything of a guest."""
    return {
        name: storage
        for name, storage in all_storages(entries, resources).items()
        if not storage.disabled and _OF_GUESTS.intersection(storage.content)
    }


def datastores(
    node: str, online: bool, known: Mapping[str, Storage], resources: Iterable[Row]
) -> dict[str, HostDatastore]:
    """The storages of this node, without those that the node reports as not available."""
    seen = {str(entry.get("storage")): entry for entry in resources if entry.get("node") == node}
    result = {}
    for storage in known.values():
        entry = seen.get(storage.name, {})
        if not storage.on(node) or (online and entry.get("status") != "available"):
            continue
        capacity, used = whole(entry.get("maxdisk")) or None, whole(entry.get("disk"))
        free = None if capacity is None or used is None else max(capacity - used, 0)
        result[storage.name] = HostDatastore(
            shared=storage.shared,
            capacity=capacity,
            free=free,
            closed_because=None if storage.holds_disks else "its content types do not include disks",
        )
    return result
