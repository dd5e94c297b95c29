# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a move of disks would break a strict rule for datastores in the cluster as it is now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ..._model.plan import DiskMove
from ..._model.snapshot import StorageRule
from ..._platforms.storage_protocol import DisksNow

# Which disk, by guest and id.
DiskKey = tuple[str, str]


class DiskRuleCheck:
    """The strict rules of a cluster, by guest. Disks that are `ignored`, such as images in a drive, do not
    count.
    """

    def __init__(self, rules: Iterable[StorageRule], ignored: Collection[DiskKey] = ()) -> None:
        self._ignored = ignored
        self._by_guest: dict[str, list[StorageRule]] = {}
        for rule in rules:
            if rule.strict:
                for guest in rule.guests:
                    self._by_guest.setdefault(guest, []).append(rule)

    def members(self, move: DiskMove) -> frozenset[str]:
        """Every guest whose disks decide about this move; empty where no rule is about it."""
        return frozenset(
            guest
            for rule in self._by_guest.get(move.guest.id, ())
            if rule.disks == () or set(rule.disks) & set(move.disks)
            for guest in rule.guests
        )

    def with_move(
        self,
        move: DiskMove,
        guests: Mapping[str, DisksNow],
        underway: Sequence[DiskMove],
        pending: Sequence[DiskMove],
    ) -> str | None:
        """The rule that held and that this move would break, or None. A disk that is under way counts on both
        of its datastores; what keeps disks together is judged by where everything ends.
        """
        for rule in self._by_guest.get(move.guest.id, ()):
            if rule.disks and not set(rule.disks) & set(move.disks):
                continue
            check = self._apart if rule.kind == "anti_affinity" else self._together
            why = check(rule, move, guests, underway, pending)
            if why is not None:
                return f"it would break rule {rule.name}: {why}"
        return None

    def _apart(
        self,
        rule: StorageRule,
        move: DiskMove,
        guests: Mapping[str, DisksNow],
        underway: Sequence[DiskMove],
        _pending: Sequence[DiskMove],
    ) -> str | None:
        others = [key for key in self._disks(rule, guests) if not _is_of(key, rule, move)]
        places = {key: {guests[key[0]].disks[key[1]]} for key in others}
        for other in underway:
            for disk in other.disks:
                if (other.guest.id, disk) in places:
                    places[other.guest.id, disk] |= {other.source, other.target}
        there = [key for key in others if move.target in places[key]]
        if not there or any(move.source in places[key] for key in others):
            # Where it was broken before, it is not this move that breaks it.
            return None
        guest, disk = there[0]
        which = f"disk {disk}" if guest == move.guest.id else f"disk {disk} of guest {guest}"
        return f"{which} is on {move.target}"

    def _together(
        self,
        rule: StorageRule,
        move: DiskMove,
        guests: Mapping[str, DisksNow],
        underway: Sequence[DiskMove],
        pending: Sequence[DiskMove],
    ) -> str | None:
        now = {key: guests[key[0]].disks[key[1]] for key in self._disks(rule, guests)}
        ends = dict(now)
        for other in (*underway, *pending):
            ends.update({key: other.target for key in _keys(other) if key in ends})
        if len(set(now.values())) > 1 or len(set(ends.values())) <= 1:
            return None
        own = ends[next(key for key in _keys(move) if key in ends)]
        guest, _disk = next(key for key, place in ends.items() if place != own)
        return f"disks of guest {guest} stay on {next(place for place in ends.values() if place != own)}"

    def _disks(self, rule: StorageRule, guests: Mapping[str, DisksNow]) -> Iterator[DiskKey]:
        for guest in rule.guests:
            for disk in guests[guest].disks if guest in guests else ():
                counts = disk in rule.disks if rule.disks else len(rule.guests) > 1 or disk != "home"
                if counts and (guest, disk) not in self._ignored:
                    yield guest, disk


def _is_of(key: DiskKey, rule: StorageRule, move: DiskMove) -> bool:
    """Whether a disk counts to the same owner as what is moved: its guest, or itself in a rule about the
    disks of one guest.
    """
    return key[0] == move.guest.id and (len(rule.guests) > 1 or key[1] in move.disks)


def _keys(move: DiskMove) -> Iterator[DiskKey]:
    return ((move.guest.id, disk) for disk in move.disks)
