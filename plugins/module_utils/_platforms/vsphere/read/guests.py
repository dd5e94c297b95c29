# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests as the snapshot has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ...._model.snapshot import Guest
from ..api.collector import Found
from ..api.values import items, plain, text
from .disk_loads import DiskLoads
from .disks import disks
from .evc import fitting_models
from .features import Features
from .hardware import device_blockers, installs_tools
from .hosts import (
    MIB,
    cpu_cores,
    cpu_model,
    io_bytes,
    memory_bytes,
    mhz,
    networks,
    pressure,
    sources_of,
    without_unmeasured,
)
from .inventory import Inventory
from .loads import CPU, DISK_IO, NETWORK_IO, Loads
from .tags import Tags
from .targets import Unreserved, targets

_POWER: Final[Mapping[str | None, Literal["running", "stopped", "suspended"]]] = {
    "poweredOn": "running",
    "poweredOff": "stopped",
    "suspended": "suspended",
}
_MOVES = frozenset({"MigrateVM_Task", "RelocateVM_Task"})
# Connection states of which each says in its own word why a guest can't be migrated.
_LOST = frozenset({"orphaned", "inaccessible", "invalid", "disconnected"})
# Devices with which a running guest can't be stopped for the moment in which it changes over to the copies.
_BLOCKING_STORAGE = frozenset({"passthrough_device", "host_graphics"})
# The pair is being made, or one of the two is missing: a vMotion now would risk what protects the guest.
_UNPROTECTED = frozenset({"starting", "needSecondary"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The facts by which a guest is judged. `cpu_models` are those of the cluster's hosts, `disabled` the
    guests that DRS is set to leave alone, `storage_disabled` those that Storage DRS is, `moving` those under
    migration with their targets, where known, `disk_io` bytes per second by guest and disk,
    `store_names` by host its datastores as paths name them.
    """

    inventory: Inventory
    loads: Loads
    tags: Tags
    cpu_models: Collection[str]
    features: Features
    disabled: frozenset[str]
    free: Unreserved
    moving: Mapping[str, str | None]
    storage_disabled: frozenset[str]
    disk_io: DiskLoads
    store_names: Mapping[str, Mapping[str, str]]


def guest_of(found: Found, around: Surroundings) -> Guest:
    """A guest; its averages take the place of its present loads."""
    inventory = around.inventory
    host = inventory.hosts[found.text("runtime.host") or ""]
    averages = around.loads.averages.get(found.id, {})
    devices = found.values.get("config.hardware.device")
    memory = found.whole("config.hardware.memoryMB")
    used = _used(found, mhz(host), averages)
    # A guest that runs takes memory: one that takes none has just been started, or has just arrived.
    measured = power(found) != "running" or used["memory"] != 0
    sources = sources_of(used, averages, around.loads.seconds, measured) if power(found) == "running" else {}
    blockers = sorted(_blockers(found, around) | device_blockers(devices, inventory.shared))
    return Guest(
        id=found.id,
        name=plain(found.text("name")) or found.id,
        kind="vm",
        host=host.id,
        power=power(found),
        run_state=found.text("runtime.connectionState") if power_is_doubtful(found) else None,
        assigned={
            "cpu": found.whole("config.hardware.numCPU"),
            "memory": None if memory is None else memory * MIB,
        },
        used=without_unmeasured(used, sources),
        sources=sources,
        pressure=pressure(averages),
        disks=disks(
            found,
            inventory.datastore_names,
            around.store_names[host.id],
            _storage_blockers(found, around),
            around.disk_io.get(found.id, {}),
            with_files=inventory.with_files,
        ),
        networks=networks(found, inventory),
        tags=around.tags.guests.get(found.id, ()),
        pool=inventory.pool_names.get(found.text("resourcePool") or ""),
        migratable=not blockers,
        blockers=tuple(blockers),
        cpu_models=fitting_models(
            found.text("runtime.minRequiredEVCModeKey"), cpu_model(host), around.cpu_models
        ),
        cpu_features=around.features.guests.get(found.id, ()),
        targets=targets(found, inventory, around.free),
        migrating_to=_destination(found, around),
        platform_managed=is_agent(found),
    )


def power(found: Found) -> Literal["running", "stopped", "suspended", "unknown"]:
    """The last that vCenter knew, where the guest's host does not answer.

    Of an orphan its host knows nothing: it holds no memory there. What can't be read may still run.
    """
    if power_is_doubtful(found):
        known = _POWER.get(found.text("runtime.powerState"))
        if found.text("runtime.connectionState") == "orphaned" or known in ("stopped", "suspended"):
            return "stopped"
        return "unknown"
    return _POWER.get(found.text("runtime.powerState"), "unknown")


def power_is_doubtful(found: Found) -> bool:
    return found.text("runtime.connectionState") in ("orphaned", "inaccessible", "invalid")


def is_agent(found: Found) -> bool:
    """Whether vCenter runs it for its own sake, such as vCLS and ESX agents: it moves it or shuts it down by
    itself when the host enters maintenance mode.
    """
    key, kind = _manager(found)
    if key == "com.vmware.vim.eam" or "vcls" in key:
        return True
    return key.startswith("com.vmware.vcenter.") and "agent" in kind


def is_pod(found: Found) -> bool:
    """A pod of a Supervisor. Virtual machines that the Supervisor runs are of the type VirtualMachine."""
    key, kind = _manager(found)
    return key == "com.vmware.vcenter.wcp" and "pod" in kind


def _manager(found: Found) -> tuple[str, str]:
    """The extension that runs the guest and what it calls such guests, in small letters."""
    managed = found.values.get("config.managedBy")
    return (text(managed, "extensionKey") or "").lower(), (text(managed, "type") or "").lower()


def _destination(found: Found, around: Surroundings) -> str | None:
    target = around.moving.get(found.id)
    return target if target in around.inventory.hosts and target != found.text("runtime.host") else None


def _used(found: Found, per_core: int | None, averages: Mapping[str, float]) -> dict[str, float | None]:
    if power(found) in ("stopped", "suspended"):
        return {"cpu": 0.0, "memory": 0, "network_io": 0.0, "disk_io": 0.0}
    return {
        "cpu": cpu_cores(averages.get(CPU, found.whole("summary.quickStats.overallCpuUsage")), per_core),
        # What the guest takes from its host, not only what it touched of late: that is what moves with it.
        "memory": memory_bytes(averages, found.whole("summary.quickStats.hostMemoryUsage")),
        "network_io": io_bytes(averages.get(NETWORK_IO)),
        "disk_io": io_bytes(averages.get(DISK_IO)),
    }


def _storage_blockers(found: Found, around: Surroundings) -> set[str]:
    """Why none of the guest's disks can be moved to another datastore."""
    blockers = set()
    connection = found.text("runtime.connectionState")
    if found.flag("config.template"):
        blockers.add("template")
    if connection not in (None, "connected"):
        blockers.add(connection if connection in _LOST else "disconnected")
    elif "RelocateVM_Task" in found.items("disabledMethod"):
        blockers.add("locked")
    if found.text("runtime.faultToleranceState") not in (None, "notConfigured"):
        blockers.add("fault_tolerance")
    if is_agent(found):
        blockers.add("agent")
    if is_pod(found):
        blockers.add("vsphere_pod")
    if found.id in around.storage_disabled:
        blockers.add("balancing_disabled")
    if found.id in around.moving:
        blockers.add("being_migrated")
    if power(found) == "running":
        devices = found.values.get("config.hardware.device")
        blockers |= device_blockers(devices, around.inventory.shared) & _BLOCKING_STORAGE
        if installs_tools(devices):
            blockers.add("iso_mounted")
    return blockers


def _blockers(found: Found, around: Surroundings) -> set[str]:
    blockers = set()
    connection = found.text("runtime.connectionState")
    if found.flag("config.template"):
        blockers.add("template")
    if connection not in (None, "connected"):
        blockers.add(connection if connection in _LOST else "disconnected")
    else:
        if _MOVES & set(found.items("disabledMethod")):
            # Backup software does so while it works, and when it broke down.
            blockers.add("locked")
        if "config.hardware.device" not in found.values or any(
            not path.startswith("layoutEx") for path in found.failed
        ):
            blockers.add("not_readable")
    if found.id in around.disabled:
        blockers.add("balancing_disabled")
    if is_agent(found):
        blockers.add("agent")
    if is_pod(found):
        blockers.add("vsphere_pod")
    if found.text("runtime.faultToleranceState") in _UNPROTECTED:
        blockers.add("fault_tolerance_unprotected")
    affinity = found.values.get("config.cpuAffinity")
    if affinity is not None and items(affinity):
        blockers.add("cpu_affinity")
    if text(found.values.get("config.latencySensitivity"), "level") == "high":
        blockers.add("latency_sensitive")
    if found.id in around.moving and _destination(found, around) is None:
        blockers.add("being_migrated")
    return blockers
