# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Means over a window out of Proxmox VE's measured history (rrddata). Private to the collection.

Points are `{time, cpu, …}`, oldest first; what was not measured is left out. Rates are in bytes per second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .answers import Row, amount

_SECONDS_OF = {"hour": 3600, "day": 86_400, "week": 604_800, "month": 2_592_000, "year": 31_536_000}
# How old the newest point with a value may be and still count as present.
_PRESENT_SECONDS = 180
_PRESSURES = {"cpu": "pressurecpusome", "memory": "pressurememorysome", "io": "pressureiosome"}


def timeframe(window_seconds: int) -> str:
    """The finest history that reaches back so far."""
    return next((name for name, seconds in _SECONDS_OF.items() if window_seconds <= seconds), "year")


class History:
    """The points of one guest or node that lie in the window; 0 for the present value alone."""

    def __init__(self, points: Sequence[Row], window_seconds: int) -> None:
        newest = max((amount(point.get("time")) or 0.0 for point in points), default=0.0)
        oldest = newest - (window_seconds or _PRESENT_SECONDS)
        self._points = [point for point in points if (amount(point.get("time")) or 0.0) > oldest]
        self._newest_only = window_seconds == 0

    def mean(self, *keys: str) -> float | None:
        """The mean of the sum of these; None when no point has all of them."""
        values: list[float] = []
        for point in reversed(self._points):
            parts = [amount(point.get(key)) for key in keys]
            known = [part for part in parts if part is not None]
            if len(known) == len(keys):
                values.append(sum(known))
                if self._newest_only:
                    break
        return sum(values) / len(values) if values else None

    def first_mean(self, keys: Iterable[str]) -> float | None:
        """The mean of the first of these that was measured at all."""
        return next((value for key in keys if (value := self.mean(key)) is not None), None)

    def pressure(self) -> dict[str, float | None]:
        """Percent of time that something was stalled; None where the kernel's figure is missing."""
        found = {name: self.mean(key) for name, key in _PRESSURES.items()}
        return {name: None if value is None else min(value, 100.0) for name, value in found.items()}
