# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worst that can be of all interleavings: the largest sum of what has begun, less what has ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise

SMALLEST = 1e-9


def worst_sum(ancestors: Sequence[int], gains: Mapping[int, float], reliefs: Mapping[int, float]) -> float:
    """Gains count once begun, reliefs only once ended. ancestors: by step, those that end before it begins,
    as bits.

    To begin something, all its ancestors have ended; so this is a maximum closure, found as a minimum cut.
    """
    room = dict(reliefs)
    paid: dict[int, dict[int, float]] = {gain: {} for gain in gains}
    total = 0.0
    for gain, weight in gains.items():
        while weight > SMALLEST:
            path = _path(ancestors, gain, room, paid)
            if path is None:
                break
            handed_on = [paid[giver][relief] for (_giver, relief), (giver, _relief) in pairwise(path)]
            amount = min([weight, room[path[-1][1]], *handed_on])
            for index, (giver, relief) in enumerate(path):
                paid[giver][relief] = paid[giver].get(relief, 0.0) + amount
                if index + 1 < len(path):
                    paid[path[index + 1][0]][relief] -= amount
            room[path[-1][1]] -= amount
            weight -= amount
        total += weight
    return total


def _path(
    ancestors: Sequence[int],
    gain: int,
    room: Mapping[int, float],
    paid: Mapping[int, Mapping[int, float]],
) -> list[tuple[int, int]] | None:
    """Shortest way to relief that is left, over gains that could be relieved by something else instead."""
    queue: deque[tuple[int, list[tuple[int, int]]]] = deque([(gain, [])])
    seen = {gain}
    while queue:
        giver, path = queue.popleft()
        for relief, left in room.items():
            if not ancestors[giver] >> relief & 1:
                continue
            if left > SMALLEST:
                return [*path, (giver, relief)]
            for other, parts in paid.items():
                if other not in seen and parts.get(relief, 0.0) > SMALLEST:
                    seen.add(other)
                    queue.append((other, [*path, (giver, relief)]))
    return None
