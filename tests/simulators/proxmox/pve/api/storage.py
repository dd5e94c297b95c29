# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""/storage and /nodes/{node}/storage, /nodes/{node}/network."""

from __future__ import annotations

from ..disk_move import stored
from ..errors import bad_parameters, died
from ..params import BOOL, NODE, STORAGE, TEXT, VMID, Param
from ..routes import Call, Need, method
from ..state import FILE_TYPES, Storage
from .views import Row, may_see_storage

TYPES = (
    *(
        "btrfs",
        "cephfs",
        "cifs",
        "dir",
        "esxi",
        "iscsi",
        "iscsidirect",
        "lvm",
        "lvmthin",
        "nfs",
        "pbs",
        "rbd",
        "zfs",
    ),
    "zfspool",
)
INTERFACES = (
    *(
        "bridge",
        "bond",
        "eth",
        "alias",
        "vlan",
        "fabric",
        "OVSBridge",
        "OVSBond",
        "OVSPort",
        "OVSIntPort",
        "vnet",
    ),
    *("any_bridge", "any_local_bridge", "include_sdn"),
)


@method("GET", "/storage", params={"type": Param("string", enum=TYPES)})
def storages(call: Call) -> object:
    rows = []
    for storage in call.world.storages.values():
        path, *privileges = may_see_storage(storage.name)
        if call.params.get("type") not in (None, storage.type) or not call.rights.has(
            path, *privileges, some=True
        ):
            continue
        row: Row = {
            "storage": storage.name,
            "type": storage.type,
            "content": storage.content,
            **storage.settings,
        }
        row["digest"] = "9f0f1d6bd5d5a3bb0c2f3a5c1d4e6f708192a3b4"
        if storage.shared:
            row["shared"] = 1
        if storage.disabled:
            row["disable"] = 1
        if not storage.everywhere:
            row["nodes"] = ",".join(storage.spaces)
        rows.append(row)
    return rows


@method(
    "GET",
    "/nodes/{node}/storage",
    params={
        "content": Param("string", format="pve-storage-content-list"),
        "enabled": BOOL,
        "format": BOOL,
        "storage": STORAGE,
        "target": NODE,
    },
)
def node_storages(call: Call) -> object:
    wanted = set(call.text("content").split(",")) if "content" in call.params else None
    if "target" in call.params:
        call.world.demand_node(call.text("target"))
    rows = []
    for storage in call.world.storages.values():
        path, *privileges = may_see_storage(storage.name)
        if call.node.name not in storage.spaces or not call.rights.has(path, *privileges, some=True):
            continue
        if call.params.get("storage") not in (None, storage.name):
            continue
        if wanted is not None and not wanted & set(storage.content.split(",")):
            continue
        if "target" in call.params and not storage.on(call.text("target")):
            continue
        if call.flag("enabled") and storage.disabled:
            continue
        row: Row = {"storage": storage.name, **_status(storage, call.node.name)}
        if row.get("total"):
            row["used_fraction"] = int(str(row["used"])) / int(str(row["total"]))
        rows.append(row)
    return rows


def _status(storage: Storage, node: str) -> Row:
    """Of one that is not active there, the figures are 0."""
    enabled, active = storage.on(node), storage.active(node)
    row: Row = {
        "type": storage.type,
        "content": storage.content,
        "active": int(active),
        "enabled": int(enabled),
        "shared": int(storage.shared),
    }
    space = storage.spaces.get(node)
    if space is not None and space.total is not None and active:
        free = space.free if space.free is not None else space.total
        row.update({"total": space.total, "used": space.total - free, "avail": free})
    elif not active:
        row.update({"total": 0, "used": 0, "avail": 0})
    return row


def _demand_on(call: Call) -> Storage:
    name, node = call.text("storage"), call.node.name
    storage = call.world.storages.get(name)
    if storage is None:
        raise died(f"storage '{name}' does not exist")
    if storage.disabled:
        raise died(f"storage '{name}' is disabled")
    if node not in storage.spaces:
        raise died(f"storage '{name}' is not available on node '{node}'")
    return storage


