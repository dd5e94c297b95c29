# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest of the snapshot, from /cluster/resources and its own facts. Private to the collection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..._model.snapshot import Guest
from .answers import Row, amount, flag, names, number, whole
from .cluster_facts import ClusterFacts
from .guest_config import GuestConfig
from .ha import BROKEN, BUSY
from .history import History
from .nodes import NodeFacts
from .tags import is_ignored

# The status daemon measures every 10 s; the first value after a start or an arrival is always 0.
FIRST_SAMPLES_SECONDS = 20
_COUNTERS = ("netin", "netout", "diskread", "diskwrite")
_ASLEEP = frozenset({"suspended", "suspending"})

Power = Literal["running", "stopped", "suspended", "unknown"]


@dataclass(frozen=True, slots=True)
class GuestFacts:
    """Of one guest: `config` is None where it is not known, `history` where it was not asked for."""

    config: GuestConfig | None = None
    history: History | None = None


def id_of(entry: Row) -> str:
    return str(entry.get("vmid"))


def path_of(entry: Row) -> str:
    """Where the API has this guest."""
    return f"nodes/{entry.get('node')}/{entry.get('type')}/{entry.get('vmid')}"


def is_template(entry: Row) -> bool:
    return flag(entry.get("template"))


def power_of(entry: Row) -> Power:
    status = entry.get("status")
    if status == "stopped":
        return "suspended" if entry.get("lock") in _ASLEEP else "stopped"
    return "running" if status == "running" else "unknown"


def guest_of(entry: Row, facts: GuestFacts, node: NodeFacts | None, cluster: ClusterFacts) -> Guest:
    """`node` is the one that the guest is on, None when it does not answer."""
    config, power = facts.config, power_of(entry)
    kind: Literal["vm", "container"] = "vm" if entry.get("type") == "qemu" else "container"
    tags = names(entry.get("tags"))
    blockers = tuple(dict.fromkeys(_blockers(entry, config, tags, cluster.replicated)))
    live = kind == "vm" and power == "running"
    cpu_model = node.cpu_model if node and config and config.needs_host_cpu and live else None
    return Guest(
        id=id_of(entry),
        # The name is kept in the configuration, which a node that is down can't show.
        name=str(entry.get("name") or id_of(entry)),
        kind=kind,
        host=str(entry.get("node")),
        power=power,
        assigned={"cpu": amount(entry.get("maxcpu")), "memory": whole(entry.get("maxmem"))},
        used=_used(entry, power, facts.history),
        pressure=facts.history.pressure() if facts.history else {},
        disks=config.disks if config else (),
        networks=config.networks if config else (),
        tags=tags,
        pool=str(entry["pool"]) if entry.get("pool") else None,
        migratable=not blockers,
        blockers=blockers,
        last_migrated_at=cluster.migrated_at.get(id_of(entry)),
        cpu_models=(cpu_model,) if cpu_model else None,
        # A running machine goes to the same or a newer QEMU, never to an older one.
        min_version=_release(node.version) if node and node.version and live else None,
    )


def _used(entry: Row, power: Power, history: History | None) -> dict[str, float | None]:
    if power == "unknown":
        return {"cpu": None, "memory": None, "network_io": None, "disk_io": None}
    if power != "running":
        return {"cpu": 0.0, "memory": 0, "network_io": 0, "disk_io": 0}
    share = None if _not_yet_measured(entry) else amount(entry.get("cpu"))
    memory = whole(entry.get("memhost")) or whole(entry.get("mem"))
    network = disk = None
    if history is not None:
        mean = history.mean("cpu")
        share = share if mean is None else mean
        memory = _rounded(history.first_mean(("memhost", "mem"))) or memory
        network = _rounded(history.mean("netin", "netout"))
        disk = _rounded(history.mean("diskread", "diskwrite"))
    cores = amount(entry.get("maxcpu"))
    return {
        "cpu": None if share is None or cores is None else round(share * cores, 6),
        "memory": memory,
        "network_io": network,
        "disk_io": disk,
    }


def _not_yet_measured(entry: Row) -> bool:
    if (number(entry.get("uptime")) or 0) < FIRST_SAMPLES_SECONDS:
        return True
    return not any(number(entry.get(key)) for key in ("cpu", *_COUNTERS))


def _blockers(
    entry: Row, config: GuestConfig | None, tags: tuple[str, ...], replicated: frozenset[str]
) -> list[str]:
    found: list[str] = []
    power = power_of(entry)
    if is_template(entry):
        found.append("template")
    elif config is None and power in ("running", "unknown"):
        found.append("not_readable")
    if entry.get("lock") or entry.get("hastate") in BUSY:
        found.append("locked")
    if entry.get("hastate") in BROKEN:
        found.append("ha_error")
    if is_ignored(tags):
        found.append("balancing_disabled")
    if config is not None:
        found += config.blockers
        if entry.get("type") == "lxc":
            found.append("container_restart")
    if id_of(entry) in replicated:
        found.append("replication")
    return found


def _release(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
