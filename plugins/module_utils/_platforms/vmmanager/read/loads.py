# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured loads, from the series of statistics that the user has named.

The names of the series are not public, so none is taken for granted; a load without one is not known.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Optional
from urllib.parse import urlencode

from ...._model.snapshot import Notice, Source
from ...._model.text.wording import counted, listed
from ...values import rows
from ..api.circuit_breaker import CircuitBreaker
from ..api.connection import Metric, Unit, VMManagerConnection
from ..api.session import Session
from ..api.values import number

Loads = dict[str, Optional[float]]
Of = Literal["vm", "node"]
Points = Sequence[tuple[float, float]]
_FACTORS: Mapping[Unit, float] = {"cores": 1, "bytes": 1, "kib": 1024, "mib": 1024 * 1024, "bits": 1 / 8}
_PATHS: Mapping[Of, str] = {"vm": "vm/v3/host", "node": "vm/v3/node"}
# Statistics are of whole minutes: what has started or arrived later than this has been measured too seldom,
# unless its window holds at least YOUNG_POINTS points.
YOUNG_SECONDS = 180.0
YOUNG_POINTS = 3
# A newest value that is older than this, and older than three steps of its series, is no present value.
STALE_SECONDS = 900.0
MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class Reading:
    """The use of one guest or node; `sources` of those loads that are not the average of the window."""

    used: Loads
    sources: Mapping[str, Source] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Failure:
    of: Of
    identity: str
    target: str
    why: str


def unknown() -> Loads:
    return {"cpu": None, "memory": None, "network_io": None, "disk_io": None}


def nothing() -> Loads:
    """Of a guest that does not run."""
    return {"cpu": 0.0, "memory": 0, "network_io": 0, "disk_io": 0}


