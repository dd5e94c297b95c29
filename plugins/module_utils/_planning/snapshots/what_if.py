# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot as it would be: a host or datastore more or fewer, a guest added or grown, a rule added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..._model.lookup import find_one
from ..._model.overrides import GrownGuest, NewHost, Overrides
from ..._model.snapshot import Guest, Host, Rule, Snapshot
from ..errors import PlanningError
from .what_if_datastores import with_datastores_changed, with_disks_grown, with_guests_added, with_new_host


def apply_overrides(snapshot: Snapshot, overrides: Overrides) -> Snapshot:
    """Raises UnknownName and AmbiguousName for a host, guest or datastore of a name that none or several
    have, InputError for a value that does not fit, and PlanningError for a name that is taken.

    A removed host is one in maintenance: its guests are still there, and have to go somewhere. A returned one
    is in maintenance no more.
    """
    removed = _hosts(snapshot, overrides.hosts_removed, "what_if.hosts_removed")
    returned = _hosts(snapshot, overrides.hosts_returned, "what_if.hosts_returned")
    for host in sorted(removed & returned):
        raise PlanningError(f"host {host} is removed and returned at once", where="what_if.hosts_returned")
    grown = _grown_guests(snapshot, overrides.guests_grown)
    hosts = tuple(
        replace(host, maintenance=host.id in removed) if host.id in removed | returned else host
        for host in snapshot.hosts
    )
    hosts += _added(snapshot, overrides.hosts_added)
    guests = tuple(_grown(guest, grown.get(guest.id)) for guest in snapshot.guests)
    more = _growth(snapshot.guests, guests)
    hosts = tuple(_carrying(host, more.get(host.id, {})) for host in hosts)
    rules = (*snapshot.rules, *_rules(snapshot, overrides))
    changed = replace(snapshot, hosts=hosts, guests=guests, rules=rules)
    for index, item in enumerate(overrides.hosts_added):
        like = find_one(snapshot.hosts, "host", item.like, f"what_if.hosts_added[{index}].like")
        changed = with_new_host(changed, item.name, like.id)
    changed = with_datastores_changed(changed, overrides)
    return with_disks_grown(with_guests_added(changed, overrides.guests_added), overrides.disks_grown)


def _hosts(snapshot: Snapshot, names: Sequence[str], field: str) -> set[str]:
    return {
        find_one(snapshot.hosts, "host", name, f"{field}[{index}]").id for index, name in enumerate(names)
    }


def _grown_guests(snapshot: Snapshot, items: Sequence[GrownGuest]) -> dict[str, GrownGuest]:
    grown: dict[str, GrownGuest] = {}
    for index, item in enumerate(items):
        field = f"what_if.guests_grown[{index}].guest"
        guest = find_one(snapshot.guests, "guest", item.guest, field)
        if guest.id in grown:
            raise PlanningError(f"guest {item.guest!r} is named twice", where=field)
        grown[guest.id] = item
    return grown


def _added(snapshot: Snapshot, items: Sequence[NewHost]) -> tuple[Host, ...]:
    taken = {name for host in snapshot.hosts for name in (host.id, host.name)}
    added = []
    for index, item in enumerate(items):
        field = f"what_if.hosts_added[{index}]"
        if item.name in taken:
            raise PlanningError(f"a host has the name or id {item.name!r} already", where=f"{field}.name")
        taken.add(item.name)
        added.append(_like(find_one(snapshot.hosts, "host", item.like, f"{field}.like"), item))
    return tuple(added)


def _like(model: Host, item: NewHost) -> Host:
    return replace(
        model,
        id=item.name,
        name=item.name,
        status="online",
        maintenance=False,
        schedulable=True,
        used=dict.fromkeys(model.used, 0),
        pressure=dict.fromkeys(model.pressure, 0),
        address=None,
        reclaimable=0,
        datastores={name: place for name, place in model.datastores.items() if place.shared},
    )


def _grown(guest: Guest, item: GrownGuest | None) -> Guest:
    if item is None:
        return guest
    return replace(
        guest,
        used={name: _times(value, item.factor) for name, value in guest.used.items()},
        assigned={name: _times(value, item.factor) for name, value in guest.assigned.items()},
    )


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _growth(before: Sequence[Guest], after: Sequence[Guest]) -> dict[str, dict[str, float]]:
    """The additional use of each host, by resource."""
    more: dict[str, dict[str, float]] = {}
    for old, new in zip(before, after, strict=True):
        if old is not new:
            here = more.setdefault(new.host, {})
            for name, value in new.used.items():
                here[name] = here.get(name, 0.0) + (value or 0.0) - (old.used[name] or 0.0)
    return more


def _carrying(host: Host, more: Mapping[str, float]) -> Host:
    if not more:
        return host
    return replace(
        host,
        used={n: None if v is None else max(0.0, v + more.get(n, 0.0)) for n, v in host.used.items()},
    )


def _rules(snapshot: Snapshot, overrides: Overrides) -> Sequence[Rule]:
    taken = {rule.name for rule in snapshot.rules}
    for rule in overrides.rules_added:
        if rule.name in taken:
            raise PlanningError(f"a rule has the name {rule.name!r} already", where="what_if.rules_added")
        taken.add(rule.name)
    return overrides.rules_added