SEE = Need("/storage/{storage}", ("Datastore.Audit", "Datastore.AllocateSpace"), some=True)


@method("GET", "/nodes/{node}/storage/{storage}/status", SEE, {"storage": STORAGE.required})
def storage_status(call: Call) -> object:
    """As it is at this moment, where the lists have what was measured last."""
    storage = call.world.storages.get(call.text("storage"))
    if storage is None:
        raise bad_parameters(storage="No such storage.")
    return _status(storage, call.node.name)


@method(
    "GET",
    "/nodes/{node}/storage/{storage}/content",
    SEE,
    {
        "storage": STORAGE.required,
        "content": Param("string", format="pve-storage-content"),
        "vmid": VMID,
    },
)
def storage_content(call: Call) -> object:
    """The volumes, those too that no configuration names. Whoever may not change a guest's disks sees none of
    them; `used` is only told of files.
    """
    storage = _demand_on(call)
    if not storage.active(call.node.name):
        raise died(f"storage '{storage.name}' is not online")
    wanted = call.params.get("content")
    if wanted is not None and wanted not in storage.content.split(","):
        return []
    rows = []
    for volume in stored(call.world, storage, call.node.name):
        if call.params.get("vmid") not in (None, volume.vmid):
            continue
        owner = call.world.guests.get(volume.vmid)
        kind = "rootdir" if owner is not None and owner.kind == "lxc" else "images"
        if wanted not in (None, kind):
            continue
        if not (
            call.rights.has(f"/storage/{storage.name}", "Datastore.Allocate")
            or (
                call.rights.has(f"/storage/{storage.name}", "Datastore.Audit")
                and call.rights.has(f"/vms/{volume.vmid}", "VM.Config.Disk")
            )
        ):
            continue
        row: Row = {
            "volid": f"{storage.name}:{volume.volume}",
            "vmid": volume.vmid,
            "format": _format(volume.volume),
            "size": volume.size,
            "content": kind,
        }
        if storage.type in FILE_TYPES:
            row["used"] = volume.used
        rows.append(row)
    return rows


@method(
    "GET",
    "/nodes/{node}/storage/{storage}/content/{volume}",
    params={"storage": STORAGE, "volume": TEXT.required},
)
def volume_info(call: Call) -> object:
    """What one volume takes: told of files, Ceph and ZFS, always 0 of LVM (as the list tells it of files)."""
    storage = _demand_on(call)
    name = call.text("volume").removeprefix(f"{storage.name}:")
    found = next((each for each in stored(call.world, storage, call.node.name) if each.volume == name), None)
    if found is None:
        raise died(f"no such volume '{storage.name}:{name}'")
    if not call.rights.has(f"/storage/{storage.name}", "Datastore.Allocate"):
        call.rights.demand(f"/storage/{storage.name}", "Datastore.Audit")
        call.rights.demand(f"/vms/{found.vmid}", "VM.Config.Disk")
    return {
        "path": f"/dev/{storage.name}/{name}",
        "size": found.size,
        "used": 0 if storage.type in ("lvm", "lvmthin") else found.used,
        "format": _format(found.volume),
    }


def _format(volume: str) -> str:
    suffix = volume.rpartition(".")[2]
    return suffix if suffix in ("qcow2", "vmdk") else "subvol" if "subvol-" in volume else "raw"


@method("GET", "/nodes/{node}/network", params={"type": Param("string", enum=INTERFACES)})
def network(call: Call) -> object:
    kind = call.params.get("type")
    rows: list[Row] = []
    if kind in (None, "eth"):
        rows.append(
            {"iface": "eno1", "type": "eth", "active": 1, "exists": 1, "method": "manual", "priority": 3}
        )
    if kind in (None, "bridge", "any_bridge", "any_local_bridge", "include_sdn"):
        for number, bridge in enumerate(call.node.bridges, 4):
            row: Row = {"iface": bridge, "type": "bridge", "active": 1, "autostart": 1, "method": "manual"}
            row.update({"bridge_ports": "eno1", "bridge_stp": "off", "bridge_fd": "0", "priority": number})
            rows.append(row)
    return rows
