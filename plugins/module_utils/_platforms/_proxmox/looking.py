# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything is at this moment. Private to the collection."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..protocol import ClusterNow, GuestNow, HostNow
from .answers import Row, rows, whole
from .cluster import Membership, Resources
from .guests import id_of, power_of
from .ha import BROKEN, BUSY, NodeStates
from .hosts import in_maintenance, status_of
from .session import Session

# Someone watches; nothing is done to the guest.
_CONSOLES = frozenset({"vncproxy", "vncshell", "spiceproxy", "spiceshell", "termproxy", "vzconsole"})


def look(session: Session, membership: Membership, guests: Collection[str]) -> tuple[ClusterNow, Resources]:
    """Also what it was made of."""
    resources = Resources.read(session)
    states = NodeStates.read(session)
    tasks = _running(rows(session.get("cluster/tasks"), "cluster/tasks"))
    wanted = set(guests)
    found = {
        id_of(entry): GuestNow(
            host=str(entry.get("node")), power=power_of(entry), busy=_busy(entry, tasks.get(id_of(entry)))
        )
        for entry in resources.guests
        if id_of(entry) in wanted
    }
    hosts = {str(entry.get("node")): _host_now(entry, states) for entry in resources.nodes}
    return ClusterNow(cluster=membership.name, guests=found, hosts=hosts), resources


def _running(tasks: Iterable[Row]) -> dict[str, str]:
    """The type of the task that is under way on a guest."""
    return {
        str(task.get("id")): str(task.get("type"))
        for task in tasks
        if not task.get("endtime") and not task.get("status") and task.get("type") not in _CONSOLES
    }


def _busy(entry: Row, task: str | None) -> str | None:
    if entry.get("lock"):
        return f"it is locked ({entry['lock']})"
    if entry.get("hastate") in BUSY | BROKEN:
        return f"HA has it in state {entry['hastate']}"
    return f"a task is under way ({task})" if task else None


def _host_now(entry: Row, states: NodeStates) -> HostNow:
    node = str(entry.get("node"))
    active = status_of(entry) == "online" and not in_maintenance(entry, states) and states.usable(node)
    return HostNow(
        active=active,
        memory_capacity=whole(entry.get("maxmem")),
        memory_used=whole(entry.get("mem")),
    )
