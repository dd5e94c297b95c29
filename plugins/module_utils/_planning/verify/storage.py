# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a finished plan for datastores against its snapshot, knowing nothing of how it was made.

The reading of order is the most hostile one, as in interleavings.py: a copy takes its room on the target as
soon as the steps it comes after have ended, and the source is free of it only when its own step has ended.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..._model.datastores import datastore_ids, datastores_of
from ..._model.plan import DiskMove, StoragePlan, StorageState
from ..._model.policy.storage import StoragePolicy
from ..._model.snapshot import Datastore, Disk, Guest, Snapshot, StorageRule
from .worst_sum import worst_sum

TOLERANCE = 1e-6
POINTS = 1e-3
# What a datastore must be able to hold for a guest of a kind, where it says what it may hold.
CONTENT: Mapping[str, str] = {"vm": "images", "container": "rootdir"}
# Blockers of a guest that hold its disks, too.
HOLDS_DISKS = (
    "being_migrated", "disconnected", "inaccessible", "invalid", "locked", "not_readable", "orphaned",
    "template", "vsphere_pod",
)  # fmt: skip
NEEDS_DIFFERENCE = ("space", "latency", "level")
NEEDS_NO_DIFFERENCE = ("evacuate", "placement", "rule")


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageExclusions:
    """Ids that the policy names. emptied: datastores that it wants empty; alone: those that take no part;
    allowed: by guest, where its disks may lie; kept: disks that stay by choice, by guest and id; kept_from:
    those that do not go to one datastore, its id last.
    """

    sources: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    guests: frozenset[str] = frozenset()
    emptied: frozenset[str] = frozenset()
    alone: frozenset[str] = frozenset()
    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    kept: frozenset[tuple[str, str]] = frozenset()
    kept_from: frozenset[tuple[str, str, str]] = frozenset()


def verify_storage_plan(
    snapshot: Snapshot,
    storage: StoragePolicy,
    rules: Sequence[StorageRule],
    plan: StoragePlan,
    barred: StorageExclusions,
) -> tuple[str, ...]:
    """Everything that is wrong with the plan, in sentences; empty for a legal one."""
    defects = list(_order_defects(plan.moves))
    copied = sum(move.bytes for move in plan.moves)
    if storage.max_moves is not None and len(plan.moves) > storage.max_moves:
        defects.append(f"{len(plan.moves)} moves are more than max_moves, {storage.max_moves}")
    if storage.max_bytes is not None and copied > storage.max_bytes:
        defects.append(f"{copied} bytes are more than max_bytes, {storage.max_bytes}")
    if plan.proof.bytes != copied:
        defects.append(f"the proof counts {plan.proof.bytes} bytes, and the moves copy {copied}")
    proven = plan.proof.bytes_lower_bound == copied and not plan.unresolved
    if plan.proof.bytes_lower_bound > copied or (plan.proof.optimal and not proven):
        defects.append(
            f"the proof of {plan.proof.bytes_lower_bound} bytes at least does not go with {copied} bytes"
        )
    if defects:
        return tuple(defects)
    replay = _Replay(snapshot, storage, rules, plan, barred)
    defects += replay.step_defects()
    if not defects:
        defects += replay.space_defects()
        for rule in rules:
            defects += replay.rule_defects(rule)
        defects += replay.state_defects()
    return tuple(defects)


def _order_defects(moves: Sequence[DiskMove]) -> Iterator[str]:
    waves: dict[int, int] = {}
    for move in moves:
        if move.step in waves:
            yield f"step {move.step} is there twice"
        for step in move.after:
            if step not in waves:
                yield f"step {move.step} comes after step {step}, which does not stand before it"
            elif waves[step] >= move.wave:
                yield f"step {move.step} is in no later wave than step {step}, which it comes after"
        waves[move.step] = move.wave


