# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many more guests of a size fit, and the largest that does."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ..._model.datastores import datastore_ids, datastores_of
from ..._model.headroom import LargestGuest, SizeClass
from ..._model.placement_request import PlacementRequest, WantedVm
from ..._model.snapshot import Guest
from ..model.problem import Vector
from ..placement.cluster_index import ClusterIndex
from ..placement.failover_reserve import FailoverReserve
from ..placement.largest_fit import largest_fit
from ..placement.problem import PlacementProblem, Unit, build_placement_problem
from ..placement.requested_guests import requested_guests
from ..placement.rules import PlacementRules
from ..placement.solution import PlacementSolution
from ..tolerances import AMOUNT
from .restart import must_run

# Sizes that are reported. Up to MAX_SIZES are all of them; of more, the most frequent and the largest.
MAX_SIZES = 6
# Where a size is this rare among the guests, frequency says nothing, and quartiles are taken.
RARE = 0.03
# No count is larger, however little a guest uses.
MOST = 1e15
_NO_RULES = PlacementRules(rules=(), own=(), apart={}, notes=())

Size = tuple[float, int]


def size_classes(cluster: ClusterIndex) -> list[SizeClass]:
    """Guests that ask nothing of their host but cores and memory, and room for their disks where the policy
    says something about datastores; the count of each size is exact.
    """
    by_size: dict[Size, list[Guest]] = {}
    for guest in cluster.index.guests:
        cpu, memory = guest.assigned.get("cpu"), guest.assigned.get("memory")
        if must_run(guest) and guest.kind == "vm" and cpu and memory:
            by_size.setdefault((cpu, int(memory)), []).append(guest)
    counts = Counter({size: len(guests) for size, guests in by_size.items()})
    reserve = FailoverReserve(cluster, 1)
    return [_size_class(cluster, reserve, size, by_size[size]) for size in _chosen(counts)]


def _chosen(counts: Counter[Size]) -> list[Size]:
    ordered = sorted(counts, key=lambda size: (-counts[size], size))
    if len(ordered) <= MAX_SIZES:
        return ordered
    total = counts.total()
    if counts[ordered[0]] < RARE * total:
        every = sorted((size for size in counts.elements()), key=lambda size: (size[1], size[0]))
        picked = [every[(len(every) - 1) * part // 4] for part in (1, 2, 3, 4)]
        return list(dict.fromkeys(picked))
    largest = max(counts, key=lambda size: (size[1], size[0]))
    return list(dict.fromkeys([*ordered[: MAX_SIZES - 1], largest]))


def _size_class(
    cluster: ClusterIndex, reserve: FailoverReserve, size: Size, guests: Sequence[Guest]
) -> SizeClass:
    cpu, memory = size
    unit = _unit(cluster, cpu, memory)
    on_datastores = _fit_on_datastores(cluster, unit.open, guests)
    most = on_datastores if on_datastores is not None else sys.maxsize
    fit = min(_fit(cluster, unit.open, unit.need), most)
    used = {name: _mean(guests, name) for name in ("cpu", "memory")}
    as_used = None
    if None not in used.values():
        typical = replace(guests[0], used=used)
        as_used = min(_fit(cluster, unit.open, cluster.needs_of(typical)), most)
    return SizeClass(
        cpu=cpu,
        memory=memory,
        guests=len(guests),
        fit=fit,
        fit_with_spare=min(fit, reserve.most(unit)),
        fit_as_used=as_used,
        fit_on_datastores=on_datastores,
    )


def _fit_on_datastores(cluster: ClusterIndex, hosts: Sequence[int], guests: Sequence[Guest]) -> int | None:
    """How many more find room for their disks, each on one datastore of the class and the cluster of
    datastores where guests of the size are now; None where that does not count or is not known.
    """
    if cluster.policy.storage is None:
        return None
    snapshot = cluster.snapshot
    ids = datastore_ids(snapshot)
    places = {place.id: place for place in datastores_of(snapshot)}
    sizes: list[int] = []
    kinds: set[tuple[str | None, str | None]] = set()
    for guest in guests:
        disks = [disk for disk in guest.disks if disk.size is not None and "cdrom" not in disk.blockers]
        if disks:
            sizes.append(sum(disk.size or 0 for disk in disks))
        for disk in disks:
            place = places.get(ids.get((guest.host, disk.datastore), ""))
            if place is not None:
                kinds.add((place.kind, place.cluster))
    size = sum(sizes) // len(sizes) if sizes else 0
    if not size or not kinds:
        return None
    names = {cluster.hosts[host].id: cluster.hosts[host] for host in hosts}
    total = 0
    for place in places.values():
        seen = [names[host].datastores.get(place.name) for host in place.hosts if host in names]
        rooms = [
            one.free
            for one in seen
            if one is not None and one.closed_because is None and one.free is not None
        ]
        if rooms and (place.kind, place.cluster) in kinds:
            total += min(rooms) // size
    return total


def _mean(guests: Sequence[Guest], name: str) -> float | None:
    values = [value for guest in guests if (value := guest.used.get(name)) is not None]
    return sum(values) / len(values) if values else None


def _fit(cluster: ClusterIndex, hosts: Sequence[int], need: Vector) -> int:
    """Guests that are all alike do not get in each other's way: each host takes what it takes."""
    return sum(_fit_on(cluster.need[host], cluster.ceiling[host], need) for host in hosts)


def _fit_on(have: Vector, tops: Vector, need: Vector) -> int:
    rooms = [
        int(min(MOST, (top * (1 + AMOUNT) - now) / part * (1 + AMOUNT) + AMOUNT))
        for now, top, part in zip(have, tops, need, strict=True)
        if part > 0
    ]
    return max(0, min(rooms, default=0))


def largest_guests(cluster: ClusterIndex) -> list[LargestGuest]:
    """By cores, in powers of two up to the cores of the largest host."""
    most = max((cluster.hosts[host].capacity.get("cpu") or 0.0 for host in _open(cluster)), default=0.0)
    found = []
    cores = 1.0
    while cores <= most:
        found.append(_largest(cluster, cores))
        if found[-1].memory is None:
            break
        cores *= 2
    return found


def _largest(cluster: ClusterIndex, cpu: float) -> LargestGuest:
    fit = largest_fit(PlacementSolution(_task(cluster, cpu, 1), "pack", 0), 0)
    memory = None if fit is None or fit.memory is None or fit.memory < 2**20 else fit.memory
    host = fit.memory_host if fit is not None and memory is not None else None
    name = cluster.index.host_name(host) if host is not None else None
    return LargestGuest(cpu=cpu, memory=memory, host=host, name=name)


def _open(cluster: ClusterIndex) -> list[int]:
    return [
        host
        for host, why in enumerate(cluster.roles.closed)
        if why is None and not cluster.hosts[host].dedicated
    ]


def _unit(cluster: ClusterIndex, cpu: float, memory: int) -> Unit:
    return _task(cluster, cpu, memory).units[0]


def _task(cluster: ClusterIndex, cpu: float, memory: int) -> PlacementProblem:
    """One more guest of this size, and nothing else asked of its host."""
    wanted = WantedVm(name="one more", cpu=cpu, memory=memory)
    request = PlacementRequest(vms=(wanted,), policy=cluster.policy)
    new = requested_guests(replace(cluster.snapshot, guests=()), request)
    return build_placement_problem(cluster, request, new, _NO_RULES)
