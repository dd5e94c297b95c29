# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster as flat lists for placing guests: loads, ceilings and metrics of each host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from operator import mul

from ..._model.loads import guest_demand
from ..._model.placement_request import DatastoreFacts, HostFacts, PlacementRequest
from ..._model.plan import Unresolved
from ..._model.policy.policy import Policy
from ..._model.reservation import cluster_name, with_reservations
from ..._model.snapshot import Guest, Host, HostDevices, Snapshot
from ..errors import PlanningError
from ..model.capacity import (
    HostRoles,
    Resource,
    Vector,
    carried_needs,
    ceilings,
    guest_needs,
    host_roles,
    limited_resources,
    require_hosts,
    used_by_host,
    with_hosts_closed,
)
from ..model.metrics import host_column, rows
from ..model.selectors import WILDCARDS, select_hosts, with_expressions_answered
from ..model.snapshot_index import SnapshotIndex
from ..snapshots.estimated_load import with_estimated_load
from ..snapshots.policy_overlay import with_policy_applied
from .storage_policies import KnownPolicies
from .storage_state import storage_of, with_storage_state

LEVELLED = ("cpu", "memory", "disk_io", "network_io", "vcpu")


@dataclass(frozen=True, kw_only=True)
class ClusterIndex:
    """By host index. need: what it carries of each of `resources`; ceiling: how much of it it may carry;
    points: percent in use of each metric; scale: points that a unit of load makes, 0 where it does not count
    there.
    """

    index: SnapshotIndex
    policy: Policy
    roles: HostRoles
    resources: tuple[Resource, ...]
    need: tuple[Vector, ...]
    ceiling: tuple[Vector, ...]
    metrics: tuple[str, ...]
    points: tuple[Vector, ...]
    scale: tuple[Vector, ...]
    counted: tuple[tuple[int, ...], ...]
    notes: tuple[str, ...]

    @property
    def snapshot(self) -> Snapshot:
        return self.index.snapshot

    @property
    def hosts(self) -> tuple[Host, ...]:
        return self.index.hosts

    @cached_property
    def storage_policies(self) -> KnownPolicies:
        return KnownPolicies(self.snapshot)

    def needs_of(self, guest: Guest) -> Vector:
        """The needs of a new guest, in the order of `resources`."""
        return guest_needs(self.resources, guest)

    def loads_of(self, guest: Guest) -> Vector:
        """The loads of a new guest, in the order of `metrics`."""
        return tuple(guest_demand(guest, metric, self.policy.demand) or 0.0 for metric in self.metrics)

    @cached_property
    def carried(self) -> Sequence[Sequence[float]]:
        """By host, the needs of its running guests."""
        return carried_needs(self.index, self.resources)


def cluster_index(snapshot: Snapshot, request: PlacementRequest) -> ClusterIndex:
    """Raises PlanningError when there is nothing to place on, or something is named that does not exist."""
    require_hosts(snapshot)
    own = cluster_name(snapshot)
    # What was reserved before the platform reported its instance is known by the name without it.
    older = cluster_name(replace(snapshot, cluster=replace(snapshot.cluster, instance=None)))
    held = [item.reservation for item in request.held if item.cluster in (own, older)]
    storage = storage_of(request.policy)
    stated = with_storage_state(_with_stated_facts(snapshot, request), storage)
    full = with_reservations(stated, held) if held else stated
    policy = with_expressions_answered(request.policy, snapshot)
    known, policy = with_estimated_load(with_policy_applied(full, policy), policy)
    known = with_hosts_closed(known, policy)
    # How the rest of the cluster is to be is for balancing; here only limits, weights and rules count.
    policy = replace(policy, goal="spread", evacuate=None, relieve=None, consolidate=None, storage=storage)
    return index_of(known, policy)


def index_of(known: Snapshot, policy: Policy) -> ClusterIndex:
    """From a snapshot into which everything that the request says was put already."""
    unresolved: list[Unresolved] = []
    index = SnapshotIndex(known)
    roles = host_roles(known, policy, unresolved)
    resources = limited_resources(known.hosts, policy.limits)
    # All but what is measured is the sum over the guests.
    need = used_by_host(index, carried_needs(index, resources[2:]))
    columns = {
        metric: host_column(index, policy, roles, metric) for metric in policy.metrics if metric in LEVELLED
    }
    columns = {metric: column for metric, column in columns.items() if column.counted}
    return ClusterIndex(
        index=index,
        policy=policy,
        roles=roles,
        resources=resources,
        need=need,
        ceiling=tuple(
            tuple(map(max, tops, have))
            for tops, have in zip(ceilings(known.hosts, resources, policy.limits, need), need, strict=True)
        ),
        metrics=tuple(columns),
        points=rows([tuple(map(mul, one.loads, one.scale)) for one in columns.values()], len(known.hosts)),
        scale=rows([one.scale for one in columns.values()], len(known.hosts)),
        counted=tuple(one.counted for one in columns.values()),
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
        for name in [name for name in stores if any(_like(name, pattern) for pattern in facts.datastores)]:
            if facts.closed:
                del stores[name]
            elif facts.kind is not None:
                stores[name] = replace(stores[name], kind=facts.kind)
    return replace(host, datastores=stores)


def _like(text: str, pattern: str) -> bool:
    return text == pattern or fnmatchcase(text, pattern)
