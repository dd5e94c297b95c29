# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The largest guest that would fit where another did not."""

from __future__ import annotations

from collections.abc import Sequence

from ..._model.placement import LargestFit
from ..._model.snapshot import Guest
from ..model.capacity import CPU, GUESTS, MEMORY, Resource
from ..model.snapshot_index import SnapshotIndex
from .solution import GIB, PlacementSolution

# Reasons that a smaller guest would not meet.
BY_SIZE = frozenset({"cpu", "memory", "cpu overcommitment", "memory overcommitment", "spare"})


def largest_fit(state: PlacementSolution, number: int) -> LargestFit | None:
    """The largest guest that would fit in place of one that does not; None where size is not what is in its
    way, or where it stands for several that must share a host.
    """
    unit = state.task.units[number]
    if len(unit.guests) > 1 or state.spare is not None:
        return None
    guest = state.task.new[unit.guests[0]].guest
    memory: tuple[float, int] | None = None
    cpu: tuple[float, int] | None = None
    for host in unit.open:
        word = state.obstacle(number, host)
        if word is not None and word not in BY_SIZE:
            continue
        free = {
            resource: top - have
            for resource, top, have in zip(
                state.cluster.resources, state.ceiling[host], state.need[host], strict=True
            )
        }
        if _fits(free, CPU, unit.need, state.cluster.resources):
            amount = _most(free, MEMORY, guest)
            if amount is not None and (memory is None or amount > memory[0]):
                memory = (amount, host)
        if _fits(free, MEMORY, unit.need, state.cluster.resources):
            amount = _most(free, CPU, guest)
            if amount is not None and (cpu is None or amount > cpu[0]):
                cpu = (amount, host)
    if memory is None and cpu is None:
        return None
    hosts = state.cluster.hosts
    return LargestFit(
        memory=None if memory is None else int(memory[0]),
        memory_host=None if memory is None else hosts[memory[1]].id,
        cpu=None if cpu is None else int(cpu[0] * 100) / 100,
        cpu_host=None if cpu is None else hosts[cpu[1]].id,
    )


def _fits(
    free: dict[Resource, float], resource: Resource, need: Sequence[float], resources: Sequence[Resource]
) -> bool:
    return all(
        part <= free[other]
        for other, part in zip(resources, need, strict=True)
        if other in (resource, Resource("assigned", resource.name), GUESTS)
    )


def _most(free: dict[Resource, float], resource: Resource, guest: Guest) -> float | None:
    """The most of a resource that a guest could be given, if it uses the same share of it; None for
    nothing.
    """
    given = guest.assigned.get(resource.name) or 0.0
    used = guest.used.get(resource.name)
    share = 1.0 if used is None or not given else used / given
    limits = [free[resource] / share] if share > 0 else []
    assigned = Resource("assigned", resource.name)
    if assigned in free:
        limits.append(free[assigned])
    return min(limits) if limits and min(limits) > 0 else None


def in_words(found: LargestFit | None, guest: Guest, index: SnapshotIndex) -> str:
    """The guest that would fit, as a sentence; empty where none is known to."""
    if found is None:
        return ""
    parts = []
    if found.memory is not None and found.memory >= 2**20:
        parts.append(
            f"with {guest.assigned['cpu'] or 0:g} cores at most {found.memory / GIB:.1f} GiB of memory"
            f" ({index.host_name(found.memory_host or '')})"
        )
    if found.cpu is not None:
        parts.append(
            f"with {(guest.assigned['memory'] or 0) / GIB:.1f} GiB of memory at most {found.cpu:g} cores"
            f" ({index.host_name(found.cpu_host or '')})"
        )
    return f"What would fit: {', '.join(parts)}" if parts else ""
