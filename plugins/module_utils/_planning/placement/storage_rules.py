# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for datastores that the disks of new guests come under, and where those may lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..._model.datastores import datastore_ids, datastores_of
from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Disk, Guest, StorageRule
from ..model.selectors import select_guests
from ..storage.rules import counts_for_rules, resolve_storage_rules
from ..storage.selectors import select_datastores
from .cluster_index import ClusterIndex
from .requested_guests import NewGuest


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundRule:
    """A rule with a new guest among its members. `members` are by position of the new guest; `at`: by id of a
    datastore, the members that are there already.
    """

    rule: StorageRule
    members: frozenset[int]
    at: Mapping[str, frozenset[str]]

    @property
    def of_disks(self) -> bool:
        """Whether it is about the disks of one guest."""
        return bool(self.rule.disks)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskBindings:
    """rules_of: by position of a new guest, the numbers of its rules; allowed: the ids of the datastores
    where its disks may lie, for those guests that placement selects.
    """

    rules: tuple[BoundRule, ...] = ()
    rules_of: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    allowed: Mapping[int, frozenset[str]] = field(default_factory=dict)


def disk_bindings(cluster: ClusterIndex, new: Sequence[NewGuest]) -> DiskBindings:
    """Raises PlanningError for a datastore that the policy names and that does not exist."""
    storage = cluster.policy.storage
    coming = {position: _with_disks(item) for position, item in enumerate(new) if _has_disks(item)}
    if storage is None or not coming:
        return DiskBindings()
    rules = _rules(cluster, storage, coming)
    return DiskBindings(
        rules=rules,
        rules_of={
            position: tuple(number for number, rule in enumerate(rules) if position in rule.members)
            for position in coming
        },
        allowed=_allowed(cluster, storage, coming),
    )


def _has_disks(item: NewGuest) -> bool:
    return item.known is None and bool(item.wanted.disks)


def _with_disks(item: NewGuest) -> Guest:
    """The guest as rules see it; its disks are nowhere yet."""
    disks = tuple(
        Disk(datastore="", id=f"disk{number}", size=disk.size)
        for number, disk in enumerate(item.wanted.disks)
    )
    return replace(item.guest, disks=disks)


def _rules(
    cluster: ClusterIndex, storage: StoragePolicy, coming: Mapping[int, Guest]
) -> tuple[BoundRule, ...]:
    if not storage.rules:
        return ()
    snapshot = cluster.snapshot
    everyone = replace(snapshot, guests=(*snapshot.guests, *coming.values()))
    found, _unresolved = resolve_storage_rules(everyone, replace(storage, platform_rules=False))
    position = {guest.id: number for number, guest in coming.items()}
    places: Mapping[tuple[str, str], str] = datastore_ids(snapshot)
    bound = []
    for rule in found:
        members = frozenset(position[guest] for guest in rule.guests if guest in position)
        if members:
            index = cluster.index
            there = (index.guests[index.guest_at[one]] for one in rule.guests if one not in position)
            bound.append(BoundRule(rule=rule, members=members, at=_places(places, there)))
    return tuple(bound)


def _places(places: Mapping[tuple[str, str], str], guests: Iterable[Guest]) -> Mapping[str, frozenset[str]]:
    at: dict[str, set[str]] = {}
    for guest in guests:
        for disk in guest.disks:
            place = places.get((guest.host, disk.datastore))
            if place is not None and counts_for_rules(disk):
                at.setdefault(place, set()).add(guest.id)
    return {place: frozenset(members) for place, members in at.items()}


def _allowed(
    cluster: ClusterIndex, storage: StoragePolicy, coming: Mapping[int, Guest]
) -> dict[int, frozenset[str]]:
    """By the last entry of placement that selects a guest."""
    datastores = datastores_of(cluster.snapshot)
    found: dict[int, frozenset[str]] = {}
    for number, entry in enumerate(storage.placement):
        field_ = f"policy.storage.placement[{number}]"
        chosen = select_guests((*cluster.snapshot.guests, *coming.values()), entry.guests, f"{field_}.guests")
        places = select_datastores(datastores, entry.datastores, f"{field_}.datastores")
        found.update({position: places for position, guest in coming.items() if guest.id in chosen})
    return found