@dataclass(slots=True)
class LoadReader:
    """Reads loads, several at a time, and remembers what could not be read and how far series reach back."""

    session: Session
    connection: VMManagerConnection
    breaker: CircuitBreaker
    _failures: list[_Failure] = field(default_factory=list)
    _covered: dict[tuple[Of, str], float] = field(default_factory=dict)

    def wanted(self, of: Of, *metrics: str) -> list[Metric]:
        return [
            entry
            for entry in self.connection.metrics
            if entry.of == of and (not metrics or entry.metric in metrics)
        ]

    def read(
        self, of: Of, identity: str, sizes: Mapping[str, float | None], age: float | None = None
    ) -> Reading:
        """Loads of one guest or node; `sizes` are its own cpu and memory, which percentages are of, `age` the
        seconds since it started or arrived, None where that is not known.
        """
        used, sources, failed = unknown(), dict[str, Source](), set()
        for entry in self.wanted(of):
            points = self._points(entry, identity)
            window = _window(points or (), self.connection.window_seconds)
            if points is not None and _is_young(window, age, self.connection.window_seconds):
                sources[entry.metric] = "not_yet_measured"
                continue
            value = self._value(entry, identity, points, window, sizes.get(entry.metric))
            if value is None:
                failed.add(entry.metric)
            else:
                used[entry.metric] = (used[entry.metric] or 0) + value
        return Reading(
            used={
                name: None
                if value is None or name in failed or name in sources
                else round(value, 6 if name == "cpu" else None)
                for name, value in used.items()
            },
            sources=sources,
        )

    def memory_of_nodes(self, sizes: Mapping[str, float | None]) -> dict[str, float | None]:
        """The newest memory use of every node, by id; empty where no series of it is named."""
        self._failures.clear()
        entries = self.wanted("node", "memory")
        if not entries:
            return {}

        def of_one(identity: str) -> float | None:
            values = []
            for entry in entries:
                points = self._points(entry, identity)
                values.append(self._value(entry, identity, points, _window(points or (), 0), sizes[identity]))
            return None if None in values else sum(value or 0 for value in values)

        return dict(zip(sizes, self.session.concurrently(of_one, sizes), strict=True))

    def window_seconds(self) -> int:
        """The seconds that loads are averaged over: less than requested where a series does not reach back so
        far, and 0 where nothing could be averaged.
        """
        asked = self.connection.window_seconds
        return min(asked, *(round(seconds) for seconds in self._covered.values())) if self._covered else 0

    def notices(self, names: Mapping[Of, Mapping[str, str]]) -> Iterator[Notice]:
        """Failed readings; `names` of guests and nodes by id."""
        groups: dict[tuple[Of, str], dict[str, str]] = {}
        for failure in self._failures:
            groups.setdefault((failure.of, failure.target), {})[failure.identity] = failure.why
        for (of, target), reasons in sorted(groups.items()):
            # In the order of the lists, not in that in which calls ended.
            failures = {identity: reasons[identity] for identity in names[of] if identity in reasons}
            failed = [names[of][identity] for identity in failures]
            whose = counted(len(failed), "virtual machine" if of == "vm" else "node")
            yield Notice(
                text=f"The series {target} of {whose} could not be read: {listed(failed, MAX_NAMED)}. The"
                f" first reason: {next(iter(failures.values()), '')}",
                hides=("loads",),
                hosts=tuple(failures) if of == "node" else (),
                guests=tuple(failures) if of == "vm" else (),
            )
        covered = self.window_seconds()
        if 0 < covered < self.connection.window_seconds:
            yield Notice(
                text=f"The loads are averages over {covered} s instead of {self.connection.window_seconds} s,"
                " because the statistics do not reach back further. Name a longer interval in"
                " vmmanager_metrics."
            )

    def _points(self, entry: Metric, identity: str) -> Points | None:
        """The series; None, and a failure, where it can't be read or is of the past."""
        path = f"{_PATHS[entry.of]}/{identity}/metrics"
        asked = urlencode({"target": entry.target, "output": "single", "interval": entry.interval})

        def read() -> Points:
            series = rows(self.session.get(path, asked), f"GET {path}")
            return sorted(point for item in series for point in _pairs(item.get("datapoints")))

        found = self.breaker.attempt(f"{entry.of} {entry.target}", read)
        if found.value is None:
            self._fail(entry, identity, found.why)
            return None
        late = self._late(found.value)
        if late is not None:
            self._fail(entry, identity, f"its newest value is {late:.0f} s old")
            return None
        return found.value

    def _late(self, points: Points) -> float | None:
        """How old the newest point is, where that is too old."""
        if not points or self.session.date is None:
            return None
        late = self.session.date.timestamp() - points[-1][0]
        return late if late > max(STALE_SECONDS, 3 * _step(points)) else None

    def _value(
        self, entry: Metric, identity: str, points: Points | None, window: Points, size: float | None
    ) -> float | None:
        if points is None:
            return None
        if not window:
            self._fail(entry, identity, "there are no values in it")
            return None
        if entry.unit == "percent" and size is None:
            self._fail(entry, identity, f"it is in percent of a {entry.metric} that is not reported")
            return None
        reach = points[-1][0] - points[0][0] + _step(points)
        series = entry.of, entry.target
        self._covered[series] = max(self._covered.get(series, 0.0), reach)
        value = sum(amount for _when, amount in window) / len(window)
        if entry.unit == "percent":
            return value / 100 * (size or 0.0)
        return value * _FACTORS[entry.unit]

    def _fail(self, entry: Metric, identity: str, why: str) -> None:
        self._failures.append(_Failure(entry.of, identity, entry.target, why))


def _pairs(value: object) -> Iterator[tuple[float, float]]:
    """Pairs of moment and value; what was not measured is left out."""
    for item in value if isinstance(value, list) else ():
        if isinstance(item, list) and len(item) == 2:
            amount, when = number(item[0]), number(item[1])
            if amount is not None and when is not None:
                yield when, amount


def _window(points: Points, seconds: int) -> Points:
    """Those of these seconds before the newest one; the newest one alone for 0."""
    if not points:
        return ()
    newest = points[-1][0]
    return [point for point in points if point[0] == newest or point[0] > newest - seconds]


def _step(points: Points) -> float:
    """The seconds between two points, as a rule."""
    steps = [later[0] - earlier[0] for earlier, later in itertools.pairwise(points)]
    return statistics.median(steps) if steps else 0.0


def _is_young(window: Points, age: float | None, seconds: int) -> bool:
    """Whether it has started or arrived so lately that its values say nothing yet."""
    if age is None or age >= YOUNG_SECONDS:
        return False
    return seconds == 0 or len(window) < YOUNG_POINTS
