# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts and guests use, from the performance manager. Private to the collection."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element

from .collector import properties, retrieve
from .faults import Gone, InvalidArgument
from .library import vim
from .session import Session
from .soap import returned
from .values import find_all, text

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
# How long vCenter keeps which averages, in seconds.
_ROLLUPS = ((86400, 300), (7 * 86400, 1800), (30 * 86400, 7200), (365 * 86400, 86400))

# Samples of the last hour come from the hosts, older ones from the database, and of these vCenter gives only
# 64 series at once (its setting config.vpxd.stats.maxQueryMetrics).
_ENTITIES = 500
_DATABASE_SERIES = 64


@dataclass(frozen=True, slots=True)
class Window:
    """Which samples to ask for: the interval between them, how many or since when, and of which counters."""

    interval: int
    samples: int | None
    since: datetime | None
    counters: tuple[str, ...]

    @property
    def batch(self) -> int:
        """How many entities one query may be about."""
        return _ENTITIES if self.since is None else _DATABASE_SERIES // len(self.counters)


def window(seconds: int, now: datetime) -> Window:
    """The samples of the last `seconds`, 0 for the latest one; `now` is the server's time."""
    if seconds == 0:
        return Window(_SAMPLE_SECONDS, 1, None, _PRESENT)
    if seconds <= _KEPT_SECONDS:
        return Window(_SAMPLE_SECONDS, math.ceil(seconds / _SAMPLE_SECONDS), None, _RECENT)
    interval = next((interval for kept, interval in _ROLLUPS if seconds <= kept), _ROLLUPS[-1][1])
    return Window(interval, None, now - timedelta(seconds=seconds), _HISTORY)


def read_loads(session: Session, entities: Sequence[Any], seconds: int) -> Mapping[str, Mapping[str, float]]:
    """Averages over the last `seconds` in the counters' own units, by reference and by counter.

    A counter without a sample is not there.
    """
    if not entities:
        return {}
    asked = window(seconds, _server_time(session) if seconds > _KEPT_SECONDS else datetime.min)
    numbers = _counters(session, asked.counters)
    names = {number: name for name, number in numbers.items()}
    result: dict[str, dict[str, float]] = {}
    for start in range(0, len(entities), asked.batch):
        for metric in _query(session, entities[start : start + asked.batch], asked, list(names)):
            averages = result.setdefault(text(metric, "entity") or "", {})
            for series in find_all(metric, "value"):
                mean = average(text(series, "value") or "")
                name = names.get(text(series, "id/counterId") or "")
                if mean is not None and name is not None and not text(series, "id/instance"):
                    averages[name] = mean
    return result


def average(series: str) -> float | None:
    """The mean of comma-separated samples. A negative one says that there is no sample."""
    samples = [sample for sample in map(int, filter(None, series.split(","))) if sample >= 0]
    return sum(samples) / len(samples) if samples else None


def _query(
    session: Session, entities: Sequence[Any], asked: Window, counters: Sequence[str]
) -> Iterator[Element]:
    kinds = vim.PerformanceManager
    metrics = [kinds.MetricId(counterId=int(counter), instance="") for counter in counters]
    specs = [
        kinds.QuerySpec(
            entity=entity,
            metricId=metrics,
            intervalId=asked.interval,
            maxSample=asked.samples,
            startTime=asked.since,
            format="csv",
        )
        for entity in entities
    ]
    try:
        response = session.call(session.manager("perfManager"), "QueryPerf", specs)
    except (Gone, InvalidArgument):
        # An entity is gone since, or the server takes fewer at once than it does by default.
        if len(entities) > 1:
            middle = len(entities) // 2
            yield from _query(session, entities[:middle], asked, counters)
            yield from _query(session, entities[middle:], asked, counters)
        return
    yield from find_all(response, "returnval")


def _counters(session: Session, wanted: Sequence[str]) -> dict[str, str]:
    """The numbers of counters, which differ from one vCenter to another."""
    manager = session.manager("perfManager")
    found = retrieve(session, [manager], [properties(vim.PerformanceManager, "perfCounter")])
    known = found[0].values.get("perfCounter") if found else None
    numbers = {}
    for counter in known if known is not None else ():
        parts = (text(counter, "groupInfo/key"), text(counter, "nameInfo/key"), text(counter, "rollupType"))
        name = ".".join(part or "" for part in parts)
        if name in wanted:
            numbers[name] = text(counter, "key") or ""
    return numbers


def _server_time(session: Session) -> datetime:
    moment = text(returned(session.call(vim.ServiceInstance("ServiceInstance"), "CurrentTime"))) or ""
    return datetime.fromisoformat(moment)
