# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes and devices that a guest's configuration names, as a migration looks at them (facts 47, 48)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .config import guest_config
from .state import Guest
from .world import World

Row = dict[str, object]

VM_DRIVE = re.compile(r"(ide|sata|scsi|virtio)\d+|efidisk0|tpmstate0|unused\d+")
CT_VOLUME = re.compile(r"rootfs|(mp|unused)\d+")
DEVICE = re.compile(r"(usb|hostpci|serial|parallel|virtiofs)\d+|ivshmem")


@dataclass(frozen=True, slots=True)
class Volume:
    """One that lies somewhere. `shared`: other nodes see it too, or it says so itself."""

    slot: str
    volid: str
    size: int
    shared: bool
    cdrom: bool = False
    vmstate: bool = False
    snapshots: tuple[str, ...] = ()

    @property
    def cloudinit(self) -> bool:
        return self.cdrom and "cloudinit" in self.volid

    @property
    def unused(self) -> bool:
        return self.slot.startswith("unused")

    @property
    def tpmstate(self) -> bool:
        return self.slot == "tpmstate0"

    @property
    def attached(self) -> bool:
        """What with-local-disks is asked for: not what is generated, saved or lies idle."""
        return not (self.unused or self.vmstate or self.tpmstate or self.cloudinit)

    def entry(self) -> Row:
        """As GET migrate lists it."""
        row: Row = {
            "volid": self.volid,
            "size": self.size,
            "cdrom": int(self.cdrom),
            "is_cloudinit": int(self.cloudinit),
            "is_unused": int(self.unused),
            "is_attached": int(not (self.unused or self.vmstate)),
            "is_vmstate": int(self.vmstate),
            "is_tpmstate": int(self.tpmstate),
            "shared": int(self.shared),
            "replicate": 1,
        }
        if self.slot:
            row["drivename"] = self.slot
        if self.snapshots:
            row["referenced_in_snapshot"] = dict.fromkeys(self.snapshots, 1)
        return row


def volumes(world: World, guest: Guest) -> list[Volume]:
    """All of them, the memory that snapshots hold among them."""
    pattern = VM_DRIVE if guest.kind == "qemu" else CT_VOLUME
    found = []
    for key, value in guest_config(guest).items():
        if not pattern.fullmatch(key):
            continue
        volid, *rest = str(value).split(",")
        options = dict(part.partition("=")[::2] for part in rest)
        if volid == "none":
            continue
        storage = world.storages.get(volid.partition(":")[0])
        shared = options.get("shared") == "1" if storage is None else storage.shared
        cdrom = options.get("media") == "cdrom" or volid == "cdrom"
        snapshots = () if key.startswith("unused") or cdrom else tuple(guest.snapshots)
        found.append(Volume(key, volid, _size(guest, key), shared, cdrom=cdrom, snapshots=snapshots))
    for volid in guest.saved_memory:
        storage = world.storages.get(volid.partition(":")[0])
        shared = storage is not None and storage.shared
        found.append(Volume("", volid, guest.maxmem, shared, vmstate=True, snapshots=tuple(guest.snapshots)))
    return found


def devices(world: World, guest: Guest) -> tuple[list[str], dict[str, Row]]:
    """The devices of its node that a machine uses, and those that it has by a mapping, by their keys."""
    local: list[str] = []
    mapped: dict[str, Row] = {}
    for key, value in guest_config(guest).items():
        if not DEVICE.fullmatch(key):
            continue
        first = str(value).split(",")[0]
        options = dict(part.partition("=")[::2] for part in str(value).split(","))
        if (key.startswith("usb") and options.get("host", first) == "spice") or (
            key.startswith("serial") and first == "socket"
        ):
            continue
        name = options.get("mapping")
        if name is None:
            local.append(key)
            continue
        mapping = next((entry for entry in world.switches.pci_mappings if entry["id"] == name), {})
        live = key.startswith("hostpci") and str(mapping.get("live-migration-capable", 0)) == "1"
        mapped[key] = {"name": name, **({"live-migration": 1} if live else {})}
        if not key.startswith("hostpci") or (guest.running and not live):
            local.append(key)
    return local, mapped


def lacking_mappings(world: World, guest: Guest, node: str) -> list[str]:
    """The keys of mapped PCI devices that a node does not have."""
    missing = []
    for key, about in devices(world, guest)[1].items():
        mapping = next((entry for entry in world.switches.pci_mappings if entry["id"] == about["name"]), None)
        if mapping is not None and not any(f"node={node}" in part for part in mapping.get("map", ())):
            missing.append(key)
    return missing


def _size(guest: Guest, key: str) -> int:
    return next((disk.size or 0 for disk in guest.disks if disk.slot == key), 0)
