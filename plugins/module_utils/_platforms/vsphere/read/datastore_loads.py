# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Latency and load of datastores, from the performance manager.

vCenter keeps statistics of a datastore as a whole in samples of five minutes. Where its statistics level is
too low for that, there is what each host measures of each of its datastores, for an hour.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final
from xml.etree.ElementTree import Element

from ..api.library import vim
from ..api.session import Session
from ..api.values import find_all, text
from .inventory import Inventory
from .loads import Offer, Query

# Milliseconds; of the reads and writes of all hosts together.
_LATENCY = "datastore.throughput.contention.average"
_READS = "datastore.numberReadAveraged.average"
_WRITES = "datastore.numberWriteAveraged.average"
# KiB per second.
_READ = "datastore.read.average"
_WRITE = "datastore.write.average"
_WHOLE = (_LATENCY, _READS, _WRITES, _READ, _WRITE)

# Milliseconds, as one host sees it; and microseconds in which large requests count for less, where Storage
# I/O Control measures them.
_READ_LATENCY = "datastore.totalReadLatency.average"
_WRITE_LATENCY = "datastore.totalWriteLatency.average"
_NORMALIZED = "datastore.sizeNormalizedDatastoreLatency.average"
_BY_HOST = (_READ_LATENCY, _WRITE_LATENCY, _NORMALIZED, _READS, _WRITES, _READ, _WRITE)

_DAY = 86400
_HOUR = 3600
_RECENT_SECONDS = 20
_SERIES: Final = 64
_HOSTS = 16
_PERCENTILE = 0.9
_KIB = 1024


@dataclass(frozen=True, slots=True)
class StoreLoads:
    """By reference of the datastore: the 90th percentile of its latency in milliseconds, requests per second,
    bytes per second. `recent` are those whose latency is of the last hour; `trouble` is why there are none.
    """

    latency: Mapping[str, float] = field(default_factory=dict)
    iops: Mapping[str, float] = field(default_factory=dict)
    disk_io: Mapping[str, float] = field(default_factory=dict)
    recent: frozenset[str] = frozenset()
    trouble: str | None = None


