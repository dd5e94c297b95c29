# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the disks of a guest that must go would find their place: hosts and their datastores."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...._model.disk_moves import copied_bytes
from ...._model.snapshot import Datastore, Disk, Guest, Host
from ...model.selectors import excluded_hosts, select_hosts
from ..staying import is_unsized, rests
from ..storage_policies import complying, violated
from ..targets import holds
from .cluster import Relocation, RelocationCluster, places_of_hosts
from .ledger import Ledger

# The platforms that copy no disk from a shared datastore while a guest is migrated.
LOCAL_ONLY = ("proxmox",)
# Blockers of a disk that count when it is moved alone, and not when its guest is migrated with it: what holds
# a guest is among its own blockers.
GOES_ALONG = frozenset({"cloud_init", "running_container", "tpm_state"})
# The blocker of a guest that a relocation is the answer to.
LOCAL_DISK = "local_disk"


@dataclass(frozen=True, slots=True)
class Need:
    """A guest whose disks must leave these datastores (by number), and why; `for_space`: only because they
    are too full.
    """

    guest: int
    places: frozenset[int]
    why: str
    for_space: bool = False


class RelocationTargets:
    """The hosts that may receive guests, and what each of their datastores may take."""

    def __init__(self, cluster: RelocationCluster) -> None:
        self.cluster, self.storage = cluster, cluster.storage
        self.guests, self.hosts = cluster.guests, cluster.hosts
        self.places, self.at = cluster.places, cluster.at
        self.open = self._open_hosts()
        self.of_host: dict[str, list[int]] = {}
        for (host, _name), number in self.at.items():
            self.of_host.setdefault(host, []).append(number)
        having = places_of_hosts(cluster.snapshot)
        # By host, those that have a datastore which it does not have: the others are no better.
        self.beyond = {
            one: tuple(host for host in self.open if not having[host.id] <= having[one]) for one in self.hosts
        }

    def _open_hosts(self) -> tuple[Host, ...]:
        policy, hosts = self.cluster.policy, self.cluster.snapshot.hosts
        _sources, shut = excluded_hosts(hosts, policy.exclude)
        if policy.evacuate is not None:
            shut |= select_hosts(hosts, policy.evacuate, "policy.evacuate.names")
        return tuple(host for host in hosts if host.active and host.id not in shut)

    def options(
        self, want: Need, ledger: Ledger, refused: Collection[tuple[str, str]]
    ) -> Iterator[Relocation]:
        """For each host that has them, datastores for all disks that must leave theirs."""
        guest = self.guests[want.guest]
        groups: dict[str, list[Disk]] = {}
        for disk in guest.disks:
            groups.setdefault(disk.datastore, []).append(disk)
        for host in self.beyond[guest.host]:
            if host.id == guest.host or (guest.id, host.id) in refused or not ledger.has_memory(guest, host):
                continue
            found = self._option(want, guest, host, groups, ledger)
            if found is not None:
                yield found

    def _option(
        self,
        want: Need,
        guest: Guest,
        host: Host,
        groups: Mapping[str, Sequence[Disk]],
        ledger: Ledger,
    ) -> Relocation | None:
        storage: dict[str, str] = {}
        arrivals: Counter[str] = Counter()
        copied = 0
        for name, disks in groups.items():
            home = self.at.get((guest.host, name))
            if home is None:
                return None
            there = self.at.get((host.id, name))
            if home == there and home not in want.places:
                continue
            if not self._may_be_taken(home, disks):
                return None
            differs = want.for_space and home in want.places
            target = self._target(want.guest, home, host, disks, ledger, arrivals, differs=differs)
            if target is None:
                return None
            place = self.places[target].datastore
            storage[name] = place.name
            arrivals[place.id] += sum(self._room(disk, place) for disk in disks)
            copied += sum(copied_bytes(disk, migrated=True) for disk in disks)
        if not storage:
            return None
        here = self.hosts[guest.host].name
        why = f"{want.why}; no datastore of {here} can take its disks"
        return Relocation(
            guest=guest, host=host.id, storage=storage, arrivals=dict(arrivals), bytes=copied, why=why
        )

    def _is_refused(self, guest: int, disks: Sequence[Disk], store: Datastore) -> bool:
        """Whether the platform refused a short while ago to move one of these disks to a datastore."""
        refused, whose = self.cluster.now.barred.refused, self.guests[guest].id
        return any((whose, disk.id, store.id) in refused for disk in disks)

    def _may_be_taken(self, home: int, disks: Sequence[Disk]) -> bool:
        """Whether the platform copies all disks of a guest on a datastore."""
        place = self.places[home]
        if rests(disks, place, self.cluster.pause):
            return False
        if not place.gives or (place.datastore.shared and self.cluster.snapshot.platform in LOCAL_ONLY):
            return False
        allowed = GOES_ALONG.union(self.storage.allow_blockers)
        return all(
            disk.id is not None and not is_unsized(disk) and set(disk.blockers) <= allowed for disk in disks
        )

    def _target(
        self,
        guest: int,
        home: int,
        host: Host,
        disks: Sequence[Disk],
        ledger: Ledger,
        coming: Mapping[str, int],
        *,
        differs: bool,
    ) -> int | None:
        """The emptiest datastore of the host that may take these disks and has room for them."""
        best: tuple[float, int] | None = None
        may_have = complying(disks)
        anywhere = bool(violated(disks, self.places[home].datastore.id))
        for number in self.of_host.get(host.id, ()):
            place = self.places[number]
            store = place.datastore
            need = coming.get(store.id, 0) + sum(self._room(disk, store) for disk in disks)
            if (
                number == home
                or not place.takes
                or (may_have is not None and store.id not in may_have)
                or not self._fits(guest, home, host, store, anywhere=anywhere)
                or self._is_refused(guest, disks, store)
                or ledger.free[number] < need
                or ledger.meets(guest, number)
                or (differs and not self._differs(home, number))
            ):
                continue
            rated = (1.0 - (ledger.free[number] - need) / place.capacity, number)
            if best is None or rated < best:
                best = rated
        return None if best is None else best[1]

    def _fits(self, guest: int, home: int, host: Host, target: Datastore, *, anywhere: bool) -> bool:
        """Whether a datastore may hold the disks of a guest, as for moves of disks: of the class and the
        cluster of datastores of the present one, unless placement says otherwise. anywhere: whether these do
        not count, because the present one does not comply with a storage policy.
        """
        one, source = self.guests[guest], self.places[home].datastore
        entry = host.datastores.get(target.name)
        if entry is None or entry.closed_because is not None:
            return False
        if not holds(target, one):
            return False
        allowed = self.cluster.now.allowed.get(one.id)
        if allowed is not None:
            return target.id in allowed
        alike = (target.kind, target.cluster) == (source.kind, source.cluster)
        return (alike or anywhere) and (target.shared or not source.shared)

    def _differs(self, home: int, target: int) -> bool:
        here, there = self.places[home], self.places[target]
        points = 100 * here.load / here.capacity - 100 * there.load / there.capacity
        return points >= self.storage.min_difference - 1e-9

    def _room(self, disk: Disk, target: Datastore) -> int:
        """What a disk may take on a datastore, growth that counts as in use included."""
        if target.thin and disk.used is not None and disk.thin is not False and not disk.migrated_whole:
            rest = max(0, (disk.size or 0) - disk.used)
            return disk.used + math.ceil(rest * self.storage.growth / 100)
        return max(disk.size or 0, disk.used or 0)
