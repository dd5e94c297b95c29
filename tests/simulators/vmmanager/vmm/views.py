# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as the API shows them, nodes in the shape of 2026 and in that of 2022."""

from __future__ import annotations

import time

from .migration import count_on, is_suitable
from .state import MIB, Cluster, Disk, Node, Storage, Task, Vm
from .world import World

Row = dict[str, object]
_STATES = {"running": "active", "stopped": "stopped", "suspended": "saved", "unknown": "unknown"}


def cluster_row(world: World, cluster: Cluster) -> Row:
    row: Row = {
        "id": cluster.id,
        "name": cluster.name,
        "comment": "",
        "state": "active",
        "virtualization_type": cluster.kind,
        "datacenter_type": "common",
        "host_per_node_limit": 0,
        "host_distribution_policy": "spread",
        "node_count": sum(node.cluster is cluster for node in world.nodes.values()),
        "host_count": sum(vm.cluster is cluster for vm in world.vms.values()),
        "storages": [storage_row(storage) for storage in cluster.storages],
    }
    if world.switches.balancer is not None:
        row["balancer_mode"] = world.switches.balancer
    return row


def storage_row(storage: Storage) -> Row:
    return {
        "id": storage.id,
        "name": storage.name,
        "type": storage.type,
        "enabled": True,
        "is_main": storage.main,
        "tags": [],
    }


