# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of guests, as far as it limits where they can run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ...._model.snapshot import Disk
from ...values import Row
from ..api.values import flag, options, size
from .cpu import CpuNeeds, cpu_needs
from .storages import Storage

_VM_DRIVE = re.compile(r"(ide|sata|scsi|virtio)\d+|efidisk0|tpmstate0|unused\d+")
_CT_VOLUME = re.compile(r"rootfs|mp\d+|unused\d+")
_OWNER = re.compile(r"(?:vm|base|subvol|basevol)-(?P<guest>\d+)-")
_NETWORK = re.compile(r"net\d+")
_VM_DEVICE = re.compile(r"(hostpci|usb|serial|parallel|virtiofs)\d+|ivshmem|hostusb|hostpci")
_VIRTUAL = ("spice", "socket")
_CT_DEVICE = re.compile(r"dev\d+")
# What Proxmox VE copies from one node's own storage to another's.
_COPIED = frozenset({"", "btrfs", "dir", "lvm", "lvmthin", "zfspool"})
# Of these a container's snapshots go along.
_WITH_SNAPSHOTS = frozenset({"btrfs", "zfspool"})
_ARGUMENTS = re.compile(r"\bvfio-|\bhost(bus|addr)=")

LiveDevice = Callable[[str], "frozenset[str] | None"]
"""The nodes that have a mapped PCI device that migrates live; None for one that does not."""


def _none(_name: str) -> frozenset[str] | None:
    return None


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume that a configuration names: the key that names it, its name, and what is said of it."""

    key: str
    volid: str
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def storage(self) -> str:
        return self.volid.partition(":")[0]

    @property
    def path(self) -> str:
        return self.volid.partition(":")[2]

    @property
    def base(self) -> str | None:
        """The base volume of a linked clone."""
        folders = self.path.split("/")[:-1]
        for number, part in enumerate(folders):
            if part.startswith(("base-", "basevol-")):
                return f"{self.storage}:{'/'.join(folders[: number + 1])}"
        return None

    @property
    def is_cloud_init(self) -> bool:
        return "cloudinit" in self.path

    @property
    def is_cdrom(self) -> bool:
        return self.parts.get("media") == "cdrom" and not self.is_cloud_init

    @property
    def is_unused(self) -> bool:
        return self.key.startswith("unused")

    @property
    def owner(self) -> str | None:
        """The id of the guest whose volume it is, by its name."""
        found = _OWNER.match(self.path.rpartition("/")[2])
        return None if found is None else found["guest"]


def volumes(config: Row, *, container: bool) -> tuple[Volume, ...]:
    """All volumes of a configuration that lie on storages."""
    pattern, first = (_CT_VOLUME, "volume") if container else (_VM_DRIVE, "file")
    found = []
    for key, value in config.items():
        if pattern.fullmatch(key):
            parts = options(value, first)
            volid = parts.get(first, "")
            if ":" in volid and not volid.startswith("/"):
                found.append(Volume(key, volid, parts))
    return tuple(found)


def devices(config: Row, *, container: bool) -> tuple[str, ...]:
    """The keys of disks that are devices of the node, or files of it that no storage has."""
    pattern, first, start = (_CT_VOLUME, "volume", "/dev/") if container else (_VM_DRIVE, "file", "/")
    found = []
    for key, value in config.items():
        if pattern.fullmatch(key):
            parts = options(value, first)
            if parts.get(first, "").startswith(start) and parts.get("media") != "cdrom":
                found.append(key)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class GuestConfig:
    """Where a guest's volumes lie, what it is connected to, what ties it to its node.

    `nodes` are those that have the mapped devices that it uses, None where it uses none. `replicable`: what
    lies on its node's own storage is all copied by a replication job, if it has one. `volumes` are all that
    lie on storages, `devices` the keys of disks that lie on none.
    """

    disks: tuple[Disk, ...]
    networks: tuple[str, ...]
    blockers: tuple[str, ...]
    cpu: CpuNeeds = field(default_factory=CpuNeeds)
    nodes: frozenset[str] | None = None
    replicable: bool = True
    hugepages: bool = False
    volumes: tuple[Volume, ...] = ()
    devices: tuple[str, ...] = ()
    has_snapshots: bool = False

    @property
    def needs_host_cpu(self) -> bool:
        return self.cpu.same_model


@dataclass(slots=True)
class _Found:
    """As it is gathered."""

    disks: list[Disk] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)
    nodes: frozenset[str] | None = None
    replicable: bool = True
    in_snapshots: bool = False

    def block(self, *blockers: str) -> None:
        self.blockers += blockers

    def only_on(self, nodes: frozenset[str]) -> None:
        self.nodes = nodes if self.nodes is None else self.nodes & nodes

    def config_of(self, config: Row, *, container: bool) -> GuestConfig:
        if config.get("parent") and self.in_snapshots:
            self.block("snapshot")
        return GuestConfig(
            disks=tuple(self.disks),
            networks=_bridges(config),
            blockers=tuple(dict.fromkeys(self.blockers)),
            nodes=self.nodes,
            replicable=self.replicable,
            volumes=volumes(config, container=container),
            devices=devices(config, container=container),
            has_snapshots=bool(config.get("parent")),
        )


def vm_config(config: Row, storages: Mapping[str, Storage], live: LiveDevice = _none) -> GuestConfig:
    """From the configuration of a virtual machine (qemu), as it runs."""
    found = _Found()
    for key, value in config.items():
        text = str(value)
        if _VM_DRIVE.fullmatch(key):
            _drive(key, text, storages, found)
        elif _VM_DEVICE.fullmatch(key):
            _device(key, text, live, found)
        elif key in ("amd-sev", "intel-tdx"):
            found.block("encrypted_memory")
        elif key == "args" and _ARGUMENTS.search(text):
            found.block("passthrough_device")
    return replace(
        found.config_of(config, container=False),
        cpu=cpu_needs(config.get("cpu")),
        hugepages=bool(config.get("hugepages")),
    )


def container_config(config: Row, storages: Mapping[str, Storage]) -> GuestConfig:
    """From the configuration of a container (lxc), as it runs."""
    found = _Found()
    for key, value in config.items():
        if _CT_DEVICE.fullmatch(key):
            found.block("passthrough_device")
        elif key == "lxc":
            found.block(*_raw(value))
        elif _CT_VOLUME.fullmatch(key):
            _mount(key, str(value), storages, found)
    return found.config_of(config, container=True)


def _drive(key: str, text: str, storages: Mapping[str, Storage], found: _Found) -> None:
    """Cloud-init images and TPM states are generated or copied on the way, without a word of ours; what is
    not attached is copied too.
    """
    parts = options(text, "file")
    volume = parts.get("file", "")
    if volume in ("", "none"):
        return
    if volume == "cdrom":
        found.block("iso_mounted")
        return
    if volume.startswith("/"):
        if not flag(parts.get("shared")):
            found.block("passthrough_device")
        return
    cdrom, cloudinit = parts.get("media") == "cdrom", "cloudinit" in volume
    if _is_shared(volume, storages):
        found.disks.append(_disk(volume, parts))
    elif cdrom and not cloudinit:
        found.block("iso_mounted")
    else:
        found.disks.append(_disk(volume, parts))
        if not cloudinit:
            _local(key, volume, parts, storages, found)
            found.in_snapshots |= not key.startswith("unused")
        if key != "tpmstate0" and not key.startswith("unused") and not cloudinit:
            found.block("local_disk")


def _mount(key: str, text: str, storages: Mapping[str, Storage], found: _Found) -> None:
    parts = options(text, "volume")
    volume = parts.get("volume", "")
    if volume.startswith("/"):
        if not flag(parts.get("shared")):
            found.block("bind_mount")
        return
    found.disks.append(_disk(volume, parts))
    if not _is_shared(volume, storages):
        _local(key, volume, parts, storages, found)
        storage = storages.get(volume.partition(":")[0])
        found.in_snapshots |= storage is None or storage.kind not in _WITH_SNAPSHOTS
        if not key.startswith("unused"):
            found.block("local_disk")


def _local(
    key: str, volume: str, parts: Mapping[str, str], storages: Mapping[str, Storage], found: _Found
) -> None:
    """A volume on the node's own storage: whether it can be copied at all."""
    name, _colon, path = volume.partition(":")
    storage = storages.get(name)
    if any(part.startswith(("base-", "basevol-")) for part in path.split("/")[:-1]):
        found.block("linked_clone")
    if storage is not None and storage.kind not in _COPIED:
        found.block("storage_not_copied")
    if parts.get("replicate") == "0" or key.startswith("unused"):
        found.replicable = False


