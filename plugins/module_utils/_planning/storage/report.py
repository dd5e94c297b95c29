# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan for datastores in words and figures: the datastores before and after, and what each move is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from ..._model.plan import (
    DatastoreState,
    DiskMoveKind,
    StorageState,
    Violation,
)
from ..._model.text.wording import listed
from .obstacles import disks_of
from .problem import Problem, Unit
from .state import State

MAX_NAMES = 5


def storage_state(state: State, touched: Collection[int] = ()) -> StorageState:
    """The datastores with the units where the state has them; the latency of those that are touched is not
    known any more.
    """
    disks = Counter(
        place
        for unit, place in enumerate(state.where)
        for part in state.problem.units[unit].parts
        for _disk in part.disks
    )
    return StorageState(
        datastores={
            place.datastore.id: DatastoreState(
                name=place.datastore.name,
                capacity=place.datastore.capacity,
                used=max(0, state.load[number]) if place.capacity else None,
                percent=place.percent(max(0, state.load[number])),
                latency=None if number in touched else place.datastore.latency,
                disks=disks[number],
            )
            for number, place in enumerate(state.problem.places)
        },
        violations=tuple(_violations(state)),
    )


def _violations(state: State) -> Iterator[Violation]:
    problem = state.problem
    for number, members in enumerate(problem.rules):
        if state.broken[number]:
            detail = "; ".join(breaches(state, number))
            yield Violation(rule=members.rule.name, detail=detail, strict=members.rule.strict)
    wrong = [
        f"{disks_of(problem, unit)} {_verb(unit)} on {problem.places[place].datastore.name}"
        for unit, place in zip(problem.units, state.where, strict=True)
        if unit.misplaced and place == unit.home
    ]
    if wrong:
        yield Violation(rule="storage.placement", detail=listed(wrong, 10, "; "))
    by_policy: dict[str, list[str]] = {}
    for unit, place in zip(problem.units, state.where, strict=True):
        if unit.violated and place == unit.home:
            where = f"{disks_of(problem, unit)} {_verb(unit)} on {problem.places[place].datastore.name}"
            by_policy.setdefault(unit.violated, []).append(where)
    for policy, places in by_policy.items():
        yield Violation(rule=policy, detail=listed(places, 10, "; "))


def breaches(state: State, rule: int) -> Iterator[str]:
    problem = state.problem
    members = problem.rules[rule].rule
    names = {guest.id: guest.name for guest in problem.guests}
    own = names.get(members.guests[0], "") if len(members.guests) == 1 else ""
    together = members.kind == "affinity"
    for place, owners in enumerate(state.owners[rule]):
        if len(owners) > 1 or (together and owners):
            who = listed((owner if own else names.get(owner, owner) for owner in owners), MAX_NAMES)
            of = f" of {own}" if own else ""
            verb = "is" if len(owners) == 1 else "are"
            yield f"{who}{of} {verb} on {problem.places[place].datastore.name}"


def _verb(unit: Unit) -> str:
    return "is" if sum(len(part.disks) for part in unit.parts) == 1 else "are"


def kind_of(problem: Problem, first: State, unit: int) -> DiskMoveKind:
    """What a unit moves for. first: the state before anything is moved."""
    one = problem.units[unit]
    if one.misplaced:
        return "placement"
    if problem.places[one.home].leaves:
        return "evacuate"
    if one.restoring:
        return "rule"
    if first.load[one.home] > first.limit[one.home]:
        return "space"
    if first.io[one.home] > problem.places[one.home].io_limit:
        return "latency"
    return "level"


class Reasons:
    """Why each unit moves, in words. end: the state after all moves."""

    def __init__(self, end: State, before: StorageState, after: StorageState) -> None:
        self.problem, self.before, self.after = end.problem, before, after
        self.end = end
        self.broken = {violation.rule for violation in before.violations}

    def of(self, kind: DiskMoveKind, unit: int, target: int) -> str:
        one = self.problem.units[unit]
        source = self.problem.places[one.home]
        name = source.datastore.name
        if kind == "placement":
            return f"storage.placement does not allow it on {name}"
        if kind == "evacuate":
            return f"{name} is to be emptied: {source.leaves}"
        if kind == "rule":
            rules = [
                self.problem.rules[rule].rule.name
                for rule in self.problem.rules_of.get(unit, ())
                if self.problem.rules[rule].rule.name in self.broken
            ]
            whys = [f"{name} does not comply with {one.violated}"] if one.violated else []
            whys += [f"restores rule {listed(rules, 3)}"] if rules or not whys else []
            return "; ".join(whys)
        if kind == "parking":
            there = self.problem.places[target].datastore.name
            return f"moved to {there} temporarily until its target has room; frees space on {name}"
        if kept := self._kept(unit):
            return f"keeps rule {listed(kept, 3)}, because other disks move"
        if kind == "latency":
            latency = source.datastore.latency or 0
            return f"takes I/O off {name}, whose latency is {latency:g} ms"
        now = self.before.datastores[source.datastore.id].percent or 0.0
        then = self.after.datastores[source.datastore.id].percent or 0.0
        if then > now:
            return f"makes room on {name} for other disks"
        return f"takes {name} from {now:.1f} % to {then:.1f} %"

    def _kept(self, unit: int) -> list[str]:
        """The rules that a unit moves for and for nothing else: at the end they would be broken if it were at
        home, and no datastore would be fuller or slower than it may be.
        """
        rules = self.problem.rules_of.get(unit, ())
        where = self.end.where[unit]
        if not rules or where == self.problem.units[unit].home:
            return []
        broken, key = list(self.end.broken), self.end.key()
        self.end.relocate(unit, self.problem.units[unit].home)
        worse = [rule for rule in rules if self.end.broken[rule] > broken[rule]]
        alike = self.end.key()[1:5] == key[1:5]
        self.end.relocate(unit, where)
        return [self.problem.rules[rule].rule.name for rule in worse] if alike else []
