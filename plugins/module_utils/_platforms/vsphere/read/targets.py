# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts that a guest can go to, where not every host with its datastores and networks will do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..api.collector import Found
from .hardware import disk_places, images
from .hosts import MIB, cores, mhz
from .inventory import Inventory


@dataclass(frozen=True, slots=True)
class Unreserved:
    """Resources that no running guest has reserved, by host: bytes of memory and MHz. vCenter admits a guest
    only to a host that can keep what is reserved for the guest.
    """

    memory: Mapping[str, int]
    cpu: Mapping[str, int]


def unreserved(inventory: Inventory) -> Unreserved:
    """Hosts whose size is not known are not there."""
    memory, cpu = {}, {}
    for identity, host in inventory.hosts.items():
        size, speed, number = host.whole("summary.hardware.memorySize"), mhz(host), cores(host)
        if size is not None:
            memory[identity] = size
        if speed is not None and number is not None:
            cpu[identity] = int(speed * number)
    for guest in inventory.guests.values():
        host_id = guest.text("runtime.host") or ""
        if host_id in memory:
            memory[host_id] -= _reserved_memory(guest)
        if host_id in cpu:
            cpu[host_id] -= _reserved_cpu(guest)
    return Unreserved(memory, cpu)


def targets(guest: Found, inventory: Inventory, free: Unreserved) -> tuple[str, ...] | None:
    """Its host and the others that it can go to; None when all can take it, as far as is known here."""
    devices = guest.values.get("config.hardware.device")
    here = guest.text("runtime.host") or ""
    stores, wanted = disk_places(devices), images(devices)
    memory, cpu = _reserved_memory(guest), _reserved_cpu(guest)
    if not (wanted or memory or cpu or stores & inventory.unusable.keys()):
        return None
    fitting = {
        identity
        for identity, host in inventory.hosts.items()
        if identity == here
        or (
            not any(identity in inventory.unusable.get(store, {}) for store in stores | wanted)
            and wanted <= set(host.items("datastore"))
            and memory <= free.memory.get(identity, memory)
            and cpu <= free.cpu.get(identity, cpu)
        )
    }
    return None if fitting == inventory.hosts.keys() else tuple(sorted(fitting))


def _reserved_memory(guest: Found) -> int:
    return (guest.whole("config.memoryAllocation.reservation") or 0) * MIB if _runs(guest) else 0


def _reserved_cpu(guest: Found) -> int:
    return guest.whole("config.cpuAllocation.reservation") or 0 if _runs(guest) else 0


def _runs(guest: Found) -> bool:
    return guest.text("runtime.powerState") == "poweredOn"
