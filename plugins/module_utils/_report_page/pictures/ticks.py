# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Marks on an axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..texts import duration

_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Tick:
    """percent: where on the axis."""

    percent: float
    text: str


def time_ticks(seconds: float, most: int = 6) -> tuple[Tick, ...]:
    """At most this number of round times from 0 on."""
    if seconds <= 0:
        return (Tick(0.0, "0 s"),)
    step = next((step for step in _STEPS if seconds / step <= most), _STEPS[-1])
    return tuple(
        Tick(round(100 * number * step / seconds, 2), duration(number * step) if number else "0")
        for number in range(int(seconds / step) + 1)
    )
