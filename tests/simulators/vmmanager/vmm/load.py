# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From snapshots to a world. One platform holds many clusters, each from a snapshot of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.evenkeel.cluster.tests.simulators.kit.errors import SnapshotError
from ansible_collections.evenkeel.cluster.tests.simulators.kit.load import Load, demand_schema

from .state import MIB, Cluster, Disk, Node, Storage, Vm
from .switches import Switches
from .world import World

GIB = 1024 * MIB


def load_world(
    snapshots: Sequence[Mapping[str, Any]], switches: Switches, clock: Callable[[], float]
) -> World:
    """Build the platform that these snapshots describe. Raises SnapshotError for what it can't hold."""
    for snapshot in snapshots:
        demand_schema(snapshot)
    world = World(clusters={}, nodes={}, vms={}, switches=switches, clock=clock)
    nodes = _numbers(host["id"] for snapshot in snapshots for host in snapshot["hosts"])
    vms = _numbers(guest["id"] for snapshot in snapshots for guest in snapshot["guests"])
    counter = itertools.count(1)
    for number, snapshot in enumerate(snapshots, 1):
        here = [next(nodes) for _host in snapshot["hosts"]]
        node_of = dict(zip((host["id"] for host in snapshot["hosts"]), here, strict=True))
        cluster = Cluster(
            id=number,
            name=snapshot["cluster"]["name"],
            kind=_kind(snapshot),
            storages=_storages(snapshot, node_of, counter),
        )
        world.clusters[number] = cluster
        tags = _tags(snapshot)
        for entry in snapshot["guests"]:
            vm = _vm(entry, next(vms), cluster, node_of[entry["host"]], tags.get(entry["id"], []), counter)
            world.vms[vm.id] = vm
            _add_past(world, entry, vm, clock())
        for entry in snapshot["hosts"]:
            node = _node(entry, node_of[entry["id"]], cluster, world.vms.values())
            world.nodes[node.id] = node
    world.note_peak(*world.nodes)
    return world


def _numbers(names: Iterable[str]) -> Iterator[int]:
    """The ids as they are where all are numbers and no two alike; else they are numbered in their order."""
    wanted = list(names)
    usable = all(name.isdigit() and int(name) > 0 for name in wanted) and len(set(wanted)) == len(wanted)
    return (int(name) if usable else number for number, name in enumerate(wanted, 1))


def _kind(snapshot: Mapping[str, Any]) -> str:
    """A cluster is of one kind: containers beside machines are shown as machines."""
    guests = snapshot["guests"]
    return "lxd" if guests and all(guest["kind"] == "container" for guest in guests) else "kvm"


def _storages(
    snapshot: Mapping[str, Any], node_of: Mapping[str, int], counter: Iterator[int]
) -> list[Storage]:
    found: dict[str, Storage] = {}
    for host in snapshot["hosts"]:
        for name, entry in host.get("datastores", {}).items():
            kind = _storage_type(name, entry["shared"])
            storage = found.setdefault(name, Storage(next(counter), name, kind, main=False))
            if storage.type != kind:
                raise SnapshotError(
                    f"datastore {name!r} is shared on one host and local on another: VMmanager has one type"
                )
            storage.nodes.add(node_of[host["id"]])
    wanted = any("local_disk" in guest.get("blockers", ()) for guest in snapshot["guests"])
    if wanted and all(storage.shared for storage in found.values()):
        found["local"] = Storage(next(counter), "local", "dir", main=False, nodes=set(node_of.values()))
    main = next((storage for storage in found.values() if not storage.shared), None)
    for storage in found.values():
        storage.main = storage is (main or next(iter(found.values())))
    return list(found.values())


def _storage_type(name: str, shared: bool) -> str:
    if shared:
        return "ceph" if "ceph" in name or "rbd" in name else "nas"
    return "zfs" if "zfs" in name else "lvm" if "lvm" in name else "dir"


def _node(entry: Mapping[str, Any], number: int, cluster: Cluster, vms: Iterable[Vm]) -> Node:
    own = Load.of(entry["used"])
    for vm in vms:
        if vm.node == number:
            own = own.minus(vm.present_load)
    main = next((storage for storage in cluster.storages if storage.main and not storage.shared), None)
    space = entry.get("datastores", {}).get(main.name, {}) if main else {}
    labels = entry.get("labels", {})
    return Node(
        id=number,
        name=entry["name"],
        cluster=cluster,
        address=entry.get("address") or f"10.0.{number // 250}.{number % 250 + 1}",
        status=entry["status"],
        maintenance=entry["maintenance"],
        blocked=not entry["schedulable"],
        word=None,
        limit=entry.get("max_guests") or 0,
        cores=entry["capacity"].get("cpu") or 0,
        memory=entry["capacity"].get("memory") or 0,
        own=own,
        qemu=str(entry.get("version") or ""),
        kernel=labels.get("kernel", ""),
        os=labels.get("os", ""),
        size=space.get("capacity"),
        free=space.get("free"),
    )


def _vm(
    entry: Mapping[str, Any],
    number: int,
    cluster: Cluster,
    node: int,
    tags: Sequence[str],
    counter: Iterator[int],
) -> Vm:
    by_name = {storage.name: storage for storage in cluster.storages}
    for disk in entry.get("disks", ()):
        if disk["datastore"] not in by_name:
            raise SnapshotError(
                f"guest {entry['id']!r} has a disk on {disk['datastore']!r}, which no host lists"
            )
    disks = [
        Disk(next(counter), by_name[disk["datastore"]], disk.get("size")) for disk in entry.get("disks", ())
    ]
    marks = frozenset(entry.get("blockers", ()))
    if "local_disk" in marks and all(disk.storage.shared for disk in disks):
        local = next(storage for storage in cluster.storages if not storage.shared)
        disks.append(Disk(next(counter), local, 8 * GIB))
    return Vm(
        id=number,
        name=entry["name"],
        cluster=cluster,
        node=node,
        power=entry["power"],
        cores=entry["assigned"].get("cpu") or 1,
        memory=entry["assigned"].get("memory") or GIB,
        load=Load.of(entry["used"]),
        disks=disks,
        tags=list(dict.fromkeys([*entry.get("tags", ()), *tags])),
        marks=marks,
        run_state=entry.get("run_state"),
    )


def _tags(snapshot: Mapping[str, Any]) -> dict[str, list[str]]:
    """A rule whose source is "tag:X" comes from a tag: its guests have it."""
    result: dict[str, list[str]] = {}
    for rule in snapshot["rules"]:
        kind, _, tag = rule["source"].partition(":")
        for name in rule["guests"] if kind == "tag" and tag else ():
            result.setdefault(name, []).append(tag)
    return result


def _add_past(world: World, entry: Mapping[str, Any], vm: Vm, now: float) -> None:
    """What was done to it before, and what holds it now."""
    for key, status in (("last_migrated_at", "complete"), ("last_failed_at", world.switches.fail_word)):
        if entry.get(key):
            when = datetime.fromisoformat(entry[key]).timestamp() - world.switches.skew_seconds
            task = world.add_task("host_migrate", vm.id, when, when)
            task.status, task.started, task.ended = status, when, when
    if "locked" in vm.marks:
        world.add_task("host_backup", vm.id, now, now).status = "running"
