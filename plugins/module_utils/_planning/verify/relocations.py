# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks migrations that take disks to other datastores, knowing nothing of how they were chosen.

The reading is the most hostile one: whatever comes to a datastore takes its room there from the first moment,
and nothing that leaves one frees any. Hosts are checked as for every migration, by plan.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..._model.datastores import datastore_ids
from ..._model.plan import Migration
from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Datastore, Disk, Guest, Snapshot, StorageRule
from .disk_amounts import DiskAmounts
from .storage_exclusions import CONTENT, StorageExclusions, complies, ignored_blockers, refused_moves

TOLERANCE = 1e-6
# The platforms that copy no disk from a shared datastore while a guest is migrated.
LOCAL_ONLY = ("proxmox",)
# Blockers of a disk that do not count when it goes along with its guest.
GOES_ALONG = frozenset({"cloud_init", "running_container", "tpm_state"})
KIND = "storage"


def relocation_defects(
    snapshot: Snapshot,
    storage: StoragePolicy,
    rules: Sequence[StorageRule],
    migrations: Sequence[Migration],
    barred: StorageExclusions,
) -> tuple[str, ...]:
    """Everything that is wrong with them, in sentences; empty for legal ones."""
    check = _Check(snapshot, storage, rules, migrations, barred)
    defects = [*check.limit_defects(), *check.step_defects()]
    if not defects:
        defects += check.space_defects()
        for rule in rules:
            defects += check.rule_defects(rule)
    return tuple(defects)


