# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest of the snapshot, from /cluster/resources and its own facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from ...._model.policy.tag_rules import is_ignored
from ...._model.snapshot import Guest
from ...values import Row
from ..api.values import amount, flag, names, whole
from .cluster_facts import ClusterFacts
from .guest_config import GuestConfig
from .ha import BROKEN, BUSY
from .load_series import LoadSeries, Pressure
from .loads import NOTHING, UNKNOWN, Measured, guest_mean, guest_present, guest_without_mean
from .nodes import NodeFacts

_ASLEEP = frozenset({"suspended", "suspending"})
# Run states in which QEMU itself is busy with the whole of the machine's memory.
_IN_BETWEEN = frozenset({"inmigrate", "finish-migrate", "postmigrate", "save-vm", "restore-vm"})

Power = Literal["running", "stopped", "suspended", "unknown"]


@dataclass(frozen=True, slots=True)
class GuestFacts:
    """Of one guest that holds memory; `mean` is None without a window, or without a history of it."""

    config: GuestConfig
    present: Measured
    mean: Measured | None
    pressure: Pressure

    @classmethod
    def of(cls, present: Measured, entry: Row, config: GuestConfig, history: LoadSeries | None) -> GuestFacts:
        return cls(
            config=config,
            present=present,
            mean=guest_mean(present, entry, history) if history else None,
            pressure=history.pressure() if history else {},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a guest is: `node` is None for one that does not answer, `online` as the cluster has it,
    `measuring` once its status daemon measures. CPU features that are `everywhere` keep no guest from any
    host. `window` is what loads are to be averages over.
    """

    node: NodeFacts | None
    online: bool
    measuring: bool
    everywhere: frozenset[str]
    window: int


def id_of(entry: Row) -> str:
    return str(entry.get("vmid"))


def path_of(entry: Row) -> str:
    """Where the API has this guest."""
    return f"nodes/{entry.get('node')}/{path_on_node(entry)}"


def path_on_node(entry: Row) -> str:
    """The same, below the node that it is on."""
    return f"{entry.get('type')}/{entry.get('vmid')}"


def is_template(entry: Row) -> bool:
    return flag(entry.get("template"))


def power_of(entry: Row, *, node_online: bool = True) -> Power:
    """Whether it holds memory. The status of a machine is QEMU's run state: one that is paused, in an I/O
    error or the like holds its memory. A machine that is only started to be backed up does not run.

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


def guest_of(entry: Row, facts: GuestFacts | None, place: Place, cluster: ClusterFacts) -> Guest:
    """`facts` is None for one that does not run or could not be read."""
    config, node = (facts.config if facts else None), place.node
    guest = id_of(entry)
    power = power_of(entry, node_online=place.online)
    kind: Literal["vm", "container"] = "vm" if entry.get("type") == "qemu" else "container"
    tags = names(entry.get("tags"))
    blockers = tuple(dict.fromkeys(_blockers(entry, power, config, tags, cluster)))
    live = kind == "vm" and power == "running"
    cpu_model = node.cpu_model if node and config and config.needs_host_cpu and live else None
    used = _used(entry, power, facts, place)
    return Guest(
        id=guest,
        # The name is kept in the configuration, which a node that is down can't show.
        name=str(entry.get("name") or guest),
        kind=kind,
        host=str(entry.get("node")),
        power=power,
        assigned={"cpu": amount(entry.get("maxcpu")), "memory": whole(entry.get("maxmem"))},
        used=used.loads,
        pressure=facts.pressure if facts else {},
        disks=config.disks if config else (),
        networks=config.networks if config else (),
        tags=tags,
        pool=str(entry["pool"]) if entry.get("pool") else None,
        migratable=not blockers,
        blockers=blockers,
        last_migrated_at=cluster.history.migrated_at.get(guest),
        last_failed_at=cluster.history.failed_at.get(guest),
        cpu_models=(cpu_model,) if cpu_model else None,
        cpu_features=cpu_features_of(config, node, place.everywhere) if live else (),
        # A running machine goes to the same or a newer QEMU, never to an older one.
        min_version=_release(node.version) if node and node.version and live else None,
        targets=_targets(config, cluster.replicas.get(guest)) if power == "running" else None,
        run_state=run_state_of(entry) if power == "running" else None,
        sources=used.sources,
        migrating_to=cluster.busy.migrating.get(guest),
    )


def cpu_features_of(
    config: GuestConfig | None, node: NodeFacts | None, everywhere: frozenset[str]
) -> tuple[str, ...]:
    """Those that a running machine needs of its host and that not every host has."""
    if config is None or node is None or node.cpu_features is None:
        return ()
    return tuple(sorted(config.cpu.of(node.cpu_features) - everywhere))


def _targets(config: GuestConfig | None, replicas: frozenset[str] | None) -> tuple[str, ...] | None:
    """Where its mapped devices are, and where a replica of its disks is, if it has them."""
    limits = [nodes for nodes in (config.nodes if config else None, replicas) if nodes is not None]
    return tuple(sorted(frozenset.intersection(*limits))) if limits else None


def _used(entry: Row, power: Power, facts: GuestFacts | None, place: Place) -> Measured:
    if power == "unknown":
        return Measured(UNKNOWN)
    if power != "running":
        return Measured(NOTHING)
    present = facts.present if facts else guest_present(entry, None, measured=place.measuring)
    if not place.window:
        used = present
    else:
        used = facts.mean if facts and facts.mean else guest_without_mean(present)
    if facts and facts.config.hugepages:
        # They are taken from the host in full at the start, and counted nowhere as the machine's.
        whole_memory = max(used.loads["memory"] or 0, whole(entry.get("maxmem")) or 0)
        return replace(used, loads={**used.loads, "memory": whole_memory})
    return used


def _blockers(
    entry: Row, power: Power, config: GuestConfig | None, tags: tuple[str, ...], cluster: ClusterFacts
) -> Iterator[str]:
    unmanaged = cluster.node_states.disarmed == "ignore"
    state = None if unmanaged else entry.get("hastate")
    if is_template(entry):
        yield "template"
    elif config is None and power in ("running", "unknown"):
        yield "not_readable"
    held = id_of(entry) in cluster.busy.held or run_state_of(entry) in _IN_BETWEEN
    if held or entry.get("lock") or state in BUSY:
        yield "locked"
    if state in BROKEN:
        yield "ha_error"
    if is_ignored(tags):
        yield "balancing_disabled"
    if config is not None:
        replicated = id_of(entry) in cluster.replicas and config.replicable
        # What a replica has of it already, snapshots too, does not stand in the way of going there.
        yield from (each for each in config.blockers if not (replicated and each == "snapshot"))
        if entry.get("type") == "lxc":
            yield "container_restart"


def _release(version: str) -> str:
    return ".".join(version.split(".")[:2])
