# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a snapshot to a world."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ansible_collections.evenkeel.cluster.tests.simulators.kit.errors import SnapshotError
from ansible_collections.evenkeel.cluster.tests.simulators.kit.load import Load, demand_schema

from .faults import Switches
from .ha_load import HaChoice, load_ha
from .state import Counters, Disk, Guest, Node, Space, Storage
from .tasks import TaskBook
from .world import World, node_own_load

VERSIONS = {"8.4": "8.4.14", "9.0": "9.0.11", "9.2": "9.2.3"}
NODE_UPTIME = 40 * 86400
BASE_FLAGS = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov mmx fxsr sse sse2 syscall nx lm"
V3_FLAGS = (
    "pni cx16 lahf_lm popcnt ssse3 sse4_1 sse4_2 aes pclmulqdq avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
)
AVX512_FLAGS = "avx512f avx512bw avx512cd avx512dq avx512vl"
GUEST_UPTIME = 10 * 86400
GIB = 1024**3


def load_world(
    snapshot: Mapping[str, Any], release: str, switches: Switches, ha: HaChoice, clock: Callable[[], float]
) -> World:
    """Build the cluster that a snapshot describes. Raises SnapshotError for what Proxmox VE can't hold."""
    demand_schema(snapshot)
    if not snapshot["hosts"]:
        raise SnapshotError("the snapshot has no hosts: a Proxmox VE cluster has at least one")
    now = clock()
    version = VERSIONS[release]
    storages = _storages(snapshot)
    guests = {}
    for entry in snapshot["guests"]:
        guest = _guest(entry, storages, now)
        guests[guest.vmid] = guest
    _tag(snapshot, guests)
    nodes = {}
    for number, entry in enumerate(snapshot["hosts"], 1):
        node = _node(
            entry, number, version, now, [guest for guest in guests.values() if guest.node == entry["id"]]
        )
        nodes[node.name] = node
    world = World(
        name=snapshot["cluster"]["name"],
        version=version,
        nodes=nodes,
        guests=guests,
        storages=storages,
        ha=load_ha(snapshot, guests, list(nodes), int(version.partition(".")[0]), ha),
        switches=switches,
        clock=clock,
        tasks=TaskBook(now - NODE_UPTIME),
    )
    _add_past_migrations(world, snapshot)
    switches.replication += _replication(snapshot)
    world.note_peak(*nodes)
    world.remember(0.0)
    return world


def _add_past_migrations(world: World, snapshot: Mapping[str, Any]) -> None:
    """A guest's last migration is a task in the archive of the node that it came from, one that failed in
    that of its own node.
    """
    past = [
        (str(entry[field]), entry, end)
        for entry in snapshot["guests"]
        for field, end in (("last_migrated_at", "OK"), ("last_failed_at", "migration aborted"))
        if entry.get(field)
    ]
    for moment, entry, end in sorted(past, key=lambda each: each[0]):
        guest = world.guests[int(entry["id"])]
        elsewhere = next((name for name in world.nodes if name != guest.node), guest.node)
        ended = datetime.fromisoformat(moment).timestamp()
        kind = "qmigrate" if guest.kind == "qemu" else "vzmigrate"
        node = elsewhere if end == "OK" else guest.node
        world.tasks.start(node, kind, entry["id"], "root@pam", ended - 30).end(ended, end)


