# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""/storage and /nodes/{node}/storage, /nodes/{node}/network."""

from __future__ import annotations

from ..params import BOOL, NODE, STORAGE, Param
from ..routes import Call, method
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
SETTINGS: dict[str, Row] = {
    "rbd": {"pool": "vms", "krbd": 0, "monhost": "10.0.0.250"},
    "nfs": {"server": "10.0.0.250", "export": "/export/vms", "path": "/mnt/pve/vms"},
    "lvmthin": {"vgname": "pve", "thinpool": "data"},
    "zfspool": {"pool": "rpool/data", "sparse": 1},
    "dir": {"path": "/var/lib/vz"},
}


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
            **SETTINGS[storage.type],
        }
        row["digest"] = "9f0f1d6bd5d5a3bb0c2f3a5c1d4e6f708192a3b4"
        if storage.shared:
            row["shared"] = 1
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
        if not storage.on(call.node.name) or not call.rights.has(path, *privileges, some=True):
            continue
        if call.params.get("storage") not in (None, storage.name):
            continue
        if wanted is not None and not wanted & set(storage.content.split(",")):
            continue
        if "target" in call.params and not storage.on(call.text("target")):
            continue
        row: Row = {
            "storage": storage.name,
            "type": storage.type,
            "content": storage.content,
            "active": 1,
            "enabled": 1,
            "shared": int(storage.shared),
        }
        space = storage.spaces[call.node.name]
        if space.total is not None:
            free = space.free if space.free is not None else space.total
            used = space.total - free
            row.update({"total": space.total, "used": used, "avail": free})
            row["used_fraction"] = used / space.total if space.total else 0
        rows.append(row)
    return rows


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
