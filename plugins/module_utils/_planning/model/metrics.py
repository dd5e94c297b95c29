# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is levelled: by metric, the loads of guests and hosts and what a unit of them makes on each host."""

from __future__ import annotations

from collections.abc import Sequence

from ..._model.loads import (
    PRESSURES,
    guest_demand,
    guest_load,
    host_capacity,
    host_used,
    local_storage,
    pressure_shares,
)
from ..._model.plan import Unresolved
from ..._model.policy.policy import Policy
from ..._model.snapshot import Snapshot
from ..tolerances import AMOUNT
from .capacity import HostRoles
from .guest_locations import arriving
from .problem import Metrics

# The limit of a metric that is not levelled as long as no host has enough of it in use.
ANY_SPREAD = 1e6
# Platforms that count what was assigned to guests which are off as given away on their host.
COUNT_STOPPED = ("vmmanager",)


def build_metrics(
    snapshot: Snapshot, policy: Policy, roles_: HostRoles, home: Sequence[int], unresolved: list[Unresolved]
) -> Metrics:
    names, scales, counted, limits, host_columns, guest_columns = [], [], [], [], [], []
    for metric in policy.metrics:
        capacity = [host_capacity(host, metric) for host in snapshot.hosts]
        used = [host_used(host, metric) for host in snapshot.hosts]
        known = [
            index
            for index, counts in enumerate(roles_.counts)
            if counts and capacity[index] is not None and used[index] is not None
        ]
        missing = [
            host.name
            for index, host in enumerate(snapshot.hosts)
            if roles_.counts[index] and index not in set(known)
        ]
        if missing and any(roles_.counts):
            unresolved.append(
                Unresolved(
                    what=f"metric {metric}",
                    why="no host reports it, so it can't be levelled"
                    if not known
                    else f"it is not known of {', '.join(missing[:10])}, which it therefore leaves out",
                    code="metric_unavailable",
                    subject=metric,
                )
            )
        if not known:
            continue
        weights = _weights(snapshot, policy, metric, home)
        totals = [value or 0.0 for value in used]
        for guest, source, target in arriving(snapshot):
            # A migration under way is judged by where it ends.
            load = 0.0 if metric in PRESSURES else guest_load(guest, metric) or 0.0
            totals[source] = max(0.0, totals[source] - load)
            totals[target] += load
        if metric == "vcpu" or (policy.demand != "used" and metric in ("cpu", "memory")):
            for guest, host, weight in zip(snapshot.guests, home, weights, strict=True):
                if guest.is_on_host:
                    totals[host] += weight - (guest_load(guest, metric) or 0.0)
                elif snapshot.platform in COUNT_STOPPED and (metric == "vcpu" or policy.demand == "assigned"):
                    totals[host] += guest.assigned.get("cpu" if metric == "vcpu" else metric) or 0.0
        names.append(metric)
        inside = set(known)
        scales.append([100.0 / (capacity[i] or 1.0) if i in inside else 0.0 for i in range(len(capacity))])
        fullest = max(scales[-1][host] * totals[host] for host in known)
        counts = fullest + AMOUNT >= policy.levelled_from(metric)
        limits.append(policy.spread_limit(metric) if counts else ANY_SPREAD)
        counted.append(tuple(known))
        host_columns.append(totals)
        guest_columns.append(weights)
    return Metrics(
        names=tuple(names),
        limits=tuple(limits),
        scale=tuple(zip(*scales, strict=True)) if scales else tuple(() for _host in snapshot.hosts),
        counted=tuple(counted),
        host=tuple(zip(*host_columns, strict=True))
        if host_columns
        else tuple(() for _host in snapshot.hosts),
        guest=tuple(zip(*guest_columns, strict=True))
        if guest_columns
        else tuple(() for _guest in snapshot.guests),
    )


def _weights(snapshot: Snapshot, policy: Policy, metric: str, home: Sequence[int]) -> list[float]:
    hosts = snapshot.hosts
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
