# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the moves of disks of a run are."""

from __future__ import annotations

from collections.abc import Mapping

from ..._platforms.storage_protocol import DiskMoveState
from ..clock import Clock
from ..progress import DiskProgress, MovingDisks
from .tracker import DiskMoveTracker


def disk_progress(
    tracker: DiskMoveTracker, states: Mapping[str, DiskMoveState], clock: Clock, since: float
) -> DiskProgress:
    """The state of the tracker; `states` by task, `since` when the moves began on the clock's scale."""
    now = clock.monotonic()
    moving = tuple(
        MovingDisks(
            step=begun.move.step,
            guest=begun.move.guest.name,
            disks=begun.move.disks,
            source=begun.move.source,
            target=begun.move.target,
            seconds=round(now - begun.since, 1),
            percent=None if task not in states else states[task].percent,
            bytes_copied=_copied(begun.move.bytes, states.get(task)),
            bytes=begun.move.bytes,
        )
        for task, begun in tracker.running.items()
    )
    under_way = sum(one.bytes_copied for one in moving)
    done = sum(
        tracker.steps[outcome.step].bytes for outcome in tracker.outcomes() if outcome.result == "migrated"
    )
    left = sum(move.bytes for move in [*tracker.pending, *tracker.underway]) - under_way
    copied = done + under_way
    return DiskProgress(
        moving=moving,
        ended=tracker.counts(),
        left=len(tracker.pending),
        bytes_copied=copied,
        bytes_left=left,
        seconds_left=round((now - since) * left / copied, 1) if copied else None,
    )


def _copied(size: int, state: DiskMoveState | None) -> int:
    """What the platform reports, or else its percentage of what there is to copy."""
    if state is None:
        return 0
    copied = state.copied if state.copied is not None else int(size * (state.percent or 0) / 100)
    return max(0, min(size, copied))
