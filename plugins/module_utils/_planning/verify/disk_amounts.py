# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What disks take, and how full datastores are, in bytes."""

from __future__ import annotations

import math

from ..._model.datastores import datastore_ids, datastores_of
from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Datastore, Disk, Snapshot


class DiskAmounts:
    """Of the datastores of a snapshot, by id."""

    def __init__(self, snapshot: Snapshot, storage: StoragePolicy) -> None:
        self.storage = storage
        self.places = {place.id: place for place in datastores_of(snapshot)}
        ids = datastore_ids(snapshot)
        self._on: dict[str, list[Disk]] = {}
        for guest in snapshot.guests:
            for disk in guest.disks:
                place = ids.get((guest.host, disk.datastore))
                if place is not None:
                    self._on.setdefault(place, []).append(disk)
        self._shares = {place: self._share(place) for place in self.places}
        self.loads = {place: self._load(place) for place in self.places}
        """What is in use, with the growth that counts as such; None where that is not known."""

    def _share(self, identity: str) -> float:
        """The share of their size that disks whose use is not known take, as far as that can be told."""
        place = self.places[identity]
        known = sum(self._certain(disk) or 0 for disk in self._on.get(identity, ()))
        size = sum(disk.size or 0 for disk in self._on.get(identity, ()) if self._certain(disk) is None)
        if not size or place.capacity is None or place.free is None:
            return 1.0
        return min(1.0, max(0.0, (place.capacity - place.free - known) / size))

    def _load(self, identity: str) -> int | None:
        place = self.places[identity]
        if not place.capacity or place.free is None:
            return None
        used = max(0, place.capacity - place.free)
        here = self._on.get(identity, ())
        taken = [self._taken(disk, identity) for disk in here]
        load = used + place.arriving
        load += sum(self._growth(disk, amount) for disk, amount in zip(here, taken, strict=True))
        thin = sum(
            max(0, (disk.size or 0) - amount)
            for disk, amount in zip(here, taken, strict=True)
            if disk.thin is not False
        )
        hidden = max(0, (place.provisioned or 0) - used - thin)
        return load + math.ceil(hidden * self.storage.growth / 100)

    def limit(self, place: Datastore) -> int:
        """How much of it may be in use."""
        capacity = place.capacity or 0
        return min(
            math.floor(capacity * self.storage.utilisation / 100), max(0, capacity - self.storage.reserve)
        )

    def counts(self, disk: Disk, place: str) -> int:
        """What a disk counts for where it lies."""
        taken = self._taken(disk, place)
        return taken + self._growth(disk, taken)

    def frees(self, disk: Disk) -> int:
        """What is certain to be free when it has left."""
        certain = self._certain(disk)
        return 0 if certain is None else certain + self._growth(disk, certain)

    def room(self, disk: Disk, target: str, *, migrated: bool = False) -> int:
        """What it may take on a target. migrated: when its guest takes it to another host."""
        whole = disk.migrated_whole if migrated else disk.copied_whole
        if self.places[target].thin and disk.used is not None and disk.thin is not False and not whole:
            return disk.used + self._growth(disk, disk.used)
        return max(disk.size or 0, disk.used or 0)

    def _taken(self, disk: Disk, place: str) -> int:
        certain = self._certain(disk)
        return round((disk.size or 0) * self._shares[place]) if certain is None else certain

    def _certain(self, disk: Disk) -> int | None:
        return disk.used if disk.used is not None else disk.size if disk.thin is False else None

    def _growth(self, disk: Disk, taken: int) -> int:
        if disk.thin is False:
            return 0
        return math.ceil(max(0, (disk.size or 0) - taken) * self.storage.growth / 100)
