# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How full each datastore is and may be, and whether disks may leave it or come to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Datastore
from .disk_index import DiskIndex
from .latency import io_per_millisecond
from .problem import NO_LIMIT, Barred, Place
from .sizes import DiskSizes
from .targets import CONTENT
from .twins import twins_of


def make_places(
    index: DiskIndex, storage: StoragePolicy, barred: Barred, sizes: DiskSizes
) -> tuple[list[Place], list[str]]:
    """The datastores, and a notice for each of them that is left alone."""
    made = _Places(index, storage, barred, sizes)
    places = [made.place(number) for number in range(len(index.datastores))]
    if storage.max_spread is not None:
        _set_groups(places)
    return places, made.notices


class _Places:
    def __init__(self, index: DiskIndex, storage: StoragePolicy, barred: Barred, sizes: DiskSizes) -> None:
        self.index, self.storage, self.barred, self.sizes = index, storage, barred, sizes
        self.twins = twins_of(index.datastores, index.on)
        self.io_limits = _io_limits(index.datastores, storage.latency)
        self.notices: list[str] = []

    def place(self, number: int) -> Place:
        place = self.index.datastores[number]
        emptied = place.id in self.barred.emptied
        alone = self._alone(place, emptied=emptied)
        leaves = "storage.evacuate selects it" if emptied else ""
        if place.maintenance and not leaves:
            leaves = "it is in maintenance mode"
        capacity = place.capacity or 0 if place.free is not None else 0
        open_ = place.closed_because is None and not leaves and not alone and capacity > 0
        return Place(
            datastore=place,
            load=self._load(number, capacity) if capacity else 0,
            limit=self._limit(capacity) if capacity else NO_LIMIT,
            capacity=capacity,
            gives=place.id not in self.barred.sources and (not alone or emptied),
            takes=open_ and place.id not in self.barred.targets,
            leaves=leaves if not alone or emptied else "",
            alone=alone,
            io=round(place.disk_io or 0.0),
            io_limit=self.io_limits[number],
            estimated=self.sizes.estimated.get(number),
        )

    def _load(self, number: int, capacity: int) -> int:
        """What is in use, what copies of other runs are to take, and the growth that counts as such."""
        place = self.index.datastores[number]
        used = max(0, capacity - (place.free or 0))
        rest = grown = 0
        for _guest, disk in self.index.on.get(number, ()):
            taken = self.sizes.taken(disk, number)
            grown += self.sizes.rest(disk, taken)
            rest += 0 if disk.thin is False else max(0, (disk.size or 0) - taken)
        hidden = max(0, (place.provisioned or 0) - used - rest)
        return used + place.arriving + grown + math.ceil(hidden * self.storage.growth / 100)

    def _limit(self, capacity: int) -> int:
        return min(
            math.floor(capacity * self.storage.utilisation / 100), max(0, capacity - self.storage.reserve)
        )

    def _alone(self, place: Datastore, *, emptied: bool) -> str:
        """Why a datastore is left alone, with a notice."""
        why = ""
        if place.balanced_by is not None and self.storage.other_balancers == "respect":
            why = (
                f"{place.balanced_by} already balances it. Disable it, or set storage.other_balancers: ignore"
            )
        elif not place.capacity or place.free is None:
            why = "its capacity or its free space is not reported"
        elif place.id in self.twins:
            other = self.index.datastores[self.index.numbers[self.twins[place.id]]].name
            why = (
                f"it has the same capacity and free space as {other} to the byte, so both may be one place "
                "with two names"
            )
        if why:
            does = "it is only emptied" if emptied else "it is left alone"
            self.notices.append(f"datastore {place.name}: {does}, because {why}")
        return why


def _io_limits(datastores: Sequence[Datastore], most: float | None) -> list[int]:
    """By datastore, the bytes per second that keep its latency, estimated."""
    if most is None:
        return [NO_LIMIT] * len(datastores)
    limits = []
    for place, amount in zip(datastores, io_per_millisecond(datastores, most), strict=True):
        limit = NO_LIMIT if amount is None else min(NO_LIMIT, math.floor(min(amount * most, NO_LIMIT)))
        if (place.latency or 0.0) <= most:
            limit = max(limit, round(place.disk_io or 0.0))
        limits.append(limit)
    return limits


def _set_groups(places: list[Place]) -> None:
    """Number the datastores that can take each other's disks."""
    numbers: dict[object, int] = {}
    for number, place in enumerate(places):
        if place.judged and (place.gives or place.takes) and not place.leaves:
            store = place.datastore
            holds = None if store.content is None else frozenset(store.content) & set(CONTENT.values())
            key = (store.cluster, store.kind, store.shared, frozenset(store.hosts), holds)
            places[number] = replace(place, group=numbers.setdefault(key, len(numbers)))
