# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a second plan would add where the first leaves something out of order, for the first to do it, too.

When disks have been moved, datastores differ more or less than before, and other moves are allowed. Without
this a plan would be followed by another one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from ..._model.disk_moves import MovedDisks, snapshot_after_disk_moves
from ..._model.snapshot import Snapshot
from .latency import io_per_millisecond, latency_after
from .order import Order, order_moves
from .problem import Problem
from .state import State

Plan = tuple[State, Order]
"""Where the units are at the end, and the steps to there."""


def continued(
    problem: Problem, state: State, build: Callable[[Snapshot], Problem], solve: Callable[[Problem], Plan]
) -> Plan | None:
    """The plan of `problem` that leads to where a second plan would end; None where there is no second plan,
    or no single plan for both. build: makes a problem of a snapshot; solve: plans it.
    """
    second, order = solve(build(_snapshot_after(state)))
    if not order.steps:
        return None
    found = _joined(problem, state, second)
    if found is None:
        return None
    steps = order_moves(found)
    return None if steps.left else (found, steps)


def _snapshot_after(state: State) -> Snapshot:
    """The snapshot after the moves; a datastore is as slow as its I/O makes it then."""
    problem = state.problem
    moved = [
        MovedDisks(
            guest=problem.guests[part.guest].id,
            disks=part.disks,
            target=problem.places[state.where[unit]].datastore.id,
        )
        for unit in state.moved()
        for part in problem.units[unit].parts
    ]
    end = snapshot_after_disk_moves(problem.snapshot, moved)
    before = [place.datastore for place in problem.places]
    most = problem.policy.latency
    amounts = io_per_millisecond(before, math.inf if most is None else most)
    first = {place.id: (place, amount) for place, amount in zip(before, amounts, strict=True)}
    places = []
    for place in end.datastores:
        old, amount = first.get(place.id, (place, None))
        if amount is not None:
            place = replace(place, latency=latency_after(old, place.disk_io or 0.0, amount))
        places.append(place)
    return replace(end, datastores=tuple(places))


def _joined(problem: Problem, state: State, second: State) -> State | None:
    """The units straight from home to where they are after both plans, if that is allowed and better."""
    ends = {
        (part.guest, disk): place
        for unit, place in zip(second.problem.units, second.where, strict=True)
        for part in unit.parts
        for disk in part.disks
    }
    found = State(problem)
    for number, unit in enumerate(problem.units):
        places = {ends.get((part.guest, disk)) for part in unit.parts for disk in part.disks}
        place = places.pop()
        if places or place is None:
            return None
        if place != unit.home:
            if unit.fixed or place not in (*unit.targets, *unit.later):
                return None
            found.relocate(number, place)
    within = found.moves <= found.max_moves and found.bytes <= found.max_bytes
    better = found.key()[:6] < state.key()[:6]
    return found if within and better and found.keeps_all_rules() and not found.too_near() else None
