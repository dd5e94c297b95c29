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
BASE_TEMPLATE = 9000
"""Of which disks are linked clones."""


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
    about = {entry["name"]: entry for entry in snapshot.get("datastores", ())}
    for host in snapshot["hosts"]:
        for name, entry in host.get("datastores", {}).items():
            storage = found.get(name)
            if storage is None:
                storage = found[name] = _storage(name, entry["shared"], about.get(name, {}))
            if storage.shared != entry["shared"]:
                raise SnapshotError(
                    f"datastore {name!r} is shared on one host and local on another: Proxmox VE has one flag"
                )
            storage.spaces[host["id"]] = Space(entry.get("capacity"), entry.get("free"))
    hosts = [host["id"] for host in snapshot["hosts"]]
    blockers = {blocker for guest in snapshot["guests"] for blocker in guest.get("blockers", ())}
    if "local_disk" in blockers and all(storage.shared for storage in found.values()):
        spaces = {host: Space(500 * GIB, 400 * GIB) for host in hosts}
        found["local-lvm"] = _storage("local-lvm", False, {})
        found["local-lvm"].spaces = spaces
    if "iso_mounted" in blockers and "local" not in found:
        spaces = {host: Space(90 * GIB, 60 * GIB) for host in hosts}
        found["local"] = _storage("local", False, {"content": ("iso", "vztmpl")})
        found["local"].spaces = spaces
    for storage in found.values():
        storage.everywhere = len(storage.spaces) == len(hosts)
    return found


def _storage(name: str, shared: bool, about: Mapping[str, Any]) -> Storage:
    """`about` is what the snapshot says of the datastore itself."""
    kind = about.get("type") or _storage_type(name, shared)
    content = ",".join(about.get("content") or ("images", "rootdir"))
    settings = _settings(kind, name)
    if kind == "zfspool" and about.get("thin"):
        settings["sparse"] = 1
    return Storage(name, kind, shared, content, {}, False, settings=settings)


def _settings(kind: str, name: str) -> dict[str, object]:
    """Each storage is a place of its own."""
    settings: dict[str, dict[str, object]] = {
        "btrfs": {"path": f"/mnt/{name}"},
        "cifs": {"server": "10.0.0.251", "share": name, "path": f"/mnt/pve/{name}"},
        "dir": {"path": "/var/lib/vz" if name == "local" else f"/mnt/{name}"},
        "lvm": {"vgname": name},
        "lvmthin": {"vgname": "pve", "thinpool": "data" if name == "local-lvm" else name},
        "nfs": {"server": "10.0.0.250", "export": f"/export/{name}", "path": f"/mnt/pve/{name}"},
        "rbd": {"pool": name, "krbd": 0, "monhost": "10.0.0.250"},
        "zfspool": {"pool": f"rpool/{name}"},
    }
    return settings.get(kind, {})


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
    disks = list(entry.get("disks", ()))
    for disk in disks:
        if disk["datastore"] not in storages:
            raise SnapshotError(
                f"guest {entry['id']!r} has a disk on {disk['datastore']!r}, which no host lists among its "
                "datastores"
            )
    if want_local and all(storages[disk["datastore"]].shared for disk in disks):
        here = (
            s for s in storages.values() if not s.shared and "images" in s.content and s.on(entry["host"])
        )
        local = next(here, None)
        if local is None:
            raise SnapshotError(
                f"guest {entry['id']!r} is to have a local disk, but its host has no local datastore"
            )
        disks.append({"datastore": local.name, "size": 8 * GIB})
    return [
        _disk(entry["id"], kind, number, disk, storages[disk["datastore"]], template=template)
        for number, disk in enumerate(disks)
    ]


def _disk(
    vmid: str, kind: str, number: int, about: Mapping[str, Any], storage: Storage, *, template: bool
) -> Disk:
    volume = storage.volume_name(kind, int(vmid), number, about.get("format") or "raw")
    if template:
        volume = volume.replace("vm-", "base-" if kind == "qemu" else "basevol-")
    if "linked_clone" in about.get("blockers", ()):
        base = f"base-{BASE_TEMPLATE}-disk-0"
        folder = f"{BASE_TEMPLATE}/{base}.qcow2" if "/" in volume else base
        volume = f"{folder}/{volume}"
    slot = about.get("id") or _slot(kind, number)
    return Disk(slot, storage.name, volume, about.get("size"), about.get("used"))


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
