# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster as flat lists for placing guests: what each host carries, may carry, and levels by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..._model.loads import guest_demand, guest_load, guest_used, host_capacity, host_used
from ..._model.placement_request import DatastoreFacts, HostFacts, PlacementRequest
from ..._model.plan import Unresolved
from ..._model.policy.policy import Policy
from ..._model.reservation import cluster_name, with_reservations
from ..._model.snapshot import Guest, Host, HostDevices, Snapshot
from ..errors import PlanningError
from ..model.capacity import (
    CPU,
    GUESTS,
    MEMORY,
    HostRoles,
    Resource,
    ResourceNeeds,
    host_roles,
    resource_needs,
    with_hosts_closed,
)
from ..model.guest_locations import arriving, place_of
from ..model.selectors import WILDCARDS, select_hosts
from ..snapshots.estimated_load import with_estimated_load
from ..snapshots.policy_overlay import with_policy_applied
from .datastores import like

LEVELLED = ("cpu", "memory", "disk_io", "network_io", "vcpu")
Vector = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ClusterIndex:
    """By host index. need: what it carries of each of `resources`; ceiling: how much of it it may carry;
    points: percent in use of each metric; scale: points that a unit of load makes, 0 where it does not count
    there.
    """

    snapshot: Snapshot
    policy: Policy
    roles: HostRoles
    resources: tuple[Resource, ...]
    need: tuple[Vector, ...]
    ceiling: tuple[Vector, ...]
    metrics: tuple[str, ...]
    points: tuple[Vector, ...]
    scale: tuple[Vector, ...]
    counted: tuple[tuple[int, ...], ...]
    shut: tuple[tuple[str, str] | None, ...]
    notes: tuple[str, ...]

    @property
    def hosts(self) -> tuple[Host, ...]:
        return self.snapshot.hosts

    @cached_property
    def at(self) -> dict[str, int]:
        """Index of each host by id."""
        return {host.id: index for index, host in enumerate(self.hosts)}

    def needs_of(self, guest: Guest) -> Vector:
        """What a new guest takes, in the order of `resources`."""
        parts = []
        for resource in self.resources:
            if resource == GUESTS:
                parts.append(1.0)
            elif resource.kind == "assigned":
                parts.append(guest.assigned.get(resource.name) or 0.0)
            else:
                parts.append(guest_used(guest, resource.name) or 0.0)
        return tuple(parts)

    def loads_of(self, guest: Guest) -> Vector:
        """What a new guest weighs, in the order of `metrics`."""
        return tuple(guest_demand(guest, metric, self.policy.demand) or 0.0 for metric in self.metrics)

    @cached_property
    def carried(self) -> tuple[Vector, ...]:
        """By host, what its running guests take of `resources`."""
        # All but what is measured is the sum over the guests already.
        sums = [[0.0, 0.0, *vector[2:]] for vector in self.need]
        whereabouts = {guest.id: (source, target) for guest, source, target in arriving(self.snapshot)}
        for guest in self.snapshot.guests:
            for host in whereabouts.get(guest.id, (self.at[guest.host],)) if guest.is_on_host else ():
                here = sums[host]
                here[0] += guest_used(guest, CPU.name) or 0.0
                here[1] += guest_used(guest, MEMORY.name) or 0.0
        return tuple(tuple(vector) for vector in sums)


def cluster_index(snapshot: Snapshot, request: PlacementRequest) -> ClusterIndex:
    """Raises PlanningError when there is nothing to place on, or something is named that does not exist."""
    if not snapshot.hosts:
        raise PlanningError(
            "the cluster has no hosts",
            where=f"cluster {snapshot.cluster.name}",
            hint="Is the account allowed to see them?",
        )
    own = cluster_name(snapshot)
    # What was reserved before the platform reported its instance is known by the name without it.
    older = cluster_name(replace(snapshot, cluster=replace(snapshot.cluster, instance=None)))
    held = [item.reservation for item in request.held if item.cluster in (own, older)]
    stated = _with_stated_facts(snapshot, request)
    full = with_reservations(stated, held) if held else stated
    known, policy = with_estimated_load(with_policy_applied(full, request.policy), request.policy)
    known = with_hosts_closed(known, policy)
    # How the rest of the cluster is to be is for balancing; here only limits, weights and rules count.
    policy = replace(policy, goal="spread", evacuate=None, relieve=None, consolidate=None)
    return index_of(known, policy)


def index_of(known: Snapshot, policy: Policy) -> ClusterIndex:
    """From a snapshot into which everything that the request says was put already."""
    unresolved: list[Unresolved] = []
    parts = host_roles(known, policy, unresolved)
    bare = resource_needs(replace(known, guests=()), policy)
    metrics, points, scale, counted = _levels(known, policy, parts)
    present = _carried(known, bare)
    return ClusterIndex(
        snapshot=known,
        policy=policy,
        roles=parts,
        resources=bare.resources,
        need=present,
        ceiling=tuple(
            tuple(max(top, now) for top, now in zip(tops, have, strict=True))
            for tops, have in zip(bare.ceiling, present, strict=True)
        ),
        metrics=metrics,
        points=points,
        scale=scale,
        counted=counted,
        shut=parts.closed,
        notes=tuple(f"{item.what}: {item.why}" for item in unresolved),
    )


