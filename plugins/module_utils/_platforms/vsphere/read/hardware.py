# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's virtual devices: where its disks are, and what ties it to its host."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from xml.etree.ElementTree import Element

from ..api.values import find, flag, text, type_of

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


def disk_places(devices: Element | None) -> frozenset[str]:
    """The references of the datastores with its disks."""
    return frozenset(
        place
        for device in (devices if devices is not None else ())
        if type_of(device) == "VirtualDisk" and (place := text(device, "backing/datastore"))
    )


def images(devices: Element | None) -> frozenset[str]:
    """The references of the datastores with the images in its connected drives: its host must have them."""
    return frozenset(
        place
        for device in (devices if devices is not None else ())
        if type_of(find(device, "backing")) == _IMAGE
        and flag(device, "connectable/connected")
        and (place := text(device, "backing/datastore"))
    )


def installs_tools(devices: Element | None) -> bool:
    """Whether an image of its host, such as that of VMware Tools, is in a connected drive."""
    return any(
        type_of(find(device, "backing")) == _IMAGE
        and bool(flag(device, "connectable/connected"))
        and (text(device, "backing/fileName") or "").startswith("[]")
        for device in (devices if devices is not None else ())
    )


def device_blockers(devices: Element | None, shared: Collection[str]) -> frozenset[str]:
    """Why the devices keep a guest where it is; `shared` are the references of the shared datastores."""
    return frozenset(
        blocker
        for device in (devices if devices is not None else ())
        for blocker in _blockers(device, type_of(device), shared)
    )


def _blockers(device: Element, kind: str, shared: Collection[str]) -> Iterator[str]:
    judge = _JUDGES.get(kind)
    if judge is not None:
        blocker = judge(device, shared)
    elif text(device, "sharedBus") in ("physicalSharing", "virtualSharing"):
        blocker = "scsi_bus_sharing"
    else:
        blocker = _connected(device, shared)
    if blocker is not None:
        yield blocker


def _disk(device: Element, shared: Collection[str]) -> str | None:
    place = text(device, "backing/datastore")
    return "local_disk" if place is not None and place not in shared else None


def _passthrough(device: Element, _shared: Collection[str]) -> str | None:
    # A share of a graphics card that its vendor lets migrate says so; nothing else of this kind does.
    return None if flag(device, "backing/migrateSupported") else "passthrough_device"


def _usb(device: Element, _shared: Collection[str]) -> str | None:
    # One that is reached over the network goes along.
    remote = type_of(find(device, "backing")) == "VirtualUSBRemoteHostBackingInfo"
    return "usb_device" if flag(device, "connected") and not remote else None


def _graphics(device: Element, _shared: Collection[str]) -> str | None:
    hardware = flag(device, "enable3DSupport") and text(device, "use3dRenderer") == "hardware"
    return "host_graphics" if hardware else None


def _connected(device: Element, shared: Collection[str]) -> str | None:
    backing = find(device, "backing")
    if not flag(device, "connectable/connected"):
        return None
    if type_of(backing) == _IMAGE:
        # An image on a datastore goes along to hosts that share it; one of the host itself, such as that of
        # VMware Tools, does not.
        return None if (text(backing, "datastore") or "") in shared else "iso_mounted"
    return "host_device" if type_of(backing) in _REAL_DEVICES else None


_JUDGES: Mapping[str, Callable[[Element, Collection[str]], str | None]] = {
    "VirtualDisk": _disk,
    "VirtualSriovEthernetCard": lambda _device, _shared: "passthrough_device",
    "VirtualPCIPassthrough": _passthrough,
    "VirtualUSB": _usb,
    "VirtualMachineVideoCard": _graphics,
    "VirtualNVDIMM": lambda _device, _shared: "host_device",
}
