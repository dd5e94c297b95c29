# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan for datastores, replayed: where each disk is, and what comes before what."""

from __future__ import annotations

from collections.abc import Sequence

from ..._model.datastores import datastore_ids
from ..._model.plan import DiskMove
from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Snapshot
from .disk_amounts import DiskAmounts


class DiskReplay:
    """Disks are named by the id of their guest and their number in it."""

    def __init__(self, snapshot: Snapshot, storage: StoragePolicy, moves: Sequence[DiskMove]) -> None:
        self.amounts = DiskAmounts(snapshot, storage)
        self.places, self.loads = self.amounts.places, self.amounts.loads
        self.moves = moves
        self.guests = {guest.id: guest for guest in snapshot.guests}
        self.hosts = {host.id: host for host in snapshot.hosts}
        ids = datastore_ids(snapshot)
        self.home = {
            (guest.id, number): ids.get((guest.host, disk.datastore))
            for guest in snapshot.guests
            for number, disk in enumerate(guest.disks)
        }
        position = {move.step: index for index, move in enumerate(moves)}
        self.ancestors: list[int] = []
        """By move, a bit mask of those that have ended before it starts."""
        for move in moves:
            mask = 0
            for step in move.after:
                mask |= self.ancestors[position[step]] | 1 << position[step]
            self.ancestors.append(mask)
        self.disks = [self._disks(move) for move in moves]
        """By move, the numbers of its disks in the guest."""
        self.ways: dict[tuple[str, int], list[int]] = {}
        """By disk, its moves."""
        for index, move in enumerate(moves):
            for number in self.disks[index]:
                self.ways.setdefault((move.guest.id, number), []).append(index)
        self.ends = dict(self.home)
        for key, way in self.ways.items():
            self.ends[key] = moves[way[-1]].target
        self.last_loads = self._loads_after()

    def _disks(self, move: DiskMove) -> list[int]:
        guest = self.guests.get(move.guest.id)
        disks = guest.disks if guest else ()
        return [number for number, disk in enumerate(disks) if disk.id is not None and disk.id in move.disks]

    def _loads_after(self) -> dict[str, int | None]:
        loads = dict(self.loads)
        for key, end in self.ends.items():
            home = self.home[key]
            if home is None or home == end or end not in self.places:
                continue
            disk = self.guests[key[0]].disks[key[1]]
            for place, change in (
                (home, -self.amounts.counts(disk, home)),
                (end, self.amounts.room(disk, end)),
            ):
                before = loads[place]
                if before is not None:
                    loads[place] = before + change
        return loads

    def size(self, index: int) -> int:
        """What a move takes on its target."""
        move = self.moves[index]
        disks = self.guests[move.guest.id].disks
        return sum(self.amounts.room(disks[number], move.target) for number in self.disks[index])

    def relief(self, index: int) -> int:
        """What is certain to be free on the source when a move has ended."""
        move = self.moves[index]
        disks = self.guests[move.guest.id].disks
        return sum(
            self.amounts.frees(disks[number])
            if self.home[move.guest.id, number] == move.source
            else self.amounts.room(disks[number], move.source)
            for number in self.disks[index]
        )

    def is_before(self, first: int | None, second: int | None) -> bool:
        """Whether a move has ended before another one starts; None: what has no such move."""
        return first is not None and second is not None and bool(self.ancestors[second] >> first & 1)
