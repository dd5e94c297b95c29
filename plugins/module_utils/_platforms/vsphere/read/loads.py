# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads of hosts and guests, from the performance manager."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element

from ...errors import Refused
from ..api.collector import properties, retrieve
from ..api.errors import Gone
from ..api.https import AnswerLost
from ..api.library import vim
from ..api.session import Session
from ..api.values import find_all, flag, text, whole

CPU = "cpu.usagemhz.average"
MEMORY = "mem.consumed.average"
NETWORK_IO = "net.usage.average"
DISK_IO = "disk.usage.average"
CPU_READY = "cpu.readiness.average"

# The present CPU and memory come with the inventory.
_PRESENT = (NETWORK_IO, DISK_IO, CPU_READY)
_RECENT = (CPU, MEMORY, NETWORK_IO, DISK_IO, CPU_READY)
# What vCenter keeps for longer than an hour at its default statistics level.
_HISTORY = (CPU, MEMORY, NETWORK_IO, DISK_IO)

_SAMPLE_SECONDS = 20
_KEPT_SECONDS = 3600
# How long vCenter keeps which averages, in seconds, where it does not say so itself.
ROLLUPS = ((86400, 300), (7 * 86400, 1800), (30 * 86400, 7200), (365 * 86400, 86400))

# Samples of the last hour come from the hosts, older ones from the database, and of these vCenter gives only
# 64 series at once (its setting config.vpxd.stats.maxQueryMetrics).
_ENTITIES = 500
_DATABASE_SERIES = 64
# So many refusals of single objects in a row, without one answer, are a refusal of all; and of so many in all
# the rest is not asked for one by one.
_REFUSED_AT_ONCE = 3
_REFUSED_AT_ALL = 32


@dataclass(frozen=True, slots=True)
class Offer:
    """The numbers of counters by name, which differ from one vCenter to another, and how long it keeps which
    averages: these are settings.
    """

    numbers: Mapping[str, str]
    rollups: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Window:
    """Which samples to ask for: the interval between them, how many or since when, and of which counters.
    `seconds` is what they cover, less than what was wanted where vCenter keeps no samples for so long.
    """

    interval: int
    samples: int | None
    since: datetime | None
    counters: tuple[str, ...]
    seconds: int = 0

    @property
    def batch(self) -> int:
        """How many entities one query may be about."""
        return _ENTITIES if self.since is None else _DATABASE_SERIES // len(self.counters)


@dataclass(frozen=True, slots=True)
class Loads:
    """Averages over the last `seconds` in the counters' own units, by reference and by counter: a counter
    without a sample is not there. `seconds` is 0 for the present values, also where no average was to be had.

    `refused` says why vCenter gave no statistics of an object.
    """

    averages: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    seconds: int = 0
    refused: Mapping[str, str] = field(default_factory=dict)


def window(seconds: int, now: datetime, rollups: Sequence[tuple[int, int]] = ROLLUPS) -> Window:
    """The samples of the last `seconds`, 0 for the latest one; `now` is the server's time.

    `rollups`: for how long which interval is kept, in seconds, the finest first.
    """
    if seconds == 0:
        return Window(_SAMPLE_SECONDS, 1, None, _PRESENT)
    if seconds <= _KEPT_SECONDS or not rollups:
        covered = min(seconds, _KEPT_SECONDS)
        return Window(_SAMPLE_SECONDS, math.ceil(covered / _SAMPLE_SECONDS), None, _RECENT, covered)
    kept, interval = next((rollup for rollup in rollups if seconds <= rollup[0]), rollups[-1])
    covered = min(seconds, kept)
    return Window(interval, None, now - timedelta(seconds=covered), _HISTORY, covered)


def read_loads(session: Session, entities: Sequence[Any], seconds: int, now: datetime, offer: Offer) -> Loads:
    """The loads over the last `seconds`, 0 for the latest sample; `now` is the server's time."""
    if not entities:
        return Loads({}, seconds)
    numbers, rollups = offer.numbers, offer.rollups
    asked = window(seconds, now, rollups)
    numbers = {name: number for name, number in numbers.items() if name in asked.counters}
    query = _Averages(session, asked, numbers)
    for start in range(0, len(entities), asked.batch):
        query.ask(entities[start : start + asked.batch])
    averaged = any(query.averages.values())
    return Loads(query.averages, asked.seconds if averaged else 0, query.refused)