class _Check:
    def __init__(
        self,
        snapshot: Snapshot,
        storage: StoragePolicy,
        rules: Sequence[StorageRule],
        migrations: Sequence[Migration],
        barred: StorageExclusions,
    ) -> None:
        self.snapshot, self.storage, self.rules, self.barred = snapshot, storage, rules, barred
        self.migrations = migrations
        self.refused = refused_moves(snapshot, barred)
        self.ids = datastore_ids(snapshot)
        self.amounts = DiskAmounts(snapshot, storage)
        self.places, self.loads = self.amounts.places, self.amounts.loads
        self.hosts = {host.id: host for host in snapshot.hosts}
        self.guests = {guest.id: guest for guest in snapshot.guests}
        # By guest, for each of its disks, all the datastores that it is on in turn.
        self.ways: dict[str, list[list[str | None]]] = {
            guest.id: [[self.ids.get((guest.host, disk.datastore))] for disk in guest.disks]
            for guest in snapshot.guests
        }
        self.arrivals: dict[str, int] = {}
        self.relocated_to: set[str] = set()
        names = {guest.id: [disk.datastore for disk in guest.disks] for guest in snapshot.guests}
        for step in migrations:
            guest = self.guests.get(step.guest.id)
            for number, disk in enumerate(guest.disks if guest else ()):
                names[step.guest.id][number] = name = step.storage.get(
                    names[step.guest.id][number], names[step.guest.id][number]
                )
                way = self.ways[step.guest.id][number]
                target = self.ids.get((step.target, name))
                if target != way[-1] and target is not None:
                    amount = (
                        self.amounts.room(disk, target, migrated=True) if step.kind == KIND else _size(disk)
                    )
                    self.arrivals[target] = self.arrivals.get(target, 0) + amount
                    if step.kind == KIND:
                        self.relocated_to.add(target)
                way.append(target)

    # -- steps ---------------------------------------------------------------------------------------------

    def limit_defects(self) -> Iterator[str]:
        own = [step for step in self.migrations if step.kind == KIND]
        copied = sum(step.cost.disks for step in own)
        if self.storage.max_moves is not None and len(own) > self.storage.max_moves:
            yield f"{len(own)} guests take disks along, and max_moves is {self.storage.max_moves}"
        if self.storage.max_bytes is not None and copied > self.storage.max_bytes:
            yield f"{copied} bytes of disks go along, and max_bytes is {self.storage.max_bytes}"

    def step_defects(self) -> Iterator[str]:
        moved: set[str] = set()
        for step in self.migrations:
            label = f"step {step.step}, {step.guest.id} from {step.source} to {step.target}"
            guest = self.guests.get(step.guest.id)
            if step.kind == KIND and (guest is None or guest.host != step.source or guest.id in moved):
                yield f"{label}: the guest is not there, or was migrated before"
            elif step.kind == KIND and guest is not None:
                yield from (f"{label}: {why}" for why in self._defects(step, guest))
            moved.add(step.guest.id)

    def _defects(self, step: Migration, guest: Guest) -> Iterator[str]:
        names = {disk.datastore for disk in guest.disks}
        if not step.storage or not set(step.storage) <= names:
            yield "it takes no disks along, or disks that the guest does not have"
            return
        if guest.id in self.barred.guests:
            yield "the guest is excluded"
        for disk in guest.disks:
            here = self.ids.get((guest.host, disk.datastore))
            there = self.ids.get((step.target, step.storage.get(disk.datastore, disk.datastore)))
            if here is None or there is None:
                yield f"the target has no datastore for {disk.datastore}"
            elif disk.datastore in step.storage:
                yield from self._disk_defects(guest, disk, self.places[here], self.places[there], step)
            elif here != there or not self.places[here].shared:
                yield f"disk {disk.id} stays on {disk.datastore}, which the target does not have"
        copied = sum(
            _size(disk) if disk.used is None or disk.migrated_whole else disk.used
            for disk in guest.disks
            if disk.datastore in step.storage
        )
        if step.cost.disks != copied:
            yield f"it copies {copied} bytes of disks, not {step.cost.disks}"
        yield from self._need_defects(step, guest)

    def _disk_defects(
        self, guest: Guest, disk: Disk, source: Datastore, target: Datastore, step: Migration
    ) -> Iterator[str]:
        if not set(disk.blockers) <= GOES_ALONG | ignored_blockers(self.storage):
            yield f"disk {disk.id} has a blocker"
        if disk.id is None or (disk.size is None and not (disk.id == "home" and disk.used is not None)):
            yield "a disk has no id or no size"
        if source.id == target.id:
            yield f"disk {disk.id} is on {target.id} already"
        if source.shared and self.snapshot.platform in LOCAL_ONLY:
            yield f"the platform takes no disk along from {source.id}, which is shared"
        if source.id in self.barred.sources or (
            source.id in self.barred.alone and source.id not in self.barred.emptied
        ):
            yield f"no disk may leave {source.id}"
        yield from self._target_defects(guest, disk, source, target, step)

    def _target_defects(
        self, guest: Guest, disk: Disk, source: Datastore, target: Datastore, step: Migration
    ) -> Iterator[str]:
        entry = self.hosts[step.target].datastores.get(target.name)
        shut = self.barred.alone | self.barred.targets | self.barred.emptied
        if (
            target.maintenance
            or target.closed_because is not None
            or entry is None
            or entry.closed_because is not None
            or not target.capacity
            or target.free is None
            or target.id in shut
        ):
            yield f"{target.id} takes no disk"
        if target.content is not None and CONTENT[guest.kind] not in target.content:
            yield f"{target.id} does not hold {CONTENT[guest.kind]}"
        allowed = self.barred.allowed.get(guest.id)
        if allowed is not None:
            if target.id not in allowed:
                yield f"placement does not allow {target.id}"
        elif (target.kind, target.cluster) != (source.kind, source.cluster) and not self._violates(
            guest, source.id
        ):
            yield f"{target.id} is of another class or cluster of datastores"
        elif source.shared and not target.shared:
            yield f"{target.id} is not shared"
        if not complies(self.storage, disk, target.id):
            yield f"{target.id} does not comply with the storage policy of {disk.id}"
        if (guest.id, disk.id, target.id) in self.refused:
            yield f"the platform has refused to move {disk.id} to {target.id}"

    def _violates(self, guest: Guest, place: str) -> bool:
        """Whether a datastore does not comply with the storage policy of a disk that a guest has there."""
        return any(
            self.ids.get((guest.host, disk.datastore)) == place
            and "cdrom" not in disk.blockers
            and not complies(self.storage, disk, place)
            for disk in guest.disks
        )

    def _need_defects(self, step: Migration, guest: Guest) -> Iterator[str]:
        """A guest goes only when a disk of it must leave its datastore; for space, only to one that is
        emptier.
        """
        full: list[tuple[str, str]] = []
        for name, goal in step.storage.items():
            here, there = self.ids.get((guest.host, name)), self.ids.get((step.target, goal))
            if here is None or there is None:
                return
            place, load = self.places[here], self.loads[here]
            allowed = self.barred.allowed.get(guest.id)
            if (
                place.maintenance
                or here in self.barred.emptied
                or (allowed is not None and here not in allowed)
                or self._violates(guest, here)
            ):
                return
            if any(self._is_broken(rule, guest, here) for rule in self.rules):
                return
            if load is not None and load > self.amounts.limit(place):
                full.append((here, there))
        if not full:
            yield "no disk of it has to leave its datastore"
        for here, there in full:
            if self._percent(here) - self._percent(there) < self.storage.min_difference - TOLERANCE:
                yield f"{here} and {there} do not differ by the minimum difference"

    def _percent(self, identity: str) -> float:
        return 100 * (self.loads[identity] or 0) / (self.places[identity].capacity or 1)

    def _is_broken(self, rule: StorageRule, guest: Guest, place: str) -> bool:
        return (
            rule.strict
            and rule.kind == "anti_affinity"
            and guest.id in rule.guests
            and any(
                name != guest.id and any(way[0] == place for way in self._ways_of(name))
                for name in rule.guests
            )
        )

    # -- space and rules -----------------------------------------------------------------------------------

    def space_defects(self) -> Iterator[str]:
        for identity in sorted(self.relocated_to):
            place, now = self.places[identity], self.loads[identity] or 0
            if now + self.arrivals[identity] > self.amounts.limit(place):
                most = 100 * (now + self.arrivals[identity]) / (place.capacity or 1)
                limit = 100 * self.amounts.limit(place) / (place.capacity or 1)
                yield f"{identity} can come to {most:g} %, and {limit:g} % is its limit"

    def _ways_of(self, guest: str) -> Sequence[Sequence[str | None]]:
        disks = self.guests[guest].disks if guest in self.guests else ()
        return [
            way
            for way, disk in zip(self.ways.get(guest, ()), disks, strict=False)
            if "cdrom" not in disk.blockers
        ]

    def rule_defects(self, rule: StorageRule) -> Iterator[str]:
        if not rule.strict:
            return
        movers = {step.guest.id for step in self.migrations if step.kind == KIND} & set(rule.guests)
        if not movers:
            return
        if rule.kind == "affinity" or len(rule.guests) == 1:
            yield f"rule {rule.name}: a guest of it takes its disks elsewhere"
            return
        first: Mapping[str, set[str | None]] = {
            name: {way[0] for way in self._ways_of(name)} for name in rule.guests
        }
        ever = {name: {place for way in self._ways_of(name) for place in way} for name in rule.guests}
        for mover in sorted(movers):
            for other in rule.guests:
                if other != mover and (ever[mover] - first[mover]) & ever[other]:
                    yield f"rule {rule.name}: {mover} and {other} can meet"


def _size(disk: Disk) -> int:
    return max(disk.size or 0, disk.used or 0)