def _with_stated_facts(snapshot: Snapshot, request: PlacementRequest) -> Snapshot:
    """The snapshot with what the request says of hosts and datastores."""
    hosts = {host.id: host for host in snapshot.hosts}
    for index, facts in enumerate(request.hosts):
        for identity in select_hosts(snapshot.hosts, facts.hosts, f"request.hosts[{index}].hosts.names"):
            hosts[identity] = _with_facts(hosts[identity], facts)
    names = {name for host in snapshot.hosts for name in host.datastores}
    for index, stated in enumerate(request.datastores):
        for pattern in stated.datastores:
            if pattern not in names and not WILDCARDS & set(pattern):
                raise PlanningError(
                    f"no host has a datastore {pattern!r}",
                    where=f"request.datastores[{index}].datastores",
                    hint=f"Available: {', '.join(sorted(names)[:10]) or 'none'}",
                )
    if request.datastores:
        for identity, host in hosts.items():
            hosts[identity] = _with_datastores(host, request.datastores)
    if not request.hosts and not request.datastores:
        return snapshot
    return replace(snapshot, hosts=tuple(hosts[host.id] for host in snapshot.hosts))


def _with_facts(host: Host, facts: HostFacts) -> Host:
    return replace(
        host,
        pool=host.pool if facts.pool is None else facts.pool,
        dedicated=host.dedicated if facts.dedicated is None else facts.dedicated,
        labels={**host.labels, **facts.labels},
        max_guests=host.max_guests if facts.max_guests is None else facts.max_guests,
        devices={
            **host.devices,
            **{kind: HostDevices(total=free, free=free) for kind, free in facts.devices.items()},
        },
    )


def _with_datastores(host: Host, stated: Sequence[DatastoreFacts]) -> Host:
    stores = dict(host.datastores)
    for facts in stated:
        for name in [name for name in stores if any(like(name, pattern) for pattern in facts.datastores)]:
            if facts.closed:
                del stores[name]
            elif facts.kind is not None:
                stores[name] = replace(stores[name], kind=facts.kind)
    return replace(host, datastores=stores)


def _carried(snapshot: Snapshot, bare: ResourceNeeds) -> tuple[Vector, ...]:
    """What hosts carry: cpu and memory as measured, all else as the sum over the guests that are there. A
    migration under way takes its room at both ends.
    """
    moving = {guest.id: target for guest, _source, target in arriving(snapshot)}
    if len(bare.resources) == 2 and not moving:
        return bare.used
    at = {host.id: index for index, host in enumerate(snapshot.hosts)}
    sums = [list(vector) for vector in bare.used]
    for guest, _source, target in arriving(snapshot):
        for index, resource in enumerate((CPU, MEMORY)):
            sums[target][index] += guest_used(guest, resource.name) or 0.0
    columns = [
        (index, resource.name, resource == GUESTS)
        for index, resource in enumerate(bare.resources)
        if index > 1
    ]
    for guest in snapshot.guests:
        for host in {at[guest.host], moving.get(guest.id, at[guest.host])} if guest.is_on_host else ():
            for index, name, counts in columns:
                sums[host][index] += 1.0 if counts else guest.assigned.get(name) or 0.0
    return tuple(tuple(vector) for vector in sums)


def _levels(
    snapshot: Snapshot, policy: Policy, parts: HostRoles
) -> tuple[tuple[str, ...], tuple[Vector, ...], tuple[Vector, ...], tuple[tuple[int, ...], ...]]:
    names: list[str] = []
    points: list[list[float]] = []
    scales: list[list[float]] = []
    counted: list[tuple[int, ...]] = []
    for metric in policy.metrics:
        sizes = [host_capacity(host, metric) for host in snapshot.hosts]
        loads = [host_used(host, metric) for host in snapshot.hosts]
        inside = tuple(
            index
            for index, counts in enumerate(parts.counts)
            if counts and sizes[index] is not None and loads[index] is not None
        )
        if metric not in LEVELLED or not inside:
            continue
        totals = [load or 0.0 for load in loads]
        for guest, source, target in arriving(snapshot):
            load = guest_load(guest, metric) or 0.0
            totals[source] = max(0.0, totals[source] - load)
            totals[target] += load
        if metric == "vcpu" or (policy.demand != "used" and metric in ("cpu", "memory")):
            _reweigh(snapshot, policy, metric, totals)
        known = set(inside)
        names.append(metric)
        counted.append(inside)
        scales.append([100.0 / (size or 1.0) if index in known else 0.0 for index, size in enumerate(sizes)])
        points.append([load * scale for load, scale in zip(totals, scales[-1], strict=True)])
    if not names:
        return (), ((),) * len(snapshot.hosts), ((),) * len(snapshot.hosts), ()
    return tuple(names), tuple(zip(*points, strict=True)), tuple(zip(*scales, strict=True)), tuple(counted)


def _reweigh(snapshot: Snapshot, policy: Policy, metric: str, totals: list[float]) -> None:
    """Count guests as the policy weighs them instead of as they were measured."""
    at = {host.id: index for index, host in enumerate(snapshot.hosts)}
    for guest in snapshot.guests:
        if guest.is_on_host:
            weight = guest_demand(guest, metric, policy.demand) or 0.0
            totals[at[place_of(guest, at)]] += weight - (guest_load(guest, metric) or 0.0)