def _is_shared(volume: str, storages: Mapping[str, Storage]) -> bool:
    storage = storages.get(volume.partition(":")[0])
    return storage is not None and storage.shared


def _disk(volume: str, parts: Mapping[str, str]) -> Disk:
    return Disk(datastore=volume.partition(":")[0], size=size(parts.get("size")))


def _device(key: str, text: str, live: LiveDevice, found: _Found) -> None:
    parts = options(text, "host")
    if parts.get("host", "").lower() in _VIRTUAL:
        return
    nodes = live(parts["mapping"]) if key.startswith("hostpci") and "mapping" in parts else None
    if nodes is None:
        found.block("passthrough_device")
    else:
        found.only_on(nodes)


def _raw(lines: object) -> Iterator[str]:
    """Raw settings of LXC, as pairs of key and value, that name devices or folders of the node."""
    for line in lines if isinstance(lines, list) else ():
        key, value = (str(part) for part in line) if isinstance(line, list) and len(line) == 2 else ("", "")
        source = value.split()[0] if value.split() else ""
        if re.fullmatch(r"lxc\.cgroup2?\.devices\.allow", key) and source != "a":
            yield "passthrough_device"
        elif key in ("lxc.mount.entry", "lxc.mount.fstab") and source.startswith("/"):
            yield "passthrough_device" if source.startswith("/dev/") else "bind_mount"
        elif re.fullmatch(r"lxc\.net\.\d+\.type", key) and source == "phys":
            yield "passthrough_device"


def _bridges(config: Row) -> tuple[str, ...]:
    keys = sorted((key for key in config if _NETWORK.fullmatch(key)), key=lambda key: int(key[3:]))
    found = (options(config[key]).get("bridge") for key in keys)
    return tuple(dict.fromkeys(bridge for bridge in found if bridge))
