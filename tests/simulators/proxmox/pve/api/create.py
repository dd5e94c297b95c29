# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new virtual machine: POST /nodes/{node}/qemu, with new disks, networks, tags and a pool."""

from __future__ import annotations

import re

from ansible_collections.evenkeel.cluster.tests.simulators.kit.load import Load

from ..errors import ApiError, bad_parameters, died
from ..params import BOOL, COUNT, TEXT, VMID, Param
from ..routes import Call, method
from ..state import MIB, Counters, Disk, Guest
from ..tasks import Task
from ..world import World

GIB = 1024 * MIB
CREATE_SECONDS = 0.5
BUSES = ("scsi", "virtio", "sata", "ide")
NEW_DISK = re.compile(r"([A-Za-z][A-Za-z0-9._-]*):(\d+(?:\.\d+)?)(?:,.*)?", re.ASCII)
# What a restore or a template takes, and is not simulated: refused rather than passed over.
NOT_SIMULATED = (
    "archive",
    "force",
    "unique",
    "live-restore",
    "import-working-storage",
    "template",
    "ha-managed",
)

_TEXTS = (
    "affinity agent amd-sev args audio0 boot bootdisk cdrom cicustom cipassword ciuser cpu efidisk0"
    " hookscript hostpci[n] hotplug ide[n] import-working-storage intel-tdx ipconfig[n] ivshmem machine"
    " memory name nameserver net[n] numa[n] parallel[n] pool rng0 sata[n] scsi[n] searchdomain serial[n]"
    " spice_enhancements sshkeys startdate startup storage tags tpmstate0 unused[n] usb[n] vga virtio[n]"
    " virtiofs[n] vmgenid vmstatestorage watchdog"
)
_FLAGS = (
    "acpi allow-ksm autostart ciupgrade force freeze ha-managed keephugepages kvm live-restore localtime numa"
    " onboot protection reboot start tablet tdf template unique"
)
_LOCKS = "backup clone create migrate rollback snapshot snapshot-delete suspending suspended"
_KEYS = "de de-ch da en-gb en-us es fi fr fr-be fr-ca fr-ch hu is it ja lt mk nl no pl pt pt-br sv sl tr"
_SYSTEMS = "other wxp w2k w2k3 w2k8 wvista win7 win8 win10 win11 l24 l26 solaris"
_SCSI = "lsi lsi53c810 virtio-scsi-pci virtio-scsi-single megasas pvscsi"
PARAMS = {
    **dict.fromkeys(_TEXTS.split(), TEXT),
    **dict.fromkeys(_FLAGS.split(), BOOL),
    **dict.fromkeys(("balloon", "bwlimit", "migrate_speed"), COUNT),
    **dict.fromkeys(("cores", "smp", "sockets", "vcpus"), Param("integer", minimum=1)),
    "arch": Param("string", enum=("x86_64", "aarch64")),
    "archive": Param("string", max_length=255),
    "bios": Param("string", enum=("seabios", "ovmf")),
    "citype": Param("string", enum=("configdrive2", "nocloud", "opennebula")),
    "cpulimit": Param("number", minimum=0, maximum=128),
    "cpuunits": Param("integer", minimum=1, maximum=262144),
    "description": Param("string", max_length=8192),
    "hugepages": Param("string", enum=("any", "2", "1024")),
    "keyboard": Param("string", enum=tuple(_KEYS.split())),
    "lock": Param("string", enum=tuple(_LOCKS.split())),
    "migrate_downtime": Param("number", minimum=0),
    "ostype": Param("string", enum=tuple(_SYSTEMS.split())),
    "scsihw": Param("string", enum=tuple(_SCSI.split())),
    "shares": Param("integer", minimum=0, maximum=50000),
    "smbios1": Param("string", max_length=512),
    "vmid": VMID.required,
}


