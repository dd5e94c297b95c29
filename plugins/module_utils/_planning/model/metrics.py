# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics that are levelled: loads of guests and hosts, and the points per unit of load on each host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..._model.loads import (
    PRESSURES,
    guest_demand,
    guest_load,
    host_capacity,
    host_used,
    local_storage,
    pressure_shares,
)
from ..._model.plan import ClusterState, Unresolved
from ..._model.policy.policy import Policy
from ..tolerances import AMOUNT, REPORTED_POINTS
from .capacity import HostRoles
from .problem import Metrics, Problem, Vector
from .snapshot_index import SnapshotIndex

# The limit of a metric that is not levelled as long as no host has enough of it in use.
ANY_SPREAD = 1e6
# Platforms that count what was assigned to guests which are off as given away on their host.
COUNT_STOPPED = ("vmmanager",)


@dataclass(frozen=True, slots=True)
class HostColumn:
    """One metric by host. loads: as they will be when the migrations under way have ended, guests counted by
    the policy's demand; scale: points per unit of load, 0 on hosts that do not count; counted: those that do.
    """

    loads: list[float]
    scale: list[float]
    counted: tuple[int, ...]


def host_column(index: SnapshotIndex, policy: Policy, roles: HostRoles, metric: str) -> HostColumn:
    snapshot = index.snapshot
    capacity = [host_capacity(host, metric) for host in snapshot.hosts]
    used = [host_used(host, metric) for host in snapshot.hosts]
    counted = tuple(
        host
        for host, counts in enumerate(roles.counts)
        if counts and capacity[host] is not None and used[host] is not None
    )
    scale = [0.0] * len(capacity)
    for host in counted:
        scale[host] = 100.0 / (capacity[host] or 1.0)
    loads = [value or 0.0 for value in used]
    for guest, source, target in index.arriving if counted else ():
        load = 0.0 if metric in PRESSURES else guest_load(guest, metric) or 0.0
        loads[source] = max(0.0, loads[source] - load)
        loads[target] += load
    if counted and (metric == "vcpu" or (policy.demand != "used" and metric in ("cpu", "memory"))):
        stopped = snapshot.platform in COUNT_STOPPED and (metric == "vcpu" or policy.demand == "assigned")
        for guest, host in zip(snapshot.guests, index.home, strict=True):
            if guest.is_on_host:
                demand = guest_demand(guest, metric, policy.demand) or 0.0
                loads[host] += demand - (guest_load(guest, metric) or 0.0)
            elif stopped:
                loads[host] += guest.assigned.get("cpu" if metric == "vcpu" else metric) or 0.0
    return HostColumn(loads, scale, counted)


def build_metrics(
    index: SnapshotIndex, policy: Policy, roles: HostRoles, unresolved: list[Unresolved]
) -> Metrics:
    names, columns, limits, weights = [], [], [], []
    for metric in policy.metrics:
        column = host_column(index, policy, roles, metric)
        missing = [
            host.name
            for number, (host, counts) in enumerate(zip(index.hosts, roles.counts, strict=True))
            if counts and not column.scale[number]
        ]
        if missing:
            unresolved.append(
                Unresolved(
                    what=f"metric {metric}",
                    why="no host reports it, so it can't be levelled"
                    if not column.counted
                    else f"it is not known of {', '.join(missing[:10])}, which it therefore leaves out",
                    code="metric_unavailable",
                    subject=metric,
                )
            )
        if not column.counted:
            continue
        names.append(metric)
        columns.append(column)
        fullest = max(column.scale[host] * column.loads[host] for host in column.counted)
        counts = fullest + AMOUNT >= policy.levelled_from(metric)
        limits.append(policy.spread_limit(metric) if counts else ANY_SPREAD)
        weights.append(_weights(index, policy, metric))
    return Metrics(
        names=tuple(names),
        limits=tuple(limits),
        scale=rows([column.scale for column in columns], len(index.hosts)),
        counted=tuple(column.counted for column in columns),
        host=rows([column.loads for column in columns], len(index.hosts)),
        guest=rows(weights, len(index.guests)),
    )


def with_active_metrics(problem: Problem, after: ClusterState) -> Policy | None:
    """The policy that also levels what this plan would make worth levelling; None where there is nothing.

    Without it the next plan would have to, and a plan that was carried out would not be the last one.
    """
    policy = problem.policy
    woken = []
    for name, limit in zip(problem.metrics.names, problem.metrics.limits, strict=True):
        values = [value for state in after.hosts.values() if (value := state.used[name]) is not None]
        spread = after.spread[name]
        if limit < ANY_SPREAD or spread is None or spread <= policy.spread_limit(name) + REPORTED_POINTS:
            continue
        if max(values, default=0.0) + REPORTED_POINTS >= policy.levelled_from(name):
            woken.append(name)
    if not woken or not problem.traits.levels_band:
        return None
    asleep: dict[str, float] = {
        name: policy.levelled_from(name) for name in policy.metrics if name not in woken
    }
    return replace(policy, level_above=asleep)


def rows(columns: Sequence[Sequence[float]], count: int) -> tuple[Vector, ...]:
    """The columns turned into `count` rows, which are empty where there is no column."""
    return tuple(zip(*columns, strict=True)) if columns else ((),) * count


def _weights(index: SnapshotIndex, policy: Policy, metric: str) -> list[float]:
    snapshot, hosts, home = index.snapshot, index.hosts, index.home
    if metric == "storage":
        return [
            float(sum(size or 0 for size in local_storage(guest, hosts[host]).values()))
            for guest, host in zip(snapshot.guests, home, strict=True)
        ]
    if metric not in PRESSURES:
        return [guest_demand(guest, metric, policy.demand) or 0.0 for guest in snapshot.guests]
    weights = [0.0] * len(home)
    by_host: dict[int, list[int]] = {}
    for guest, host in enumerate(home):
        by_host.setdefault(host, []).append(guest)
    for host, members in by_host.items():
        shares = pressure_shares(hosts[host], [snapshot.guests[guest] for guest in members], metric)
        for guest, share in zip(members, shares, strict=True):
            weights[guest] = share or 0.0
    return weights
