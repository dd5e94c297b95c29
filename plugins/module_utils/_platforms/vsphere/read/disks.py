# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's disks and its other files: where they are, what they take, and why they stay there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.etree.ElementTree import Element

from ...._model.snapshot import Disk
from ..api.collector import Found
from ..api.values import find, find_all, flag, plain, text, texts, type_of, whole
from .hardware import images

# The id of the files that are no disk: configuration, swap, logs.
HOME: Final = "home"

_MIB = 1024**2
_RAW = frozenset(
    {
        "VirtualDiskRawDiskMappingVer1BackingInfo",
        "VirtualDiskRawDiskVer2BackingInfo",
        "VirtualDiskPartitionedRawDiskVer2BackingInfo",
    }
)
_SHARED_BUS = frozenset({"physicalSharing", "virtualSharing"})


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of a guest, path by path with what they take; `swap` are part of `home`. Any of these may be
    on another datastore than the guest's configuration: swap files of hosts, snapshots, logs.
    """

    home: Mapping[str, int] = field(default_factory=dict)
    swap: Mapping[str, int] = field(default_factory=dict)
    disks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def layout(guest: Found) -> Layout | None:
    """What vCenter knows of the guest's files; None where it does not say."""
    if "layoutEx.file" not in guest.values:
        return None
    names, sizes, kinds = {}, {}, {}
    for entry in guest.values["layoutEx.file"]:
        key = text(entry, "key") or ""
        names[key] = text(entry, "name") or ""
        sizes[key] = whole(entry, "size") or 0
        kinds[key] = text(entry, "type") or ""
    disks: dict[str, dict[str, int]] = {}
    chained = set()
    for entry in guest.values.get("layoutEx.disk", ()):
        keys = [key for unit in find_all(entry, "chain") for key in texts(unit, "fileKey")]
        chained.update(keys)
        disks[text(entry, "key") or ""] = {names[key]: sizes[key] for key in keys if key in names}
    own = [key for key in names if key not in chained and not kinds[key].startswith(("disk", "digest"))]
    return Layout(
        home={names[key]: sizes[key] for key in own},
        swap={names[key]: sizes[key] for key in own if kinds[key] == "swap"},
        disks=disks,
    )


def datastore_of(path: str) -> str:
    """The name of the datastore in a path such as `[san] web/web.vmdk`, as people know it."""
    return plain(path.partition("]")[0].removeprefix("["))


def folder_of(path: str) -> str:
    """The folder in such a path, without the datastore."""
    return path.partition("] ")[2].rpartition("/")[0]


def home_of(guest: Found, names: Mapping[str, str]) -> str | None:
    """The reference of the datastore with the guest's own files; `names` are those of the datastores that its
    host has, by reference.
    """
    wanted = datastore_of(guest.text("config.files.vmPathName") or "")
    return next((identity for identity, name in names.items() if name == wanted), None)


def places(guest: Found, names: Mapping[str, str]) -> dict[str, str]:
    """By id of each disk the reference of its datastore; `names` as in `home_of`."""
    found = {
        text(device, "key") or "": place
        for device in guest.values.get("config.hardware.device", ())
        if type_of(device) == "VirtualDisk" and (place := text(device, "backing/datastore")) is not None
    }
    home = home_of(guest, names)
    return found if home is None else {**found, HOME: home}


