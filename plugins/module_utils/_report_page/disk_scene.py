# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What script.js draws of disks on their datastores, step by step, in the form of guests on their hosts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .._planning.storage.problem import Part, Problem
from .given import Given
from .second_opinion import relocations
from .steps import ARRIVED
from .storage import StorageView, as_it_went, disk_steps
from .texts import GIB

# More than these are in the tables alone.
MAX_BLOCKS: Final = 4000
MAX_JARS: Final = 128
HEIGHT: Final = 150.0


def disk_scene(given: Given, storage: StorageView) -> Mapping[str, object] | None:
    """None without the disks, or with too many of them, or where guests take theirs along to other hosts."""
    problem = storage.problem
    if problem is None or relocations(given.plan) or len(storage.places) > MAX_JARS:
        return None
    parts = [(number, part) for number, unit in enumerate(problem.units) for part in unit.parts]
    if not parts or len(parts) > MAX_BLOCKS:
        return None
    return _Scene(given, storage, problem, parts).data()


class _Scene:
    """A block is what the disks of a guest that move together take; `largest` is the capacity that loads are
    percents of.
    """

    def __init__(
        self, given: Given, storage: StorageView, problem: Problem, parts: Sequence[tuple[int, Part]]
    ) -> None:
        self.given, self.storage, self.problem, self.parts = given, storage, problem, parts
        self.largest = max((place.capacity for place in problem.places), default=0) or 1
        self.at = {place.datastore.id: number for number, place in enumerate(problem.places)}
        self.block = {
            (problem.guests[part.guest].id, disk): number
            for number, (_unit, part) in enumerate(parts)
            for disk in part.disks
        }
        self.steps = [*self._steps()]
        self.moving = {step[1] for step in self.steps}
        self.reasons: dict[str, int] = {}
        self.weights: Counter[int] = Counter()
        for unit, part in parts:
            self.weights[problem.units[unit].home] += part.weight

    def data(self) -> Mapping[str, object]:
        guests = [self._block(number) for number in range(len(self.parts))]
        broken = {violation.rule for violation in self.storage.before.violations}
        return {
            "metrics": [
                {
                    "name": "space",
                    "label": "space",
                    "axis": 100,
                    "band": None,
                    "allowed": None,
                    "limit": None,
                }
            ],
            "hosts": [self._place(number) for number in range(len(self.problem.places))],
            "guests": guests,
            "rules": [
                [
                    members.rule.name,
                    "on one datastore" if members.rule.kind == "affinity" else "on different datastores",
                    members.rule.strict,
                    members.rule.name in broken,
                ]
                for members in self.problem.rules
            ],
            "reasons": list(self.reasons),
            "steps": self.steps,
            "changes": self.storage.changes,
            "height": HEIGHT,
        }

    def _steps(self) -> list[list[Any]]:
        planned, _ended = disk_steps(self.given)
        found = []
        if self.storage.changes == "run" and self.given.outcome is not None:
            ways = [
                (move.step, move.guest.id, move.moved, move.source, move.target)
                for move in as_it_went(self.given.outcome)
                if move.moved and (move.result in ARRIVED or move.step in planned)
            ]
        else:
            ways = [
                (move.step, move.guest.id, move.disks, move.source, move.target) for move in planned.values()
            ]
        for step, guest, disks, source, target in ways:
            block = self.block.get((guest, disks[0]))
            if block is None or source not in self.at or target not in self.at:
                continue
            plan = planned.get(step)
            found.append(
                [
                    step,
                    block,
                    self.at[source],
                    self.at[target],
                    plan.wave if plan else 1,
                    0,
                    plan.why if plan else "undoes an earlier step",
                ]
            )
        return found

    def _place(self, number: int) -> Mapping[str, object]:
        place, view = self.problem.places[number], self.storage.places[number]
        used = view.percent[0]
        own = 0.0
        if place.capacity and used is not None:
            theirs = self.weights[number]
            own = max(0.0, used - 100.0 * theirs / place.capacity)
        return {
            "name": view.name,
            "note": "to be emptied" if view.leaves else "takes no disks" if not place.takes else "",
            "used": [None if used is None else round(used, 3)],
            "own": [round(own, 3)],
            "capacity": [round(place.capacity / self.largest, 5)],
            "apart": not view.judged or bool(view.leaves),
            "limit": view.limit if view.judged else None,
            "thin": place.datastore.thin is True,
        }

    def _block(self, number: int) -> list[Any]:
        which, part = self.parts[number]
        unit = self.problem.units[which]
        guest = self.problem.guests[part.guest]
        disks = ", ".join(disk or "a disk without an id" for disk in part.disks)
        stays = unit.fixed if number not in self.moving else ""
        kind = "moves" if number in self.moving else "fixed" if stays else "stays"
        return [
            f"{guest.id}",
            f"{guest.name}: {disks}",
            unit.home,
            kind,
            None,
            round(part.room_full / GIB, 1),
            [self._load(part.weight)],
            list(self.problem.rules_of.get(which, ())),
            self.reasons.setdefault(stays, len(self.reasons)) if stays else -1,
            "",
            [[self._load(part.room_thin)], [self._load(part.room_full)]],
        ]

    def _load(self, amount: int) -> float:
        return round(100.0 * amount / self.largest, 3)
