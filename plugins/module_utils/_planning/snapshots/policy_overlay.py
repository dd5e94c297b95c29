# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot as the policy wants it seen: windows, reserves, capacities and priorities that it adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo

from ..._model.errors import InputError
from ..._model.policy.policy import Policy
from ..._model.policy.windows import DAYS, MaintenanceWindow, zone
from ..._model.snapshot import Host, Snapshot
from ..._model.text.moments import read_moment
from ..model.selectors import select_guests, select_hosts


def with_policy_applied(snapshot: Snapshot, policy: Policy) -> Snapshot:
    """Raises PlanningError for a host that a window or a reserve names and that does not exist."""
    if policy.now is not None:
        snapshot = replace(snapshot, taken_at=policy.now)
    if policy.maintenance_windows or policy.reserves or policy.assumed_capacity:
        away = in_maintenance(snapshot, policy)
        reserved = _reserves(snapshot, policy)
        snapshot = replace(
            snapshot,
            hosts=tuple(
                replace(
                    host,
                    maintenance=host.maintenance or host.id in away,
                    capacity=_assumed(host, policy.assumed_capacity),
                    reserved={**host.reserved, **_with_more(host, reserved.get(host.id, {}))},
                )
                for host in snapshot.hosts
            ),
        )
    if policy.priorities:
        chosen: dict[str, int] = {}
        for entry in policy.priorities:
            chosen.update(dict.fromkeys(select_guests(snapshot.guests, entry.guests), entry.priority))
        snapshot = replace(
            snapshot,
            guests=tuple(
                replace(guest, priority=chosen[guest.id]) if guest.id in chosen else guest
                for guest in snapshot.guests
            ),
        )
    return snapshot


def in_maintenance(snapshot: Snapshot, policy: Policy) -> frozenset[str]:
    """Ids of the hosts that a window of the policy takes out at the moment of the snapshot."""
    away: set[str] = set()
    for index, window in enumerate(policy.maintenance_windows):
        hosts = select_hosts(snapshot.hosts, window.hosts, f"policy.maintenance_windows[{index}].hosts.names")
        if is_open(window, _moment(snapshot)):
            away |= hosts
    return frozenset(away)


def _moment(snapshot: Snapshot) -> datetime:
    try:
        moment = read_moment(snapshot.taken_at)
    except InputError as error:
        raise error.under("snapshot.taken_at") from None
    if not 1900 < moment.year < 9000:
        raise InputError("snapshot.taken_at", snapshot.taken_at, "a moment that a week has days around")
    return moment


def is_open(window: MaintenanceWindow, now: datetime) -> bool:
    """Whether the window, its lead included, holds this moment. Starts are read off the clocks of its time
    zone, so that they stay where they are when those are put forward or back.
    """
    clock = zone(window.timezone)
    hour, minute = (int(part) for part in window.start.split(":"))
    today = now.astimezone(clock).date()
    # A window is at most a week long, and its lead too.
    for days in range(-8, 9):
        day = today + timedelta(days=days)
        if window.days and DAYS[day.weekday()] not in window.days:
            continue
        start = _local(day, hour, minute, clock)
        opens, closes = start - timedelta(minutes=window.lead_minutes), start + timedelta(hours=window.hours)
        if opens <= now < closes:
            return True
    return False


def _local(day: date, hour: int, minute: int, clock: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=clock).astimezone(UTC)


def _reserves(snapshot: Snapshot, policy: Policy) -> Mapping[str, Mapping[str, float]]:
    found: dict[str, Mapping[str, float]] = {}
    for index, reserve in enumerate(policy.reserves):
        hosts = select_hosts(snapshot.hosts, reserve.hosts, f"policy.reserves[{index}].hosts.names")
        found.update((host, {"memory": reserve.memory, "cpu": reserve.cpu}) for host in hosts)
    return found


def _with_more(host: Host, reserve: Mapping[str, float]) -> dict[str, float | None]:
    return {name: (host.reserved.get(name) or 0) + more for name, more in reserve.items() if more}


def _assumed(host: Host, assumed: Mapping[str, float]) -> Mapping[str, float | None]:
    missing = {name: value for name, value in assumed.items() if host.capacity.get(name) is None}
    return {**host.capacity, **missing} if missing else host.capacity
