# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mends every strict rule that is broken, wherever it is, and empties hosts in maintenance.

Private to the collection.
"""

from __future__ import annotations

from random import Random

from ..model.problem import Problem
from ..model.rule_counters import Counts
from ..model.solution import NOWHERE, State
from .insertion import NEVER, best_place, place_with_room, targets, undo_all

TRIES = 120
CANDIDATES = 24


def mend(state: State, *, budget: int, empty_hosts: bool) -> None:
    """Change the state so that as many strict rules hold as can be made to, with at most `budget` guests away
    from home.
    """
    problem = state.problem
    leaving = [unit for unit, host in enumerate(state.where) if _misplaced(state, unit, host)]
    stranded = {unit for unit in leaving if is_only_stranded(problem, unit)}
    for unit in sorted(leaving, key=lambda unit: (unit in stranded, -problem.unit_bytes[unit], unit)):
        if unit in stranded and not empty_hosts:
            continue
        _relocate(state, unit, budget)
    for counts in state.counts:
        if counts.group.strict:
            while counts.amount and _loosen(state, counts, budget):
                pass


def is_only_stranded(problem: Problem, unit: int) -> bool:
    """Whether its host is to be emptied, and no host rule wants it elsewhere."""
    home = problem.unit_home[unit]
    return home >= 0 and problem.roles.leaving[home] and unit not in problem.against_pins


def clear(state: State, dice: Random, *, budget: int) -> None:
    """Empty the hosts that are to be emptied, and move guests of others only to make room."""
    size = state.problem.unit_bytes
    for unit in sorted(_leaving(state), key=lambda unit: (-size[unit], unit)):
        _relocate(state, unit, budget)
    for unit in _leaving(state):
        _squeeze_in(state, unit, dice, budget)


def _leaving(state: State) -> list[int]:
    """Units that a host which is to be emptied still has a guest of."""
    problem = state.problem
    return [
        unit
        for unit in unplaced(state)
        if any(problem.roles.leaving[problem.home[guest]] for guest in problem.members[unit])
    ]


def _misplaced(state: State, unit: int, host: int) -> bool:
    return not state.is_placed(unit, host)


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
    for unit in _crowded(state, counts)[:CANDIDATES]:
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
    return any(_force(state, counts, unit, budget) for unit in _crowded(state, counts)[:CANDIDATES])


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
        # The fullest hosts first; those a step below follow once these have given.
        most = max((many for host, many in counts.at.items() if host in group.domain), default=1) - 1
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


def squeeze(state: State, dice: Random, *, budget: int, empty_hosts: bool) -> None:
    """For what is still broken: empty a part of one host at random, put the guest in question there,
    refill."""
    for unit in unplaced(state):
        if empty_hosts or not is_only_stranded(state.problem, unit):
            _squeeze_in(state, unit, dice, budget)
    for counts in state.strict:
        stuck = 0
        while counts.amount and stuck < TRIES // 10:
            crowded = _crowded(state, counts)
            if not crowded or not _squeeze_in(state, crowded[stuck % len(crowded)], dice, budget):
                stuck += 1


def _squeeze_in(state: State, unit: int, dice: Random, budget: int) -> bool:
    hosts = [host for host in targets(state, unit) if host != state.where[unit]]
    if not hosts or (state.moves >= budget and state.where[unit] == state.problem.unit_home[unit]):
        # Once nobody more may move, looking on for every broken rule would take minutes for nothing.
        return False
    before = wrong_guests(state)
    for attempt in range(TRIES):
        host = hosts[attempt % len(hosts)]
        many = 1 + int(dice.random() * min(6, 1 + attempt // len(hosts)))
        here = list(state.on[host])
        out = dice.sample(here, min(many, len(here)))
        was = [(other, state.take(other)) for other in (unit, *out)]
        done = _refill(state, unit, host, out)
        if done and wrong_guests(state) < before and state.moves <= budget:
            return True
        for other, _place in was:
            if state.where[other] != NOWHERE:
                state.take(other)
        for other, place in was:
            state.put(other, place)
    return False


def _refill(state: State, unit: int, host: int, out: list[int]) -> bool:
    if not state.fits(unit, host):
        return False
    state.put(unit, host)
    # The largest is the hardest to place.
    for other in sorted(out, key=lambda other: (-state.problem.unit_bytes[other], other)):
        found = best_place(state, other)
        if found is None:
            return False
        state.put(other, found[1])
    return True


def wrong_guests(state: State) -> int:
    """How many guests are where a strict rule or maintenance does not want them."""
    return state.broken + state.misplaced
