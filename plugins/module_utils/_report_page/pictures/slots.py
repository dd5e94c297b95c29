# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The migrations of each host side by side, each in a lane of its own while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..timeline import Row, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A migration in a lane of a host. arrives: whether the guest comes to this host, or else leaves it."""

    step: int
    guest: str
    lane: int
    span: Span
    arrives: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSlots:
    """A host with a lane for each of its concurrent migrations."""

    host: str
    lanes: int
    uses: tuple[Use, ...]


def host_slots(rows: Sequence[Row]) -> tuple[HostSlots, ...]:
    """The hosts that send or receive a guest, those with the most work first. Real times count where there
    are any, estimated ones otherwise.
    """
    real = any(row.real for row in rows)
    work: dict[str, list[tuple[Span, Row, bool]]] = {}
    for row in rows:
        span = row.real if real else row.estimated
        if span is not None:
            work.setdefault(row.source, []).append((span, row, False))
            work.setdefault(row.target, []).append((span, row, True))
    # Moments of a run are whole seconds.
    found = [_in_lanes(host, items, 1.0 if real else 1e-6) for host, items in work.items()]
    found.sort(key=lambda slots: (-sum(use.span.seconds for use in slots.uses), slots.host))
    return tuple(found)


def _in_lanes(host: str, items: list[tuple[Span, Row, bool]], tolerance: float) -> HostSlots:
    """Each in the first lane that is free."""
    free: list[float] = []
    uses = []
    for span, row, arrives in sorted(items, key=lambda item: (item[0].start, item[1].step)):
        lane = next((lane for lane, end in enumerate(free) if end <= span.start + tolerance), len(free))
        free[lane : lane + 1] = [span.end]
        uses.append(Use(step=row.step, guest=row.guest, lane=lane, span=span, arrives=arrives))
    return HostSlots(host=host, lanes=len(free), uses=tuple(uses))
