# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts as the snapshot has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ...._model.snapshot import Host, HostDatastore, Source
from ..api.collector import Found
from ..api.values import plain, text, whole
from .inventory import Inventory
from .loads import CPU, CPU_READY, DISK_IO, MEMORY, NETWORK_IO, Loads
from .mounts import closed_to_new_disks
from .recent_tasks import enters_maintenance
from .tags import Tags

MIB = 1024**2
KIB = 1024

_BITS_PER_MEGABIT = 1_000_000


def host_of(found: Found, inventory: Inventory, loads: Loads, tags: Tags) -> Host:
    """A host; its averages take the place of its present loads."""
    averages = loads.averages.get(found.id, {})
    used: dict[str, float | None] = {
        "cpu": cpu_cores(averages.get(CPU, found.whole("summary.quickStats.overallCpuUsage")), mhz(found)),
        "memory": memory_bytes(averages, found.whole("summary.quickStats.overallMemoryUsage")),
        "network_io": io_bytes(averages.get(NETWORK_IO)),
        "disk_io": io_bytes(averages.get(DISK_IO)),
    }
    entering = enters_maintenance(found, inventory.tasks)
    # The hypervisor itself takes memory: a host that uses none has just connected.
    measured = status(found) != "online" or used["memory"] != 0
    sources = sources_of(used, averages, loads.seconds, measured)
    return Host(
        id=found.id,
        name=plain(found.text("name")) or found.id,
        status=status(found),
        maintenance=entering or found.flag("runtime.inMaintenanceMode") or False,
        schedulable=closed_because(found) is None,
        closed_because="entering maintenance mode" if entering else closed_because(found),
        capacity={
            "cpu": cores(found),
            "memory": found.whole("summary.hardware.memorySize"),
            "network_io": _network_speed(found),
            # vSphere does not know what a host's disks and paths to storage can carry.
            "disk_io": None,
        },
        used=without_unmeasured(used, sources),
        sources=sources,
        pressure=pressure(averages),
        version=found.text("summary.config.product.version"),
        cpu_model=cpu_model(found),
        address=_address(found),
        datastores={
            inventory.datastore_names[identity]: _datastore(
                found.id, inventory.datastores[identity], inventory
            )
            for identity in found.items("datastore")
            if identity in inventory.datastores
        },
        networks=networks(found, inventory),
        labels=tags.hosts.get(found.id, {}),
    )


def status(found: Found) -> Literal["online", "offline", "unknown"]:
    if found.text("runtime.connectionState") != "connected":
        return "offline"
    # A host in standby is connected, and switched off.
    power = found.text("runtime.powerState")
    return "online" if power == "poweredOn" else "unknown" if power in (None, "unknown") else "offline"


def closed_because(found: Found) -> str | None:
    """Why it can't receive guests by vMotion, or vCenter does not want it to; maintenance mode aside."""
    reasons = []
    if found.flag("summary.config.vmotionEnabled") is False:
        reasons.append("no VMkernel port with vMotion enabled")
    if found.flag("runtime.inQuarantineMode"):
        reasons.append("in quarantine mode, because its hardware is degraded")
    if found.text("runtime.standbyMode") == "entering":
        reasons.append("entering standby mode")
    return "; ".join(reasons) or None


def sources_of(
    used: Mapping[str, float | None], averages: Mapping[str, float], seconds: int, measured: bool
) -> dict[str, Source]:
    """Where loads come from, as far as the length of the snapshot's window does not say it: `averages` are
    over `seconds`, 0 for the present values. `measured` is false for what has just started or arrived.
    """
    sources: dict[str, Source] = {}
    for resource, counter in (
        ("cpu", CPU),
        ("memory", MEMORY),
        ("network_io", NETWORK_IO),
        ("disk_io", DISK_IO),
    ):
        if seconds and counter in averages:
            continue
        if not measured:
            sources[resource] = "not_yet_measured"
        elif seconds and used[resource] is not None:
            sources[resource] = "present"
    return sources


def without_unmeasured(
    used: Mapping[str, float | None], sources: Mapping[str, Source]
) -> dict[str, float | None]:
    """The zeros of what was not measured yet are none."""
    return {
        resource: None if sources.get(resource) == "not_yet_measured" else amount
        for resource, amount in used.items()
    }


def mhz(found: Found) -> int | None:
    """Of one core."""
    return found.whole("summary.hardware.cpuMhz") or None


def cpu_vendor(found: Found) -> str | None:
    """As processors name it, the least that two hosts must have in common for a vMotion between them."""
    mode, model = cpu_model(found) or "", (found.text("summary.hardware.cpuModel") or "").lower()
    for word, vendor in (("intel", "GenuineIntel"), ("amd", "AuthenticAMD")):
        if mode.startswith(f"{word}-") or (not mode and word in model):
            return vendor
    return None


def cores(found: Found) -> float | None:
    number = found.whole("summary.hardware.numCpuCores")
    return None if number is None else float(number)


def cpu_model(found: Found) -> str | None:
    """The EVC mode that it shows to guests; without EVC, the newest that it could."""
    return found.text("summary.currentEVCModeKey") or found.text("summary.maxEVCModeKey")


def cpu_cores(megahertz: float | None, per_core: int | None) -> float | None:
    return None if megahertz is None or per_core is None else megahertz / per_core


def memory_bytes(averages: Mapping[str, float], present_mebibytes: int | None) -> int | None:
    """The average in KiB where there is one, otherwise the present value in MiB."""
    if MEMORY in averages:
        return round(averages[MEMORY] * KIB)
    return None if present_mebibytes is None else present_mebibytes * MIB


def io_bytes(kibibytes: float | None) -> float | None:
    return None if kibibytes is None else kibibytes * KIB


def pressure(averages: Mapping[str, float]) -> dict[str, float | None]:
    """The share of time in which a processor was wanted and not to be had, from hundredths of percent."""
    return {"cpu": min(100.0, averages[CPU_READY] / 100)} if CPU_READY in averages else {}


def _network_speed(found: Found) -> float | None:
    """Bytes a second that the physical cards with a link carry together, one way."""
    cards = found.values.get("config.network.pnic")
    speeds = [whole(card, "linkSpeed/speedMb") or 0 for card in (cards if cards is not None else ())]
    return sum(speeds) * _BITS_PER_MEGABIT / 8 if any(speeds) else None


def _address(found: Found) -> str | None:
    """Of the first VMkernel adapter, which is the management one unless somebody made another."""
    adapters = found.values.get("config.network.vnic")
    for adapter in adapters if adapters is not None else ():
        address = text(adapter, "spec/ip/ipAddress")
        if address:
            return address
    return None


def _datastore(host: str, found: Found, inventory: Inventory) -> HostDatastore:
    return HostDatastore(
        shared=found.id in inventory.shared,
        capacity=found.whole("summary.capacity"),
        free=found.whole("summary.freeSpace"),
        closed_because=inventory.unusable.get(found.id, {}).get(host) or closed_to_new_disks(found),
    )


def networks(found: Found, inventory: Inventory) -> tuple[str, ...]:
    """Of a host or a guest. One that the account does not see is known by its reference."""
    names = inventory.network_names
    return tuple(names.get(identity, identity) for identity in found.items("network"))