def average(series: str) -> float | None:
    """The mean of comma-separated samples. A negative one says that there is no sample."""
    samples = [sample for sample in map(int, filter(None, series.split(","))) if sample >= 0]
    return sum(samples) / len(samples) if samples else None


class Query:
    """Asks for statistics. What is refused together is asked for in halves, down to the single object."""

    def __init__(self, session: Session) -> None:
        self.refused: dict[str, str] = {}
        self._session = session
        self._answered = False

    def spec(self, entity: Any) -> Any:
        """What is asked for of that object."""
        raise NotImplementedError

    def take(self, metric: Element) -> None:
        """The answer about one object."""
        raise NotImplementedError

    def ask(self, entities: Sequence[Any]) -> None:
        if self._is_hopeless():
            self._refuse(entities, next(reversed(self.refused.values())))
            return
        try:
            for metric in self._metrics(entities):
                self._answered = True
                self.take(metric)
        except Gone:
            self._ask_halves(entities)
        except Refused as refusal:
            # Of one object it is the object; of several, perhaps, that the server takes fewer at once.
            if len(entities) == 1:
                self._refuse(entities, refusal.what)
            self._ask_halves(entities)
        except AnswerLost as lost:
            self._refuse(entities, lost.what)

    def _ask_halves(self, entities: Sequence[Any]) -> None:
        if len(entities) > 1:
            middle = len(entities) // 2
            self.ask(entities[:middle])
            self.ask(entities[middle:])

    def _is_hopeless(self) -> bool:
        most = _REFUSED_AT_ALL if self._answered else _REFUSED_AT_ONCE
        return len(self.refused) >= most

    def _refuse(self, entities: Sequence[Any], why: str) -> None:
        for entity in entities:
            self.refused[entity._GetMoId()] = why

    def _metrics(self, entities: Sequence[Any]) -> Iterator[Element]:
        specs = [self.spec(entity) for entity in entities]
        response = self._session.call(self._session.manager("perfManager"), "QueryPerf", specs)
        yield from find_all(response, "returnval")


class _Averages(Query):
    """The averages of one window, of the objects as a whole."""

    def __init__(self, session: Session, asked: Window, numbers: Mapping[str, str]) -> None:
        super().__init__(session)
        self.averages: dict[str, dict[str, float]] = {}
        self._asked = asked
        self._names = {number: name for name, number in numbers.items()}

    def spec(self, entity: Any) -> Any:
        kinds = vim.PerformanceManager
        return kinds.QuerySpec(
            entity=entity,
            metricId=[kinds.MetricId(counterId=int(number), instance="") for number in self._names],
            intervalId=self._asked.interval,
            maxSample=self._asked.samples,
            startTime=self._asked.since,
            format="csv",
        )

    def take(self, metric: Element) -> None:
        averages = self.averages.setdefault(text(metric, "entity") or "", {})
        for series in find_all(metric, "value"):
            mean = average(text(series, "value") or "")
            name = self._names.get(text(series, "id/counterId") or "")
            if mean is not None and name is not None and not text(series, "id/instance"):
                averages[name] = mean


def read_offer(session: Session) -> Offer:
    """The counters and intervals of this vCenter."""
    manager = session.manager("perfManager")
    found = retrieve(
        session, [manager], [properties(vim.PerformanceManager, "perfCounter", "historicalInterval")]
    )
    values = found[0].values if found else {}
    numbers = {}
    for counter in values.get("perfCounter", ()):
        parts = (text(counter, "groupInfo/key"), text(counter, "nameInfo/key"), text(counter, "rollupType"))
        numbers[".".join(part or "" for part in parts)] = text(counter, "key") or ""
    if "historicalInterval" not in values:
        return Offer(numbers, ROLLUPS)
    kept = [
        (whole(interval, "length") or 0, whole(interval, "samplingPeriod") or 0)
        for interval in values["historicalInterval"]
        if flag(interval, "enabled") is not False
    ]
    return Offer(numbers, tuple(sorted(filter(all, kept), key=lambda rollup: rollup[1])))
