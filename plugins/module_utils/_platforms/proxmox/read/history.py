# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guests were migrated lately, as the nodes' own lists of tasks have it.

What the cluster shows of all nodes at once is 25 tasks a node, of every kind: a night of backups pushes
migrations out of it. So each node that is up is asked for its migrations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...errors import PlatformError
from ...values import Row
from ..api.batch import Getter, Reading
from ..api.notices import ONE_CALL, ReadFailures
from ..api.session import Session
from ..api.task_log import last_lines, was_cancelled
from ..api.values import amount, moment, rows, succeeded
from .cluster import Resources
from .migrations_in_progress import MIGRATIONS

# How far back a migration is looked for, and how many of a node's.
HISTORY_SECONDS = 7 * 86_400
MAX_HISTORY_TASKS = 2000
# Of how many failures the logs are read, and how old they may be: only the log says that somebody stopped it.
FAILED_SECONDS = 86_400
FAILED_LOGS = 40


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
        tasks = _tasks(session, answered, list(listed), resources, now, gaps)
        ended = sorted((task for task in tasks if task.end), key=lambda task: task.end)
        stopped = _stopped(session, ended, now)
        well = [task for task in ended if task.well]
        return cls(
            migrated_at={task.guest: moment(task.end) for task in well},
            failed_at={
                task.guest: moment(task.end) for task in ended if not task.well and task.upid not in stopped
            },
            changed_at=_changes(well, resources),
        )


@dataclass(frozen=True, slots=True)
class _Migration:
    upid: str
    guest: str
    source: str
    end: float
    status: str

    @property
    def well(self) -> bool:
        return succeeded(self.status)

    @classmethod
    def of(cls, task: Row) -> _Migration:
        return cls(
            upid=str(task.get("upid")),
            guest=str(task.get("id")),
            source=str(task.get("node")),
            end=amount(task.get("endtime")) or 0.0,
            status=str(task.get("status")),
        )


def readings(resources: Resources, now: float) -> tuple[Reading, ...]:
    """The calls to a node: its migrations of machines, and of containers where there are any."""
    params = {"since": max(int(now - HISTORY_SECONDS), 0), "source": "all", "limit": MAX_HISTORY_TASKS}
    containers = any(entry.get("type") == "lxc" for entry in resources.guests)
    kinds = ["qmigrate", "vzmigrate"] if containers else ["qmigrate"]
    return tuple(Reading("tasks", {"typefilter": kind, **params}) for kind in kinds)


def _tasks(
    session: Session,
    answered: Getter,
    listed: list[Row],
    resources: Resources,
    now: float,
    gaps: ReadFailures,
) -> list[_Migration]:
    """Each node's own list, and the listed tasks of nodes that can't be asked."""
    up = [str(entry.get("node")) for entry in resources.nodes if entry.get("status") == "online"]
    wanted = [(node, reading) for node in up for reading in readings(resources, now)]
    lists = session.concurrently(lambda each: _of_node(answered, *each), wanted)
    found = {str(task.get("upid")): _Migration.of(task) for task in listed if task.get("type") in MIGRATIONS}
    for (node, _reading), answer in zip(wanted, lists, strict=True):
        if isinstance(answer, PlatformError):
            gaps.missing("the older migrations", answer, host=node)
        else:
            found.update({str(task.get("upid")): _Migration.of(task) for task in answer})
    return list(found.values())


def _of_node(answered: Getter, node: str, reading: Reading) -> list[Row] | PlatformError:
    path = f"nodes/{node}/{reading.path}"
    try:
        return rows(answered.get(path, **reading.params), path)
    except ONE_CALL as error:
        return error


def _stopped(session: Session, ended: Iterable[_Migration], now: float) -> frozenset[str]:
    """The tasks that somebody stopped: nothing is wrong with those guests. Only a guest's last migration
    counts, and only that of lately.
    """
    last = {task.guest: task for task in ended}
    failed = [task for task in last.values() if not task.well and now - task.end <= FAILED_SECONDS]
    newest = sorted(failed, key=lambda task: task.end)[-FAILED_LOGS:]
    logs = session.concurrently(lambda task: last_lines(session, task.upid), newest) if newest else []
    return frozenset(
        task.upid for task, log in zip(newest, logs, strict=True) if was_cancelled(task.status, log)
    )


def _changes(migrations: Iterable[_Migration], resources: Resources) -> dict[str, float]:
    """When nodes last gave or received a guest. Where one went is known of the last time: it is there."""
    result: dict[str, float] = {}
    places = {str(entry.get("vmid")): str(entry.get("node")) for entry in resources.guests}
    for migration in migrations:
        result[migration.source] = migration.end
        result[places.get(migration.guest, migration.source)] = migration.end
    return result
