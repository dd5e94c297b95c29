# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Datastores that are to be emptied, too full or too slow: the disks that leave them, with few bytes."""

from __future__ import annotations

from collections.abc import Sequence

from .cover import Item, cover
from .moves import Moves

# How often a datastore is solved again without a unit that no target has room for.
RETRIES = 30


def empty_datastores(moves: Moves) -> None:
    """Place the units that have to leave, the largest first."""
    state = moves.state
    units = [
        unit
        for unit in moves.movable
        if moves.problem.units[unit].must_leave and state.where[unit] == moves.problem.units[unit].home
    ]
    left = [unit for unit in moves.largest_first(units) if not moves.place(unit)]
    for unit in left:
        where = list(state.where)
        before = state.key()
        if not moves.eject(unit) or state.key() >= before:
            state.restore(where)


def relieve(moves: Moves, limit: Sequence[int], targets: Sequence[int] | None = None) -> None:
    """Bring every datastore below its limit, the one that is furthest above first. limit, targets: by
    datastore, the bytes that it may hold at the end, and when something comes to it; without targets these
    are the limits of the policy.
    """
    state = moves.state
    places = [
        place
        for place in range(len(state.load))
        if state.judged[place] and moves.problem.places[place].gives and state.load[place] > limit[place]
    ]
    places.sort(key=lambda place: (limit[place] - state.load[place], place))
    for place in places:
        _relieve_place(moves, place, limit[place], targets)


def _relieve_place(moves: Moves, place: int, limit: int, targets: Sequence[int] | None) -> None:
    """Place the cheapest units that suffice; again without those that no target has room for."""
    state = moves.state
    refused: set[int] = set()
    for _attempt in range(RETRIES):
        need = state.load[place] - limit
        if need <= 0:
            return
        items = _items(moves, place, refused)
        found = cover(items, need)
        if found is None:
            break
        placed = [unit for unit in moves.largest_first(found[0]) if not moves.place(unit, targets)]
        if not placed:
            return
        refused.update(placed)
        for unit in found[0]:
            if state.where[unit] != place:
                state.relocate(unit, place)
    _relieve_greedily(moves, place, limit, targets)


def _items(moves: Moves, place: int, refused: set[int]) -> list[Item]:
    """The units that can leave a datastore, with the bytes that they free and that they copy."""
    state = moves.state
    return [
        (unit, state.weight[unit], state.bytes_of[unit])
        for unit in state.at[place]
        if unit not in refused
        and moves.problem.units[unit].home == place
        and moves.problem.units[unit].targets
    ]


def _relieve_greedily(moves: Moves, place: int, limit: int, targets: Sequence[int] | None) -> None:
    """As much as there is room for: what covers the need alone and is cheapest, else the largest."""
    state = moves.state
    tried: set[int] = set()
    while state.load[place] > limit:
        need = state.load[place] - limit
        items = _items(moves, place, tried)
        if not items:
            return
        enough = [item for item in items if item[1] >= need]
        chosen = (
            min(enough, key=lambda item: (item[2], item[0]))
            if enough
            else max(items, key=lambda item: (item[1], -item[0]))
        )
        tried.add(chosen[0])
        if not moves.place(chosen[0], targets) and targets is None:
            where, before = list(state.where), state.key()
            if not moves.eject(chosen[0]) or state.key() >= before:
                state.restore(where)


def relieve_io(moves: Moves) -> None:
    """Take I/O off datastores whose latency is too high, with few bytes."""
    state = moves.state
    if not state.io_over:
        return
    for place in range(len(state.load)):
        here = moves.problem.places[place]
        refused: set[int] = set()
        for _attempt in range(RETRIES):
            need = state.io[place] - here.io_limit
            if need <= 0 or not state.judged[place] or not here.gives:
                break
            items = [(unit, state.io_of[unit], cost) for unit, _weight, cost in _items(moves, place, refused)]
            found = cover(items, need)
            # Less than all that is needed helps, too.
            chosen = found[0] if found is not None else [unit for unit, io, _cost in items if io]
            stay = [unit for unit in moves.largest_first(chosen) if not moves.place(unit)]
            if not stay or found is None:
                break
            refused.update(stay)
