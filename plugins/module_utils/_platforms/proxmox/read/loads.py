# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads of guests and nodes: cores, bytes, and bytes per second.

/cluster/resources has the present cpu and memory of everything; rates are only in the histories, for what it
holds of network and disk are counters since the start.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Optional

from ...._model.snapshot import Source
from ...values import Row
from ..api.values import amount, number, whole
from .load_series import LoadSeries

# The status daemon measures every 10 s; the first value after a start or an arrival is always 0.
FIRST_SAMPLES_SECONDS = 20
_COUNTERS = ("netin", "netout", "diskread", "diskwrite")

Loads = dict[str, Optional[float]]
Sources = dict[str, Source]
UNKNOWN: Loads = {"cpu": None, "memory": None, "network_io": None, "disk_io": None}
NOTHING: Loads = {"cpu": 0.0, "memory": 0, "network_io": 0, "disk_io": 0}


@dataclass(frozen=True, slots=True)
class Measured:
    """Loads, and where those come from that are not what the snapshot's window says."""

    loads: Loads
    sources: Sources = field(default_factory=dict)


def guest_present(entry: Row, history: LoadSeries | None, *, measured: bool = True) -> Measured:
    """Of one that holds memory. Without a history its rates are not known. `measured`: not among those whose
    node has just begun to measure.
    """
    sources: Sources = {}
    share = amount(entry.get("cpu"))
    if (share == 0 and not measured) or _not_yet_measured(entry):
        share, sources = None, {"cpu": "not_yet_measured"}
    # 9.x measures what the machine takes of its host, 8.x what it uses inside; of containers only the second.
    memory = whole(entry.get("memhost")) or whole(entry.get("mem"))
    if memory == 0 and "cpu" in sources:
        memory, sources["memory"] = None, "not_yet_measured"
    loads: Loads = {
        "cpu": _cores(entry, share),
        "memory": memory,
        "network_io": _rounded(history.latest("netin", "netout")) if history else None,
        "disk_io": _rounded(history.latest("diskread", "diskwrite")) if history else None,
    }
    return Measured(loads, sources)


def guest_mean(present: Measured, entry: Row, history: LoadSeries) -> Measured:
    """Over the window; a cpu or memory that the history lacks is the present one."""
    share = history.mean("cpu")
    memory = history.mean("memhost") or history.mean("mem")
    loads: Loads = {
        "cpu": present.loads["cpu"] if share is None else _cores(entry, share),
        "memory": _rounded(memory) or present.loads["memory"],
        "network_io": _rounded(history.mean("netin", "netout")),
        "disk_io": _rounded(history.mean("diskread", "diskwrite")),
    }
    found = {"cpu": share is not None, "memory": bool(_rounded(memory))}
    return Measured(loads, _but_present(present, [resource for resource, mean in found.items() if not mean]))


def guest_without_mean(present: Measured) -> Measured:
    """Where an average was wanted, and there is no history."""
    return Measured(present.loads, _but_present(present, ("cpu", "memory")))


def _but_present(present: Measured, resources: Iterable[str]) -> Sources:
    """Of those resources that are not averages though the snapshot's window says so."""
    return {
        resource: present.sources.get(resource, "present")
        for resource in resources
        if present.loads[resource] is not None or resource in present.sources
    }


def recently_started(guests: Iterable[Row]) -> frozenset[str]:
    """The nodes whose status daemon has measured no guest's cpu yet: its first sample after a start, as with
    an update of its package, is 0 for all of them, whatever they use.
    """
    busy: dict[str, bool] = {}
    machines: dict[str, int] = {}
    for entry in guests:
        if entry.get("status") != "running" or number(entry.get("cpu")) is None:
            continue
        node = str(entry.get("node"))
        busy[node] = busy.get(node, False) or bool(number(entry.get("cpu")))
        machines[node] = machines.get(node, 0) + 1
    return frozenset(node for node, any_busy in busy.items() if not any_busy and machines[node] > 1)


def node_present(entry: Row, history: LoadSeries | None) -> Loads:
    """Proxmox VE does not measure a node's disk traffic, and its network only in the history."""
    memory = whole(entry.get("mem"))
    return {
        "cpu": _cores(entry, amount(entry.get("cpu"))),
        "memory": None if memory is None else max(memory - reclaimable(entry, history), 0),
        "network_io": _rounded(history.latest("netin", "netout")) if history else None,
        "disk_io": None,
    }


def reclaimable(entry: Row, history: LoadSeries | None) -> int:
    """Bytes of ZFS's cache that the node counts as used, but frees on demand: all but the
    least that ZFS keeps, 1/32 of the memory unless it was set otherwise.
    """
    cache = history.latest("arcsize") if history else None
    memory = whole(entry.get("maxmem"))
    return 0 if not cache or memory is None else max(round(cache) - memory // 32, 0)


def node_mean(present: Loads, guests: Iterable[tuple[Loads, Loads]]) -> Loads:
    """The node's own use now, and the means of the guests (present, mean) that are on it.

    Its own history would still hold what has been migrated away, and not yet what has come. Where the node's
    own share is not measured, this is only the guests'.
    """
    pairs = list(guests)
    return {
        resource: _node_mean(measured, [(now[resource], mean[resource]) for now, mean in pairs])
        for resource, measured in present.items()
    }


def _node_mean(measured: float | None, guests: list[tuple[float | None, float | None]]) -> float | None:
    known = [(now, mean) for now, mean in guests if now is not None and mean is not None]
    if guests and not known:
        return measured
    own = max((measured or 0) - sum(now for now, _mean in known), 0)
    return round(own + sum(mean for _now, mean in known), 6)


def _not_yet_measured(entry: Row) -> bool:
    if (number(entry.get("uptime")) or 0) < FIRST_SAMPLES_SECONDS:
        return True
    # One that is paused uses none, and that is measured.
    return entry.get("status") == "running" and not any(number(entry.get(key)) for key in ("cpu", *_COUNTERS))


def _cores(entry: Row, share: float | None) -> float | None:
    cores = amount(entry.get("maxcpu"))
    return None if share is None or cores is None else round(share * cores, 6)


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
