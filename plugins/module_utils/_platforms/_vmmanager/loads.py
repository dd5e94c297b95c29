# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured loads, from the series of statistics that the user has named. Private to the collection.

The names of the series are not public, so none is taken for granted; a load without one is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Optional
from urllib.parse import urlencode

from ..errors import NotFound, Refused, UnexpectedAnswer
from .answers import number, rows
from .connection import Metric, Unit, VMManagerConnection
from .session import Session

Loads = dict[str, Optional[float]]
_FACTORS: Mapping[Unit, float] = {"cores": 1, "bytes": 1, "kib": 1024, "mib": 1024 * 1024, "bits": 1 / 8}
_PATHS = {"vm": "vm/v3/host", "node": "vm/v3/node"}


def unknown() -> Loads:
    return {"cpu": None, "memory": None, "network_io": None, "disk_io": None}


def nothing() -> Loads:
    """Of a guest that does not run."""
    return {"cpu": 0.0, "memory": 0, "network_io": 0, "disk_io": 0}


@dataclass(slots=True)
class Meter:
    """Reads loads, several at a time; `failures` tells what could not be read."""

    session: Session
    connection: VMManagerConnection
    failures: list[str] = field(default_factory=list)

    def wanted(self, of: Literal["vm", "node"], *metrics: str) -> list[Metric]:
        return [
            entry
            for entry in self.connection.metrics
            if entry.of == of and (not metrics or entry.metric in metrics)
        ]

    def read(self, of: Literal["vm", "node"], identity: str, sizes: Mapping[str, float | None]) -> Loads:
        """Loads of one guest or node; `sizes` are its own cpu and memory, which percentages are of."""
        result = unknown()
        failed = set()
        for entry in self.wanted(of):
            value = self._value(entry, identity, sizes.get(entry.metric))
            if value is None:
                failed.add(entry.metric)
            else:
                result[entry.metric] = (result[entry.metric] or 0) + value
        return {
            name: None if value is None or name in failed else round(value, 6 if name == "cpu" else None)
            for name, value in result.items()
        }

    def memory_of_nodes(self, sizes: Mapping[str, float | None]) -> dict[str, float | None]:
        """The newest memory use of every node, by id; empty where no series of it is named."""
        entries = self.wanted("node", "memory")
        if not entries:
            return {}

        def of_one(identity: str) -> float | None:
            values = [self._value(entry, identity, sizes[identity], newest=True) for entry in entries]
            return None if None in values else sum(value or 0 for value in values)

        return dict(zip(sizes, self.session.concurrently(of_one, sizes), strict=True))

    def _value(
        self, entry: Metric, identity: str, size: float | None, *, newest: bool = False
    ) -> float | None:
        path = f"{_PATHS[entry.of]}/{identity}/metrics"
        asked = urlencode({"target": entry.target, "output": "single", "interval": entry.interval})
        try:
            series = rows(self.session.get(path, asked), f"GET {path}")
            points = [point for item in series for point in _points(item.get("datapoints"))]
        except (NotFound, Refused, UnexpectedAnswer) as error:
            self.failures.append(f"{entry.target}: {error}")
            return None
        value = _mean(points, 0 if newest else self.connection.window_seconds)
        if value is None:
            self.failures.append(f"{entry.target}: there are no values in it")
            return None
        if entry.unit == "percent":
            return None if size is None else value / 100 * size
        return value * _FACTORS[entry.unit]


def _points(value: object) -> Sequence[tuple[float, float]]:
    """Pairs of moment and value; what was not measured is left out."""
    found = []
    for item in value if isinstance(value, list) else ():
        if isinstance(item, list) and len(item) == 2:
            amount, when = number(item[0]), number(item[1])
            if amount is not None and when is not None:
                found.append((when, amount))
    return found


def _mean(points: Sequence[tuple[float, float]], seconds: int) -> float | None:
    """Over so many seconds before the newest point; the newest one alone for 0."""
    if not points:
        return None
    newest = max(when for when, _value in points)
    values = [value for when, value in points if when == newest or when > newest - seconds]
    return sum(values) / len(values)
