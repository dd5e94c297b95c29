# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The space of datastores, levelled: into a band whose width is max_spread, in fine parts of a capacity."""

from __future__ import annotations

from collections.abc import Sequence

from .bounds import best_band
from .limits import relieve
from .moves import Moves
from .state import FINE

# Units that are brought to a datastore below the band, at most.
MAX_ARRIVALS = 30
# Units that are tried between two datastores, those of the best size first.
MAX_SIZED = 20


def bands_to_try(moves: Moves) -> list[dict[int, tuple[int, int]]]:
    """By group, the lower and the upper end of bands to try in fine parts of a capacity, the most promising
    first.
    """
    state = moves.state
    if state.max_spread is None or not state.groups:
        return []
    middle = {group: best_band(state, places) for group, places in state.groups.items()}
    step = max(1, state.max_spread // 4)
    return [
        {group: (low + shift, low + shift + state.max_spread) for group, low in middle.items()}
        for shift in (0, step, -step)
    ]


def shifted_bands(moves: Moves) -> dict[int, tuple[int, int]] | None:
    """The most promising bands, a little higher or lower."""
    bands = bands_to_try(moves)
    most = (moves.state.max_spread or 0) // 2
    if not bands or not most:
        return None
    shift = moves.rng.randint(-most, most)
    return {group: (low + shift, high + shift) for group, (low, high) in bands[0].items()}


def level(moves: Moves, bands: dict[int, tuple[int, int]]) -> None:
    """Bring the datastores of each group into its band, between the lower and the upper end."""
    state = moves.state
    top = list(state.limit)
    for group, places in state.groups.items():
        for place in places:
            top[place] = min(top[place], bands[group][1] * state.capacity[place] // FINE)
    if state.band():
        relieve(moves, top, top)
    for group, places in state.groups.items():
        _fill(moves, places, bands[group][0], top)
    _descend(moves)


def _fill(moves: Moves, group: Sequence[int], low: int, top: Sequence[int]) -> None:
    """Bring units to datastores below the band, those that hit its lower end best. low: in fine parts of a
    capacity; top: by datastore, the bytes that it may hold.
    """
    state = moves.state
    for place in sorted(group, key=lambda place: (state.use[place], place)):
        if not moves.problem.places[place].takes:
            continue
        for _attempt in range(MAX_ARRIVALS):
            missing = low * state.capacity[place] // FINE - state.load[place]
            if missing <= 0 or not state.band():
                break
            best: tuple[int, int, int] | None = None
            for source in group:
                spare = state.load[source] - low * state.capacity[source] // FINE
                if source == place or spare <= 0:
                    continue
                for unit in list(state.at[source]):
                    size = state.size(unit, place)
                    if place not in moves.problem.units[unit].targets or size <= 0:
                        continue
                    if state.size(unit, source) > spare or state.load[place] + size > top[place]:
                        continue
                    rated = (abs(missing - size), moves.more_bytes(unit), unit)
                    if (best is None or rated < best) and state.fits(unit, place):
                        best = rated
            if best is None:
                break
            state.relocate(best[2], place)


def _descend(moves: Moves) -> None:
    """Move units off the fullest and to the emptiest datastore of a group as long as the band gets
    nearer.
    """
    state = moves.state
    for group in state.groups.values():
        for _step in range(4 * len(group) + 20):
            before = state.key()
            if not before[4]:
                return
            givers = sorted(group, key=lambda place: (-state.use[place], place))[:3]
            takers = sorted(group, key=lambda place: (state.use[place], place))[:3]
            options = {
                (unit, target)
                for number, source in enumerate(givers)
                for target in (takers if number == 0 else takers[:1])
                if target != source
                for unit in _sized_between(moves, source, target)
            }
            found = moves.best(sorted(options), before)
            if found is None:
                break
            state.relocate(*found)


def _sized_between(moves: Moves, source: int, target: int) -> list[int]:
    """Units that would make two datastores equally full, or nearly."""
    state = moves.state
    wanted = (state.use[source] - state.use[target]) * state.capacity[source] // (2 * FINE)
    units = [unit for unit in list(state.at[source]) if target in moves.problem.units[unit].targets]
    units.sort(key=lambda unit: (abs(state.size(unit, source) - wanted), unit))
    return units[:MAX_SIZED]