def _replication(snapshot: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A job for each host that a guest can only be migrated to."""
    return [
        {
            "id": f"{entry['id']}-{number}",
            "guest": int(entry["id"]),
            "jobnum": number,
            "target": target,
            "type": "local",
        }
        for entry in snapshot["guests"]
        for number, target in enumerate(entry.get("targets") or ())
    ]


def _known(pressure: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in pressure.items() if value is not None}


def _node(entry: Mapping[str, Any], number: int, version: str, now: float, guests: list[Guest]) -> Node:
    name = entry["id"]
    if not re.fullmatch(r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?", name):
        raise SnapshotError(
            f"host id {name!r} can't be a Proxmox VE node name: use letters, digits and inner hyphens"
        )
    own = str(entry.get("version") or "")
    return Node(
        name=name,
        number=number,
        address=entry.get("address") or f"10.0.{number // 250}.{number % 250 + 1}",
        status=entry["status"],
        maintenance=entry["maintenance"],
        maxcpu=entry["capacity"]["cpu"],
        maxmem=entry["capacity"]["memory"],
        own=node_own_load(Load.of(entry["used"]), guests),
        pressure=_known(entry.get("pressure", {})),
        bridges=list(entry.get("networks", ())),
        version=own if own.partition(".")[0] == version.partition(".")[0] else version,
        cpu_model=entry.get("cpu_model"),
        started=now - NODE_UPTIME,
        cpu_flags=_cpu_flags(entry),
        arc=_arc(entry),
        left=float("-inf"),
    )


def _cpu_flags(entry: Mapping[str, Any]) -> str:
    """What the snapshot knows of it, or what its like has."""
    if entry.get("cpu_features") is not None:
        own = [name for name in entry["cpu_features"] if not name.startswith("vendor:")]
    else:
        own = [V3_FLAGS, AVX512_FLAGS if "Xeon" in str(entry.get("cpu_model") or "Xeon") else ""]
    return " ".join([BASE_FLAGS, "svm" if "AMD" in str(entry.get("cpu_model")) else "vmx", *own]).strip()


def _arc(entry: Mapping[str, Any]) -> int:
    """ZFS keeps 1/32 of the memory for its cache in any case."""
    reclaimable = int(entry.get("reclaimable") or 0)
    return reclaimable + entry["capacity"]["memory"] // 32 if reclaimable else 0


def _storages(snapshot: Mapping[str, Any]) -> dict[str, Storage]:
    found: dict[str, Storage] = {}
    for host in snapshot["hosts"]:
        for name, entry in host.get("datastores", {}).items():
            storage = found.setdefault(
                name,
                Storage(
                    name, _storage_type(name, entry["shared"]), entry["shared"], "images,rootdir", {}, False
                ),
            )
            if storage.shared != entry["shared"]:
                raise SnapshotError(
                    f"datastore {name!r} is shared on one host and local on another: Proxmox VE has one flag"
                )
            storage.spaces[host["id"]] = Space(entry.get("capacity"), entry.get("free"))
    hosts = [host["id"] for host in snapshot["hosts"]]
    blockers = {blocker for guest in snapshot["guests"] for blocker in guest.get("blockers", ())}
    if "local_disk" in blockers and all(storage.shared for storage in found.values()):
        spaces = {host: Space(500 * GIB, 400 * GIB) for host in hosts}
        found["local-lvm"] = Storage("local-lvm", "lvmthin", False, "images,rootdir", spaces, True)
    if "iso_mounted" in blockers and "local" not in found:
        spaces = {host: Space(90 * GIB, 60 * GIB) for host in hosts}
        found["local"] = Storage("local", "dir", False, "iso,vztmpl", spaces, True)
    for storage in found.values():
        storage.everywhere = len(storage.spaces) == len(hosts)
    return found


def _storage_type(name: str, shared: bool) -> str:
    if shared:
        return "rbd" if "ceph" in name or "rbd" in name else "nfs"
    if "zfs" in name:
        return "zfspool"
    return "dir" if name == "local" else "lvmthin"


def _guest(entry: Mapping[str, Any], storages: Mapping[str, Storage], now: float) -> Guest:
    name = entry["id"]
    if not re.fullmatch(r"[1-9][0-9]{2,8}", name):
        raise SnapshotError(f"guest id {name!r} can't be a Proxmox VE VMID: use digits, 100 to 999999999")
    kind = "qemu" if entry["kind"] == "vm" else "lxc"
    blockers = set(entry.get("blockers", ()))
    template = "template" in blockers
    load = Load.of(entry["used"])
    return Guest(
        vmid=int(name),
        name=entry["name"],
        kind=kind,
        node=entry["host"],
        power=entry["power"],
        maxcpu=entry["assigned"].get("cpu") or 1,
        maxmem=entry["assigned"].get("memory") or GIB,
        load=load,
        pressure=_known(entry.get("pressure", {})),
        disks=_disks(entry, kind, template, "local_disk" in blockers, storages),
        bridges=list(entry.get("networks", ())),
        tags=list(entry.get("tags", ())),
        pool=entry.get("pool"),
        started=now - GUEST_UPTIME,
        arrived=now - GUEST_UPTIME,
        counters=Counters(now - GUEST_UPTIME, load.network_io or 0.0, load.disk_io or 0.0),
        lock="backup" if "locked" in blockers else None,
        template=template,
        snapshots=["before-upgrade"] if "snapshot" in blockers else [],
        passthrough="passthrough_device" in blockers,
        iso="local:iso/debian-12.iso" if "iso_mounted" in blockers and kind == "qemu" else None,
        run_state=entry.get("run_state"),
        cpu=_cpu(entry),
    )


def _cpu(entry: Mapping[str, Any]) -> str:
    if entry.get("cpu_models"):
        return "host"
    flags = ";".join(f"+{name}" for name in entry.get("cpu_features", ()) if ":" not in name)
    return f"kvm64,flags={flags}" if flags else "x86-64-v2-AES"


def _disks(
    entry: Mapping[str, Any], kind: str, template: bool, want_local: bool, storages: Mapping[str, Storage]
) -> list[Disk]:
    places = [(disk["datastore"], disk.get("size")) for disk in entry.get("disks", ())]
    for name, _ in places:
        if name not in storages:
            raise SnapshotError(
                f"guest {entry['id']!r} has a disk on {name!r}, which no host lists among its datastores"
            )
    if want_local and all(storages[name].shared for name, _ in places):
        here = (
            s for s in storages.values() if not s.shared and "images" in s.content and s.on(entry["host"])
        )
        local = next(here, None)
        if local is None:
            raise SnapshotError(
                f"guest {entry['id']!r} is to have a local disk, but its host has no local datastore"
            )
        places.append((local.name, 8 * GIB))
    prefix = {"qemu": "base" if template else "vm", "lxc": "basevol" if template else "vm"}[kind]
    return [
        Disk(_slot(kind, number), storage, f"{prefix}-{entry['id']}-disk-{number}", size)
        for number, (storage, size) in enumerate(places)
    ]


def _slot(kind: str, number: int) -> str:
    if kind == "qemu":
        return f"scsi{number}"
    return "rootfs" if number == 0 else f"mp{number - 1}"


def _tag(snapshot: Mapping[str, Any], guests: Mapping[int, Guest]) -> None:
    """A rule whose source is "tag:X" comes from a tag: give it to the guests."""
    for rule in snapshot["rules"]:
        kind, _, tag = rule["source"].partition(":")
        if kind == "tag":
            for name in rule["guests"]:
                guest = guests.get(int(name))
                if guest is not None and tag and tag not in guest.tags:
                    guest.tags.append(tag)
