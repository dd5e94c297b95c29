# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is better than the present state by one or two moves, whatever they are for."""

from __future__ import annotations

from collections.abc import Sequence

from .moves import Moves
from .state import Key

# Single moves that are tried for what is still out of order.
FINISH_WORK = 200_000


def improve_by_one(moves: Moves) -> None:
    """Make the best single move as long as something is out of order and one is better than none."""
    state = moves.state
    work = FINISH_WORK
    while any(state.key()[:6]):
        options = [(unit, target) for unit in moves.movable for target in moves.ways(unit)]
        work -= len(options)
        found = moves.best(options, state.key()) if work >= 0 else None
        if found is None:
            return
        state.relocate(*found)


def improve_by_two(moves: Moves) -> None:
    """Two moves at once, one of which may make things worse: in small clusters."""
    state = moves.state
    work = FINISH_WORK
    while any(state.key()[:6]):
        options = [(unit, target) for unit in moves.movable for target in moves.ways(unit)]
        work -= len(options) ** 2 // 2
        if work < 0 or not _move_two(moves, options):
            return
        improve_by_one(moves)


def _move_two(moves: Moves, options: Sequence[tuple[int, int]]) -> bool:
    """Make the best two moves, if they are better than none."""
    state = moves.state
    limit = state.key()
    best: tuple[Key, tuple[int, int], tuple[int, int]] | None = None
    for number, (unit, target) in enumerate(options):
        if moves.key_with(unit, target) is None:
            continue
        source = state.where[unit]
        state.relocate(unit, target)
        others = [option for option in options[:number] if option[0] != unit]
        found = moves.best(others, limit if best is None else best[0])
        if found is not None:
            key = moves.key_with(*found)
            if key is not None:
                best = (key, (unit, target), found)
        state.relocate(unit, source)
    if best is None:
        return False
    state.relocate(*best[1])
    state.relocate(*best[2])
    return True


def flatten(moves: Moves) -> None:
    """Choose other targets for what moves anyway, as long as the datastores become more even."""
    state = moves.state
    for _round in range(4):
        changed = False
        for unit in moves.largest_first(state.moved()):
            before = state.key()
            options = [
                (unit, target) for target in moves.problem.units[unit].targets if target != state.where[unit]
            ]
            found = moves.best(options, before)
            if found is not None:
                state.relocate(*found)
                changed = True
        if not changed:
            return