def disks(
    guest: Found,
    datastores: Mapping[str, str],
    names: Mapping[str, str],
    blockers: Collection[str],
    disk_io: Mapping[str, float],
    *,
    with_files: bool,
) -> tuple[Disk, ...]:
    """The virtual disks, and last the guest's other files.

    `datastores` are the names by which the snapshot knows datastores, by reference; `names` as in `home_of`;
    `blockers` are those of all disks of the guest, `disk_io` bytes per second by key. The
    other files are left out where files were not read, as nothing is known of them.
    """
    devices = guest.values.get("config.hardware.device")
    if devices is None:
        return ()
    files = layout(guest)
    held = images(devices)
    buses = {
        text(device, "key")
        for device in devices
        if text(device, "sharedBus") in _SHARED_BUS and text(device, "key") is not None
    }
    found = []
    # One such disk keeps all disks of a running guest.
    frozen = guest.text("runtime.powerState") == "poweredOn" and any(
        type_of(device) == "VirtualDisk" and "nonpersistent" in (text(device, "backing/diskMode") or "")
        for device in devices
    )
    for device in devices:
        place = text(device, "backing/datastore")
        if type_of(device) != "VirtualDisk" or place is None:
            continue
        own = set(_blockers(device)) | ({"independent_disk"} if frozen else set())
        if text(device, "controllerKey") in buses:
            own.add("shared_disk")
        if place in held:
            own.add("cdrom")
        found.append(
            Disk(
                id=text(device, "key"),
                datastore=datastores.get(place, place),
                size=_size(device),
                used=_used(device, files),
                disk_io=disk_io.get(text(device, "key") or ""),
                thin=flag(device, "backing/thinProvisioned"),
                blockers=tuple(sorted({*blockers, *own})),
                # Moved alone it shares nothing any more: the image that it stands on is copied, too.
                copied_whole="linked_clone" in own,
                migrated_whole="linked_clone" in own,
            )
        )
    home = home_of(guest, names)
    if home is not None and with_files:
        own = {"cdrom"} if home in held else set()
        if any("snapshot_chain" in disk.blockers for disk in found):
            # What a snapshot keeps of the memory and the settings is among these files.
            own.add("snapshot_chain")
        found.append(
            Disk(
                id=HOME,
                datastore=datastores.get(home, home),
                size=None if files is None else _home_size(guest, files),
                used=None if files is None else sum(_beside_configuration(guest, files.home).values()),
                blockers=tuple(sorted({*blockers, *own})),
            )
        )
    return tuple(found)


def _size(disk: Element) -> int | None:
    size = whole(disk, "capacityInBytes")
    if size is None:
        kilobytes = whole(disk, "capacityInKB")
        return None if kilobytes is None else kilobytes * 1024
    return size


def _used(disk: Element, files: Layout | None) -> int | None:
    """What it takes beside its newest file: the image that linked clones stand on is not its own."""
    if type_of(find(disk, "backing")) in _RAW:
        return 0
    chain = None if files is None else files.disks.get(text(disk, "key") or "")
    if chain is None:
        return None
    folder = (text(disk, "backing/fileName") or "").rpartition("/")[0]
    return sum(size for path, size in chain.items() if path.rpartition("/")[0] == folder)


def _home_size(guest: Found, files: Layout) -> int:
    """A guest that is started has a swap file of all memory that is not reserved for it, here unless its swap
    file is elsewhere.
    """
    here = sum(_beside_configuration(guest, files.home).values())
    swap = _beside_configuration(guest, files.swap)
    if len(swap) < len(files.swap):
        return here
    memory = (guest.whole("config.hardware.memoryMB") or 0) * _MIB
    reserved = (guest.whole("config.memoryAllocation.reservation") or 0) * _MIB
    present = sum(swap.values())
    return here - present + max(present, memory - reserved)


def _beside_configuration(guest: Found, files: Mapping[str, int]) -> dict[str, int]:
    """Of these files those on the datastore of the guest's configuration, which move with it."""
    home = datastore_of(guest.text("config.files.vmPathName") or "")
    return {path: size for path, size in files.items() if datastore_of(path) == home}


def _blockers(disk: Element) -> Iterator[str]:
    backing = find(disk, "backing")
    if type_of(backing) in _RAW:
        yield "raw_device"
        return
    if "independent" in (text(backing, "diskMode") or ""):
        yield "independent_disk"
    if text(backing, "sharing") == "sharingMultiWriter":
        yield "shared_disk"
    parent = find(backing, "parent")
    if parent is None:
        return
    folder = (text(backing, "fileName") or "").rpartition("/")[0]
    chained, cloned = False, False
    while parent is not None:
        if (text(parent, "fileName") or "").rpartition("/")[0] == folder:
            chained = True
        else:
            cloned = True
        parent = find(parent, "parent")
    if chained:
        yield "snapshot_chain"
    if cloned:
        yield "linked_clone"
