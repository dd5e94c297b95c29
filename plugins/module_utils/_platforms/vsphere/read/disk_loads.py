# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What disks read and write, on datastores that are slow enough to matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element

from ..api.library import vim
from ..api.session import Session
from ..api.values import text, type_of
from .datastore_loads import Samples, batches, mean
from .hardware import disk_places
from .inventory import Inventory
from .loads import Offer

# KiB per second.
_COUNTERS = ("virtualDisk.read.average", "virtualDisk.write.average")
# Nobody calls a datastore slow that answers faster than this, in milliseconds.
_SLOW = 5.0
_SECONDS = 20
_SAMPLES = 180
_GUESTS = 200
_KIB = 1024
# As the performance manager names what disks are connected to.
_BUSES = {
    "ParaVirtualSCSIController": "scsi",
    "VirtualAHCIController": "sata",
    "VirtualBusLogicController": "scsi",
    "VirtualIDEController": "ide",
    "VirtualLsiLogicController": "scsi",
    "VirtualLsiLogicSASController": "scsi",
    "VirtualNVMEController": "nvme",
}

DiskLoads = Mapping[str, Mapping[str, float]]


def read_disk_loads(
    session: Session, inventory: Inventory, latency: Mapping[str, float], offer: Offer
) -> dict[str, dict[str, float]]:
    """Bytes per second in the last hour, by guest and by key of the disk."""
    numbers = {name: offer.numbers[name] for name in _COUNTERS if name in offer.numbers}
    slow = {datastore for datastore, milliseconds in latency.items() if milliseconds >= _SLOW}
    guests = [
        vim.VirtualMachine(identity)
        for identity, found in inventory.guests.items()
        if found.text("runtime.powerState") == "poweredOn"
        and found.text("runtime.connectionState") == "connected"
        and slow & disk_places(found.values.get("config.hardware.device"))
    ]
    if not numbers or not guests:
        return {}
    samples = Samples(session, numbers, "*", _SECONDS, count=_SAMPLES)
    for few in batches(guests, _GUESTS):
        samples.ask(few)
    loads: dict[str, dict[str, float]] = {}
    keys = {
        (guest._GetMoId(), name): key
        for guest in guests
        for name, key in names(inventory.guests[guest._GetMoId()].values.get("config.hardware.device"))
    }
    for (guest, instance), of in samples.found.items():
        key = keys.get((guest, instance))
        if key is not None:
            loads.setdefault(guest, {})[key] = sum(map(mean, of.values())) * _KIB
    return loads


def names(devices: Element | None) -> Iterator[tuple[str, str]]:
    """What the performance manager calls each disk, such as scsi0:1, with its key."""
    every = list(devices) if devices is not None else []
    buses = {
        text(device, "key"): f"{_BUSES[type_of(device)]}{text(device, 'busNumber')}"
        for device in every
        if type_of(device) in _BUSES
    }
    for device in every:
        bus = buses.get(text(device, "controllerKey"))
        key = text(device, "key")
        if type_of(device) == "VirtualDisk" and bus is not None and key is not None:
            yield f"{bus}:{text(device, 'unitNumber')}", key
