# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which units the members of a rule are, and which of them break it."""

from __future__ import annotations

from collections.abc import Sequence

from ..._model.snapshot import Guest, StorageRule
from .problem import Members, Part, Unit
from .rules import NO_DATA, counts_for_rules


class Membership:
    """Who of a rule is in which unit: owners are guests, or disks where the rule is about those of one
    guest.
    """

    def __init__(self, units: Sequence[Unit], guests: Sequence[Guest]) -> None:
        self.guests = guests
        self.numbers = {guest.id: number for number, guest in enumerate(guests)}
        self.parts: dict[int, list[tuple[int, Part]]] = {}
        for number, unit in enumerate(units):
            for part in unit.parts:
                self.parts.setdefault(part.guest, []).append((number, part))

    def of(self, rule: StorageRule) -> Members:
        found: dict[int, list[str]] = {}
        for name in rule.guests:
            guest = self.numbers[name]
            data = {disk.id or "" for disk in self.guests[guest].disks if counts_for_rules(disk)}
            if len(rule.guests) == 1:
                data &= set(rule.disks) or data - set(NO_DATA)
            for unit, part in self.parts.get(guest, ()):
                owners = [disk for disk in part.disks if disk in data]
                if owners:
                    found.setdefault(unit, []).extend(owners if len(rule.guests) == 1 else [name])
        return Members(rule=rule, units={unit: tuple(dict.fromkeys(found[unit])) for unit in sorted(found)})


def in_broken_rules(rules: Sequence[Members], units: Sequence[Unit]) -> frozenset[int]:
    """The units that are in the way of a rule where they are."""
    found: set[int] = set()
    for members in rules:
        at: dict[int, list[int]] = {}
        for unit in members.units:
            at.setdefault(units[unit].home, []).append(unit)
        if members.rule.kind == "affinity":
            if len(at) > 1:
                found.update(members.units)
            continue
        for here in at.values():
            if len({owner for unit in here for owner in members.units[unit]}) > 1:
                found.update(here)
    return frozenset(found)
