# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether each move of disks is one that may be made, and for which there is a reason."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ..._model.plan import DiskMove
from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Datastore, Disk, Guest, StorageRule
from .disk_replay import DiskReplay
from .disk_rules import breaches
from .storage_exclusions import CONTENT, StorageExclusions, complies, ignored_blockers

TOLERANCE = 1e-6
# Blockers of a guest that hold its disks, too.
HOLDS_DISKS = (
    "being_migrated", "disconnected", "inaccessible", "invalid", "locked", "not_readable", "orphaned",
    "template", "vsphere_pod",
)  # fmt: skip
NEEDS_DIFFERENCE = ("space", "latency", "level")
NEEDS_NO_DIFFERENCE = ("evacuate", "placement", "rule")


class DiskSteps:
    """The moves of a replay. refused: as refused_moves returns them."""

    def __init__(
        self,
        replay: DiskReplay,
        storage: StoragePolicy,
        rules: Sequence[StorageRule],
        barred: StorageExclusions,
        refused: Collection[tuple[str, str, str]],
    ) -> None:
        self.replay, self.storage, self.rules = replay, storage, rules
        self.barred, self.refused = barred, refused
        self.moves, self.places, self.guests = replay.moves, replay.places, replay.guests
        self.home, self.ends = replay.home, replay.ends

    def defects(self) -> Iterator[str]:
        """What is wrong with any of them, in sentences."""
        now: dict[tuple[str, int], str | None] = dict(self.home)
        last: dict[str, int] = {}
        for index, move in enumerate(self.moves):
            label = f"step {move.step}, {move.guest.id} from {move.source} to {move.target}"
            guest, target = self.guests.get(move.guest.id), self.places.get(move.target)
            if guest is None or target is None or move.source not in self.places:
                yield f"{label}: no such guest or datastore"
                continue
            numbers = self.replay.disks[index]
            if len(numbers) != len(move.disks) or not numbers or len(set(move.disks)) < len(move.disks):
                yield f"{label}: the guest does not have just these disks"
                continue
            if move.host != guest.host:
                yield f"{label}: the guest is on host {guest.host}"
            if move.source == move.target or any(now[guest.id, n] != move.source for n in numbers):
                yield f"{label}: not all of the disks are there, or they stay where they are"
            if guest.id in last and not self.replay.ancestors[index] >> last[guest.id] & 1:
                yield f"{label}: it is not ordered after another move of the same guest"
            last[guest.id] = index
            now.update({(guest.id, number): move.target for number in numbers})
            yield from (f"{label}: {why}" for why in self._move_defects(index, guest, target))
        for key, way in self.replay.ways.items():
            if self.moves[way[-1]].kind == "parking":
                yield f"step {self.moves[way[-1]].step}, {key[0]}: it stays where it may only wait"

    def _move_defects(self, index: int, guest: Guest, target: Datastore) -> Iterator[str]:
        move = self.moves[index]
        disks = [guest.disks[number] for number in self.replay.disks[index]]
        homes = {self.home[guest.id, number] for number in self.replay.disks[index]}
        why = self._may_not_move(guest, disks)
        if why:
            yield why
        for home in homes:
            if home is None:
                yield "it is not known where a disk is"
            else:
                yield from self._arrival_defects(move, guest, home, target)
        for disk in move.disks:
            if (guest.id, disk) in self.barred.kept:
                yield f"the move of {disk} is left out by choice"
            if (guest.id, disk, target.id) in self.barred.kept_from:
                yield f"the move of {disk} to the target is left out by choice"
            if (guest.id, disk, target.id) in self.refused:
                yield f"the platform has refused to move {disk} to the target"
        copied = sum(
            max(disk.size or 0, disk.used or 0) if disk.used is None or disk.copied_whole else disk.used
            for disk in disks
        )
        if move.bytes != copied:
            yield f"it copies {copied} bytes, not {move.bytes}"
        if move.room != self.replay.size(index):
            yield f"it takes {self.replay.size(index)} bytes, not {move.room}"

    def _may_not_move(self, guest: Guest, disks: Iterable[Disk]) -> str:
        allowed = ignored_blockers(self.storage)
        if guest.id in self.barred.guests:
            return "the guest is excluded"
        if guest.platform_managed or guest.migrating_to is not None or guest.power == "unknown":
            return "the guest is not to be touched"
        if self.replay.hosts[guest.host].status != "online":
            return "the host of the guest is not online"
        if any(blocker in HOLDS_DISKS and blocker not in allowed for blocker in guest.blockers):
            return "the guest has a blocker"
        for disk in disks:
            if not set(disk.blockers) <= allowed:
                return f"disk {disk.id} has a blocker"
            if disk.size is None and not (disk.id == "home" and disk.used is not None):
                return f"the size of disk {disk.id} is not known"
        return ""

    def _arrival_defects(self, move: DiskMove, guest: Guest, home: str, target: Datastore) -> Iterator[str]:
        emptied = home in self.barred.emptied
        if home in self.barred.sources or (home in self.barred.alone and not emptied):
            yield "no disk may leave its datastore"
        if target.maintenance or target.closed_because is not None or not target.capacity:
            yield "the target takes no disk"
        if target.free is None or target.id in self.barred.alone | self.barred.targets | self.barred.emptied:
            yield "the target takes no part, or no disk"
        if guest.host not in target.hosts:
            yield "the host of the guest does not have the target"
        if target.content is not None and CONTENT[guest.kind] not in target.content:
            yield f"the target does not hold {CONTENT[guest.kind]}"
        yield from self._likeness_defects(move, guest, home, target)
        for disk in guest.disks:
            if disk.id in move.disks and not complies(self.storage, disk, target.id):
                yield f"the target does not comply with the storage policy of {disk.id}"
        yield from self._kind_defects(move, guest, home, target)

    def _likeness_defects(self, move: DiskMove, guest: Guest, home: str, target: Datastore) -> Iterator[str]:
        """Of a target that is none of those of the guest's placement, or where it has none."""
        source, allowed = self.places[home], self.barred.allowed.get(guest.id)
        if allowed is not None:
            if target.id not in allowed:
                yield "placement does not allow the target"
            return
        # A datastore that does not comply with the storage policy says nothing of the right ones.
        alike = (target.kind, target.cluster) == (source.kind, source.cluster)
        if not alike and not self._violates(move, home):
            yield "the target is of another class or cluster of datastores"
        if source.shared and not target.shared:
            yield "the target is not shared"

    def _kind_defects(self, move: DiskMove, guest: Guest, home: str, target: Datastore) -> Iterator[str]:
        if move.kind in NEEDS_DIFFERENCE:
            if not self._differ(move, home, target.id) and not self._makes_room(home):
                yield "source and target do not differ by the minimum difference"
        elif move.kind == "evacuate":
            if not (home in self.barred.emptied or self.places[home].maintenance):
                yield "its datastore is not to be emptied"
        elif move.kind == "placement":
            if not self._together_misplaced(guest, home):
                yield "placement allows its datastore"
        elif move.kind == "rule" and not (self._in_broken_rule(guest, home) or self._violates(move, home)):
            yield "no rule of it is broken"

    def _makes_room(self, home: str) -> bool:
        """Whether something comes there that has to move, so that what leaves makes room for it."""
        return any(move.target == home and move.kind in NEEDS_NO_DIFFERENCE for move in self.moves)

    def _differ(self, move: DiskMove, home: str, target: str) -> bool:
        """Whether the source is fuller than the target by the minimum difference: at first, or when all but
        the disks that move together here have been moved.
        """
        least = self.storage.min_difference - TOLERANCE
        if self._points(self.replay.loads, home) - self._points(self.replay.loads, target) >= least:
            return True
        loads = dict(self.replay.last_loads)
        for name, number in self._together(move, home, target):
            disk = self.guests[name].disks[number]
            loads[home] = (loads[home] or 0) + self.replay.amounts.counts(disk, home)
            loads[target] = (loads[target] or 0) - self.replay.amounts.room(disk, target)
        return self._points(loads, home) - self._points(loads, target) >= least

    def _together(self, move: DiskMove, home: str, target: str) -> list[tuple[str, int]]:
        """The disks of the move, and those that a rule keeps together with them."""
        partners = self._partners(move.guest.id) - {move.guest.id}
        return [
            (name, number)
            for (name, number), end in self.ends.items()
            if end == target
            and self.home[name, number] == home
            and (name in partners or (name == move.guest.id and self._disk_id(name, number) in move.disks))
        ]

    def _disk_id(self, guest: str, number: int) -> str | None:
        return self.guests[guest].disks[number].id

    def _points(self, loads: Mapping[str, int | None], identity: str) -> float:
        load, capacity = loads[identity], self.places[identity].capacity
        return 0.0 if load is None or not capacity else 100 * load / capacity

    def _partners(self, guest: str) -> set[str]:
        """The guest, and those that strict rules keep together with it."""
        partners = {guest}
        for _round in range(len(self.rules) + 1):
            more = {
                name
                for rule in self.rules
                if rule.kind == "affinity" and rule.strict and partners & set(rule.guests)
                for name in rule.guests
            }
            if more <= partners:
                break
            partners |= more
        return partners

    def _together_misplaced(self, guest: Guest, home: str) -> bool:
        """Whether the guest, or one that a rule keeps together with it, may not have disks there."""
        allowed = self.barred.allowed
        return any(home not in allowed[name] for name in self._partners(guest.id) if name in allowed)

    def _violates(self, move: DiskMove, home: str) -> bool:
        """Whether its datastore does not comply with the storage policy of one of the disks that move, or of
        one that a rule keeps together with them.
        """
        partners = self._partners(move.guest.id) - {move.guest.id}
        return any(
            place == home
            and "cdrom" not in self.guests[name].disks[number].blockers
            and not complies(self.storage, self.guests[name].disks[number], home)
            for (name, number), place in self.home.items()
            if name in partners or (name == move.guest.id and self._disk_id(name, number) in move.disks)
        )

    def _in_broken_rule(self, guest: Guest, home: str) -> bool:
        return any(
            guest.id in rule.guests
            and breaches(self.replay, rule, self.home, home if rule.kind != "affinity" else None)
            for rule in self.rules
        )
