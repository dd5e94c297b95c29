# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Datastores for the disks of new guests: what is free, how busy they are, and which to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ..._model.placement_request import WantedDisk
from ..._model.snapshot import Host
from ..model.snapshot_index import SnapshotIndex

# A datastore as it is told apart: shared ones are one place on all hosts, others one a host.
Place = tuple[str, int]
EVERYWHERE = -1
BUSIEST_POINTS = 50.0


def like(text: str, pattern: str) -> bool:
    return text == pattern or fnmatchcase(text, pattern)


def candidates(host: Host, disk: WantedDisk) -> list[str]:
    """The datastores of a host that will do for a disk, whatever is free there."""
    return [name for name in alike(host, disk) if host.datastores[name].closed_because is None]


def alike(host: Host, disk: WantedDisk) -> list[str]:
    """The same with those that take no new disks now."""
    return [
        name
        for name, store in host.datastores.items()
        if (disk.datastore is None or like(name, disk.datastore))
        and (disk.kind is None or store.kind == disk.kind)
        and (disk.shared is None or store.shared == disk.shared)
    ]


@dataclass(slots=True)
class _Store:
    free: int | None
    capacity: int | None
    busy: float


class Stores:
    """The free bytes of every datastore, less the disks placed so far."""

    def __init__(self, index: SnapshotIndex) -> None:
        self._hosts = index.hosts
        self._stores: dict[Place, _Store] = {}
        for number, host in enumerate(index.hosts):
            for name, store in host.datastores.items():
                place = (name, EVERYWHERE if store.shared else number)
                before = self._stores.get(place)
                if before is None:
                    self._stores[place] = _Store(store.free, store.capacity, store.disk_io or 0.0)
                elif store.free is not None and (before.free is None or store.free < before.free):
                    before.free = store.free
        self._weigh(index)
        # Hosts with the same datastores, all of them shared, have the same choice.
        kinds: dict[tuple[str, ...], int] = {}
        self.kind: list[int] = []
        for number, host in enumerate(index.hosts):
            names = tuple(host.datastores)
            own = any(not store.shared or store.closed_because for store in host.datastores.values())
            self.kind.append(-1 - number if own else kinds.setdefault(names, len(kinds)))
        self._chosen: dict[tuple[int, tuple[WantedDisk, ...]], tuple[str, ...] | None] = {}

    def _weigh(self, index: SnapshotIndex) -> None:
        """The load of each from 0 to 1: as reported, else as its guests read and write."""
        if all(store.busy == 0.0 for store in self._stores.values()) and len(self._stores) > 1:
            for guest in index.guests:
                load = guest.used.get("disk_io")
                if load and guest.disks:
                    for disk in guest.disks:
                        store = self._find(disk.datastore, index.host_at[guest.host])
                        if store is not None:
                            store.busy += load / len(guest.disks)
        most = max((store.busy for store in self._stores.values()), default=0.0)
        for store in self._stores.values():
            store.busy = store.busy / most if most else 0.0

    def _find(self, name: str, host: int) -> _Store | None:
        return self._stores.get((name, EVERYWHERE)) or self._stores.get((name, host))

    def choose(self, host: int, disks: tuple[WantedDisk, ...]) -> tuple[str, ...] | None:
        """A datastore for each disk, in their order; None where not all of them fit.

        The one with the least points of percent full, once the disk is there, and of how busy it is. Disks
        that ask for the same lie together where they can.
        """
        if not disks:
            return ()
        kind = (self.kind[host], disks)
        if kind not in self._chosen:
            self._chosen[kind] = self._choice(host, disks)
        return self._chosen[kind]

    def _choice(self, host: int, disks: Sequence[WantedDisk]) -> tuple[str, ...] | None:
        taken: dict[str, int] = {}
        chosen: dict[int, str] = {}
        alike: dict[tuple[object, ...], list[int]] = {}
        for index, disk in enumerate(disks):
            alike.setdefault((disk.datastore, disk.kind, disk.shared), []).append(index)
        options = {wish: candidates(self._hosts[host], disks[those[0]]) for wish, those in alike.items()}
        for wish, those in sorted(alike.items(), key=lambda item: (len(options[item[0]]), item[1])):
            whole = sum(disks[index].size for index in those)
            best = self._best(host, options[wish], whole, taken)
            parts = [(those, best)] if best is not None else []
            if best is None:
                for index in sorted(those, key=lambda number: (-disks[number].size, number)):
                    one = self._best(host, options[wish], disks[index].size, taken)
                    if one is None:
                        return None
                    taken[one] = taken.get(one, 0) + disks[index].size
                    chosen[index] = one
            for members, name in parts:
                taken[name] = taken.get(name, 0) + whole
                chosen.update(dict.fromkeys(members, name))
        return tuple(chosen[index] for index in range(len(disks)))

    def _best(self, host: int, names: Sequence[str], size: int, taken: Mapping[str, int]) -> str | None:
        best: tuple[float, str] | None = None
        for name in names:
            store = self._find(name, host)
            if store is None:
                continue
            left = None if store.free is None else store.free - taken.get(name, 0) - size
            if left is not None and left < 0:
                continue
            # Where nobody says how much is free, better somewhere else.
            full = 100.0 if left is None else 0.0
            if left is not None and store.capacity:
                full = 100.0 * (1.0 - left / store.capacity)
            mark = (full + BUSIEST_POINTS * store.busy, name)
            if best is None or mark < best:
                best = mark
        return None if best is None else best[1]

    def take(self, host: int, disks: Sequence[WantedDisk], names: Sequence[str], sign: int = 1) -> None:
        """Reckon with these disks there; with a sign of -1 no more."""
        if disks:
            self._chosen.clear()
        for disk, name in zip(disks, names, strict=True):
            store = self._find(name, host)
            if store is not None and store.free is not None:
                store.free -= sign * disk.size

    def most_free(self, host: int) -> int:
        """Bytes that are free on the emptiest datastore of a host."""
        open_ = (name for name, store in self._hosts[host].datastores.items() if not store.closed_because)
        found = [self._find(name, host) for name in open_]
        return max((store.free or 0 for store in found if store is not None), default=0)
