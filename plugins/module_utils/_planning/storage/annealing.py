# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small clusters in which nothing in order was found: many small changes, bad ones among them at first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from .state import FINE, State

MAX_UNITS = 80
STEPS = 15_000
# Percentage points outside of the band, and what else counts as so many.
HOTTEST, COLDEST = 8.0, 0.05
PER_UNIT, PER_BYTES = 20.0, 40.0


def anneal(state: State, movable: Sequence[int], rng: Random, weight: float) -> None:
    """Bring the state to the best end found on the way, be it the present one. weight: points outside of the
    band that weigh as much as a broken rule; with a small one rules are broken on the way.
    """
    if not movable or len(movable) > MAX_UNITS:
        return
    best, where = state.key(), list(state.where)
    space = sum(state.capacity) or 1
    total = sum(state.bytes_of[unit] for unit in movable) or 1
    energy = _energy(state, space, total, weight)
    steps = STEPS * state.problem.effort // 40
    for step in range(steps):
        heat = HOTTEST * (COLDEST / HOTTEST) ** (step / steps)
        unit = rng.choice(movable)
        one, here = state.problem.units[unit], state.where[unit]
        target = rng.choice(one.targets) if here == one.home or rng.random() < 0.5 else one.home
        if target == here or (target != one.home and not state.has_room(unit, target)):
            continue
        state.relocate(unit, target)
        then = _energy(state, space, total, weight)
        if then <= energy or rng.random() < math.exp((energy - then) / heat):
            energy = then
            if state.key() < best and not _overfull(state) and state.keeps_all_rules():
                best, where = state.key(), list(state.where)
        else:
            state.relocate(unit, here)
    state.restore(where)


def _overfull(state: State) -> bool:
    """Whether something has come to a datastore that is above its limit."""
    return any(
        state.problem.units[unit].home != other
        for other in range(len(state.load))
        if state.judged[other] and state.load[other] > state.limit[other]
        for unit in state.at[other]
    )


def _energy(state: State, space: int, total: int, weight: float) -> float:
    return (
        weight * (state.strict + state.in_breach)
        + 600.0 * state.over / space
        + PER_UNIT * state.stuck
        + (100.0 * state.io_over / (1 + sum(state.io)) if state.io_over else 0.0)
        + 300.0 * state.band() / FINE
        + 3.0 * state.soft
        + PER_BYTES * state.bytes / total
    )
