# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migration: what it would take, and the request for it."""

from __future__ import annotations

from ..crm import blocking_resources, manages, request_migration, state_of
from ..errors import bad_parameters, died
from ..migration import Request, not_replicated, refuses_target, start
from ..params import BOOL, COUNT, INT, NODE, NUMBER, Param
from ..routes import Call, Need, method
from ..state import Guest
from ..volumes import Volume, devices, lacking_mappings, volumes
from ..world import World
from .views import Row

MIGRATE = Need("/vms/{vmid}", ("VM.Migrate",))
STORAGES = Param("string", format="storage-pair-list")
ROOT_ONLY = ("force", "migration_type", "migration_network")


@method("GET", "/nodes/{node}/qemu/{vmid}/migrate", MIGRATE, {"target": NODE})
def qemu_preconditions(call: Call) -> object:
    """Facts 46 to 49."""
    world = call.world
    guest = call.guest("qemu")
    newer = world.major_of(call.node.name) >= 9
    world.demand_quorum()
    _demand_unlocked(guest)
    local, mapped = devices(world, guest)
    result: Row = {
        "running": int(guest.running),
        "local_disks": [volume.entry() for volume in volumes(world, guest) if _is_local(world, volume)],
        "local_resources": local,
        "mapped-resources": sorted(mapped),
    }
    if newer:
        result["mapped-resource-info"] = mapped
        result["has-dbus-vmstate"] = int(world.switches.conntrack)
        if manages(world, guest):
            result["dependent-ha-resources"] = world.ha.together_with(guest.sid)
    if newer or not guest.running:
        result["allowed_nodes"], result["not_allowed_nodes"] = _targets(call, guest, newer=newer)
    return result


def _is_local(world: World, volume: Volume) -> bool:
    """Also what says of itself that other nodes see it; what lies on a shared storage is left out."""
    storage = world.storages.get(volume.volid.partition(":")[0])
    return storage is None or not storage.shared


@method("GET", "/nodes/{node}/lxc/{vmid}/migrate", MIGRATE, {"target": NODE}, since=9)
def lxc_preconditions(call: Call) -> object:
    """Of HA only: storages are never named here (fact 55)."""
    world = call.world
    guest = call.guest("lxc")
    refused = {name: why for name in world.nodes if (why := _ha_reasons(call, guest, name))}
    others = [name for name in world.nodes if name != guest.node]
    result: Row = {
        "running": int(guest.running),
        "allowed-nodes": [name for name in others if name not in refused],
        "not-allowed-nodes": {name: why for name, why in refused.items() if name in others},
    }
    if manages(world, guest):
        result["dependent-ha-resources"] = world.ha.together_with(guest.sid)
    return result


@method(
    "GET",
    "/nodes/{node}/capabilities/qemu/migration",
    Need("/nodes/{node}", ("Sys.Audit",)),
    since=9,
)
def migration_capabilities(call: Call) -> object:
    """Fact 39."""
    return {"has-dbus-vmstate": int(call.world.switches.conntrack)}


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
    if refuses_target(call.world, guest, call.text("target")) and not call.flag("force"):
        raise died(not_replicated(call.text("target")))
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
    """It is not asked here whether the target has the storages, nor whether a lock is held (fact 56)."""
    target = call.text("target")
    if target == call.node.name:
        raise bad_parameters(target="target is local node.")
    call.world.demand_quorum()
    call.world.demand_node(target)
    guest = call.guest("lxc")
    if guest.running and not call.flag("online") and not call.flag("restart"):
        raise died("can't migrate running container without --online or --restart")
    return _begin(call, guest, _storage_map(call, "target-storage"))


def _checked(call: Call, kind: str) -> Guest:
    """The first checks, in Proxmox VE's order (fact 50)."""
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
    if manages(world, guest):
        return _hand_over(call, guest, target)
    request = Request(
        target,
        online=call.flag("online"),
        restart=call.flag("restart"),
        with_local_disks=call.flag("with-local-disks"),
        force=call.flag("force"),
        conntrack=call.flag("with-conntrack-state"),
        timeout=float(call.params.get("timeout", 180)),
        storages=storages,
    )
    return start(world, guest, request, call.user, call.now).upid


def _hand_over(call: Call, guest: Guest, target: str) -> str:
    """`ha-manager migrate` in a task: it ends badly where something is in the way, though the request may be
    queued all the same (facts 52, 63, 66).
    """
    world = call.world
    task = world.tasks.start(guest.node, "hamigrate", str(guest.vmid), call.user, call.now)
    what = "VM" if guest.kind == "qemu" else "CT"
    task.log(call.now, f"Requesting HA migration for {what} {guest.vmid} to node {target}")
    command = f"command 'ha-manager migrate {guest.sid} {target}' failed: exit code 255"
    if state_of(world, world.ha.resources[guest.sid]) == "error":
        task.log(call.now, f"service '{guest.sid}' in error state, must be disabled and fixed first")
        task.end(call.now, command)
        return task.upid
    request_migration(world, guest.sid, target, call.now)
    blocking = blocking_resources(world, guest.sid, target) if world.major >= 9 else []
    for each in blocking:
        task.log(call.now, f"cannot migrate {guest.sid} to {target}: {each['sid']} ({each['cause']})")
    task.end(call.now, command if blocking else "OK")
    return task.upid


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
    """Only local storages are mapped; others, and those that no pair names, keep their names (fact 51)."""
    target = call.text("target")
    request = Request(target, storages=storages)
    for volume in volumes(call.world, guest):
        own = call.world.storages.get(volume.volid.partition(":")[0])
        if own is None:
            continue
        name = own.name if own.shared else request.storage_for(own.name)
        storage = call.world.storages.get(name)
        if storage is None:
            raise died(f"storage '{name}' does not exist")
        if not storage.on(target):
            raise died(f"storage '{name}' is not available on node '{target}'")


def _targets(call: Call, guest: Guest, *, newer: bool) -> tuple[list[str], dict[str, Row]]:
    """The nodes that could take the guest, offline ones too, and of the others why not (fact 46)."""
    world = call.world
    allowed: list[str] = []
    refused: dict[str, Row] = {}
    used = {volume.volid.partition(":")[0] for volume in volumes(world, guest) if volume.attached}
    for node in world.nodes.values():
        if node.name == guest.node:
            continue
        why = _ha_reasons(call, guest, node.name) if newer else {}
        missing = sorted(
            name for name in used if name in world.storages and not world.storages[name].on(node.name)
        )
        if missing:
            why["unavailable_storages"] = missing
        devices = lacking_mappings(world, guest, node.name)
        if devices:
            why["unavailable-resources"] = devices
        if why:
            refused[node.name] = why
        else:
            allowed.append(node.name)
    return allowed, refused


def _ha_reasons(call: Call, guest: Guest, name: str) -> Row:
    """What HA's rules say of a node that HA calls online (fact 49)."""
    world = call.world
    node = world.nodes[name]
    if not manages(world, guest) or name == guest.node or not node.online or node.maintenance:
        return {}
    blocking = blocking_resources(world, guest.sid, name)
    return {"blocking-ha-resources": blocking} if blocking else {}
