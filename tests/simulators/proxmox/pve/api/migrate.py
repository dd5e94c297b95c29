# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migration: what it would take, and the request for it."""

from __future__ import annotations

from ..crm import places, request_migration
from ..errors import bad_parameters, died
from ..migration import Request, local_disks, start
from ..params import BOOL, COUNT, INT, NODE, NUMBER, Param
from ..routes import Call, Need, method
from ..state import Guest
from .views import Row

MIGRATE = Need("/vms/{vmid}", ("VM.Migrate",))
STORAGES = Param("string", format="storage-pair-list")
ROOT_ONLY = ("force", "migration_type", "migration_network")


@method("GET", "/nodes/{node}/qemu/{vmid}/migrate", MIGRATE, {"target": NODE})
def qemu_preconditions(call: Call) -> object:
    world = call.world
    guest = call.guest("qemu")
    _demand_unlocked(guest)
    disks = set(local_disks(world, guest))
    entries: list[Row] = [
        {"volid": disk.volid, "size": disk.size or 0, "cdrom": 0, "is_unused": 0, "drivename": disk.slot}
        for disk in guest.disks
        if disk.volid in disks
    ]
    if guest.iso:
        entries.append(
            {"volid": guest.iso, "size": 674758656, "cdrom": 1, "is_unused": 0, "drivename": "ide2"}
        )
    result: Row = {
        "running": int(guest.running),
        "local_disks": entries,
        "local_resources": ["hostpci0"] if guest.passthrough else [],
        "mapped-resources": [],
    }
    if world.major >= 9:
        result["mapped-resource-info"] = {}
        result["has-dbus-vmstate"] = 1
        result["dependent-ha-resources"] = world.ha.together_with(guest.sid)
    if world.major >= 9 or not guest.running:
        result["allowed_nodes"], result["not_allowed_nodes"] = _targets(call, guest)
    return result


@method("GET", "/nodes/{node}/lxc/{vmid}/migrate", MIGRATE, {"target": NODE}, since=9)
def lxc_preconditions(call: Call) -> object:
    guest = call.guest("lxc")
    allowed, refused = _targets(call, guest)
    return {
        "running": int(guest.running),
        "allowed-nodes": allowed,
        "not-allowed-nodes": refused,
        "dependent-ha-resources": call.world.ha.together_with(guest.sid),
    }


@method(
    "POST",
    "/nodes/{node}/qemu/{vmid}/migrate",
    MIGRATE,
    {
        "target": NODE.required,
        "online": BOOL,
        "with-local-disks": BOOL,
        "targetstorage": STORAGES,
        "bwlimit": COUNT,
        "force": BOOL,
        "migration_type": Param("string", enum=("secure", "insecure")),
        "migration_network": Param("string", format="CIDR"),
        "with-conntrack-state": Param("boolean", since=9),
    },
)
def qemu_migrate(call: Call) -> object:
    guest = _checked(call, "qemu")
    for name in ROOT_ONLY:
        if call.params.get(name) and call.user != "root@pam":
            raise bad_parameters(**{name: "Only root may use this option."})
    if guest.running and not call.flag("online"):
        raise died("can't migrate running VM without --online")
    storages = _storage_map(call, "targetstorage")
    _demand_storages(call, guest, storages)
    return _begin(call, guest, storages)


@method(
    "POST",
    "/nodes/{node}/lxc/{vmid}/migrate",
    MIGRATE,
    {
        "target": NODE.required,
        "online": BOOL,
        "restart": BOOL,
        "timeout": INT,
        "target-storage": STORAGES,
        "bwlimit": NUMBER,
    },
)
def lxc_migrate(call: Call) -> object:
    guest = _checked(call, "lxc")
    if guest.running and not call.flag("online") and not call.flag("restart"):
        raise died("can't migrate running container without --online or --restart")
    storages = _storage_map(call, "target-storage")
    _demand_storages(call, guest, storages)
    return _begin(call, guest, storages)


def _checked(call: Call, kind: str) -> Guest:
    """The checks that both kinds share, in Proxmox VE's order."""
    target = call.text("target")
    if target == call.node.name:
        raise bad_parameters(target="target is local node.")
    call.world.demand_quorum()
    call.world.demand_node(target)
    guest = call.guest(kind)
    _demand_unlocked(guest)
    return guest


def _begin(call: Call, guest: Guest, storages: dict[str, str]) -> str:
    """An HA guest is handed to the CRM by a task that ends at once; the others move by this task."""
    world, target = call.world, call.text("target")
    if guest.sid in world.ha.resources:
        task = world.tasks.start(guest.node, "hamigrate", str(guest.vmid), call.user, call.now)
        what = "VM" if guest.kind == "qemu" else "CT"
        task.log(call.now, f"Requesting HA migration for {what} {guest.vmid} to node {target}")
        request_migration(world, guest.sid, target, call.now)
        task.end(call.now, "OK")
        return task.upid
    request = Request(
        target,
        online=call.flag("online"),
        restart=call.flag("restart"),
        with_local_disks=call.flag("with-local-disks"),
        storages=storages,
    )
    return start(world, guest, request, call.user, call.now).upid


def _demand_unlocked(guest: Guest) -> None:
    if guest.lock:
        raise died(f"{'VM' if guest.kind == 'qemu' else 'CT'} is locked ({guest.lock})")


def _storage_map(call: Call, name: str) -> dict[str, str]:
    """Of a text such as "1" (keep the names), "x" (all to x) or "a:x,b:y" (a to x, b to y)."""
    result: dict[str, str] = {}
    if name not in call.params:
        return result
    for pair in call.text(name).split(","):
        source, separator, target = pair.strip().partition(":")
        if pair.strip() == "1":
            continue
        if not source or (separator and not target):
            raise bad_parameters(**{name: f"failed to parse storage map: invalid entry '{pair}'"})
        result[source if separator else ""] = target if separator else source
    if result:
        call.rights.demand(f"/vms/{call.params['vmid']}", "VM.Config.Disk")
    for storage in result.values():
        call.rights.demand(f"/storage/{storage}", "Datastore.AllocateSpace")
    return result


def _demand_storages(call: Call, guest: Guest, storages: dict[str, str]) -> None:
    target = call.text("target")
    wanted = list(storages.values()) or [disk.storage for disk in guest.disks]
    for name in wanted:
        storage = call.world.storages.get(name)
        if storage is None:
            raise died(f"storage '{name}' does not exist")
        if not storage.on(target):
            raise died(f"storage '{name}' is not available on node '{target}'")


def _targets(call: Call, guest: Guest) -> tuple[list[str], dict[str, Row]]:
    """The nodes that could take the guest, and of the others why not."""
    world = call.world
    where = places(world)
    allowed: list[str] = []
    refused: dict[str, Row] = {}
    for node in world.nodes.values():
        if node.name == guest.node or not node.online:
            continue
        why: Row = {}
        missing = sorted(
            {disk.storage for disk in guest.disks if not world.storages[disk.storage].on(node.name)}
        )
        if missing:
            why["unavailable_storages"] = missing
        blocking = world.ha.blocking(guest.sid, node.name, where) if guest.sid in world.ha.resources else []
        if blocking and world.major >= 9:
            why["blocking-ha-resources"] = blocking
        if why:
            refused[node.name] = why
        else:
            allowed.append(node.name)
    return allowed, refused
