# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where disks are and what datastores are like at this moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from ...errors import NotFound, PermissionMissing, Refused
from ...storage_protocol import DatastoreNow, DisksNow, StorageNow
from ..api.collector import Found, properties, retrieve, step
from ..api.errors import Gone
from ..api.library import vim
from ..api.session import Session
from ..api.values import plain
from .clusters import ClusterPlace
from .datastores import identities, mounting
from .disks import places
from .inventory import datastore_names, shared_datastores
from .live_state import busy
from .mounts import closed_to_new_disks
from .recent_tasks import TASK_PATHS

# How each host mounts them is large: the check of a move looks at its target.
_STORE_PATHS = (
    "name",
    "browser",
    "summary.capacity",
    "summary.freeSpace",
    "summary.accessible",
    "summary.multipleHostAccess",
    "summary.maintenanceMode",
)
DISK_PATHS = ("name", "runtime.host", "config.hardware.device", "config.files.vmPathName")


@dataclass(frozen=True, slots=True)
class Stores:
    """The datastores of the cluster by reference, with their names in paths and their ids in snapshots."""

    found: Mapping[str, Found]
    names: Mapping[str, str]
    ids: Mapping[str, str]
    hosts: Mapping[str, Found]

    def reference(self, identity: str) -> str | None:
        """The reference of the datastore with that id."""
        return next((reference for reference, known in self.ids.items() if known == identity), None)

    def on(self, host: str) -> dict[str, str]:
        """The datastores of a host by reference, as paths on them name them."""
        having = self.hosts[host].items("datastore") if host in self.hosts else ()
        return {reference: self.names[reference] for reference in having if reference in self.names}

    def places(self, guest: Found) -> dict[str, str]:
        """By id of each disk of the guest the id of its datastore."""
        found = places(guest, self.on(guest.text("runtime.host") or ""))
        return {disk: self.ids.get(reference, reference) for disk, reference in found.items()}


def read_storage(session: Session, place: ClusterPlace, guests: Collection[str]) -> tuple[StorageNow, Stores]:
    """These guests with the tasks on them, and all datastores, in one pass."""
    found = retrieve(
        session,
        [vim.ClusterComputeResource(place.id), *(vim.VirtualMachine(guest) for guest in sorted(guests))],
        [
            properties(vim.ClusterComputeResource, "name"),
            properties(vim.HostSystem, "name", "datastore"),
            properties(vim.Datastore, *_STORE_PATHS),
            properties(vim.VirtualMachine, *DISK_PATHS, "recentTask"),
            properties(vim.Task, *TASK_PATHS),
        ],
        step(vim.ComputeResource, "host", step(vim.HostSystem, "datastore")),
        step(vim.VirtualMachine, "recentTask"),
    )
    kinds: dict[str, dict[str, Found]] = {}
    for item in found:
        kinds.setdefault(item.kind, {})[item.id] = item
    if place.id not in kinds.get("ClusterComputeResource", {}):
        raise NotFound(f"the cluster {place} is gone", where=session.where)
    stores = _stores(kinds.get("HostSystem", {}), kinds.get("Datastore", {}))
    now = StorageNow(
        cluster=place.id,
        guests={
            identity: DisksNow(
                host=guest.text("runtime.host") or "",
                disks=stores.places(guest),
                busy=busy(guest, kinds.get("Task", {})),
            )
            for identity, guest in kinds.get("VirtualMachine", {}).items()
        },
        datastores={
            stores.ids[reference]: _datastore_now(store) for reference, store in stores.found.items()
        },
    )
    return now, stores


def refresh(session: Session, stores: Stores, datastore: str) -> None:
    """Let vCenter look how much of the datastore is free: what it shows may be half an hour old."""
    reference = stores.reference(datastore)
    if reference is None:
        return
    # Where it can't, its own check, which comes next, says what is the matter.
    with suppress(PermissionMissing, Refused, Gone):
        session.call(vim.Datastore(reference), "RefreshDatastore")


def _stores(hosts: Mapping[str, Found], found: Mapping[str, Found]) -> Stores:
    shared = shared_datastores(hosts.values(), found)
    _namesakes, names = datastore_names(hosts.values(), found, shared)
    in_paths = {reference: plain(store.text("name")) or reference for reference, store in found.items()}
    return Stores(found, in_paths, identities(names, mounting(hosts, found), shared), hosts)


def _datastore_now(store: Found) -> DatastoreNow:
    closed = closed_to_new_disks(store)
    if store.flag("summary.accessible") is False:
        closed = "not accessible from any host"
    return DatastoreNow(
        capacity=store.whole("summary.capacity") or None,
        free=store.whole("summary.freeSpace"),
        closed_because=closed,
    )
