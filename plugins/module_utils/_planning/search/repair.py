# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores every strict rule that is broken, wherever it is, and empties hosts in maintenance."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from ..model.problem import Problem
from ..model.rule_counters import RuleCounter
from ..model.snapshot_index import bits
from ..model.solution import NOWHERE, Solution
from .insertion import NEVER, best_insertion, insert_with_ejection, undo_all
from .params import PARAMS


def repair(state: Solution, *, budget: int, empty_hosts: bool) -> None:
    """Change the state so that as many strict rules hold as can be made to, with at most `budget` guests away
    from home.
    """
    problem = state.problem
    leaving = [unit for unit, host in enumerate(state.where) if not state.is_placed(unit, host)]
    stranded = {unit for unit in leaving if is_only_stranded(problem, unit)}
    for unit in sorted(leaving, key=lambda unit: (unit in stranded, -problem.unit_bytes[unit], unit)):
        if unit in stranded and not empty_hosts:
            continue
        _relocate(state, unit, lambda: state.moves <= budget)
    for counts in state.counts:
        if counts.group.strict:
            while counts.amount and _repair_rule(state, counts, budget):
                pass


def is_only_stranded(problem: Problem, unit: int) -> bool:
    """Whether its host is to be emptied, and no host rule wants it elsewhere."""
    home = problem.unit_home[unit]
    return home >= 0 and problem.roles.leaving[home] and unit not in problem.against_pins


def clear_leaving_hosts(state: Solution, rng: Random, *, budget: int) -> None:
    """Empty the hosts that are to be emptied, and move guests of others only to make them fit."""
    size = state.problem.unit_bytes
    for unit in sorted(_leaving(state), key=lambda unit: (-size[unit], unit)):
        _relocate(state, unit, lambda: state.moves <= budget)
    for unit in _leaving(state):
        _insert_by_ruin(state, unit, rng, budget)


def _leaving(state: Solution) -> list[int]:
    """Units that a host which is to be emptied still has a guest of, and those that are pinned elsewhere by
    choice.
    """
    problem = state.problem
    return [
        unit
        for unit in unplaced_units(state)
        if unit in problem.chosen
        or any(problem.roles.leaving[problem.home[guest]] for guest in problem.members[unit])
    ]


def _relocate(state: Solution, unit: int, accept: Callable[[], bool]) -> bool:
    """Move a unit, and others out of its way, unless `accept` refuses the result."""
    before = state.remove(unit)
    undo = insert_with_ejection(state, unit)
    if undo is not None and accept():
        return True
    if undo is not None:
        undo_all(state, undo)
        state.remove(unit)
    state.insert(unit, before)
    return False


def _repair_rule(state: Solution, counts: RuleCounter, budget: int) -> bool:
    """One step towards a rule that holds: the cheapest guest to leave a crowded host."""
    amount = counts.amount
    best = (NEVER, -1, -1)
    for unit in _crowded(state, counts)[: PARAMS.repair_candidates]:
        host = state.remove(unit)
        found = best_insertion(state, unit, frozenset((host,)))
        if found is not None:
            state.insert(unit, found[1])
            cost = found[0] + state.excess[host] + 1e-3 * state.problem.unit_bytes[unit] / 2**40
            if counts.amount < amount and state.moves <= budget and cost < best[0]:
                best = (cost, unit, found[1])
            state.remove(unit)
        state.insert(unit, host)
    if best[1] >= 0:
        state.relocate(best[1], best[2])
        return True
    broken = state.broken
    return any(
        _relocate(
            state,
            unit,
            lambda: counts.amount < amount and state.broken < broken and state.moves <= budget,
        )
        for unit in _crowded(state, counts)[: PARAMS.repair_candidates]
    )


def _crowded(state: Solution, counts: RuleCounter) -> list[int]:
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


def unplaced_units(state: Solution) -> list[int]:
    """Units that still are where a rule or maintenance does not want them."""
    return [unit for unit, host in enumerate(state.where) if not state.is_placed(unit, host)]


def ruin_and_recreate(state: Solution, rng: Random, *, budget: int, empty_hosts: bool) -> None:
    """For what is still broken: empty a part of one host at random, put the guest in question there,
    refill."""
    for unit in unplaced_units(state):
        if empty_hosts or not is_only_stranded(state.problem, unit):
            _insert_by_ruin(state, unit, rng, budget)
    for counts in state.strict:
        stuck = 0
        while counts.amount and stuck < PARAMS.repair_tries // 10:
            crowded = _crowded(state, counts)
            if not crowded or not _insert_by_ruin(state, crowded[stuck % len(crowded)], rng, budget):
                stuck += 1


def _insert_by_ruin(state: Solution, unit: int, rng: Random, budget: int) -> bool:
    hosts = [host for host in bits(state.problem.unit_mask[unit]) if host != state.where[unit]]
    if not hosts or (state.moves >= budget and state.where[unit] == state.problem.unit_home[unit]):
        # Once nobody more may move, looking on for every broken rule would take minutes for nothing.
        return False
    before = misplaced_guests(state)
    for attempt in range(PARAMS.repair_tries):
        host = hosts[attempt % len(hosts)]
        many = 1 + int(rng.random() * min(6, 1 + attempt // len(hosts)))
        here = list(state.on[host])
        out = rng.sample(here, min(many, len(here)))
        was = [(other, state.remove(other)) for other in (unit, *out)]
        done = _recreate(state, unit, host, out)
        if done and misplaced_guests(state) < before and state.moves <= budget:
            return True
        for other, _place in was:
            if state.where[other] != NOWHERE:
                state.remove(other)
        for other, place in was:
            state.insert(other, place)
    return False


def _recreate(state: Solution, unit: int, host: int, out: list[int]) -> bool:
    if not state.fits(unit, host):
        return False
    state.insert(unit, host)
    # The largest is the hardest to place.
    for other in sorted(out, key=lambda other: (-state.problem.unit_bytes[other], other)):
        found = best_insertion(state, other)
        if found is None:
            return False
        state.insert(other, found[1])
    return True


def misplaced_guests(state: Solution) -> int:
    """The number of guests that are where a strict rule or maintenance does not want them."""
    return state.broken + state.misplaced
