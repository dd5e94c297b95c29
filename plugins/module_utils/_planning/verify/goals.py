# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a finished plan against what goal relieve or consolidate promises, knowing nothing of its making."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping

from ..._model.plan import Plan
from ..._model.policy.goals import Consolidation, Relief
from ..._model.policy.policy import Policy
from ..._model.snapshot import Guest, Snapshot

TOLERANCE = 1e-6
# A guest in one of these states holds memory, or may.
HOLDING = ("running", "unknown")
# Storage and pressures are shares of what hosts report, which the search alone reckons with.
SUMMED = ("vcpu", "cpu", "memory", "disk_io", "network_io")


def goal_defects(
    snapshot: Snapshot, policy: Policy, plan: Plan, may_stay: frozenset[str] = frozenset()
) -> Iterable[str]:
    """Everything that is wrong with the plan for its goal, in sentences. may_stay: guests with which a host
    counts as empty.
    """
    if policy.goal == "relieve" and policy.relieve is not None:
        yield from _relief_defects(snapshot, policy, policy.relieve, plan)
    elif policy.goal == "consolidate":
        yield from _consolidation_defects(snapshot, policy.consolidate or Consolidation(), plan, may_stay)


def _relief_defects(snapshot: Snapshot, policy: Policy, relief: Relief, plan: Plan) -> Iterable[str]:
    """Guests leave only hosts that are overloaded, and none comes to be so by receiving one."""
    tops = relief.overload.percents()
    first = _percents(snapshot, policy, {})
    last = _percents(snapshot, policy, {move.guest.id: move.target for move in plan.migrations})
    others = [move for move in plan.migrations if move.kind != "relieve"]
    visited = {host for move in others for host in (move.source, move.target)}
    for move in plan.migrations:
        if move.kind != "relieve":
            continue
        summed = all(metric in first[move.source] for metric in tops)
        hot = any(value > tops[metric] for metric, value in first[move.source].items() if metric in tops)
        if summed and not hot and move.source not in visited:
            yield f"step {move.step}: {move.source} is not overloaded"
        for metric, value in last[move.target].items():
            if metric in tops and value > tops[metric] + TOLERANCE:
                yield f"step {move.step}: {move.target} comes to {value:g} % {metric}, overloaded"


def _percents(
    snapshot: Snapshot, policy: Policy, places: Mapping[str, str]
) -> Mapping[str, Mapping[str, float]]:
    """By host and metric what is in use, once guests are where `places` has them; only what can be summed."""
    totals: dict[str, dict[str, float]] = {}
    for host in snapshot.hosts:
        used = {metric: 0.0 if metric == "vcpu" else host.used.get(metric) for metric in SUMMED}
        totals[host.id] = {metric: value for metric, value in used.items() if value is not None}
    for guest in snapshot.guests:
        if guest.power not in HOLDING:
            if snapshot.platform == "vmmanager":
                # There, what is off counts as given away.
                given = {"vcpu": guest.assigned.get("cpu"), "memory": guest.assigned.get("memory")}
                for metric in totals[guest.host].keys() & given.keys():
                    if metric == "vcpu" or policy.demand == "assigned":
                        totals[guest.host][metric] += given[metric] or 0.0
            continue
        for metric in totals[guest.host]:
            totals[guest.host][metric] -= 0.0 if metric == "vcpu" else _used(guest, metric)
        place = totals[places.get(guest.id, _home(guest, totals))]
        for metric in place:
            place[metric] += _weight(guest, metric, policy)
    capacity = {
        host.id: {
            **{metric: host.capacity.get(metric) for metric in SUMMED},
            "vcpu": (host.capacity.get("cpu") or 0.0) - (host.reserved.get("cpu") or 0.0),
        }
        for host in snapshot.hosts
    }
    return {
        host: {
            metric: 100.0 * value / size
            for metric, value in loads.items()
            if (size := capacity[host][metric])
        }
        for host, loads in totals.items()
    }


def _home(guest: Guest, hosts: Container[str]) -> str:
    """Where it is, or where a migration under way takes it."""
    going = guest.migrating_to
    return going if going is not None and going in hosts else guest.host


def _used(guest: Guest, metric: str) -> float:
    used = guest.used.get(metric)
    if used is None and guest.sources.get(metric) == "not_yet_measured":
        return 0.0
    if used is None and metric in ("cpu", "memory"):
        used = guest.assigned.get(metric)
    return used or 0.0


def _weight(guest: Guest, metric: str, policy: Policy) -> float:
    if metric == "vcpu":
        return guest.assigned.get("cpu") or 0.0
    used, given = _used(guest, metric), guest.assigned.get(metric)
    if given is None or policy.demand not in ("assigned", "max"):
        return used
    return max(used, given) if policy.demand == "max" else given


def _consolidation_defects(
    snapshot: Snapshot, wants: Consolidation, plan: Plan, may_stay: frozenset[str]
) -> Iterable[str]:
    """Enough hosts stay on, those that are chosen become empty, and those named as empty are."""
    hosts = {host.id: host for host in snapshot.hosts}
    goes = {move.guest.id: move.target for move in plan.migrations}
    counting = [
        guest
        for guest in snapshot.guests
        if guest.power in HOLDING and not guest.platform_managed and guest.id not in may_stay
    ]
    before = Counter(_home(guest, hosts) for guest in counting)
    after = Counter(goes.get(guest.id, _home(guest, hosts)) for guest in counting)
    chosen = {
        move.source for move in plan.migrations if move.kind == "consolidate" and not after[move.source]
    }
    if chosen and len(+after) < wants.min_hosts:
        yield f"{len(+after)} hosts stay on, and {wants.min_hosts} shall"
    for move in plan.migrations:
        if move.kind == "consolidate" and hosts[move.source].maintenance and after[move.source]:
            yield f"step {move.step}: {move.source} keeps {after[move.source]} guests"
    for host in plan.emptied:
        if not before[host] or after[host]:
            yield f"{host} is called empty, with {before[host]} guests before and {after[host]} after"
