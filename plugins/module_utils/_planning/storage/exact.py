# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small clusters: looks at every end that could have fewer bytes, by branch and bound.

Where datastores are levelled, it is not known where the band lies at the end. Its lower end is cut into
intervals, and each of them is searched by itself with fixed limits for every datastore.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from .order import order_moves
from .problem import NO_LIMIT
from .remainder import Limits, Remainder
from .sequence import Budget, has_way_by_rules
from .state import FINE, State

MAX_UNITS = 80
# By effort, for all passes together. Of what is left each pass but the last takes a third, and so does each
# interval of a band but the last two.
NODES = 16_000
# By effort, arrangements of units that are on their way, for all ends together.
STATES = 2000
# Bytes of the ends that are looked at first, by the bound for them.
BUDGETS = (1.03, 1.15, 1.5)
# Intervals of the lower end of a band, by the number of groups that are levelled.
INTERVALS = {1: 32, 2: 6, 3: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """`least`: the fewest bytes of any end in order, with a safe order or not, if all were looked at.
    `is_best`: no end in order with a safe order has fewer bytes than the state, detours among them.
    `has_no_way`: there are ends in order, but none with a safe order was found; `tried_all`: there is none.
    `is_hopeless`: there are no ends in order.
    """

    least: int | None = None
    is_best: bool = False
    has_no_way: bool = False
    tried_all: bool = False
    is_hopeless: bool = False


def improve_exactly(state: State, movable: Sequence[int]) -> Examined:
    """Bring the state to the end in order that has a safe order and the fewest bytes, detours among them, if
    it is better than the present one.
    """
    if len(movable) > MAX_UNITS or state.soft:
        return Examined()
    if _is_hopeless(state):
        return Examined(is_hopeless=True)
    tree = _Tree(state, movable)
    whole = tree.search()
    state.restore(tree.best)
    return Examined(
        least=min(tree.least, tree.bound[0]) if whole and tree.found else None,
        is_best=whole and tree.found,
        has_no_way=not tree.found and tree.least < NO_LIMIT,
        tried_all=whole and not tree.found and tree.tried_all,
        is_hopeless=whole and tree.least == NO_LIMIT,
    )


def _is_hopeless(state: State) -> bool:
    """Whether something that can't be moved is where it may not be, or beside what may not be there."""
    problem = state.problem
    fixed = [not unit.targets for unit in problem.units]
    if any(unit.must_leave and stays for unit, stays in zip(problem.units, fixed, strict=True)):
        return True
    for members in problem.rules:
        if members.rule.strict and members.rule.kind == "anti_affinity":
            at: dict[int, set[str]] = {}
            for unit, owners in members.units.items():
                if len(owners) > 1:
                    return True
                if fixed[unit]:
                    at.setdefault(problem.units[unit].home, set()).update(owners)
            if any(len(owners) > 1 for owners in at.values()):
                return True
    return False


class _Tree:
    """Decides one unit after the other: datastore by datastore, the largest first."""

    def __init__(self, state: State, movable: Sequence[int]) -> None:
        self.state = state
        self.best = list(state.where)
        self.bound = (NO_LIMIT, NO_LIMIT)
        """Bytes and moves of the best end so far, with its detours."""
        self.least = NO_LIMIT
        self.found = False
        self.tried_all = True
        """Whether all orders were tried to the ends in order of the last pass that have none."""
        self.budget = Budget(STATES * state.problem.effort)
        if state.is_in_order():
            self._judge()
        state.restore([unit.home for unit in state.problem.units])
        self.ruled = self._ruled(frozenset(movable))
        self.order = self._branching_order(movable)
        self.ways: dict[tuple[int, ...], bool] = {}
        """By where the units under rules are, whether they can get there at all."""
        self.rank = {unit: position for position, unit in enumerate(self.order)}
        self.remainder = Remainder(state, self.order)
        self.levelled = [
            group for group in state.groups.values() if state.max_spread is not None and len(group) > 1
        ]
        self.max_nodes = NODES * state.problem.effort
        self.limits = Limits(top=(), bottom=())
        self.stop = 0

    def _branching_order(self, movable: Sequence[int]) -> list[int]:
        state, units = self.state, self.state.problem.units
        excess = [
            load - limit if judged else 0
            for load, limit, judged in zip(state.load, state.limit, state.judged, strict=True)
        ]
        return sorted(
            movable,
            key=lambda unit: (
                unit not in self.ruled,
                not units[unit].must_leave,
                not units[unit].restoring,
                -excess[units[unit].home],
                units[unit].home,
                -state.bytes_of[unit],
                unit,
            ),
        )

    def _ruled(self, movable: frozenset[int]) -> frozenset[int]:
        """If a strict rule is broken, the units of it and of all rules that have units in common with it."""
        rules = self.state.problem.rules
        strict = [number for number, members in enumerate(rules) if members.rule.strict]
        found = {unit for number in strict if self.state.broken[number] for unit in rules[number].units}
        for _round in strict:
            for number in strict:
                if not found.isdisjoint(rules[number].units):
                    found.update(rules[number].units)
        return movable & found

    def _has_way(self) -> bool:
        """Whether the units under rules can get to where they are."""
        where = tuple(self.state.where[unit] for unit in self.order[: len(self.ruled)])
        if where not in self.ways:
            self.ways[where] = has_way_by_rules(self.state, self.order[: len(self.ruled)], self.budget)
        return self.ways[where]

    def _intervals(self) -> Iterator[Limits]:
        """Limits of which one holds at every end in order."""
        state, places = self.state, self.state.problem.places
        plain = [
            limit if judged else NO_LIMIT for limit, judged in zip(state.limit, state.judged, strict=True)
        ]
        count = INTERVALS.get(len(self.levelled), 1)
        for ranges in product(*(self._bands(group, count) for group in self.levelled)):
            top, bottom = list(plain), [0] * len(plain)
            for group, (low, high) in zip(self.levelled, ranges, strict=True):
                for place in group:
                    capacity = state.capacity[place]
                    if places[place].gives:
                        top[place] = min(top[place], ((high + 1) * capacity - 1) // FINE)
                    if places[place].takes:
                        bottom[place] = -(-low * capacity // FINE)
            yield Limits(top=top, bottom=bottom)

    def _bands(self, group: Sequence[int], count: int) -> list[tuple[int, int]]:
        """Of the emptiest datastore that takes disks, its least use, and that of the fullest one, by
        interval.
        """
        state, spread = self.state, self.state.max_spread or 0
        least = max(0, min(state.use[place] for place in group) - spread // 2)
        most = max(
            min(state.use[place], state.limit[place] * FINE // state.capacity[place]) for place in group
        )
        cuts = [0, *(least + (most - least) * number // count for number in range(count)), NO_LIMIT // FINE]
        return [(low, high + spread) for low, high in pairwise(cuts)]

    def search(self) -> bool:
        """Whether all ends were seen that could be better: first those with few bytes, then others."""
        roots = [
            (least, number, limits)
            for number, limits in enumerate(self._intervals())
            if (least := self.remainder.least(0, limits)) is not None
        ]
        roots.sort(key=lambda root: root[:2])
        if not roots:
            return True
        known = self.bound
        whole = False
        left = self.max_nodes
        for budget in (*((round(roots[0][0] * factor), NO_LIMIT) for factor in BUDGETS), known):
            self.nodes, self.bound = 0, min(known, budget)
            self.tried_all = True
            share = left if budget == known else left // 3
            whole = True
            for number, (least, _number, limits) in enumerate(roots):
                if (least, 0) < self.bound:
                    self.limits = limits
                    self.stop = self.nodes + max(0, share - self.nodes) // min(3, len(roots) - number)
                    whole &= self._visit(0)
            if self.bound < min(known, budget) or known <= budget:
                return whole
            left = max(0, left - self.nodes)
        self.bound = known
        return whole

    def _visit(self, position: int) -> bool:
        state = self.state
        self.nodes += 1
        if self.nodes > self.stop:
            return False
        more = self.remainder.least(position, self.limits)
        if more is None or (state.bytes + more, state.moves + (more > 0)) >= self.bound:
            return True
        if self.ruled and position == len(self.ruled) and not self._has_way():
            return True
        if position == len(self.order):
            if state.is_in_order() and not state.soft and not state.too_near():
                self._judge()
            return True
        unit = self.order[position]
        here = state.where[unit]
        # What is on a datastore that is too full leaves it at first, anything else stays.
        leaves = state.load[here] > self.limits.top[here]
        whole = leaves or self._stay(unit, position)
        whole &= self._leave(unit, position)
        return (not leaves or self._stay(unit, position)) and whole

    def _stay(self, unit: int, position: int) -> bool:
        if self.state.problem.units[unit].must_leave or self._meets(unit, position):
            return True
        return self._visit(position + 1)

    def _leave(self, unit: int, position: int) -> bool:
        state = self.state
        here = state.where[unit]
        whole = True
        if state.bytes + state.bytes_of[unit] > self.bound[0]:
            return whole
        targets = [target for target in state.problem.units[unit].targets if self._may_come(unit, target)]
        targets.sort(
            key=lambda target: (state.load[target] * 10**6 // max(1, state.capacity[target]), target)
        )
        for target in targets:
            state.relocate(unit, target)
            if not self._meets(unit, position):
                whole &= self._visit(position + 1)
            state.relocate(unit, here)
            if self.nodes > self.stop:
                return False
        return whole

    def _judge(self) -> None:
        """Take an end in order for the best one, if it has a safe order and fewer bytes with its detours."""
        state = self.state
        self.least = min(self.least, state.bytes)
        order = order_moves(state, self.bound[0] - state.bytes, self.budget)
        self.tried_all &= order.tried_all or not order.left
        cost = (sum(step.part.bytes for step in order.steps), len(order.steps))
        if not order.left and cost < self.bound:
            self.bound = cost
            self.found = True
            self.best = list(state.where)

    def _meets(self, unit: int, position: int) -> bool:
        """Whether another one that may not be beside it is there for good."""
        state = self.state
        for rule in state.problem.rules_of.get(unit, ()):
            members = state.problem.rules[rule]
            if not members.rule.strict or members.rule.kind != "anti_affinity":
                continue
            own = members.units[unit]
            for other, owners in members.units.items():
                if state.where[other] != state.where[unit] or self.rank.get(other, -1) >= position:
                    continue
                if other != unit and owners != own:
                    return True
        return False

    def _may_come(self, unit: int, target: int) -> bool:
        """Whether the target has room for it at last: what is there may still leave."""
        state = self.state
        if (unit, target) in state.forbidden:
            return False
        if state.moves + state.moves_of[unit] > state.max_moves:
            return False
        return state.bytes + state.bytes_of[unit] <= state.max_bytes