def node_row(world: World, node: Node) -> Row:
    here = [vm for vm in world.vms.values() if vm.node == node.id]
    cpus, memory = sum(vm.cores for vm in here), sum(vm.memory for vm in here) // MIB
    total, used = _mib(node.size), _mib(None if node.size is None else node.size - (node.free or 0))
    row: Row = {
        "id": node.id,
        "name": node.name,
        "ip": node.address,
        "state": node.word or ("active" if node.online else node.status),
        "cluster": {
            "id": node.cluster.id,
            "name": node.cluster.name,
            "virtualization_type": node.cluster.kind,
        },
        "qemu_version": node.qemu and f"QEMU emulator version {node.qemu} (Debian)",
        "kernel_version": node.kernel,
        "os_version": node.os,
        "host_creation_blocked": node.blocked,
        "host_limit": node.limit or -1,
        "ha_state": "disabled",
        "ha_error": "no_error",
        "overselling": 1,
        "interfaces": [],
    }
    if world.switches.shape == 2022:
        old: Row = {
            "cpu_number": int(node.cores),
            "ram_mib": {"total": node.memory // MIB, "used": memory},
            "storage_mib": {"total": total, "used": used},
            "host_count": len(here),
            "maintenance": node.maintenance,
        }
        return _shown(world, "node", {**row, **old})
    new: Row = {
        "cpu": {"number": int(node.cores), "used": cpus},
        "ram_mib": {"total": node.memory // MIB, "allocated": memory},
        "storage": {
            "size_mib": total,
            "used_mib": used,
            "allocated_mib": used,
            "available_mib": _mib(node.free),
        },
        "vm": {
            "total": len(here),
            "active": sum(vm.running for vm in here),
            "stopped": sum(vm.power == "stopped" for vm in here),
            "crashed": 0,
            "estimated": 0,
        },
        "maintenance_mode": node.maintenance,
    }
    return _shown(world, "node", {**row, **new})


def vm_row(world: World, vm: Vm, now: float) -> Row:
    node = world.nodes[vm.node]
    row: Row = {
        "id": vm.id,
        "name": vm.name,
        "domain": f"{vm.name}.example.com",
        "comment": "",
        "state": vm.run_state or _STATES[vm.power],
        "node": {"id": node.id, "name": node.name, "ip_addr": node.address},
        "cluster": {"id": vm.cluster.id, "name": vm.cluster.name, "datacenter_type": "common"},
        "account": {"id": 3, "email": "customer@example.com"},
        "cpu_number": int(vm.cores),
        "ram_mib": vm.memory // MIB,
        "disk": {"id": vm.disks[0].id, "disk_mib": _mib(vm.disks[0].size)} if vm.disks else None,
        "disk_count": len(vm.disks),
        "cpu_mode": "host-passthrough" if "host_cpu" in vm.marks else "default",
        "nesting": "nested_virtualization" in vm.marks,
        "iso_mounted": "iso_mounted" in vm.marks,
        "rescue_mode": "rescue_mode" in vm.marks,
        "disabled": "disabled" in vm.marks,
        "tags": list(vm.tags),
        "uptime": int(now - vm.started) if vm.running else 0,
        "ip4": [],
    }
    if world.switches.extras:
        row["snapshot_count"] = int("snapshot" in vm.marks)
        off = vm.marks & {"balancing_disabled", "passthrough_device"}
        row["balancer_mode"] = "off" if off else "on"
    return _shown(world, "host", row)


def bare_row(vm: Vm) -> Row:
    """One object asked for alone comes without its related ones."""
    return {"id": vm.id, "name": vm.name, "node": vm.node, "state": vm.run_state or _STATES[vm.power]}


def disk_row(world: World, vm: Vm, disk: Disk) -> Row:
    node = world.nodes[vm.node]
    owner = {"id": vm.id, "name": vm.name, "is_main": disk is vm.disks[0], "bus": "virtio"}
    return {
        "id": disk.id,
        "name": f"vm{vm.id}_{disk.id}",
        "size_mib": _mib(disk.size),
        "storage": {"id": disk.storage.id, "name": disk.storage.name},
        "host": owner if world.switches.disk_owners else None,
        "node": {"id": node.id, "name": node.name},
        "cluster": {"id": vm.cluster.id, "name": vm.cluster.name},
        "account": {"id": 3, "email": "customer@example.com"},
        "tags": [],
    }


def task_row(world: World, task: Task, now: float) -> Row:
    began = task.started or task.ended or now
    return {
        "id": task.id,
        "consul_id": _consul(world, task),
        "name": world.switches.task_names.get(task.name, task.name),
        "status": task.status,
        "waiting_time": round(began - task.created),
        "running_time": round((task.ended or now) - began),
        "defer_reason": "another task of the node runs" if task.status == "deferred" else "",
    }


def history_row(world: World, task: Task) -> Row:
    created = world.told(task.created) + 3600 * world.switches.zone_hours
    params = {"node": task.node} if task.node is not None and world.switches.history_params else {}
    return {
        "id": task.id + 100,
        "name": task.name,
        "state": task.status,
        "user": "admin@example.com",
        "params": params,
        "task": task.id,
        "date_create": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(created)),
    }


def started_row(world: World, task: Task) -> Row:
    """The answer to a call that starts a task: its `id` is the guest's."""
    return {"id": task.vm, "task": _consul(world, task)}


def target_row(world: World, vm: Vm, node: Node) -> Row:
    local = [storage for storage in node.cluster.storages if not storage.shared]
    storages = [
        {"id": storage.id, "name": storage.name, "type": storage.type, "available_mib": _mib(node.free)}
        for storage in local
    ]
    return {
        "id": node.id,
        "name": node.name,
        "state": node.word or ("active" if node.online else node.status),
        "suitable": is_suitable(world, vm, node),
        "priority": 0,
        "host_creation_blocked": node.blocked,
        "host_count": count_on(world, node),
        "host_limit": node.limit or -1,
        "ram_mib": {"unused": (node.memory - world.held_memory(node.id)) // MIB},
        "storage": storages[0] if storages else None,
        "storages": storages,
    }


def _consul(world: World, task: Task) -> object:
    return f"c-{task.consul}" if world.switches.consul_text else task.consul


def _mib(size: int | None) -> int | None:
    return None if size is None else size // MIB


def _shown(world: World, kind: str, row: Row) -> Row:
    """Without what is hidden from the account."""
    hidden = world.switches.hidden.get(kind, ())
    return {name: value for name, value in row.items() if name not in hidden}
