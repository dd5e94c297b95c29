# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mends every strict rule that is broken, wherever it is, and empties hosts in maintenance.

Private to the collection.
"""

from __future__ import annotations

from .counts import Counts
from .moves import NEVER, best_place, go_home, place_with_room, undo_all
from .state import APART_AT_HOME, State


def mend(state: State, *, budget: int, empty_hosts: bool) -> None:
    """Change the state so that as many strict rules hold as can be made to, with at most `budget` guests away
    from home.
    """
    problem = state.problem
    leaving = [unit for unit, host in enumerate(state.where) if _misplaced(state, unit, host)]
    stranded = {
        unit
        for unit in leaving
        if problem.unit_home[unit] >= 0 and problem.roles.leaving[problem.unit_home[unit]]
    }
    for unit in sorted(leaving, key=lambda unit: (unit in stranded, -problem.unit_bytes[unit], unit)):
        if unit in stranded and not empty_hosts:
            continue
        _relocate(state, unit, budget)
    for counts in state.counts:
        if counts.group.strict:
            while counts.amount and _loosen(state, counts, budget):
                pass


def _misplaced(state: State, unit: int, host: int) -> bool:
    return host == APART_AT_HOME or not state.problem.unit_mask[unit] >> host & 1


def _relocate(state: State, unit: int, budget: int) -> bool:
    before = state.take(unit)
    undo = place_with_room(state, unit)
    if undo is None:
        state.put(unit, before)
        return False
    if state.moves > budget:
        undo_all(state, undo)
        state.move(unit, before)
        return False
    return True


def _loosen(state: State, counts: Counts, budget: int) -> bool:
    """One step towards a rule that holds: the cheapest guest to leave a crowded host."""
    amount = counts.amount
    best = (NEVER, -1, -1)
    for unit in _crowded(state, counts):
        host = state.take(unit)
        found = best_place(state, unit, frozenset((host,)))
        if found is not None:
            state.put(unit, found[1])
            cost = found[0] + state.excess[host] + 1e-3 * state.problem.unit_bytes[unit] / 2**40
            if counts.amount < amount and state.moves <= budget and cost < best[0]:
                best = (cost, unit, found[1])
            state.take(unit)
        state.put(unit, host)
    if best[1] >= 0:
        state.move(best[1], best[2])
        return True
    return any(_force(state, counts, unit, budget) for unit in _crowded(state, counts))


def _force(state: State, counts: Counts, unit: int, budget: int) -> bool:
    """Move a guest out although no host has room as it is."""
    amount, broken = counts.amount, state.broken
    host = state.take(unit)
    undo = place_with_room(state, unit)
    if undo is not None and counts.amount < amount and state.broken < broken and state.moves <= budget:
        return True
    if undo is not None:
        undo_all(state, undo)
        state.take(unit)
    state.put(unit, host)
    return False


def _crowded(state: State, counts: Counts) -> list[int]:
    group = counts.group
    most = 1
    if group.kind == "even":
        most = min(counts.at.get(host, 0) for host in group.domain)
    hosts = {host for host, many in counts.at.items() if many > most}
    members = set(group.guests)
    units = [
        unit
        for host in sorted(hosts)
        for unit in state.on[host]
        if any(guest in members for guest in state.problem.members[unit])
    ]
    return sorted(units, key=lambda unit: (state.problem.unit_bytes[unit], unit))


def unplaced(state: State) -> list[int]:
    """Units that still are where a rule or maintenance does not want them."""
    return [unit for unit, host in enumerate(state.where) if _misplaced(state, unit, host)]


def restore(state: State, where: list[int]) -> None:
    """Bring a state to another placement of the same problem."""
    for unit, host in enumerate(where):
        if state.where[unit] != host:
            state.take(unit)
            if host == APART_AT_HOME:
                go_home(state, unit)
            else:
                state.put(unit, host)
