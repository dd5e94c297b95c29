# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disks move in one step, and which go to one datastore together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..._model.snapshot import Disk, Guest, StorageRule
from .disk_index import DiskIndex
from .membership import Membership
from .problem import Part, Place, Unit
from .rules import NO_DATA, counts_for_rules
from .sizes import DiskSizes
from .staying import Staying
from .storage_policies import complying, violated


class UnitMaker:
    """allowed: as in Problem."""

    def __init__(
        self,
        index: DiskIndex,
        places: Sequence[Place],
        allowed: Mapping[str, frozenset[str]],
        staying: Staying,
        sizes: DiskSizes,
    ) -> None:
        self.index, self.places, self.allowed = index, places, allowed
        self.staying, self.sizes = staying, sizes

    def units(self, rules: Sequence[StorageRule], *, keep_together: bool) -> list[Unit]:
        """Every disk in one unit; still without targets."""
        apart = {
            guest
            for rule in rules
            if rule.kind == "anti_affinity" and len(rule.guests) == 1
            for guest in rule.guests
        }
        units: list[Unit] = []
        for number, guest in enumerate(self.index.guests):
            by_home: dict[int, list[Disk]] = {}
            for home, disk in zip(self.index.homes[number], guest.disks, strict=True):
                if home is not None:
                    by_home.setdefault(home, []).append(disk)
            together = keep_together and guest.id not in apart
            for home, disks in by_home.items():
                units += self._units_at(number, home, disks, together=together)
        return bound_together(units, rules, self.index.guests)

    def _units_at(self, number: int, home: int, disks: Sequence[Disk], *, together: bool) -> Iterator[Unit]:
        guest, place = self.index.guests[number], self.places[home]
        why_guest = self.staying.guest_stays(guest, place)
        allowed = self.allowed.get(guest.id)
        misplaced = allowed is not None and place.datastore.id not in allowed
        movable: list[Disk] = []
        for disk in disks:
            why = why_guest or self.staying.disk_stays(guest, disk)
            if why:
                yield Unit(
                    home=home,
                    parts=(self.sizes.part(number, [disk], home),),
                    fixed=why,
                    misplaced=misplaced and counts_for_rules(disk),
                    violated=violated([disk], place.datastore.id),
                )
            else:
                movable.append(disk)
        for lot in lots(movable, together=together):
            yield Unit(
                home=home,
                parts=(self.sizes.part(number, lot, home),),
                fixed=self.staying.lot_stays(lot, place),
                complying=complying(lot),
                misplaced=misplaced,
                violated=violated(lot, place.datastore.id),
            )


def bound_together(
    units: Sequence[Unit], rules: Sequence[StorageRule], guests: Sequence[Guest]
) -> list[Unit]:
    """Units of a strict affinity rule that holds become one, so that it holds after each plan."""
    leader = list(range(len(units)))

    def find(unit: int) -> int:
        while leader[unit] != unit:
            leader[unit] = leader[leader[unit]]
            unit = leader[unit]
        return unit

    membership = Membership(units, guests)
    for rule in rules:
        if rule.kind != "affinity" or not rule.strict:
            continue
        found = list(membership.of(rule).units)
        if len({units[unit].home for unit in found}) == 1:
            for unit in found[1:]:
                leader[find(unit)] = find(found[0])
    together: dict[int, list[int]] = {}
    for unit in range(len(units)):
        together.setdefault(find(unit), []).append(unit)
    result: list[Unit] = []
    for group in together.values():
        result += _joined([units[unit] for unit in group], guests)
    return result


def _joined(group: Sequence[Unit], guests: Sequence[Guest]) -> Sequence[Unit]:
    """One unit of them all; or, where one of them can't move, all of them as they are and fixed."""
    if len(group) == 1:
        return group
    stuck = next((unit for unit in group if unit.fixed), None)
    if stuck is None:
        return [
            Unit(
                home=group[0].home,
                parts=merged([part for unit in group for part in unit.parts]),
                complying=_common(unit.complying for unit in group),
                misplaced=any(unit.misplaced for unit in group),
                violated=" and ".join(dict.fromkeys(unit.violated for unit in group if unit.violated)),
            )
        ]
    name = guests[stuck.parts[0].guest].name
    why = f"a rule keeps it together with {name}, which can't be moved"
    return [replace(unit, fixed=unit.fixed or why) for unit in group]


def _common(lists: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    known = [one for one in lists if one is not None]
    return frozenset.intersection(*known) if known else None


def lots(disks: Sequence[Disk], *, together: bool) -> Iterator[Sequence[Disk]]:
    """The disks that move in one step; files that are no disk go along with the largest one. Those that no
    datastore may have together, by their storage policies, move apart in any case.
    """
    if not disks:
        return
    if complying(disks) == frozenset():
        by_targets: dict[object, list[Disk]] = {}
        for disk in disks:
            by_targets.setdefault(disk.targets, []).append(disk)
        if len(by_targets) > 1:
            for some in by_targets.values():
                yield from lots(some, together=together)
            return
    if together:
        yield disks
        return
    files = [disk for disk in disks if disk.id in NO_DATA]
    others = [disk for disk in disks if disk.id not in NO_DATA]
    if not others:
        yield files
        return
    largest = max(range(len(others)), key=lambda number: (others[number].size or 0, -number))
    for number, disk in enumerate(others):
        yield [disk, *files] if number == largest else [disk]


def merged(parts: Sequence[Part]) -> tuple[Part, ...]:
    """One part for each guest: its disks move in one step."""
    by_guest: dict[int, list[Part]] = {}
    for part in parts:
        by_guest.setdefault(part.guest, []).append(part)
    return tuple(
        group[0]
        if len(group) == 1
        else Part(
            guest=guest,
            disks=tuple(disk for part in group for disk in part.disks),
            bytes=sum(part.bytes for part in group),
            weight=sum(part.weight for part in group),
            frees=sum(part.frees for part in group),
            room_thin=sum(part.room_thin for part in group),
            room_full=sum(part.room_full for part in group),
            io=sum(part.io for part in group),
        )
        for guest, group in by_guest.items()
    )
