# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of the past week, as the nodes' own lists have them.

What the cluster shows of all nodes at once is 25 tasks a node, of every kind: a night of backups pushes the
others out of it. So each node that is up is asked for those of each kind that matters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ...errors import PlatformError
from ...values import Row
from ..api.batch import Getter, Reading
from ..api.notices import ONE_CALL, ReadFailures
from ..api.session import Session
from ..api.values import amount, rows, succeeded
from .cluster import Resources

# How far back a task is looked for, and how many of each kind of a node's.
HISTORY_SECONDS = 7 * 86_400
MAX_HISTORY_TASKS = 2000
# Of how many failures the logs are read, and how old they may be: only the log says that somebody stopped it.
FAILED_SECONDS = 86_400
FAILED_LOGS = 40
# The tasks that migrate, and that move a disk to another storage: of machines, and of containers.
MIGRATION_TASKS = ("qmigrate", "vzmigrate")
DISK_MOVE_TASKS = ("qmmove", "move_volume")


@dataclass(frozen=True, slots=True)
class EndedTask:
    """A task of a guest that has ended, at `end` in seconds since 1970; `source` is the node that ran it."""

    upid: str
    guest: str
    source: str
    end: float
    status: str

    @property
    def well(self) -> bool:
        return succeeded(self.status)

    @classmethod
    def of(cls, task: Row) -> EndedTask:
        return cls(
            upid=str(task.get("upid")),
            guest=str(task.get("id")),
            source=str(task.get("node")),
            end=amount(task.get("endtime")) or 0.0,
            status=str(task.get("status")),
        )


def readings(
    resources: Resources, now: float, kinds: tuple[str, str] = MIGRATION_TASKS
) -> tuple[Reading, ...]:
    """The calls to a node: its tasks of machines, and of containers where there are any."""
    params = {"since": max(int(now - HISTORY_SECONDS), 0), "source": "all", "limit": MAX_HISTORY_TASKS}
    containers = any(entry.get("type") == "lxc" for entry in resources.guests)
    return tuple(Reading("tasks", {"typefilter": kind, **params}) for kind in kinds[: 1 + containers])


def ended_tasks(
    session: Session,
    answered: Getter,
    listed: Iterable[Row],
    resources: Resources,
    kinds: tuple[str, str],
    now: float,
    gaps: ReadFailures,
    what: str,
) -> list[EndedTask]:
    """Those of each node's own list, and the `listed` ones of nodes that can't be asked; the last to end is
    the last. `what` they are, for a notice.
    """
    up = [str(entry.get("node")) for entry in resources.nodes if entry.get("status") == "online"]
    wanted = [(node, reading) for node in up for reading in readings(resources, now, kinds)]
    lists = session.concurrently(lambda each: _of_node(answered, *each), wanted)
    found = _by_upid(task for task in listed if task.get("type") in kinds)
    for (node, _reading), answer in zip(wanted, lists, strict=True):
        if isinstance(answer, PlatformError):
            gaps.missing(what, answer, host=node)
        else:
            found.update(_by_upid(answer))
    return sorted((task for task in found.values() if task.end), key=lambda task: task.end)


def last_failures(ended: Iterable[EndedTask], now: float) -> list[EndedTask]:
    """Those of late whose logs are worth a call each, the newest."""
    failed = [task for task in ended if not task.well and now - task.end <= FAILED_SECONDS]
    return sorted(failed, key=lambda task: task.end)[-FAILED_LOGS:]


def _by_upid(tasks: Iterable[Row]) -> dict[str, EndedTask]:
    return {task.upid: task for task in map(EndedTask.of, tasks)}


def _of_node(answered: Getter, node: str, reading: Reading) -> Collection[Row] | PlatformError:
    path = f"nodes/{node}/{reading.path}"
    try:
        return rows(answered.get(path, **reading.params), path)
    except ONE_CALL as error:
        return error
