# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests as the snapshot has them. Private to the collection."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal

from ..._model.snapshot import Guest
from .clusters import plain
from .collector import Found
from .evc import fitting_models
from .hardware import device_blockers, disks
from .hosts import MIB, cpu_cores, cpu_model, io_bytes, memory_bytes, mhz, networks, pressure
from .inventory import Inventory
from .loads import CPU, DISK_IO, NETWORK_IO
from .tags import Tags
from .values import text

_POWER: Final[Mapping[str | None, Literal["running", "stopped", "suspended"]]] = {
    "poweredOn": "running",
    "poweredOff": "stopped",
    "suspended": "suspended",
}
_MOVES = frozenset({"MigrateVM_Task", "RelocateVM_Task"})
# Machines that vCenter itself runs on a host or cluster: ESX agents and its own cluster services.
_AGENTS = frozenset({"com.vmware.vim.eam", "com.vmware.vcls"})


def guest_of(
    found: Found,
    inventory: Inventory,
    cpu_models: Collection[str],
    disabled: frozenset[str],
    averages: Mapping[str, float],
    tags: Tags,
) -> Guest:
    """A guest; `averages` are its loads by counter, and take the place of its present ones.

    `cpu_models` are those of the cluster's hosts, `disabled` the guests that DRS is told to leave alone.
    """
    host = inventory.hosts[found.text("runtime.host") or ""]
    devices = found.values.get("config.hardware.device")
    memory = found.whole("config.hardware.memoryMB")
    blockers = sorted(_blockers(found, disabled) | device_blockers(devices, inventory.shared))
    return Guest(
        id=found.id,
        name=plain(found.text("name")) or found.id,
        kind="vm",
        host=host.id,
        power=power(found),
        assigned={
            "cpu": found.whole("config.hardware.numCPU"),
            "memory": None if memory is None else memory * MIB,
        },
        used=_used(found, mhz(host), averages),
        pressure=pressure(averages),
        disks=disks(devices, inventory.datastore_names),
        networks=networks(found, inventory),
        tags=tags.guests.get(found.id, ()),
        pool=inventory.pool_names.get(found.text("resourcePool") or ""),
        migratable=not blockers,
        blockers=tuple(blockers),
        cpu_models=fitting_models(found.text("runtime.minRequiredEVCModeKey"), cpu_model(host), cpu_models),
    )


def power(found: Found) -> Literal["running", "stopped", "suspended", "unknown"]:
    """The last that vCenter knew, where the guest's host does not answer."""
    if found.text("runtime.connectionState") in ("orphaned", "inaccessible", "invalid"):
        return "unknown"
    return _POWER.get(found.text("runtime.powerState"), "unknown")


def _used(found: Found, per_core: int | None, averages: Mapping[str, float]) -> dict[str, float | None]:
    if power(found) == "stopped":
        return {"cpu": 0.0, "memory": 0, "network_io": 0.0, "disk_io": 0.0}
    return {
        "cpu": cpu_cores(averages.get(CPU, found.whole("summary.quickStats.overallCpuUsage")), per_core),
        # What the guest takes from its host, not only what it touched of late: that is what moves with it.
        "memory": memory_bytes(averages, found.whole("summary.quickStats.hostMemoryUsage")),
        "network_io": io_bytes(averages.get(NETWORK_IO)),
        "disk_io": io_bytes(averages.get(DISK_IO)),
    }


def _blockers(found: Found, disabled: frozenset[str]) -> set[str]:
    blockers = set()
    if found.flag("config.template"):
        blockers.add("template")
    if found.text("runtime.connectionState") not in (None, "connected"):
        blockers.add("disconnected")
    elif _MOVES & set(found.items("disabledMethod")):
        # Backup software does so while it works, and when it broke down.
        blockers.add("locked")
    if found.id in disabled:
        blockers.add("balancing_disabled")
    if text(found.values.get("config.managedBy"), "extensionKey") in _AGENTS:
        blockers.add("agent")
    return blockers
