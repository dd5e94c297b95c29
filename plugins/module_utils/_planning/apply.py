# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot that a plan leads to. Private to the collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .._model.plan import Plan
from .._model.snapshot import Guest, HostDatastore, Snapshot
from .loads import PRESSURES, guest_used, local_storage, pressure_shares


def apply_plan(snapshot: Snapshot, plan: Plan) -> Snapshot:
    """Move the guests of all migrations, and with them the loads that their hosts were measured to carry."""
    goes = {migration.guest.id: migration.target for migration in plan.migrations}
    hosts = {host.id: host for host in snapshot.hosts}
    moving = [guest for guest in snapshot.guests if goes.get(guest.id, guest.host) != guest.host]
    used = {host.id: dict(host.used) for host in snapshot.hosts}
    pressure = {host.id: dict(host.pressure) for host in snapshot.hosts}
    free = {host.id: {name: place.free for name, place in host.datastores.items()} for host in snapshot.hosts}
    shares = _pressures(snapshot)
    for guest in moving:
        source, target = guest.host, goes[guest.id]
        for resource in set(used[source]) | set(used[target]):
            amount = guest_used(guest, resource) or 0
            _add(used[source], resource, -amount)
            _add(used[target], resource, amount)
        for metric, stall in PRESSURES.items():
            _add(pressure[source], stall, -shares[metric].get(guest.id, 0.0))
            _add(pressure[target], stall, shares[metric].get(guest.id, 0.0), most=100.0)
        for name, size in local_storage(guest, hosts[source]).items():
            _add(used[source], "storage", -(size or 0))
            _add(used[target], "storage", size or 0)
            _add(free[source], name, size or 0)
            _add(free[target], name, -(size or 0))
    return replace(
        snapshot,
        guests=tuple(_moved(guest, goes) for guest in snapshot.guests),
        hosts=tuple(
            replace(
                host,
                used=used[host.id],
                pressure=pressure[host.id],
                datastores={
                    name: _with_free(place, free[host.id][name]) for name, place in host.datastores.items()
                },
            )
            for host in snapshot.hosts
        ),
    )


def _add(
    amounts: dict[str, float | None] | dict[str, int | None], name: str, more: float, most: float = 1e300
) -> None:
    before = amounts.get(name)
    if before is not None and more:
        amounts[name] = min(most, max(0, before + more))  # type: ignore[assignment]


def _pressures(snapshot: Snapshot) -> Mapping[str, Mapping[str, float]]:
    by_host: dict[str, list[Guest]] = {}
    for guest in snapshot.guests:
        by_host.setdefault(guest.host, []).append(guest)
    result: dict[str, dict[str, float]] = {metric: {} for metric in PRESSURES}
    for host in snapshot.hosts:
        guests = by_host.get(host.id, [])
        for metric in PRESSURES:
            for guest, share in zip(guests, pressure_shares(host, guests, metric), strict=True):
                result[metric][guest.id] = share or 0.0
    return result


def _moved(guest: Guest, goes: Mapping[str, str]) -> Guest:
    target = goes.get(guest.id, guest.host)
    return guest if target == guest.host else replace(guest, host=target)


def _with_free(place: HostDatastore, free: int | None) -> HostDatastore:
    return place if free == place.free else replace(place, free=free)