@method("POST", "/nodes/{node}/qemu", params=PARAMS)
def create_qemu(call: Call) -> object:
    """Checks as Proxmox VE does, then a task; the guest's configuration is there, locked, from the start."""
    world, vmid = call.world, int(call.params["vmid"])
    for name in NOT_SIMULATED:
        if name in call.params:
            raise ApiError(501, f"{name} is not simulated")
    pool = call.params.get("pool")
    path = f"/pool/{pool}" if pool and not call.rights.has(f"/vms/{vmid}", "VM.Allocate") else f"/vms/{vmid}"
    call.rights.demand(path, "VM.Allocate")
    world.demand_quorum()
    there = world.guests.get(vmid)
    if there is not None:
        text = f"VM {vmid} already exists on node '{there.node}'"
        raise died(f"unable to create VM {vmid} - {text}")
    disks = [_disk(call, vmid, name, number) for number, name in enumerate(_slots(call))]
    guest = _guest(call, vmid, disks)
    task = world.tasks.start(guest.node, "qmcreate", str(vmid), call.user, call.now)
    trouble = _allocate(world, guest)
    if trouble:
        task.log(call.now, trouble)
        task.end(call.now, f"unable to create VM {vmid} - {trouble}")
        return task.upid
    guest.lock = "create"
    world.guests[vmid] = guest
    world.at(
        call.now + CREATE_SECONDS,
        lambda moment: _finish(world, guest, task, moment, start=call.flag("start")),
    )
    return task.upid


def _slots(call: Call) -> list[str]:
    found = [name for name in call.params if re.fullmatch(rf"({'|'.join(BUSES)})\d+", name)]
    return sorted(
        (name for name in found if "media=cdrom" not in call.text(name)),
        key=lambda name: (BUSES.index(name.rstrip("0123456789")), int(re.sub(r"\D", "", name))),
    )


def _disk(call: Call, vmid: int, slot: str, number: int) -> Disk:
    """`STORAGE:GIB` asks for a new volume; nothing else is simulated."""
    found = NEW_DISK.fullmatch(call.text(slot))
    if found is None:
        raise bad_parameters(**{slot: "invalid format - only STORAGE:SIZE_IN_GIB is simulated"})
    name = found[1]
    storage = call.world.storages.get(name)
    if storage is None:
        raise died(f"storage '{name}' does not exist")
    call.rights.demand(f"/storage/{name}", "Datastore.AllocateSpace")
    if not storage.on(call.node.name):
        raise died(f"storage '{name}' is not available on node '{call.node.name}'")
    return Disk(slot, name, storage.volume_name("qemu", vmid, number, "raw"), int(float(found[2]) * GIB))


def _guest(call: Call, vmid: int, disks: list[Disk]) -> Guest:
    params = call.params
    memory = int(str(params.get("memory", "512")).removeprefix("current=")) * MIB
    cores = int(params.get("cores", 1)) * int(params.get("sockets", 1))
    nets = sorted(name for name in params if re.fullmatch(r"net\d+", name))
    options = [dict(part.partition("=")[::2] for part in call.text(name).split(",")) for name in nets]
    return Guest(
        vmid=vmid,
        name=str(params.get("name", f"VM {vmid}")),
        kind="qemu",
        node=call.node.name,
        power="stopped",
        maxcpu=float(cores),
        maxmem=memory,
        # A guest that has just started has little to do.
        load=Load(0.05 * cores, memory // 8, 0.0, 0.0),
        pressure={},
        disks=disks,
        bridges=[part["bridge"] for part in options if "bridge" in part],
        tags=[tag for tag in re.split(r"[;, ]", str(params.get("tags", ""))) if tag],
        pool=str(params["pool"]) if "pool" in params else None,
        started=call.now,
        arrived=call.now,
        counters=Counters(call.now),
    )


def _allocate(world: World, guest: Guest) -> str | None:
    """Take the space of its disks; why not, where there is too little."""
    for disk in guest.disks:
        if not world.storages[disk.storage].fits(guest.node, disk.size or 0):
            return f"storage '{disk.storage}' has too little free space"
    for disk in guest.disks:
        world.storages[disk.storage].give_back(guest.node, -(disk.size or 0))
    return None


def _finish(world: World, guest: Guest, task: Task, moment: float, *, start: bool) -> None:
    guest.lock = None
    missing = [bridge for bridge in guest.bridges if bridge not in world.nodes[guest.node].bridges]
    if start and missing:
        task.log(moment, f"bridge '{missing[0]}' does not exist")
        task.end(moment, f"start failed: bridge '{missing[0]}' does not exist")
        return
    if start:
        guest.power = "running"
        guest.started = moment
        guest.restart_counters(moment)
        world.note_peak(guest.node)
        world.remember(moment)
    task.end(moment, "OK")
