# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guests and nodes use: cores, bytes, and bytes per second. Private to the collection.

/cluster/resources has the present cpu and memory of everything; rates are only in the histories, for what it
holds of network and disk are counters since the start.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from .answers import Row, amount, number, whole
from .history import History

# The status daemon measures every 10 s; the first value after a start or an arrival is always 0.
FIRST_SAMPLES_SECONDS = 20
_COUNTERS = ("netin", "netout", "diskread", "diskwrite")

Loads = dict[str, Optional[float]]
UNKNOWN: Loads = {"cpu": None, "memory": None, "network_io": None, "disk_io": None}
NOTHING: Loads = {"cpu": 0.0, "memory": 0, "network_io": 0, "disk_io": 0}


def guest_present(entry: Row, history: History | None) -> Loads:
    """Of a running guest. Without a history its rates are not known."""
    share = None if _not_yet_measured(entry) else amount(entry.get("cpu"))
    return {
        "cpu": _cores(entry, share),
        "memory": whole(entry.get("memhost")) or whole(entry.get("mem")),
        "network_io": _rounded(history.latest("netin", "netout")) if history else None,
        "disk_io": _rounded(history.latest("diskread", "diskwrite")) if history else None,
    }


def guest_mean(entry: Row, history: History) -> Loads:
    """Over the window; a cpu or memory that it lacks is the present one."""
    present = guest_present(entry, history)
    # 9.x measures what the machine takes of its host, 8.x what it uses inside.
    memory = history.mean("memhost")
    if memory is None:
        memory = history.mean("mem")
    share = history.mean("cpu")
    return {
        "cpu": present["cpu"] if share is None else _cores(entry, share),
        "memory": _rounded(memory) or present["memory"],
        "network_io": _rounded(history.mean("netin", "netout")),
        "disk_io": _rounded(history.mean("diskread", "diskwrite")),
    }


def node_present(entry: Row, history: History | None) -> Loads:
    """Proxmox VE does not measure a node's disk traffic, and its network only in the history."""
    return {
        "cpu": _cores(entry, amount(entry.get("cpu"))),
        "memory": whole(entry.get("mem")),
        "network_io": _rounded(history.latest("netin", "netout")) if history else None,
        "disk_io": None,
    }


def node_mean(present: Loads, guests: Iterable[tuple[Loads, Loads]]) -> Loads:
    """What the node itself takes now, and the means of the guests (present, mean) that are on it.

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
    return not any(number(entry.get(key)) for key in ("cpu", *_COUNTERS))


def _cores(entry: Row, share: float | None) -> float | None:
    cores = amount(entry.get("maxcpu"))
    return None if share is None or cores is None else round(share * cores, 6)


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
