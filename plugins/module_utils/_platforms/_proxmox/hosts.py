# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of the snapshot, from /cluster/resources and its own facts. Private to the collection."""

from __future__ import annotations

from collections.abc import Set
from typing import Literal

from ..._model.snapshot import Host
from .answers import Row, amount, whole
from .cluster_facts import ClusterFacts
from .ha import NodeStates
from .history import History
from .nodes import NodeFacts
from .storages import datastores

Status = Literal["online", "offline", "unknown"]


def status_of(entry: Row) -> Status:
    status = entry.get("status")
    return "online" if status == "online" else "offline" if status == "offline" else "unknown"


def in_maintenance(entry: Row, states: NodeStates) -> bool:
    return entry.get("hastate") == "maintenance" or states.in_maintenance(str(entry.get("node")))


def host_of(
    entry: Row, cluster: ClusterFacts, facts: NodeFacts | None, used_bridges: Set[str], window: int
) -> Host:
    """`facts` is None for a node that does not answer."""
    name = str(entry.get("node"))
    status = status_of(entry)
    if status == "online" and facts is None:
        status = "unknown"
    history = facts.history if facts else None
    return Host(
        id=name,
        name=name,
        status=status,
        maintenance=in_maintenance(entry, cluster.node_states),
        schedulable=status != "online" or cluster.node_states.usable(name),
        capacity={
            "cpu": amount(entry.get("maxcpu")),
            "memory": whole(entry.get("maxmem")),
            "network_io": None,
            "disk_io": None,
        },
        used=_used(entry, history, window),
        pressure=history.pressure() if history else {"cpu": None, "memory": None, "io": None},
        version=facts.version if facts else None,
        cpu_model=facts.cpu_model if facts else None,
        address=cluster.membership.addresses.get(name),
        datastores=datastores(name, status == "online", cluster.storages, cluster.resources.storages),
        # An account that does not see all bridges still sees which ones the guests are on.
        networks=tuple(sorted({*(facts.bridges if facts else ()), *used_bridges})),
    )


def _used(entry: Row, history: History | None, window: int) -> dict[str, float | None]:
    cores, share, memory = amount(entry.get("maxcpu")), amount(entry.get("cpu")), whole(entry.get("mem"))
    network: float | None = None
    if history:
        network = history.mean("netin", "netout")
    if history and window:
        mean_share, mean_memory = history.mean("cpu"), history.mean("memused")
        share = share if mean_share is None else mean_share
        memory = memory if mean_memory is None else round(mean_memory)
    return {
        "cpu": None if cores is None or share is None else round(cores * share, 6),
        "memory": memory,
        "network_io": None if network is None else round(network),
        "disk_io": None,
    }
