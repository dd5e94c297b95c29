# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where guests are and what hosts are like at this moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...errors import NotFound
from ...protocol import ClusterNow, GuestNow, HostNow
from ..api.collector import Found, properties, retrieve, step
from ..api.library import vim
from ..api.session import Session
from .clusters import ClusterPlace
from .guests import power
from .hosts import MIB, closed_because, status
from .recent_tasks import TASK_PATHS, enters_maintenance, is_active

_HOST_PATHS = (
    "runtime.connectionState",
    "runtime.powerState",
    "runtime.inMaintenanceMode",
    "runtime.inQuarantineMode",
    "runtime.standbyMode",
    "summary.config.vmotionEnabled",
    "summary.hardware.memorySize",
    "summary.quickStats.overallMemoryUsage",
    "recentTask",
)
_GUEST_PATHS = ("runtime.host", "runtime.powerState", "runtime.connectionState", "recentTask")


def read_live_state(session: Session, place: ClusterPlace, guests: Collection[str]) -> ClusterNow:
    """These guests with the tasks on them, and all hosts, in one pass."""
    found = retrieve(
        session,
        [vim.ClusterComputeResource(place.id), *(vim.VirtualMachine(guest) for guest in sorted(guests))],
        [
            properties(vim.ClusterComputeResource, "name"),
            properties(vim.HostSystem, *_HOST_PATHS),
            properties(vim.VirtualMachine, *_GUEST_PATHS),
            properties(vim.Task, *TASK_PATHS),
        ],
        step(vim.ComputeResource, "host", step(vim.HostSystem, "recentTask")),
        step(vim.VirtualMachine, "recentTask"),
    )
    kinds: dict[str, dict[str, Found]] = {}
    for item in found:
        kinds.setdefault(item.kind, {})[item.id] = item
    if place.id not in kinds.get("ClusterComputeResource", {}):
        raise NotFound(f"the cluster {place} is gone", where=session.where)
    tasks = kinds.get("Task", {})
    return ClusterNow(
        cluster=place.id,
        guests={
            identity: GuestNow(
                host=item.text("runtime.host") or "", power=power(item), busy=busy(item, tasks)
            )
            for identity, item in kinds.get("VirtualMachine", {}).items()
        },
        hosts={identity: _host_now(item, tasks) for identity, item in kinds.get("HostSystem", {}).items()},
    )


def busy(guest: Found, tasks: Mapping[str, Found]) -> str | None:
    """The task that works on the guest."""
    for identity in guest.items("recentTask"):
        task = tasks.get(identity)
        if task is not None and is_active(task):
            return f"{task.text('info.descriptionId') or 'a task'} ({identity})"
    return None


def _host_now(found: Found, tasks: dict[str, Found]) -> HostNow:
    used = found.whole("summary.quickStats.overallMemoryUsage")
    return HostNow(
        active=status(found) == "online"
        and not found.flag("runtime.inMaintenanceMode")
        and not enters_maintenance(found, tasks)
        and closed_because(found) is None,
        memory_capacity=found.whole("summary.hardware.memorySize"),
        memory_used=None if used is None else used * MIB,
    )
