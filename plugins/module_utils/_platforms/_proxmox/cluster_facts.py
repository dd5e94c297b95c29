# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a few calls tell of the whole cluster, whatever its size. Private to the collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .answers import Row, amount, moment, row, rows, succeeded
from .cluster import Membership, Resources
from .ha import HighAvailability, NodeStates
from .session import Session
from .storages import Storage, storages

_MIGRATIONS = frozenset({"qmigrate", "vzmigrate"})


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """`replicated` are guests with replication jobs; `migrated_at` is when guests were last migrated."""

    membership: Membership
    resources: Resources
    storages: Mapping[str, Storage]
    ha: HighAvailability
    node_states: NodeStates
    options: Row
    replicated: frozenset[str]
    migrated_at: Mapping[str, str]

    @classmethod
    def read(cls, session: Session, membership: Membership) -> ClusterFacts:
        resources = Resources.read(session)
        replication = rows(session.get("cluster/replication"), "cluster/replication")
        return cls(
            membership=membership,
            resources=resources,
            storages=storages(rows(session.get("storage"), "storage"), resources.storages),
            ha=HighAvailability.read(session),
            node_states=NodeStates.read(session),
            options=row(session.get("cluster/options"), "cluster/options"),
            replicated=frozenset(str(job.get("guest")) for job in replication),
            migrated_at=_migrations(rows(session.get("cluster/tasks"), "cluster/tasks")),
        )


def _migrations(tasks: Iterable[Row]) -> dict[str, str]:
    """When guests were last migrated, as far back as the nodes' lists of recent tasks go."""
    ends: dict[str, float] = {}
    for task in tasks:
        end = amount(task.get("endtime"))
        if task.get("type") in _MIGRATIONS and end and succeeded(task.get("status")):
            guest = str(task.get("id"))
            ends[guest] = max(end, ends.get(guest, 0.0))
    return {guest: moment(end) for guest, end in ends.items()}
