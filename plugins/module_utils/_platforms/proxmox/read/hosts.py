# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of the snapshot, from /cluster/resources and its own facts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from ...._model.snapshot import Host
from ...values import Row
from ..api.values import amount, whole
from .cluster_facts import ClusterFacts
from .guests import GuestFacts
from .ha import NodeStates
from .load_series import NO_PRESSURE, LoadSeries, Pressure
from .loads import Measured, node_mean, node_present, reclaimable
from .nodes import NodeFacts
from .storages import datastores

Status = Literal["online", "offline", "unknown"]


def status_of(entry: Row) -> Status:
    status = entry.get("status")
    return "online" if status == "online" else "offline" if status == "offline" else "unknown"


def in_maintenance(entry: Row, states: NodeStates) -> bool:
    return entry.get("hastate") == "maintenance" or states.in_maintenance(str(entry.get("node")))


def host_of(
    entry: Row,
    cluster: ClusterFacts,
    facts: NodeFacts | None,
    residents: Collection[GuestFacts],
    *,
    window: int,
    measuring: bool,
    needed: frozenset[str],
) -> Host:
    """`facts` is None for a node that does not answer; `residents` are the guests that run on it; `needed`
    the CPU features that any guest needs and not every host has.
    """
    name = str(entry.get("node"))
    status = status_of(entry)
    if status == "online" and facts is None:
        status = "unknown"
    history = facts.history if facts else None
    used = _used(entry, history, residents, window=window, measuring=measuring, answers=facts is not None)
    maintenance = in_maintenance(entry, cluster.node_states)
    usable = status != "online" or cluster.node_states.usable(name)
    features = facts.cpu_features if facts else None
    return Host(
        id=name,
        name=name,
        status=status,
        maintenance=maintenance,
        schedulable=usable,
        capacity={
            "cpu": amount(entry.get("maxcpu")),
            "memory": whole(entry.get("maxmem")),
            "network_io": None,
            "disk_io": None,
        },
        used=used.loads,
        pressure=_pressure(history, window),
        version=facts.version if facts else None,
        cpu_model=facts.cpu_model if facts else None,
        address=cluster.membership.addresses.get(name),
        datastores=datastores(name, status == "online", cluster.storages, cluster.resources.storages),
        # An account that does not see all bridges still sees which ones the guests are on.
        networks=tuple(sorted({*((facts.bridges if facts else None) or ()), *bridges_of(residents)})),
        reclaimable=reclaimable(entry, history),
        sources=used.sources,
        cpu_features=None if features is None or not needed else tuple(sorted(needed & features)),
        closed_because=_closed_because(name, cluster.node_states, maintenance=maintenance, usable=usable),
    )


def _closed_because(node: str, states: NodeStates, *, maintenance: bool, usable: bool) -> str | None:
    if maintenance:
        return "the HA manager has it in maintenance mode"
    return None if usable else f"the HA manager has it in the state {states.states.get(node)}"


def bridges_of(residents: Collection[GuestFacts]) -> set[str]:
    """Those that guests are on."""
    return {bridge for guest in residents for bridge in guest.config.networks}


def _used(
    entry: Row,
    history: LoadSeries | None,
    residents: Collection[GuestFacts],
    *,
    window: int,
    measuring: bool,
    answers: bool,
) -> Measured:
    present = node_present(entry, history)
    if not window:
        if present["cpu"] == 0 and not measuring:
            return Measured({**present, "cpu": None}, {"cpu": "not_yet_measured"})
        return Measured(present)
    means = [(guest.present.loads, guest.mean.loads) for guest in residents if guest.mean]
    if not answers or (residents and not means):
        return Measured(present, {key: "present" for key in ("cpu", "memory") if present[key] is not None})
    used = node_mean(present, means)
    return Measured(used if history else {**used, "network_io": None})


def _pressure(history: LoadSeries | None, window: int) -> Pressure:
    if history is None:
        return NO_PRESSURE
    return history.pressure() if window else history.present_pressure()
