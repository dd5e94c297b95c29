# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of each resource a guest and a host stand for: the one reading of a snapshot's loads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .snapshot import Guest, Host

PRESSURES: Final = {"pressure_cpu": "cpu", "pressure_memory": "memory", "pressure_io": "io"}
ESTIMATED_FROM_ASSIGNED: Final = ("cpu", "memory")


def host_capacity(host: Host, metric: str) -> float | None:
    """None where it is not known; a pressure is a percentage of time, so 100 is all there is."""
    if metric in PRESSURES:
        return 100.0
    if metric == "storage" and host.capacity.get(metric) is None:
        return _local_places(host)[0] or None
    if metric == "vcpu":
        # A core that the host keeps for itself runs no vCPU.
        return max(0.0, (host.capacity.get("cpu") or 0.0) - (host.reserved.get("cpu") or 0.0)) or None
    return host.capacity.get(metric) or None


def host_used(host: Host, metric: str) -> float | None:
    """The load that the hypervisor measured; None where it did not. vCPUs are given to guests only."""
    if metric in PRESSURES:
        return host.pressure.get(PRESSURES[metric])
    if metric == "vcpu":
        return 0.0
    if metric == "storage" and host.used.get(metric) is None:
        return _local_places(host)[1]
    return host.used.get(metric)


def _local_places(host: Host) -> tuple[float, float | None]:
    """Size and use of the datastores that only this host has, where its own sums are not reported."""
    places = [place for place in host.datastores.values() if not place.shared]
    if not places or any(place.capacity is None or place.free is None for place in places):
        return 0.0, None
    size = sum(place.capacity or 0 for place in places)
    return float(size), float(size - sum(place.free or 0 for place in places))


def is_unmeasured(guest: Guest, resource: str) -> bool:
    """Whether the guest has started or arrived so recently that its use is not measured yet."""
    return guest.sources.get(resource) == "not_yet_measured" and guest.used.get(resource) is None


def guest_used(guest: Guest, resource: str) -> float | None:
    """The guest's demand on its target. A cpu or memory that is not measured is taken to be as large as
    what was assigned.
    """
    if resource == "storage":
        return None
    used = guest.used.get(resource)
    if used is None and resource in ESTIMATED_FROM_ASSIGNED:
        return guest.assigned.get(resource)
    return used


def guest_load(guest: Guest, resource: str) -> float | None:
    """The part of its host's measured use that goes along with the guest: nothing as long as it is not
    measured yet.
    """
    return 0.0 if is_unmeasured(guest, resource) else guest_used(guest, resource)


def guest_demand(guest: Guest, metric: str, demand: str) -> float | None:
    """The load of a guest in a metric, by the basis that the policy names."""
    if metric == "vcpu":
        return guest.assigned.get("cpu")
    used = guest_load(guest, metric)
    assigned = guest.assigned.get(metric)
    if demand == "used" or assigned is None:
        return used
    if demand == "assigned" or used is None:
        return assigned
    return max(used, assigned)


def local_storage(guest: Guest, host: Host) -> dict[str, int | None]:
    """Bytes of the guest's disks on datastores that only this host has, by datastore; None where a size is
    not known.
    """
    result: dict[str, int | None] = {}
    for disk in guest.disks:
        place = host.datastores.get(disk.datastore)
        if place is None or place.shared:
            continue
        before = result.get(disk.datastore, 0)
        result[disk.datastore] = None if disk.size is None or before is None else before + disk.size
    return result


def pressure_shares(host: Host, guests: Sequence[Guest], metric: str) -> list[float | None]:
    """How much of a host's stall each of its guests brings along: in proportion to what it uses of the
    resource behind it.

    A stall is no sum of parts, so this is an estimate; it is linear so that the same sum is read before and
    after.
    """
    stalled = host_used(host, metric)
    if stalled is None:
        return [None] * len(guests)
    resource = "disk_io" if metric == "pressure_io" else PRESSURES[metric]
    uses = [guest_load(guest, resource) or 0.0 for guest in guests]
    total = max(sum(uses), host.used.get(resource) or 0.0)
    return [stalled * use / total if total > 0 else 0.0 for use in uses]
