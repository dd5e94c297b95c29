# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of each host or datastore side by side, each in a lane of its own while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..timeline import Span


class Step(Protocol):
    """A migration or a disk move."""

    @property
    def step(self) -> int: ...
    @property
    def guest(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def estimated(self) -> Span | None: ...
    @property
    def real(self) -> Span | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A step in a lane of a place. arrives: whether the guest, or its disks, come to it, or else leave it."""

    step: int
    guest: str
    lane: int
    span: Span
    arrives: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """A host or datastore with a lane for each of its concurrent steps."""

    place: str
    lanes: int
    uses: tuple[Use, ...]


def slots_of(rows: Sequence[Step]) -> tuple[Slots, ...]:
    """The places that send or receive, those with the most work first. Real times count where there are any,
    estimated ones otherwise.
    """
    real = any(row.real for row in rows)
    work: dict[str, list[tuple[Span, Step, bool]]] = {}
    for row in rows:
        span = row.real if real else row.estimated
        if span is not None:
            work.setdefault(row.source, []).append((span, row, False))
            work.setdefault(row.target, []).append((span, row, True))
    # Moments of a run are whole seconds.
    found = [_in_lanes(place, items, 1.0 if real else 1e-6) for place, items in work.items()]
    found.sort(key=lambda slots: (-sum(use.span.seconds for use in slots.uses), slots.place))
    return tuple(found)


def _in_lanes(place: str, items: list[tuple[Span, Step, bool]], tolerance: float) -> Slots:
    """Each in the first lane that is free."""
    free: list[float] = []
    uses = []
    for span, row, arrives in sorted(items, key=lambda item: (item[0].start, item[1].step)):
        lane = next((lane for lane, end in enumerate(free) if end <= span.start + tolerance), len(free))
        free[lane : lane + 1] = [span.end]
        uses.append(Use(step=row.step, guest=row.guest, lane=lane, span=span, arrives=arrives))
    return Slots(place=place, lanes=len(free), uses=tuple(uses))
