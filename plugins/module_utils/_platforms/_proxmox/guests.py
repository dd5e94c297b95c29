# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest of the snapshot, from /cluster/resources and its own facts. Private to the collection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..._model.snapshot import Guest
from ..._model.tag_rules import is_ignored
from .answers import Row, amount, flag, names, whole
from .cluster_facts import ClusterFacts
from .guest_config import GuestConfig
from .ha import BROKEN, BUSY
from .history import History, Pressure
from .loads import NOTHING, UNKNOWN, Loads, guest_mean, guest_present
from .nodes import NodeFacts

_ASLEEP = frozenset({"suspended", "suspending"})

Power = Literal["running", "stopped", "suspended", "unknown"]


@dataclass(frozen=True, slots=True)
class GuestFacts:
    """Of one running guest; `mean` is None without a window."""

    config: GuestConfig
    present: Loads
    mean: Loads | None
    pressure: Pressure

    @classmethod
    def of(cls, entry: Row, config: GuestConfig, history: History | None) -> GuestFacts:
        return cls(
            config=config,
            present=guest_present(entry, history),
            mean=guest_mean(entry, history) if history else None,
            pressure=history.pressure() if history else {},
        )


def id_of(entry: Row) -> str:
    return str(entry.get("vmid"))


def path_of(entry: Row) -> str:
    """Where the API has this guest."""
    return f"nodes/{entry.get('node')}/{entry.get('type')}/{entry.get('vmid')}"


def is_template(entry: Row) -> bool:
    return flag(entry.get("template"))


def power_of(entry: Row, *, node_online: bool = True) -> Power:
    """Whether it holds memory. The status of a machine is QEMU's run state: paused, io-error and the like hold
    theirs. A machine that is only started to be backed up does not run.

    What a node reported last is shown for five minutes after it went: with `node_online` false, what ran may
    or may not run.
    """
    status = entry.get("status")
    if status == "stopped" or (status == "prelaunch" and entry.get("lock") == "backup"):
        return "suspended" if entry.get("lock") in _ASLEEP else "stopped"
    if not status or status == "unknown" or not node_online:
        return "unknown"
    return "running"


def run_state_of(entry: Row) -> str | None:
    """QEMU's run state of one that holds memory, where it is another than running."""
    status = entry.get("status")
    return None if status == "running" or power_of(entry) != "running" else str(status)


def guest_of(entry: Row, facts: GuestFacts | None, node: NodeFacts | None, cluster: ClusterFacts) -> Guest:
    """`facts` is None for one that does not run or could not be read, `node` for one that does not answer."""
    config, power = facts.config if facts else None, power_of(entry)
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
        used=_used(entry, power, facts),
        pressure=facts.pressure if facts else {},
        disks=config.disks if config else (),
        networks=config.networks if config else (),
        tags=tags,
        pool=str(entry["pool"]) if entry.get("pool") else None,
        migratable=not blockers,
        blockers=blockers,
        last_migrated_at=cluster.migrated_at.get(id_of(entry)),
        last_failed_at=cluster.failed_at.get(id_of(entry)),
        cpu_models=(cpu_model,) if cpu_model else None,
        # A running machine goes to the same or a newer QEMU, never to an older one.
        min_version=_release(node.version) if node and node.version and live else None,
    )


def _used(entry: Row, power: Power, facts: GuestFacts | None) -> Loads:
    if power == "unknown":
        return UNKNOWN
    if power != "running":
        return NOTHING
    if facts is None:
        return guest_present(entry, None)
    return facts.mean or facts.present


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
