# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units on datastores, and how good that is: what every search changes and asks.

All sums are whole numbers, so that a move that is taken back leaves no trace.
"""

from __future__ import annotations

from .problem import NO_LIMIT, Problem

# Percents as whole numbers: a hundred millionth part of a capacity, and for flatness a thousandth.
FINE = 10**8
COARSE = 1000
# Percentage points that are taken for none.
POINTS = 1e-9

Key = tuple[int, int, int, int, int, int, int, int, int]


class State:
    """Which unit is where. Lower keys are better; see `key`."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        places, units = problem.places, problem.units
        self.where = [unit.home for unit in units]
        self.load = [place.load for place in places]
        self.io = [place.io for place in places]
        self.limit = [place.limit for place in places]
        self.io_limit = [place.io_limit for place in places]
        self.capacity = [place.capacity for place in places]
        self.bytes_of = [unit.bytes for unit in units]
        self.moves_of = [len(unit.parts) for unit in units]
        self.weight = [sum(part.weight for part in unit.parts) for unit in units]
        self.room_thin = [sum(part.room_thin for part in unit.parts) for unit in units]
        self.room_full = [sum(part.room_full for part in unit.parts) for unit in units]
        self.io_of = [sum(part.io for part in unit.parts) for unit in units]
        self.thin = [place.datastore.thin is True for place in places]
        self.judged = [place.judged for place in places]
        self.at: list[dict[int, None]] = [{} for _place in places]
        for unit, home in enumerate(self.where):
            self.at[home][unit] = None
        self.bytes = self.moves = 0
        most = problem.policy
        self.max_moves = NO_LIMIT if most.max_moves is None else most.max_moves
        self.max_bytes = NO_LIMIT if most.max_bytes is None else most.max_bytes
        self.forbidden: set[tuple[int, int]] = set()
        self.breach_of = [unit.in_breach for unit in units]
        self.in_breach = sum(self.breach_of)
        """Units that may not be where they are, whatever else is there."""
        self.stuck = sum(bool(places[unit.home].leaves) for unit in units)
        self.over = sum(self._over(place) for place in range(len(places)))
        self.io_over = sum(self._io_over(place) for place in range(len(places)))
        self.use = [
            load * FINE // capacity if capacity else 0
            for load, capacity in zip(self.load, self.capacity, strict=True)
        ]
        """By datastore, what is in use in fine parts of its capacity."""
        self.flat = sum(self._flat(place) for place in range(len(places)))
        self.groups: dict[int, list[int]] = {}
        for number, place in enumerate(places):
            if place.group >= 0:
                self.groups.setdefault(place.group, []).append(number)
        spread = problem.policy.max_spread
        self.max_spread = None if spread is None else round(spread * FINE / 100)
        self._count_rules()

    def _count_rules(self) -> None:
        rules = self.problem.rules
        self.owners: list[list[dict[str, int]]] = []
        self.broken: list[int] = []
        for members in rules:
            here: list[dict[str, int]] = [{} for _place in self.load]
            for unit, names in members.units.items():
                _add(here[self.where[unit]], names, 1)
            self.owners.append(here)
            self.broken.append(0)
        for number in range(len(rules)):
            self.broken[number] = self.breaches(number)
        self.strict = sum(n for n, rule in zip(self.broken, rules, strict=True) if rule.rule.strict)
        self.soft = sum(self.broken) - self.strict
        self.tolerated = list(self.broken)
        self.initially = tuple(self.broken)
        """By rule, how often it is broken before anything is moved."""

    def breaches(self, rule: int) -> int:
        """Anti-affinity: pairs on one datastore. Affinity: members that are not where the most are."""
        if self.problem.rules[rule].rule.kind == "affinity":
            counts = [len(here) for here in self.owners[rule]]
            return sum(counts) - max(counts, default=0)
        return sum(len(here) * (len(here) - 1) // 2 for here in self.owners[rule])

    def size(self, unit: int, place: int) -> int:
        """What a unit takes on a datastore."""
        if place == self.problem.units[unit].home:
            return self.weight[unit]
        return self.room_thin[unit] if self.thin[place] else self.room_full[unit]

    def relocate(self, unit: int, target: int) -> None:
        source = self.where[unit]
        home = self.problem.units[unit].home
        self._change(source, -self.size(unit, source), -self.io_of[unit])
        self._change(target, self.size(unit, target), self.io_of[unit])
        self.where[unit] = target
        del self.at[source][unit]
        self.at[target][unit] = None
        leaves = (target != home) - (source != home)
        if leaves:
            self.bytes += leaves * self.bytes_of[unit]
            self.moves += leaves * self.moves_of[unit]
            self.in_breach -= leaves * self.breach_of[unit]
            self.stuck -= leaves * bool(self.problem.places[home].leaves)
        for rule in self.problem.rules_of.get(unit, ()):
            names = self.problem.rules[rule].units[unit]
            here, there = self.owners[rule][source], self.owners[rule][target]
            if self.problem.rules[rule].rule.kind == "affinity":
                _add(here, names, -1)
                _add(there, names, 1)
                change = self.breaches(rule) - self.broken[rule]
            else:
                change = -_pairs(here) - _pairs(there)
                _add(here, names, -1)
                _add(there, names, 1)
                change += _pairs(here) + _pairs(there)
            self.broken[rule] += change
            if self.problem.rules[rule].rule.strict:
                self.strict += change
            else:
                self.soft += change

    def _change(self, place: int, load: int, io: int) -> None:
        """Searches spend most of their time here, so that it calls nothing."""
        before = self.load[place]
        after = self.load[place] = before + load
        if self.judged[place]:
            limit = self.limit[place]
            if before > limit:
                self.over -= before - limit
            if after > limit:
                self.over += after - limit
        capacity = self.capacity[place]
        if capacity:
            self.flat += (after * COARSE // capacity) ** 2 - (before * COARSE // capacity) ** 2
            self.use[place] = after * FINE // capacity
        if io:
            slow = self.io[place]
            self.io[place] = slow + io
            if self.judged[place]:
                limit = self.io_limit[place]
                self.io_over += max(0, slow + io - limit) - max(0, slow - limit)

    def _over(self, place: int) -> int:
        return max(0, self.load[place] - self.limit[place]) if self.judged[place] else 0

    def _io_over(self, place: int) -> int:
        return max(0, self.io[place] - self.io_limit[place]) if self.judged[place] else 0

    def _flat(self, place: int) -> int:
        return (self.load[place] * COARSE // self.capacity[place]) ** 2 if self.capacity[place] else 0

    def has_room(self, unit: int, target: int) -> bool:
        """Whether a unit that is elsewhere keeps the limits of a datastore, and those of the whole plan."""
        if (unit, target) in self.forbidden:
            return False
        if self.load[target] + self.size(unit, target) > self.limit[target]:
            return False
        if self.io_of[unit] and self.io[target] + self.io_of[unit] > self.problem.places[target].io_limit:
            return False
        if self.where[unit] != self.problem.units[unit].home:
            return True
        return (
            self.moves + self.moves_of[unit] <= self.max_moves
            and self.bytes + self.bytes_of[unit] <= self.max_bytes
        )

    def keeps_rules(self, unit: int) -> bool:
        """Whether the strict rules of a unit are broken no more than they were at first."""
        return all(
            self.broken[rule] <= self.tolerated[rule]
            for rule in self.problem.rules_of.get(unit, ())
            if self.problem.rules[rule].rule.strict
        )

    def keeps_all_rules(self) -> bool:
        """The same of all rules."""
        rules = self.problem.rules
        return all(
            now <= most or not rules[rule].rule.strict
            for rule, (now, most) in enumerate(zip(self.broken, self.tolerated, strict=True))
        )

    def fits(self, unit: int, target: int) -> bool:
        """Whether a unit may go to a datastore as things are."""
        if not self.has_room(unit, target):
            return False
        if unit not in self.problem.rules_of:
            return True
        source = self.where[unit]
        self.relocate(unit, target)
        kept = self.keeps_rules(unit)
        self.relocate(unit, source)
        return kept

    def differs(self, unit: int, target: int) -> bool:
        """Whether the datastore of a unit is fuller than another one by the minimum difference."""
        source = self.where[unit]
        return self._points(self.load[source], source) - self._points(self.load[target], target) >= (
            self.problem.policy.min_difference - POINTS
        )

    def differed(self, unit: int, target: int) -> bool:
        """The same, of its home and before anything was moved."""
        places, home = self.problem.places, self.problem.units[unit].home
        return self._points(places[home].load, home) - self._points(places[target].load, target) >= (
            self.problem.policy.min_difference - POINTS
        )

    def too_near(self) -> list[int]:
        """Units that left a datastore that was not fuller than their target by the minimum difference, and
        would not be if the unit came back; without those that move for something that asks for none, or make
        room for such units.
        """
        found = []
        served = {self.where[unit] for unit in self.moved() if self.problem.units[unit].restoring}
        for unit in self.moved():
            one, target = self.problem.units[unit], self.where[unit]
            if one.restoring or one.home in served or self.differed(unit, target):
                continue
            self.relocate(unit, one.home)
            far = self.differs(unit, target)
            self.relocate(unit, target)
            if not far:
                found.append(unit)
        return found

    def _points(self, load: int, place: int) -> float:
        return 100 * load / self.capacity[place] if self.capacity[place] else 0.0

    def settle(self) -> None:
        """From now on no rule may be broken more than it is now."""
        self.tolerated = [min(pair) for pair in zip(self.tolerated, self.broken, strict=True)]

    def band(self) -> int:
        """By how much the spread of each group is larger than it may be, summed up."""
        if self.max_spread is None:
            return 0
        total = 0
        for group in self.groups.values():
            total += max(0, self.spread(group) - self.max_spread)
        return total

    def spread(self, group: list[int]) -> int:
        """Between the fullest datastore that disks may leave and the emptiest that may take some."""
        places, use = self.problem.places, self.use
        most = max((use[place] for place in group if places[place].gives), default=None)
        least = min((use[place] for place in group if places[place].takes), default=None)
        return max(0, most - least) if most is not None and least is not None else 0

    def key(self) -> Key:
        """How bad it is, the worst first: broken strict rules, those of storage policies
        and placement among them, bytes above limits, units on datastores that
        are to be emptied, I/O above what keeps the latency, points outside the band, broken soft rules; then
        bytes copied, moves, and how uneven the datastores are.
        """
        return (
            self.strict + self.in_breach,
            self.over,
            self.stuck,
            self.io_over,
            self.band(),
            self.soft,
            self.bytes,
            self.moves,
            self.flat,
        )

    def is_in_order(self) -> bool:
        return not any(self.key()[:5])

    def moved(self) -> list[int]:
        return [unit for unit, place in enumerate(self.where) if place != self.problem.units[unit].home]

    def restore(self, where: list[int]) -> None:
        for unit, place in enumerate(where):
            if self.where[unit] != place:
                self.relocate(unit, place)


def _pairs(owners: dict[str, int]) -> int:
    return len(owners) * (len(owners) - 1) // 2


def _add(owners: dict[str, int], names: tuple[str, ...], step: int) -> None:
    for name in names:
        left = owners.get(name, 0) + step
        if left:
            owners[name] = left
        else:
            del owners[name]
