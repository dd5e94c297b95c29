# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that a search is made of: the best place for a unit, with others moved out of its way if need
be.
"""

from __future__ import annotations

from ..model.snapshot_index import bits
from ..model.solution import Solution
from ..tolerances import COST

NEVER = float("inf")
# Hosts with free capacity that are looked at, the emptiest first: more than any but the largest clusters
# have.
MAX_CANDIDATES = 100
# Hosts that are tried for free capacity by moving one guest, and by moving several.
MAX_ASKED, FEW_ASKED = 64, 12


def insertion_cost(state: Solution, unit: int, host: int) -> float:
    """The cost that a taken unit adds when put there: points outside the band, then a touch of crowding, then
    wishes."""
    problem = state.problem
    cost = state.excess_with(host, state.points_of(unit, host)) - state.excess[host]
    cost += 1e-3 * crowding(state, unit, host)
    for group, many in problem.unit_groups[unit]:
        counts = state.counts[group]
        if not counts.group.strict:
            cost += 0.5 * counts.group.weight * soft_rule_cost(state, group, host, many)
    return cost


def soft_rule_cost(state: Solution, group: int, host: int, many: int) -> int:
    counts = state.counts[group]
    kind = counts.group.kind
    here = counts.at.get(host, 0)
    if kind == "apart":
        return many if here else 0
    if kind == "pinned":
        return many if host in counts.group.domain else 0
    if kind == "together":
        return 0 if here or not counts.at else many
    return 0 if counts.amount == 0 and here == 0 else here


def crowding(state: Solution, unit: int, host: int) -> float:
    """Mean use of the host's needs, weighted by what the unit takes of each: the direction in which it is
    cheapest.
    """
    problem = state.problem
    total = 0.0
    for have, more, top in zip(
        state.need[host], problem.unit_need[unit], problem.needs.ceiling[host], strict=True
    ):
        if more and top > 0:
            total += have / top * more / top
    for points, more in zip(state.points[host], state.points_of(unit, host), strict=True):
        total += points * more / 1e4
    return total


def best_insertion(
    state: Solution, unit: int, banned: frozenset[int] = frozenset()
) -> tuple[float, int] | None:
    """The cheapest host for a taken unit, or None when it fits nowhere."""
    best = None
    mask, looked = state.problem.unit_mask[unit], 0
    for host in state.hosts_by_free_capacity():
        if not mask >> host & 1 or host in banned or not state.fits(unit, host):
            continue
        looked += 1
        if looked > MAX_CANDIDATES:
            break
        cost = insertion_cost(state, unit, host) + 1e-4 * state.guests_moved(unit, host)
        if best is None or cost < best[0] - COST:
            best = (cost, host)
    return best


def insert_with_ejection(state: Solution, unit: int, depth: int = 2) -> list[tuple[int, int]] | None:
    """Put a taken unit somewhere, moving others out of its way if it fits on no host as it is.

    Returns what was moved and from where, to undo it; None, and nothing changed, when it can't be done.
    """
    found = best_insertion(state, unit)
    if found is not None:
        state.insert(unit, found[1])
        return []
    if depth == 0:
        return None
    hosts = sorted(bits(state.problem.unit_mask[unit]), key=lambda host: (_shortage(state, unit, host), host))
    # Nobody moves two guests where one suffices, be it on a host that lacks more.
    for others in range(1, depth + 1):
        for host in hosts[:MAX_ASKED] if others == 1 else hosts[:FEW_ASKED]:
            undo = _eject(state, unit, host, others)
            if undo is not None:
                return undo
    return None


def _eject(state: Solution, unit: int, host: int, depth: int) -> list[tuple[int, int]] | None:
    problem = state.problem
    if host == problem.unit_home[unit]:
        return None
    # The smallest that is large enough goes first, then larger ones.
    others = sorted(state.on[host], key=lambda other: (problem.unit_bytes[other], other))
    for other in others:
        state.remove(other)
        if state.fits(unit, host):
            state.insert(unit, host)
            undo = insert_with_ejection(state, other, depth - 1)
            if undo is not None and state.where[other] != host:
                return [*undo, (other, host)]
            if undo is not None:
                undo_all(state, undo)
                state.remove(other)
            state.remove(unit)
        state.insert(other, host)
    return None


def _shortage(state: Solution, unit: int, host: int) -> float:
    ceiling = state.problem.needs.ceiling[host]
    return max(
        (
            (have + more - top) / top if top > 0 else more
            for have, more, top in zip(state.need[host], state.problem.unit_need[unit], ceiling, strict=True)
            if more
        ),
        default=0.0,
    )


def undo_all(state: Solution, undo: list[tuple[int, int]]) -> None:
    for unit, host in undo:
        state.relocate(unit, host)
