# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which moves of disks to another storage have failed lately, as the nodes' own lists of tasks have it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ...._model.snapshot import Guest
from ...values import Row
from ..api.batch import Getter
from ..api.notices import ReadFailures
from ..api.session import Session
from ..api.task_log import LAST_LINES, disk_of, was_cancelled, whole_log
from ..api.values import moment
from .cluster import Resources
from .task_history import DISK_MOVE_TASKS, FAILED_LOGS, EndedTask, ended_tasks, last_failures


@dataclass(frozen=True, slots=True)
class DiskMoveHistory:
    """When moves last failed and succeeded, in seconds since 1970, by guest and name of the disk. A task is
    named by its guest alone, and only the log of a machine's says which disk it was about: where that is not
    known the name is None, and a failure may be that of any disk of the guest.
    """

    failed_at: Mapping[tuple[str, str | None], float] = field(default_factory=dict)
    moved_at: Mapping[tuple[str, str | None], float] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        session: Session,
        answered: Getter,
        listed: Iterable[Row],
        resources: Resources,
        now: float,
        gaps: ReadFailures,
    ) -> DiskMoveHistory:
        """`listed` are the tasks of /cluster/tasks, `now` is the present moment by the platform's clock."""
        ended = ended_tasks(
            session, answered, listed, resources, DISK_MOVE_TASKS, now, gaps, "the older moves of disks"
        )
        doubtful = _doubtful(ended, now)
        logs = session.concurrently(lambda task: whole_log(session, task.upid), doubtful) if doubtful else []
        log_of = {task.upid: log for task, log in zip(doubtful, logs, strict=True)}
        failed_at: dict[tuple[str, str | None], float] = {}
        moved_at: dict[tuple[str, str | None], float] = {}
        for task in ended:
            log = log_of.get(task.upid, ())
            if task.well:
                moved_at[task.guest, disk_of(log)] = task.end
            elif not was_cancelled(task.status, log[-LAST_LINES:]):
                failed_at[task.guest, disk_of(log)] = task.end
        return cls(failed_at, moved_at)

    def last_failed_at(self, guest: str, disk: str | None) -> str | None:
        """When a move of a disk last failed, unless one that names it has succeeded since."""
        failed = max(self.failed_at.get((guest, name), 0.0) for name in (disk, None))
        return moment(failed) if failed and failed >= self.moved_at.get((guest, disk), 0.0) else None


def _doubtful(ended: Iterable[EndedTask], now: float) -> list[EndedTask]:
    """Those whose logs are read: failures of lately, and what has succeeded for their guests since."""
    tasks = list(ended)
    failed = last_failures(tasks, now)
    first = {task.guest: task.end for task in reversed(failed)}
    since = [task for task in tasks if task.well and task.end >= first.get(task.guest, math.inf)]
    return [*failed, *since[-FAILED_LOGS:]]


def with_failed_moves(guests: Iterable[Guest], history: DiskMoveHistory) -> tuple[Guest, ...]:
    """The guests with when moves of their disks last failed."""
    tried = {guest for guest, _disk in history.failed_at}
    return tuple(
        replace(
            guest,
            disks=tuple(
                replace(disk, last_failed_at=history.last_failed_at(guest.id, disk.id))
                for disk in guest.disks
            ),
        )
        if guest.id in tried
        else guest
        for guest in guests
    )
