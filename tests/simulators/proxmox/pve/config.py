# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's configuration file, as the API shows it."""

from __future__ import annotations

import hashlib
import json

from .state import MIB, Guest

Row = dict[str, object]


def qemu_config(guest: Guest) -> Row:
    config: Row = {
        "name": guest.name,
        "memory": str(-(-guest.maxmem // MIB)),
        "cores": max(int(guest.maxcpu), 1),
        "sockets": 1,
        "cpu": guest.cpu,
        "numa": 0,
        "ostype": "l26",
        "scsihw": "virtio-scsi-single",
        "boot": "order=scsi0",
        "onboot": 1,
        "smbios1": f"uuid={_uuid(guest)}",
        "vmgenid": _uuid(guest),
        "meta": "creation-qemu=9.0.2,ctime=1718000000",
    }
    for disk in guest.disks:
        if disk.slot.startswith("unused"):
            config[disk.slot] = disk.volid
            continue
        threaded = disk.slot.startswith(("scsi", "virtio"))
        config[disk.slot] = _with_size(f"{disk.volid}{',iothread=1' if threaded else ''}", disk.size)
    for number, bridge in enumerate(guest.bridges):
        config[f"net{number}"] = f"virtio={_mac(guest, number)},bridge={bridge},firewall=1"
    config["ide2"] = f"{guest.iso},media=cdrom,size=658944K" if guest.iso else "none,media=cdrom"
    if guest.passthrough:
        config["hostpci0"] = "0000:01:00.0,pcie=1"
    return _finish(config, guest)


def lxc_config(guest: Guest) -> Row:
    config: Row = {
        "hostname": guest.name,
        "memory": -(-guest.maxmem // MIB),
        "swap": 512,
        "cores": max(int(guest.maxcpu), 1),
        "arch": "amd64",
        "ostype": "debian",
        "unprivileged": 1,
        "onboot": 1,
        "features": "nesting=1",
    }
    for disk in guest.disks:
        if disk.slot.startswith("unused"):
            config[disk.slot] = disk.volid
            continue
        place = disk.volid if disk.slot == "rootfs" else f"{disk.volid},mp=/srv/{disk.slot}"
        config[disk.slot] = _with_size(place, disk.size)
    for number, bridge in enumerate(guest.bridges):
        mac = _mac(guest, number)
        config[f"net{number}"] = f"name=eth{number},bridge={bridge},hwaddr={mac},ip=dhcp,type=veth"
    if guest.passthrough:
        config["dev0"] = "/dev/dri/renderD128,gid=104"
    return _finish(config, guest)


def guest_config(guest: Guest) -> Row:
    return qemu_config(guest) if guest.kind == "qemu" else lxc_config(guest)


def size_text(size: int) -> str:
    """A size as a disk's property has it: in the largest unit that divides it."""
    for unit, bytes_each in (("T", 1024**4), ("G", 1024**3), ("M", 1024**2), ("K", 1024)):
        if size and size % bytes_each == 0:
            return f"{size // bytes_each}{unit}"
    return str(size)


def _finish(config: Row, guest: Guest) -> Row:
    if guest.tags:
        config["tags"] = ";".join(guest.tags)
    if guest.lock:
        config["lock"] = guest.lock
    if guest.template:
        config["template"] = 1
    if guest.snapshots:
        config["parent"] = guest.snapshots[-1]
    config = {key: value for key, value in {**config, **guest.config}.items() if value is not None}
    digest = hashlib.sha1(json.dumps(config, sort_keys=True).encode(), usedforsecurity=False).hexdigest()
    return {**config, "digest": digest}


def _with_size(place: str, size: int | None) -> str:
    return place if size is None else f"{place},size={size_text(size)}"


def _mac(guest: Guest, number: int) -> str:
    return f"BC:24:11:{guest.vmid >> 8 & 255:02X}:{guest.vmid & 255:02X}:{number:02X}"


def _uuid(guest: Guest) -> str:
    return f"00000000-0000-4000-8000-{guest.vmid:012d}"
