# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""/cluster, without high availability."""

from __future__ import annotations

from collections import Counter

from ..crm import state_of
from ..errors import bad_parameters, died
from ..ha import manager_states
from ..params import NODE, VMID, Param
from ..routes import Call, Need, method
from .views import (
    Row,
    guest_figures,
    guest_marks,
    guest_status,
    node_figures,
    storage_figures,
)

AUDIT = Need("/", ("Sys.Audit",))
TOLD_TASKS = 25


@method("GET", "/cluster/status", AUDIT)
def status(call: Call) -> object:
    world = call.world
    nodes: list[Row] = [
        {
            "type": "node",
            "id": f"node/{node.name}",
            "name": node.name,
            "nodeid": node.number if len(world.nodes) > 1 else 0,
            "online": int(node.online),
            "local": int(node.name == world.local_node),
            "ip": node.address,
            "level": "",
        }
        for node in world.nodes.values()
    ]
    if len(nodes) == 1:
        return nodes
    cluster: Row = {
        "type": "cluster",
        "id": "cluster",
        "name": world.name,
        "nodes": len(nodes),
        "quorate": int(world.quorate),
        "version": len(nodes),
    }
    return [cluster, *nodes]


@method("GET", "/cluster/resources", params={"type": Param("string", enum=("vm", "storage", "node", "sdn"))})
def resources(call: Call) -> object:
    kind = call.params.get("type")
    rows: list[Row] = []
    if kind is None:
        rows += _pools(call)
    if kind in (None, "vm"):
        rows += _guests(call)
    if kind in (None, "node"):
        rows += _nodes(call)
    if kind in (None, "storage"):
        rows += _storages(call)
    if kind in (None, "sdn"):
        rows += _zones(call)
    return rows


def _guests(call: Call) -> list[Row]:
    world = call.world
    states = {resource.vmid: state_of(world, resource) for resource in world.ha.resources.values()}
    rows: list[Row] = []
    for guest in world.guests.values():
        if not call.rights.has(f"/vms/{guest.vmid}", "VM.Audit"):
            continue
        row: Row = {
            "id": f"{guest.kind}/{guest.vmid}",
            "type": guest.kind,
            "vmid": guest.vmid,
            "node": guest.node,
            "status": guest_status(world, guest, call.now),
            **guest_figures(world, guest, call.now),
            **guest_marks(guest),
        }
        if row["status"] != "unknown":
            row.update({"name": guest.name, "template": int(guest.template)})
        if guest.pool and call.rights.has(f"/pool/{guest.pool}", "Pool.Audit"):
            row["pool"] = guest.pool
        if guest.vmid in states:
            row["hastate"] = states[guest.vmid]
        rows.append(row)
    return rows


def _pools(call: Call) -> list[Row]:
    names = sorted({guest.pool for guest in call.world.guests.values() if guest.pool})
    rows = []
    for name in names:
        if not call.rights.has(f"/pool/{name}", "Pool.Audit"):
            continue
        members = [guest for guest in call.world.guests.values() if guest.pool == name]
        row: Row = {"id": f"/pool/{name}", "type": "pool", "pool": name}
        row["maxcpu"] = sum(guest.maxcpu for guest in members)
        row["maxmem"] = sum(guest.maxmem for guest in members)
        row["mem"] = sum(guest.present_load.memory or 0 for guest in members)
        rows.append(row)
    return rows


def _nodes(call: Call) -> list[Row]:
    world = call.world
    loads = world.node_loads(call.now)
    states = manager_states(world)
    rows = []
    for node in world.nodes.values():
        silent = node.online and not world.reported(node.name, call.now)
        row: Row = {
            "id": f"node/{node.name}",
            "type": "node",
            "node": node.name,
            "status": "unknown" if silent else node.status,
            "level": "",
        }
        if node.name in states:
            row["hastate"] = states[node.name]
        if call.rights.has(f"/nodes/{node.name}", "Sys.Audit") and world.reported(node.name, call.now):
            row["cgroup-mode"] = 2
            figures = node_figures(node, loads[node.name], call.now)
            if not node.online:
                figures = {key: value for key, value in figures.items() if key.startswith("max")}
            row.update(figures)
        rows.append(row)
    return rows


def _storages(call: Call) -> list[Row]:
    rows = []
    for storage in call.world.storages.values():
        if not call.rights.has(f"/storage/{storage.name}", "Datastore.Audit"):
            continue
        for node in storage.spaces if not storage.disabled else ():
            known = call.world.reported(node, call.now) and node not in storage.inactive
            row: Row = {
                "id": f"storage/{node}/{storage.name}",
                "type": "storage",
                "storage": storage.name,
                "node": node,
                "plugintype": storage.type,
                "status": "available" if known else "unknown",
                "shared": int(storage.shared),
                "content": storage.content,
            }
            rows.append({**row, **(storage_figures(call.world, storage, node, call.now) if known else {})})
    return rows


