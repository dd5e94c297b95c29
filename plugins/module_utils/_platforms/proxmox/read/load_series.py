# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured history (rrddata): means over a window, and the newest value.

Points are `{time, cpu, …}`, oldest first; what was not measured is left out. Rates are in bytes per second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from ...values import Row
from ..api.values import amount

_SECONDS_OF = {"hour": 3600, "day": 86_400, "week": 604_800, "month": 2_592_000, "year": 31_536_000}
# How old the newest point with a value may be and still count as present.
_PRESENT_SECONDS = 180
_PRESSURES = {"cpu": "pressurecpusome", "memory": "pressurememorysome", "io": "pressureiosome"}

Pressure = dict[str, Optional[float]]
NO_PRESSURE: Pressure = dict.fromkeys(_PRESSURES)


def timeframe(window_seconds: int) -> str:
    """The finest history that reaches back so far."""
    return next((name for name, seconds in _SECONDS_OF.items() if window_seconds <= seconds), "year")


class LoadSeries:
    """The points of one guest or node that lie in the window, 0 for the present, and wholly after `since`."""

    def __init__(self, points: Sequence[Row], window_seconds: int, since: float = 0.0) -> None:
        times = [amount(point.get("time")) or 0.0 for point in points]
        newest = max(times, default=0.0)
        step = times[-1] - times[-2] if len(times) > 1 else 0.0
        # A point stands for the time between the one before it and itself.
        oldest = max(newest - (window_seconds or _PRESENT_SECONDS), since + step)
        self._window = [point for point, time in zip(points, times, strict=True) if time > oldest]
        self._present = [
            point
            for point, time in zip(points, times, strict=True)
            if time > max(newest - _PRESENT_SECONDS, since + step)
        ]

    def mean(self, *keys: str) -> float | None:
        """The mean of the sum of these; None when no point has all of them."""
        values = _sums(self._window, keys)
        return sum(values) / len(values) if values else None

    def latest(self, *keys: str) -> float | None:
        """The newest sum of these; None when no point of the last minutes has all of them."""
        return next(reversed(_sums(self._present, keys)), None)

    def pressure(self) -> Pressure:
        """Percent of time that something was stalled; None where the kernel's figure is missing."""
        found = {name: self.mean(key) for name, key in _PRESSURES.items()}
        return {name: None if value is None else min(value, 100.0) for name, value in found.items()}

    def present_pressure(self) -> Pressure:
        """The same of this moment."""
        found = {name: self.latest(key) for name, key in _PRESSURES.items()}
        return {name: None if value is None else min(value, 100.0) for name, value in found.items()}


def _sums(points: Sequence[Row], keys: Sequence[str]) -> list[float]:
    result = []
    for point in points:
        total = 0.0
        for key in keys:
            value = amount(point.get(key))
            if value is None:
                break
            total += value
        else:
            result.append(total)
    return result