def read_store_loads(
    session: Session,
    inventory: Inventory,
    seconds: int,
    now: datetime,
    offer: Offer,
    refused: Mapping[str, str],
) -> StoreLoads:
    """Over the last `seconds`, or over a day when that is 0; `now` is the server's time. Hosts in `refused`
    are not asked: vCenter has just refused their other statistics.
    """
    hosts = [
        identity
        for identity, found in inventory.hosts.items()
        if found.text("runtime.connectionState") == "connected"
    ]
    willing = [host for host in hosts if host not in refused]
    if hosts and not willing:
        return StoreLoads(trouble=refused[hosts[0]])
    covered = seconds or _DAY
    kept, interval = next((rollup for rollup in offer.rollups if covered <= rollup[0]), (_DAY, 300))
    numbers = {name: offer.numbers[name] for name in _WHOLE if name in offer.numbers}
    whole = Samples(session, numbers, "", interval, since=now - timedelta(seconds=min(covered, kept)))
    usable = [
        vim.Datastore(identity)
        for identity, found in inventory.datastores.items()
        if found.flag("summary.accessible") is not False
    ]
    if numbers:
        for few in batches(usable, max(1, _SERIES // len(numbers))):
            whole.ask(few)
    made = _of_wholes(whole)
    lacking = {store._GetMoId() for store in usable} - made.latency.keys()
    if not lacking:
        return made
    return _with_hosts(made, lacking, _by_hosts(session, inventory, lacking, offer, willing), whole.refused)


def _by_hosts(
    session: Session, inventory: Inventory, lacking: Collection[str], offer: Offer, willing: Sequence[str]
) -> Samples:
    numbers = {name: offer.numbers[name] for name in _BY_HOST if name in offer.numbers}
    samples = Samples(session, numbers, "*", _RECENT_SECONDS, count=_HOUR // _RECENT_SECONDS)
    hosts = [
        vim.HostSystem(host)
        for host in willing
        if any(identity in lacking for identity in inventory.hosts[host].items("datastore"))
    ]
    if numbers:
        for few in batches(hosts, _HOSTS):
            samples.ask(few)
    samples.volumes = {
        _volume(found.text("summary.url") or ""): identity
        for identity, found in inventory.datastores.items()
        if identity in lacking
    }
    return samples


def _volume(url: str) -> str:
    """The name by which hosts know a datastore: `ds:///vmfs/volumes/NAME/`."""
    return url.rstrip("/").rpartition("/")[2]


def batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


class Samples(Query):
    """By object, instance and counter the samples by their time."""

    def __init__(
        self,
        session: Session,
        numbers: Mapping[str, str],
        instance: str,
        interval: int,
        *,
        since: datetime | None = None,
        count: int | None = None,
    ) -> None:
        super().__init__(session)
        self.found: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
        self.volumes: dict[str, str] = {}
        self._names = {number: name for name, number in numbers.items()}
        self._instance, self._interval, self._since, self._count = instance, interval, since, count

    def spec(self, entity: Any) -> Any:
        kinds = vim.PerformanceManager
        return kinds.QuerySpec(
            entity=entity,
            metricId=[
                kinds.MetricId(counterId=int(number), instance=self._instance) for number in self._names
            ],
            intervalId=self._interval,
            startTime=self._since,
            maxSample=self._count,
            format="csv",
        )

    def take(self, metric: Element) -> None:
        times = (text(metric, "sampleInfoCSV") or "").split(",")[1::2]
        entity = text(metric, "entity") or ""
        for series in find_all(metric, "value"):
            name = self._names.get(text(series, "id/counterId") or "")
            instance = text(series, "id/instance") or ""
            if name is None or bool(instance) is not bool(self._instance):
                continue
            values = (text(series, "value") or "").split(",")
            samples = {
                # A negative one says that there is no sample.
                time: int(value)
                for time, value in zip(times, values)
                if value and int(value) >= 0
            }
            if samples:
                self.found.setdefault((entity, instance), {})[name] = samples


def percentile(values: Collection[float]) -> float:
    """The least value that nine in ten samples do not exceed."""
    return sorted(values)[math.ceil(_PERCENTILE * len(values)) - 1]


def mean(samples: Mapping[str, int]) -> float:
    return sum(samples.values()) / len(samples)


def _sum(of: Mapping[str, Mapping[str, int]], *counters: str) -> float | None:
    known = [of[counter] for counter in counters if counter in of]
    return sum(map(mean, known)) if known else None


def _of_wholes(samples: Samples) -> StoreLoads:
    latency: dict[str, float] = {}
    iops: dict[str, float] = {}
    disk_io: dict[str, float] = {}
    for (identity, _instance), of in samples.found.items():
        if _LATENCY in of:
            latency[identity] = float(percentile(of[_LATENCY].values()))
        _note(iops, identity, _sum(of, _READS, _WRITES))
        _note(disk_io, identity, _sum(of, _READ, _WRITE), _KIB)
    return StoreLoads(latency, iops, disk_io)


def _note(amounts: dict[str, float], identity: str, amount: float | None, unit: int = 1) -> None:
    if amount is not None:
        amounts[identity] = amounts.get(identity, 0.0) + amount * unit


def _with_hosts(
    made: StoreLoads, lacking: Collection[str], hosts: Samples, refused: Mapping[str, str]
) -> StoreLoads:
    """What the hosts measured, put together, for the datastores of which there is nothing as a whole."""
    seen: dict[str, list[Mapping[str, Mapping[str, int]]]] = {}
    for (_host, volume), measured in hosts.found.items():
        if volume in hosts.volumes:
            seen.setdefault(hosts.volumes[volume], []).append(measured)
    latency, iops, disk_io = dict(made.latency), dict(made.iops), dict(made.disk_io)
    for identity, parts in seen.items():
        together = _latencies(parts)
        if together:
            latency[identity] = percentile(together)
        for amounts, known, counters, unit in (
            (iops, made.iops, (_READS, _WRITES), 1),
            (disk_io, made.disk_io, (_READ, _WRITE), _KIB),
        ):
            if identity not in known:
                for of in parts:
                    _note(amounts, identity, _sum(of, *counters), unit)
    trouble = next(iter(chain(hosts.refused.values(), refused.values())), None)
    return StoreLoads(
        latency,
        iops,
        disk_io,
        frozenset(latency.keys() & set(lacking)),
        trouble if not latency else None,
    )


def _latencies(hosts: Sequence[Mapping[str, Mapping[str, int]]]) -> list[float]:
    """The latency of each moment: what the hosts saw, each by how many requests it made."""
    times = {
        time
        for of in hosts
        for counter in (_READ_LATENCY, _WRITE_LATENCY, _NORMALIZED)
        for time in of.get(counter, ())
    }
    latencies = []
    for time in sorted(times):
        weighted = [part for of in hosts for part in _parts(of, time)]
        weight = sum(requests for _latency, requests in weighted)
        if weight:
            latencies.append(sum(latency * requests for latency, requests in weighted) / weight)
        elif weighted:
            latencies.append(max(latency for latency, _requests in weighted))
    return latencies


def _parts(of: Mapping[str, Mapping[str, int]], time: str) -> Iterator[tuple[float, float]]:
    """A host's latencies at a moment, each with the number of its requests."""
    reads, writes = of.get(_READS, {}).get(time, 0), of.get(_WRITES, {}).get(time, 0)
    normalized = of.get(_NORMALIZED, {}).get(time)
    # Without Storage I/O Control it is 0.
    if normalized:
        yield normalized / 1000, reads + writes
        return
    for counter, requests in ((_READ_LATENCY, reads), (_WRITE_LATENCY, writes)):
        latency = of.get(counter, {}).get(time)
        if latency is not None:
            yield float(latency), requests