class _Replay:
    def __init__(
        self,
        snapshot: Snapshot,
        storage: StoragePolicy,
        rules: Sequence[StorageRule],
        plan: StoragePlan,
        barred: StorageExclusions,
    ) -> None:
        self.snapshot, self.storage, self.rules, self.barred = snapshot, storage, rules, barred
        self.plan, self.moves = plan, plan.moves
        self.places = {place.id: place for place in datastores_of(snapshot)}
        self.guests = {guest.id: guest for guest in snapshot.guests}
        self.hosts = {host.id: host for host in snapshot.hosts}
        ids = datastore_ids(snapshot)
        self.home = {
            (guest.id, number): ids.get((guest.host, disk.datastore))
            for guest in snapshot.guests
            for number, disk in enumerate(guest.disks)
        }
        self.on: dict[str, list[Disk]] = {}
        for (guest_id, number), place in self.home.items():
            if place is not None:
                self.on.setdefault(place, []).append(self.guests[guest_id].disks[number])
        self.shares = {place: self._share(place) for place in self.places}
        self.loads = {place: self._load(place) for place in self.places}
        position = {move.step: index for index, move in enumerate(self.moves)}
        self.ancestors: list[int] = []
        for move in self.moves:
            mask = 0
            for step in move.after:
                mask |= self.ancestors[position[step]] | 1 << position[step]
            self.ancestors.append(mask)
        self.disks = [self._disks(move) for move in self.moves]
        """By move, the numbers of its disks in the guest."""
        self.ways: dict[tuple[str, int], list[int]] = {}
        for index, move in enumerate(self.moves):
            for number in self.disks[index]:
                self.ways.setdefault((move.guest.id, number), []).append(index)
        self.ends = dict(self.home)
        for key, way in self.ways.items():
            self.ends[key] = self.moves[way[-1]].target

        self.last_loads = self._loads_after()

    # -- amounts -------------------------------------------------------------------------------------------

    def _share(self, identity: str) -> float:
        """The share of their size that disks whose use is not known take, as far as that can be told."""
        place = self.places[identity]
        known = sum(self._certain(disk) or 0 for disk in self.on.get(identity, ()))
        size = sum(disk.size or 0 for disk in self.on.get(identity, ()) if self._certain(disk) is None)
        if not size or place.capacity is None or place.free is None:
            return 1.0
        return min(1.0, max(0.0, (place.capacity - place.free - known) / size))

    def _certain(self, disk: Disk) -> int | None:
        return disk.used if disk.used is not None else disk.size if disk.thin is False else None

    def _growth(self, disk: Disk, taken: int) -> int:
        if disk.thin is False:
            return 0
        return math.ceil(max(0, (disk.size or 0) - taken) * self.storage.growth / 100)

    def _taken(self, disk: Disk, place: str) -> int:
        certain = self._certain(disk)
        return round((disk.size or 0) * self.shares[place]) if certain is None else certain

    def _counts(self, disk: Disk, place: str) -> int:
        """What a disk counts for where it lies."""
        taken = self._taken(disk, place)
        return taken + self._growth(disk, taken)

    def _frees(self, disk: Disk) -> int:
        """What is certain to be free when it has left."""
        certain = self._certain(disk)
        return 0 if certain is None else certain + self._growth(disk, certain)

    def _room(self, disk: Disk, target: str) -> int:
        if disk.copied_whole:
            return max(disk.size or 0, disk.used or 0)
        if self.places[target].thin and disk.used is not None and disk.thin is not False:
            return disk.used + self._growth(disk, disk.used)
        return max(disk.size or 0, disk.used or 0)

    def _load(self, identity: str) -> int | None:
        place = self.places[identity]
        if not place.capacity or place.free is None:
            return None
        used = max(0, place.capacity - place.free)
        here = self.on.get(identity, ())
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

    def _loads_after(self) -> dict[str, int | None]:
        loads = dict(self.loads)
        for key, end in self.ends.items():
            home = self.home[key]
            if home is None or home == end or end not in self.places:
                continue
            disk = self.guests[key[0]].disks[key[1]]
            for place, change in ((home, -self._counts(disk, home)), (end, self._room(disk, end))):
                before = loads[place]
                if before is not None:
                    loads[place] = before + change
        return loads

    def _limit(self, place: Datastore) -> int:
        capacity = place.capacity or 0
        return min(
            math.floor(capacity * self.storage.utilisation / 100), max(0, capacity - self.storage.reserve)
        )

    def _size(self, index: int) -> int:
        """What a move takes on its target."""
        move = self.moves[index]
        disks = self.guests[move.guest.id].disks
        return sum(self._room(disks[number], move.target) for number in self.disks[index])

    def _relief(self, index: int) -> int:
        move = self.moves[index]
        disks = self.guests[move.guest.id].disks
        return sum(
            self._frees(disks[number])
            if self.home[move.guest.id, number] == move.source
            else self._room(disks[number], move.source)
            for number in self.disks[index]
        )

    # -- steps ---------------------------------------------------------------------------------------------

    def _disks(self, move: DiskMove) -> list[int]:
        guest = self.guests.get(move.guest.id)
        disks = guest.disks if guest else ()
        return [number for number, disk in enumerate(disks) if disk.id is not None and disk.id in move.disks]

    def step_defects(self) -> Iterator[str]:
        now: dict[tuple[str, int], str | None] = dict(self.home)
        last: dict[str, int] = {}
        for index, move in enumerate(self.moves):
            label = f"step {move.step}, {move.guest.id} from {move.source} to {move.target}"
            guest, target = self.guests.get(move.guest.id), self.places.get(move.target)
            if guest is None or target is None or move.source not in self.places:
                yield f"{label}: no such guest or datastore"
                continue
            numbers = self.disks[index]
            if len(numbers) != len(move.disks) or not numbers or len(set(move.disks)) < len(move.disks):
                yield f"{label}: the guest does not have just these disks"
                continue
            if move.host != guest.host:
                yield f"{label}: the guest is on host {guest.host}"
            if move.source == move.target or any(now[guest.id, n] != move.source for n in numbers):
                yield f"{label}: not all of the disks are there, or they stay where they are"
            if guest.id in last and not self.ancestors[index] >> last[guest.id] & 1:
                yield f"{label}: it is not ordered after another move of the same guest"
            last[guest.id] = index
            now.update({(guest.id, number): move.target for number in numbers})
            yield from (f"{label}: {why}" for why in self._move_defects(index, guest, target))
        for key, way in self.ways.items():
            if self.moves[way[-1]].kind == "parking":
                yield f"step {self.moves[way[-1]].step}, {key[0]}: it stays where it may only wait"

    def _move_defects(self, index: int, guest: Guest, target: Datastore) -> Iterator[str]:
        move = self.moves[index]
        disks = [guest.disks[number] for number in self.disks[index]]
        homes = {self.home[guest.id, number] for number in self.disks[index]}
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
        copied = sum(
            max(disk.size or 0, disk.used or 0) if disk.used is None or disk.copied_whole else disk.used
            for disk in disks
        )
        if move.bytes != copied:
            yield f"it copies {copied} bytes, not {move.bytes}"
        if move.room != self._size(index):
            yield f"it takes {self._size(index)} bytes, not {move.room}"

    def _may_not_move(self, guest: Guest, disks: Iterable[Disk]) -> str:
        allowed = set(self.storage.allow_blockers)
        if guest.id in self.barred.guests:
            return "the guest is excluded"
        if guest.platform_managed or guest.migrating_to is not None or guest.power == "unknown":
            return "the guest is not to be touched"
        if self.hosts[guest.host].status != "online":
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
        source = self.places[home]
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
        allowed = self.barred.allowed.get(guest.id)
        if allowed is not None:
            if target.id not in allowed:
                yield "placement does not allow the target"
        elif target.kind != source.kind or target.cluster != source.cluster:
            yield "the target is of another class or cluster of datastores"
        elif source.shared and not target.shared:
            yield "the target is not shared"
        yield from self._kind_defects(move, guest, home, target)

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
        elif move.kind == "rule" and not self._in_broken_rule(guest, home):
            yield "no rule of it is broken"

    def _makes_room(self, home: str) -> bool:
        """Whether something comes there that has to move, so that what leaves makes room for it."""
        return any(move.target == home and move.kind in NEEDS_NO_DIFFERENCE for move in self.moves)

    def _differ(self, move: DiskMove, home: str, target: str) -> bool:
        """Whether the source is fuller than the target by the minimum difference: at first, or when all but
        the disks that move together here have been moved.
        """
        least = self.storage.min_difference - TOLERANCE
        if self._points(self.loads, home) - self._points(self.loads, target) >= least:
            return True
        loads = dict(self.last_loads)
        for name, number in self._together(move, home, target):
            disk = self.guests[name].disks[number]
            loads[home] = (loads[home] or 0) + self._counts(disk, home)
            loads[target] = (loads[target] or 0) - self._room(disk, target)
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

    def _in_broken_rule(self, guest: Guest, home: str) -> bool:
        return any(
            guest.id in rule.guests
            and self._breaches(rule, self.home, home if rule.kind != "affinity" else None)
            for rule in self.rules
        )

    # -- space ---------------------------------------------------------------------------------------------

    def space_defects(self) -> Iterator[str]:
        """No datastore to which anything comes is above its limit from then on."""
        arrivals: dict[str, dict[int, float]] = {}
        departures: dict[str, dict[int, float]] = {}
        for index, move in enumerate(self.moves):
            arrivals.setdefault(move.target, {})[index] = self._size(index)
            departures.setdefault(move.source, {})[index] = self._relief(index)
        for identity, gains in arrivals.items():
            place, now = self.places[identity], self.loads[identity] or 0
            limit = self._limit(place)
            if now + sum(gains.values()) <= limit:
                continue
            scale = float(max(place.capacity or 0, 1))
            shares = {index: size / scale for index, size in gains.items() if size}
            reliefs = {index: size / scale for index, size in departures.get(identity, {}).items()}
            most = now / scale + self._most(shares, reliefs)
            if most > limit / scale + TOLERANCE:
                yield f"{place.name} can come to {100 * most:g} %, and {100 * limit / scale:g} % is its limit"

    def _most(self, gains: Mapping[int, float], reliefs: Mapping[int, float]) -> float:
        """The largest change of a load while something comes or after it came, whichever comes last."""
        most = -math.inf
        for arrival, size in gains.items():
            before = self.ancestors[arrival]
            gone = sum(relief for index, relief in reliefs.items() if before >> index & 1)
            others = {index: gain for index, gain in gains.items() if index != arrival}
            left = {index: relief for index, relief in reliefs.items() if not before >> index & 1}
            change = size - gone + worst_sum(self.ancestors, others, left)
            most = max(most, change)
        return most

    # -- rules ---------------------------------------------------------------------------------------------

    def _members(self, rule: StorageRule) -> Iterator[tuple[str, int, str]]:
        """Guest, number of the disk, and to whom it counts: to its guest, or to itself in a rule about the
        disks of one guest.
        """
        own = len(rule.guests) == 1
        for name in rule.guests:
            for number, disk in enumerate(self.guests[name].disks):
                if "cdrom" in disk.blockers:
                    continue
                if not own:
                    yield name, number, name
                elif disk.id in rule.disks if rule.disks else disk.id != "home":
                    yield name, number, disk.id or ""

    def _breaches(
        self, rule: StorageRule, where: Mapping[tuple[str, int], str | None], only: str | None = None
    ) -> int:
        """Pairs on one datastore, or members that are not where the most are."""
        at: dict[str, set[str]] = {}
        for name, number, who in self._members(rule):
            place = where[name, number]
            if place is not None and only in (None, place):
                at.setdefault(place, set()).add(who)
        if rule.kind == "affinity":
            counts = [len(owners) for owners in at.values()]
            return sum(counts) - max(counts, default=0)
        return sum(len(owners) * (len(owners) - 1) // 2 for owners in at.values())

    def rule_defects(self, rule: StorageRule) -> Iterator[str]:
        if not rule.strict:
            return
        before, after = self._breaches(rule, self.home), self._breaches(rule, self.ends)
        if after > before or (rule.kind == "affinity" and after and not before):
            yield f"rule {rule.name}: it is broken more than before"
        if rule.kind == "affinity" or before:
            return
        stays: dict[str, list[tuple[str, int | None, int | None]]] = {}
        for name, number, who in self._members(rule):
            place, came = self.home[name, number], None
            for index in self.ways.get((name, number), ()):
                if place is not None:
                    stays.setdefault(place, []).append((who, came, index))
                place, came = self.moves[index].target, index
            if place is not None:
                stays.setdefault(place, []).append((who, came, None))
        for place, visits in stays.items():
            for number, (one, came, left) in enumerate(visits):
                for other, other_came, other_left in visits[:number]:
                    if (
                        one != other
                        and not self._before(left, other_came)
                        and not self._before(other_left, came)
                    ):
                        yield f"rule {rule.name}: {one} and {other} can meet on {place}"

    def _before(self, first: int | None, second: int | None) -> bool:
        return first is not None and second is not None and bool(self.ancestors[second] >> first & 1)

    # -- what the plan says of the datastores --------------------------------------------------------------

    def state_defects(self) -> Iterator[str]:
        yield from self._figures("before", self.loads, self.plan.before)
        yield from self._figures("after", self.last_loads, self.plan.after)
        if self.plan.status == "balanced":
            yield from (f"it is balanced, and {text}" for text in self._left_undone())

    def _left_undone(self) -> Iterator[str]:
        if self.plan.unresolved:
            yield "it leaves something unresolved"
        for store in self.places.values():
            load, emptied = self.last_loads[store.id], store.id in self.barred.emptied
            if store.id in self.barred.alone and not emptied:
                continue
            if load is not None and load > self._limit(store) and store.id not in self.barred.alone:
                yield f"{store.name} is above its limit"
            if (store.maintenance or emptied) and store.id in self.ends.values():
                yield f"{store.name} is not empty"
        for rule in self.rules:
            if rule.strict and self._breaches(rule, self.ends):
                yield f"rule {rule.name} is broken"

    def _figures(self, when: str, loads: Mapping[str, int | None], state: StorageState) -> Iterator[str]:
        if set(state.datastores) != set(self.places):
            yield f"{when}: it does not have just the datastores of the snapshot"
            return
        for identity, told in state.datastores.items():
            load, capacity = loads[identity], self.places[identity].capacity
            if load is None or not capacity:
                if told.used is not None:
                    yield f"{when}: the use of {told.name} is not known"
                continue
            load = max(0, load)
            if (
                told.used != load
                or told.percent is None
                or abs(told.percent - 100 * load / capacity) > POINTS
            ):
                yield f"{when}: {told.name} has {load} bytes in use, not {told.used}"