def _zones(call: Call) -> list[Row]:
    """Every node has the zone of its own bridges; 9.2 shows it as a network."""
    rows: list[Row] = []
    if not call.rights.has("/sdn/zones/localnetwork", "SDN.Audit"):
        return rows
    for node in call.world.nodes.values():
        state = "ok" if node.online else "unknown"
        if call.world.version.startswith("9.2"):
            row: Row = {
                "id": f"network/{node.name}/zone/localnetwork",
                "type": "network",
                "network": "localnetwork",
            }
            row.update({"network-type": "zone", "zone-type": "simple"})
        else:
            row = {"id": f"sdn/{node.name}/localnetwork", "type": "sdn", "sdn": "localnetwork"}
        rows.append({**row, "node": node.name, "status": state})
    return rows


@method("GET", "/cluster/options", AUDIT)
def options(call: Call) -> object:
    base: Row = {"keyboard": "en-us", "max_workers": 4, "migration": {"type": "secure"}}
    return {**base, **call.world.switches.options}


@method("GET", "/cluster/nextid", params={"vmid": VMID})
def next_id(call: Call) -> object:
    if "vmid" in call.params:
        if call.params["vmid"] in call.world.guests:
            raise bad_parameters(vmid=f"VM {call.params['vmid']} already exists")
        return str(call.params["vmid"])
    return str(next(number for number in range(100, 999999999) if number not in call.world.guests))


@method("GET", "/cluster/tasks")
def cluster_tasks(call: Call) -> object:
    """What every node told the others last: its running tasks, and with the finished ones at most 25. One who
    lacks Sys.Audit sees its own, and a token none (fact 27).
    """
    rows = []
    all_of_them = call.rights.has("/", "Sys.Audit")
    delay = call.world.switches.task_list_seconds
    tasks = [(task, task.shown_as_running(call.now, delay)) for task in call.world.tasks.newest_first()]
    told = Counter(task.node for task, running in tasks if running)
    for task, running in tasks:
        told[task.node] += not running
        if not running and told[task.node] > TOLD_TASKS:
            continue
        if all_of_them or task.user.partition("!")[0] == call.user:
            row = {**task.entry(), "saved": "0" if running else "1"}
            if not running and task.ended is not None:
                row.update({"endtime": int(task.ended), "status": task.exitstatus})
            rows.append(row)
    return rows


@method("GET", "/cluster/replication")
def replication(call: Call) -> object:
    jobs = [dict(job) for job in call.world.switches.replication]
    return [job for job in jobs if call.rights.has(f"/vms/{job['guest']}", "VM.Audit")]


@method("GET", "/cluster/mapping/pci", params={"check-node": NODE})
def pci_mappings(call: Call) -> object:
    mappings = [dict(mapping) for mapping in call.world.switches.pci_mappings]
    privileges = ("Mapping.Audit", "Mapping.Use", "Mapping.Modify")
    return [
        mapping
        for mapping in mappings
        if call.rights.has(f"/mapping/pci/{mapping['id']}", *privileges, some=True)
    ]


@method(
    "GET",
    "/pools",
    params={
        "poolid": Param("string", format="pve-poolid"),
        "type": Param("string", enum=("qemu", "lxc", "storage")),
    },
)
def pools(call: Call) -> object:
    """Without poolid only the names, as Proxmox VE does it."""
    names = sorted({guest.pool for guest in call.world.guests.values() if guest.pool})
    wanted = call.params.get("poolid")
    if wanted is None:
        return [{"poolid": name} for name in names if call.rights.has(f"/pool/{name}", "Pool.Audit")]
    call.rights.demand(f"/pool/{wanted}", "Pool.Audit")
    return [{"poolid": wanted, **_pool(call, str(wanted))}]


@method(
    "GET",
    "/pools/{poolid}",
    Need("/pool/{poolid}", ("Pool.Audit",)),
    {"type": Param("string", enum=("qemu", "lxc", "storage"))},
)
def pool(call: Call) -> object:
    return _pool(call, call.text("poolid"))


def _pool(call: Call, name: str) -> Row:
    if not any(guest.pool == name for guest in call.world.guests.values()):
        raise died(f"pool '{name}' does not exist")
    members = [
        {
            "id": f"{guest.kind}/{guest.vmid}",
            "type": guest.kind,
            "vmid": guest.vmid,
            "node": guest.node,
            "name": guest.name,
        }
        for guest in call.world.guests.values()
        if guest.pool == name and call.params.get("type") in (None, guest.kind)
    ]
    return {"members": members}
