# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is known of the whole cluster before its nodes and guests are asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...values import Row
from ..api.batch import Getter
from ..api.notices import ReadFailures
from ..api.session import Session
from ..api.values import row, rows
from .cluster import Membership, Resources
from .ha import HighAvailability, NodeStates
from .history import MigrationHistory
from .migrations_in_progress import MigrationsInProgress
from .storages import Storage, all_storages, storages


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """`replicas` are the nodes that guests are replicated to; `listed_storages` all storages that the account
    sees, those too that are disabled or hold nothing of guests.
    """

    membership: Membership
    resources: Resources
    storages: Mapping[str, Storage]
    listed_storages: Mapping[str, Storage]
    ha: HighAvailability
    node_states: NodeStates
    options: Row
    tasks: tuple[Row, ...] = ()
    replicas: Mapping[str, frozenset[str]] = field(default_factory=dict)
    history: MigrationHistory = field(default_factory=MigrationHistory)
    busy: MigrationsInProgress = field(default_factory=MigrationsInProgress)

    @classmethod
    def read(
        cls,
        session: Session,
        answered: Getter,
        membership: Membership,
        resources: Resources,
        now: float,
        gaps: ReadFailures,
    ) -> ClusterFacts:
        """`now` is the present moment by the platform's clock."""
        replication = gaps.attempt(
            lambda: rows(session.get("cluster/replication"), "cluster/replication"), "the replication jobs"
        )
        tasks = gaps.attempt(
            lambda: rows(session.get("cluster/tasks"), "cluster/tasks"),
            "the tasks under way and of late",
            hides=("history",),
        )
        options = gaps.attempt(
            lambda: row(session.get("cluster/options"), "cluster/options"),
            "the datacenter's options, and so whether Proxmox VE itself moves guests for balance,",
        )
        listed = rows(session.get("storage"), "storage")
        states = NodeStates.read(session, now)
        return cls(
            membership=membership,
            resources=resources,
            storages=storages(listed, resources.storages),
            listed_storages=all_storages(listed, resources.storages),
            ha=HighAvailability.read(session),
            node_states=states,
            options=options or {},
            tasks=tuple(tasks or ()),
            replicas=replicas(replication or ()),
            history=MigrationHistory.read(session, answered, tasks or (), resources, now, gaps),
            busy=MigrationsInProgress.read(session, tasks or (), resources, states),
        )


def replicas(jobs: Iterable[Row]) -> dict[str, frozenset[str]]:
    """Proxmox VE migrates a running guest that has replication jobs to their targets only."""
    found: dict[str, set[str]] = {}
    for job in jobs:
        found.setdefault(str(job.get("guest")), set()).add(str(job.get("target")))
    return {guest: frozenset(targets) for guest, targets in found.items()}
