# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much I/O a datastore can take within a latency.

Requests take a base time, and longer the more bytes are asked for. Of a datastore with much I/O both are seen
together; one with little I/O shows only its base time, which says nothing of what it could take. It is then
taken to be as capable as others of its kind, of which more is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..._model.snapshot import Datastore


def io_per_millisecond(datastores: Sequence[Datastore], most: float = math.inf) -> list[float | None]:
    """By datastore, the bytes per second that it takes for each millisecond of latency; None where that is
    not known.

    It is what the datastore shows itself, or the largest that any of the same type and class shows that is
    not faster now: one that is slower with less I/O can take less. One whose latency is above `most` shows
    what it can take.
    """
    shown: dict[tuple[str | None, str | None], list[tuple[float, float]]] = {}
    for place in datastores:
        if place.latency and place.disk_io:
            here = shown.setdefault((place.type, place.kind), [])
            here.append((place.latency, place.disk_io / place.latency))
    best: dict[tuple[str | None, str | None, float], float] = {}
    for (kind, name), group in shown.items():
        largest = 0.0
        for latency, amount in sorted(group, reverse=True):
            largest = max(largest, amount)
            best[kind, name, latency] = largest
    found: list[float | None] = []
    for place in datastores:
        if not place.latency or not place.disk_io:
            found.append(None)
        elif place.latency > most:
            found.append(place.disk_io / place.latency)
        else:
            found.append(best[place.type, place.kind, place.latency])
    return found


def latency_after(place: Datastore, io: float, per_millisecond: float) -> float:
    """The latency of a datastore, estimated, when its I/O has become `io` bytes per second."""
    latency, before = place.latency or 0.0, place.disk_io or 0.0
    if io <= before:
        return latency * io / before if before else latency
    return max(latency, io / per_millisecond)
