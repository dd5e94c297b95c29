# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a few calls tell of the whole cluster, whatever its size. Private to the collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .answers import Row, amount, interrupted, moment, row, rows, succeeded
from .cluster import Membership, Resources
from .ha import HighAvailability, NodeStates
from .session import Session
from .storages import Storage, storages

_MIGRATIONS = frozenset({"qmigrate", "vzmigrate"})


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """`replicated` are guests with replication jobs; `migrated_at` says when guests were last migrated and
    `failed_at` when that last failed, `changed_at` (seconds since 1970) when nodes last gave or received one.
    """

    membership: Membership
    resources: Resources
    storages: Mapping[str, Storage]
    ha: HighAvailability
    node_states: NodeStates
    options: Row
    replicated: frozenset[str]
    migrated_at: Mapping[str, str]
    failed_at: Mapping[str, str]
    changed_at: Mapping[str, float]

    @classmethod
    def read(cls, session: Session, membership: Membership) -> ClusterFacts:
        resources = Resources.read(session)
        replication = rows(session.get("cluster/replication"), "cluster/replication")
        tried = _migrations(rows(session.get("cluster/tasks"), "cluster/tasks"))
        migrations = [migration for migration in tried if migration.well]
        return cls(
            membership=membership,
            resources=resources,
            storages=storages(rows(session.get("storage"), "storage"), resources.storages),
            ha=HighAvailability.read(session),
            node_states=NodeStates.read(session),
            options=row(session.get("cluster/options"), "cluster/options"),
            replicated=frozenset(str(job.get("guest")) for job in replication),
            migrated_at={migration.guest: moment(migration.end) for migration in migrations},
            failed_at={migration.guest: moment(migration.end) for migration in tried if not migration.well},
            changed_at=_changes(migrations, resources),
        )


@dataclass(frozen=True, slots=True)
class _Migration:
    """One that has ended, well or not."""

    guest: str
    source: str
    end: float
    well: bool


def _migrations(tasks: Iterable[Row]) -> list[_Migration]:
    """As far back as the nodes' lists of recent tasks go; the last one comes last. What somebody has stopped
    is left out: nothing is wrong with that guest.
    """
    found = [
        _Migration(str(task.get("id")), str(task.get("node")), end, succeeded(task.get("status")))
        for task in tasks
        if task.get("type") in _MIGRATIONS
        and (end := amount(task.get("endtime")))
        and not interrupted(task.get("status"))
    ]
    return sorted(found, key=lambda migration: migration.end)


def _changes(migrations: Iterable[_Migration], resources: Resources) -> dict[str, float]:
    """When nodes last gave or received a guest. Where one went is known of the last time: it is there."""
    result: dict[str, float] = {}
    places = {str(entry.get("vmid")): str(entry.get("node")) for entry in resources.guests}
    for migration in migrations:
        result[migration.source] = migration.end
        result[places.get(migration.guest, migration.source)] = migration.end
    return result
