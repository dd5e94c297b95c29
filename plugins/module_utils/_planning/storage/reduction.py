# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same order with fewer bytes: disks stay, smaller ones go instead, or one instead of two."""

from __future__ import annotations

from collections.abc import Sequence

from .moves import Moves
from .state import Key

# Units that are tried instead of a moved one.
MAX_OTHERS = 24


def reduce(moves: Moves) -> None:
    """Let moved units stay, or smaller ones go instead, as long as that is better."""
    changed = True
    for _round in range(8):
        if not changed:
            return
        changed = _return_some(moves)
        changed |= _exchange_some(moves)
        changed |= _merge_some(moves)


def _return_some(moves: Moves) -> bool:
    state = moves.state
    changed = False
    for unit in sorted(state.moved(), key=lambda unit: (-state.bytes_of[unit], unit)):
        home = moves.problem.units[unit].home
        before = state.key()
        found = moves.key_with(unit, home)
        if found is not None and found < before:
            state.relocate(unit, home)
            changed = True
    return changed


def _exchange_some(moves: Moves) -> bool:
    """Instead of a moved unit one of its neighbours at home, with fewer bytes."""
    state = moves.state
    changed = False
    for unit in sorted(state.moved(), key=lambda unit: (-state.bytes_of[unit], unit)):
        source, target = moves.problem.units[unit].home, state.where[unit]
        others = [
            other
            for other in list(state.at[source])
            if moves.problem.units[other].home == source
            and moves.problem.units[other].targets
            and state.bytes_of[other] < state.bytes_of[unit]
        ]
        others.sort(key=lambda other: (state.bytes_of[other], other))
        if not moves.may_return(unit):
            continue
        others = others[:: 1 + len(others) // MAX_OTHERS]
        spare = state.limit[source] - state.load[source] - state.weight[unit]
        for other in others:
            if state.judged[source] and not state.over and state.weight[other] + spare < 0:
                continue
            if _exchange(moves, unit, source, target, [other]):
                changed = True
                break
    return changed


def _merge_some(moves: Moves) -> bool:
    """Instead of two moved units of one datastore a single one, with fewer bytes together."""
    state = moves.state
    changed = False
    by_home: dict[int, list[int]] = {}
    for unit in state.moved():
        by_home.setdefault(moves.problem.units[unit].home, []).append(unit)
    for source, moved in by_home.items():
        if len(moved) < 2 or len(moved) > 40:
            continue
        for number, one in enumerate(moved):
            for two in moved[:number]:
                if state.where[one] == source or state.where[two] == source:
                    continue
                changed |= _merge(moves, one, two, source)
    return changed


def _merge(moves: Moves, one: int, two: int, source: int) -> bool:
    state = moves.state
    total = state.bytes_of[one] + state.bytes_of[two]
    others = [
        other
        for other in list(state.at[source])
        if moves.problem.units[other].targets
        and moves.problem.units[other].home == source
        and state.bytes_of[other] <= total
        and state.bytes_of[other] > max(state.bytes_of[one], state.bytes_of[two])
    ]
    for other in sorted(others, key=lambda other: (state.bytes_of[other], other))[:10]:
        where = state.where[two]
        before = state.key()
        if not moves.may_return(one) or not moves.may_return(two):
            return False
        state.relocate(two, source)
        if _exchange(moves, one, source, state.where[one], [other], before):
            return True
        state.relocate(two, where)
    return False


def _exchange(
    moves: Moves, unit: int, source: int, target: int, others: Sequence[int], before: Key | None = None
) -> bool:
    """Bring a unit home and move others instead, if that is better. Returns whether it was done."""
    state = moves.state
    before = state.key() if before is None else before
    state.relocate(unit, source)
    gone: list[int] = []
    for other in others:
        fits = target in moves.problem.units[other].targets and state.fits(other, target)
        place = target if fits else moves.target_for(other)
        if place is None:
            break
        state.relocate(other, place)
        gone.append(other)
    if len(gone) == len(others) and state.keeps_rules(unit) and state.key() < before:
        return True
    for other in reversed(gone):
        state.relocate(other, source)
    state.relocate(unit, target)
    return False
