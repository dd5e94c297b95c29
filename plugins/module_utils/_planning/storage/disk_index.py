# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disks are on which datastore."""

from __future__ import annotations

from ..._model.datastores import datastore_ids, datastores_of
from ..._model.disk_moves import estimated_share
from ..._model.snapshot import Disk, Snapshot


class DiskIndex:
    """Datastores and guests by number, and where the disks are."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.datastores = datastores_of(snapshot)
        self.numbers = {place.id: number for number, place in enumerate(self.datastores)}
        at = {key: self.numbers[name] for key, name in datastore_ids(snapshot).items()}
        self.guests = snapshot.guests
        self.hosts = {host.id: host for host in snapshot.hosts}
        self.homes: list[tuple[int | None, ...]] = []
        """By guest and disk, the datastore; None for one that the cluster does not list."""
        self.on: dict[int, list[tuple[int, Disk]]] = {}
        """By datastore, the disks that are there, with their guests."""
        for number, guest in enumerate(self.guests):
            homes = tuple(at.get((guest.host, disk.datastore)) for disk in guest.disks)
            self.homes.append(homes)
            for home, disk in zip(homes, guest.disks, strict=True):
                if home is not None:
                    self.on.setdefault(home, []).append((number, disk))

    def estimated_shares(self) -> dict[int, float]:
        """By datastore that has disks of unknown use, the share of their size that they take."""
        shares = {
            number: estimated_share(place, (disk for _guest, disk in self.on.get(number, ())))
            for number, place in enumerate(self.datastores)
        }
        return {number: share for number, share in shares.items() if share is not None}
