# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which datastores may take a unit, whatever room they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Datastore, Guest
from .problem import Barred, Place, Unit

# What a datastore must be able to hold for a guest of a kind, where it says what it may hold.
CONTENT: Mapping[str, str] = {"vm": "images", "container": "rootdir"}


class Targets:
    """allowed: as in Problem."""

    def __init__(
        self,
        storage: StoragePolicy,
        places: Sequence[Place],
        guests: Sequence[Guest],
        barred: Barred,
        allowed: Mapping[str, frozenset[str]],
    ) -> None:
        self.storage, self.places, self.guests = storage, places, guests
        self.barred, self.allowed = barred, allowed
        self._cache: dict[object, tuple[int, ...]] = {}

    def of(self, unit: Unit, *, in_broken_rule: bool) -> Unit:
        """The unit with its targets, and whether it has to leave its datastore."""
        must = unit.in_breach or bool(self.places[unit.home].leaves)
        restoring = must or in_broken_rule
        legal: tuple[int, ...] = () if unit.fixed else self._legal(unit)
        near = () if restoring else self._near(unit.home, legal)
        targets = tuple(place for place in legal if place not in near) if near else legal
        return replace(unit, targets=targets, later=near, must_leave=must, restoring=restoring)

    def _legal(self, unit: Unit) -> tuple[int, ...]:
        """Those that may take all of its disks."""
        lists = []
        for guest in {part.guest for part in unit.parts}:
            one = self.guests[guest]
            key = (one.host, one.kind, unit.home, self.allowed.get(one.id), bool(unit.violated))
            if key not in self._cache:
                self._cache[key] = self._for_guest(one, unit)
            lists.append(self._cache[key])
        legal = tuple(
            place
            for place in lists[0]
            if all(place in other for other in lists[1:])
            and (unit.complying is None or self.places[place].datastore.id in unit.complying)
        )
        return tuple(place for place in legal if not self._is_barred(unit, place))

    def _for_guest(self, guest: Guest, unit: Unit) -> tuple[int, ...]:
        return tuple(
            number
            for number, place in enumerate(self.places)
            if number != unit.home
            and place.takes
            and guest.host in place.datastore.hosts
            and holds(place.datastore, guest)
            and self._is_like(guest, unit, place.datastore)
        )

    def _is_like(self, guest: Guest, unit: Unit, target: Datastore) -> bool:
        """Whether a datastore is of the kind on which the guest's disks may lie: where placement selects it,
        or else of the class and the cluster of datastores of the present one, and no less shared. The present
        one says nothing of class and cluster where it does not comply with a storage policy.
        """
        allowed = self.allowed.get(guest.id)
        if allowed is not None:
            return target.id in allowed
        source = self.places[unit.home].datastore
        alike = (target.kind, target.cluster) == (source.kind, source.cluster)
        return (alike or bool(unit.violated)) and (target.shared or not source.shared)

    def _is_barred(self, unit: Unit, place: int) -> bool:
        """Whether a move of it there is left out by choice, or was refused a short while ago."""
        kept_from, refused = self.barred.kept_from, self.barred.refused
        if not kept_from and not refused:
            return False
        moves = moves_of(unit, self.guests, self.places[place].datastore.id)
        return any(one in kept_from or one in refused for one in moves)

    def _near(self, home: int, legal: tuple[int, ...]) -> tuple[int, ...]:
        """Those that are nearer to the source than the minimum difference."""
        key = (home, legal)
        if key not in self._cache:
            self._cache[key] = tuple(place for place in legal if not self._differs(home, place))
        return self._cache[key]

    def _differs(self, source: int, target: int) -> bool:
        """Whether the source is fuller than the target by the minimum difference."""
        here, there = self.places[source], self.places[target]
        if not here.capacity:
            return False
        points = 100 * here.load / here.capacity - 100 * there.load / there.capacity
        return points >= self.storage.min_difference - 1e-9


def holds(target: Datastore, guest: Guest) -> bool:
    """Whether a datastore may hold disks of a guest of this kind."""
    return target.content is None or CONTENT[guest.kind] in target.content


def moves_of(unit: Unit, guests: Sequence[Guest], datastore: str) -> Iterator[tuple[str, str, str]]:
    """By guest, disk and datastore (ids), what moves where the unit goes to a datastore."""
    for part in unit.parts:
        for disk in part.disks:
            if disk is not None:
                yield guests[part.guest].id, disk, datastore
