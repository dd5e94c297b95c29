# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's virtual devices: its disks, and what ties it to its host. Private to the collection."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from xml.etree.ElementTree import Element

from ..._model.snapshot import Disk
from .values import find, flag, text, type_of, whole

_IMAGE = "VirtualCdromIsoBackingInfo"
# A drive or port that is a real one: of the host, or of the machine that the console runs on.
_REAL_DEVICES = frozenset(
    {
        "VirtualCdromAtapiBackingInfo",
        "VirtualCdromPassthroughBackingInfo",
        "VirtualCdromRemoteAtapiBackingInfo",
        "VirtualCdromRemotePassthroughBackingInfo",
        "VirtualFloppyDeviceBackingInfo",
        "VirtualFloppyRemoteDeviceBackingInfo",
        "VirtualParallelPortDeviceBackingInfo",
        "VirtualSerialPortDeviceBackingInfo",
    }
)


def disks(devices: Element | None, datastores: Mapping[str, str]) -> tuple[Disk, ...]:
    """The virtual disks; `datastores` are the names by reference."""
    found = []
    for device in devices if devices is not None else ():
        place = text(device, "backing/datastore")
        if type_of(device) == "VirtualDisk" and place is not None:
            found.append(Disk(datastore=datastores.get(place, place), size=_size(device)))
    return tuple(found)


def _size(disk: Element) -> int | None:
    size = whole(disk, "capacityInBytes")
    if size is None:
        kilobytes = whole(disk, "capacityInKB")
        return None if kilobytes is None else kilobytes * 1024
    return size


def device_blockers(devices: Element | None, shared: Collection[str]) -> frozenset[str]:
    """Why the devices keep a guest where it is; `shared` are the references of the shared datastores."""
    return frozenset(
        blocker
        for device in (devices if devices is not None else ())
        for blocker in _blockers(device, type_of(device), shared)
    )


def _blockers(device: Element, kind: str, shared: Collection[str]) -> Iterator[str]:
    backing = find(device, "backing")
    if kind == "VirtualDisk":
        place = text(backing, "datastore")
        if place is not None and place not in shared:
            yield "local_disk"
    elif kind == "VirtualSriovEthernetCard":
        yield "passthrough_device"
    elif kind == "VirtualPCIPassthrough":
        # A share of a graphics card that its vendor lets migrate says so; nothing else of this kind does.
        if not flag(backing, "migrateSupported"):
            yield "passthrough_device"
    elif flag(device, "connectable/connected"):
        if type_of(backing) == _IMAGE:
            yield "iso_mounted"
        elif type_of(backing) in _REAL_DEVICES:
            yield "host_device"
