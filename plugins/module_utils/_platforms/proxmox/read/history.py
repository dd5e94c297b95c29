# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guests were migrated lately, as the nodes' own lists of tasks have it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...values import Row
from ..api.batch import Getter
from ..api.notices import ReadFailures
from ..api.session import Session
from ..api.task_log import last_lines, was_cancelled
from ..api.values import moment
from .cluster import Resources
from .task_history import MIGRATION_TASKS, EndedTask, ended_tasks, last_failures


@dataclass(frozen=True, slots=True)
class MigrationHistory:
    """`migrated_at` says when guests were last migrated and `failed_at` when that last failed, `changed_at`
    (seconds since 1970) when nodes last gave or received one.
    """

    migrated_at: Mapping[str, str] = field(default_factory=dict)
    failed_at: Mapping[str, str] = field(default_factory=dict)
    changed_at: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        session: Session,
        answered: Getter,
        listed: Iterable[Row],
        resources: Resources,
        now: float,
        gaps: ReadFailures,
    ) -> MigrationHistory:
        """`listed` are the tasks of /cluster/tasks, `now` is the present moment by the platform's clock."""
        ended = ended_tasks(
            session, answered, listed, resources, MIGRATION_TASKS, now, gaps, "the older migrations"
        )
        stopped = _stopped(session, ended, now)
        well = [task for task in ended if task.well]
        return cls(
            migrated_at={task.guest: moment(task.end) for task in well},
            failed_at={
                task.guest: moment(task.end) for task in ended if not task.well and task.upid not in stopped
            },
            changed_at=_changes(well, resources),
        )


def _stopped(session: Session, ended: Iterable[EndedTask], now: float) -> frozenset[str]:
    """The tasks that somebody stopped: nothing is wrong with those guests. Only a guest's last migration
    counts, and only that of lately.
    """
    newest = last_failures({task.guest: task for task in ended}.values(), now)
    logs = session.concurrently(lambda task: last_lines(session, task.upid), newest) if newest else []
    return frozenset(
        task.upid for task, log in zip(newest, logs, strict=True) if was_cancelled(task.status, log)
    )


def _changes(migrations: Iterable[EndedTask], resources: Resources) -> dict[str, float]:
    """When nodes last gave or received a guest. Where one went is known of the last time: it is there."""
    result: dict[str, float] = {}
    places = {str(entry.get("vmid")): str(entry.get("node")) for entry in resources.guests}
    for migration in migrations:
        result[migration.source] = migration.end
        result[places.get(migration.guest, migration.source)] = migration.end
    return result
