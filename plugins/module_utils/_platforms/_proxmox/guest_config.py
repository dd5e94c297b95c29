# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest's configuration says about where it can run. Private to the collection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..._model.snapshot import Disk
from .answers import Row, options, size
from .storages import Storage

_VM_DRIVE = re.compile(r"(ide|sata|scsi|virtio)\d+|efidisk0|tpmstate0|unused\d+")
_CT_VOLUME = re.compile(r"rootfs|mp\d+|unused\d+")
_NETWORK = re.compile(r"net\d+")
_VM_DEVICE = re.compile(r"(hostpci|usb|serial|parallel|virtiofs)\d+|ivshmem")
_VIRTUAL = ("spice", "socket")
_CT_DEVICE = re.compile(r"dev\d+")


@dataclass(frozen=True, slots=True)
class GuestConfig:
    """Where a guest's volumes lie, what it is connected to, what ties it to its node."""

    disks: tuple[Disk, ...]
    networks: tuple[str, ...]
    blockers: tuple[str, ...]
    needs_host_cpu: bool = False


def vm_config(config: Row, storages: Mapping[str, Storage]) -> GuestConfig:
    """From the configuration of a virtual machine (qemu)."""
    disks: list[Disk] = []
    blockers: list[str] = []
    for key, value in config.items():
        text = str(value)
        if _VM_DRIVE.fullmatch(key):
            disk, blocker = _drive(text, storages)
            disks += [disk] if disk else []
            blockers += [blocker] if blocker else []
        elif _VM_DEVICE.fullmatch(key) and options(text, "host").get("host") not in _VIRTUAL:
            blockers.append("passthrough_device")
        elif key in ("amd-sev", "intel-tdx"):
            blockers.append("encrypted_memory")
    blockers += _of_snapshots(config, blockers)
    return GuestConfig(
        disks=tuple(disks),
        networks=_bridges(config),
        blockers=tuple(blockers),
        needs_host_cpu=options(config.get("cpu", ""), "cputype").get("cputype") == "host",
    )


def container_config(config: Row, storages: Mapping[str, Storage]) -> GuestConfig:
    """From the configuration of a container (lxc)."""
    disks: list[Disk] = []
    blockers: list[str] = []
    for key, value in config.items():
        if _CT_DEVICE.fullmatch(key):
            blockers.append("passthrough_device")
        elif _CT_VOLUME.fullmatch(key):
            parts = options(value, "volume")
            volume = parts.get("volume", "")
            if volume.startswith("/"):
                blockers += [] if parts.get("shared") == "1" else ["bind_mount"]
                continue
            disk, blocker = _volume(volume, parts, storages)
            disks.append(disk)
            blockers += [blocker] if blocker else []
    blockers += _of_snapshots(config, blockers)
    return GuestConfig(disks=tuple(disks), networks=_bridges(config), blockers=tuple(blockers))


def _drive(text: str, storages: Mapping[str, Storage]) -> tuple[Disk | None, str | None]:
    """A drive's volume, or None for one without; and what it blocks."""
    parts = options(text, "file")
    volume = parts.get("file", "")
    if volume in ("", "none"):
        return None, None
    if volume == "cdrom":
        return None, "iso_mounted"
    if volume.startswith("/"):
        return None, "passthrough_device"
    disk, blocker = _volume(volume, parts, storages)
    if parts.get("media") == "cdrom" and "cloudinit" not in volume and blocker:
        return None, "iso_mounted"
    return disk, blocker


def _volume(
    volume: str, parts: Mapping[str, str], storages: Mapping[str, Storage]
) -> tuple[Disk, str | None]:
    name = volume.partition(":")[0]
    storage = storages.get(name)
    shared = storage is not None and storage.shared
    return Disk(datastore=name, size=size(parts.get("size"))), None if shared else "local_disk"


def _of_snapshots(config: Row, blockers: list[str]) -> Iterator[str]:
    """Snapshots on shared storage go along; those of a local disk can't be copied while the guest runs."""
    if config.get("parent") and "local_disk" in blockers:
        yield "snapshot"


def _bridges(config: Row) -> tuple[str, ...]:
    keys = sorted((key for key in config if _NETWORK.fullmatch(key)), key=lambda key: int(key[3:]))
    found = (options(config[key]).get("bridge") for key in keys)
    return tuple(dict.fromkeys(bridge for bridge in found if bridge))
