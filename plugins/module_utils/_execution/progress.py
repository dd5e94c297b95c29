# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a run is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .._model.snapshot import Bytes
from .clock import Clock
from .migration_tracker import MigrationTracker


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """A migration under way; `percent` where the platform reports it."""

    step: int
    guest: str
    source: str
    target: str
    seconds: float
    percent: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovingDisks:
    """A move of disks under way; `percent` where the platform reports it, and `bytes` are all of it."""

    step: int
    guest: str
    disks: tuple[str, ...]
    source: str
    target: str
    seconds: float
    percent: float | None
    bytes_copied: Bytes
    bytes: Bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskProgress:
    """The moves of disks of a run at one moment. `bytes_copied` counts what is under way as far as the
    platform reports it; `seconds_left` is estimated from it, None at first.
    """

    moving: tuple[MovingDisks, ...]
    ended: Mapping[str, int]
    left: int
    bytes_copied: Bytes
    bytes_left: Bytes
    seconds_left: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A run at one moment. `memory_moved` counts what is under way as far as the platform reports it;
    `seconds_left` is estimated from it, None at first. `paused`: why nothing new is started for the time
    being; empty where the run is not paused. `disks`: the moves of disks, once they have their turn; the
    other values are those of the migrations before them.
    """

    at: str
    moving: tuple[Moving, ...]
    ended: Mapping[str, int]
    left: int
    memory_moved: Bytes
    seconds_left: float | None
    paused: str = field(default="", metadata={"omit": True})
    disks: DiskProgress | None = field(default=None, metadata={"omit": True})


def progress(
    tracker: MigrationTracker, percent: Mapping[str, float | None], clock: Clock, since: float
) -> Progress:
    """The state of the tracker; `percent` by task, `since` when the run began on the clock's scale."""
    now = clock.monotonic()
    under_way = sum(
        int(begun.migration.cost.memory * (percent.get(task) or 0) / 100)
        for task, begun in tracker.running.items()
    )
    done = sum(
        tracker.steps[outcome.step].cost.memory
        for outcome in tracker.outcomes()
        if outcome.result == "migrated"
    )
    moved = done + under_way
    left = sum(migration.cost.memory for migration in [*tracker.pending, *tracker.underway]) - under_way
    return Progress(
        at=clock.now(),
        moving=tuple(
            Moving(
                step=begun.migration.step,
                guest=begun.migration.guest.name,
                source=begun.migration.source,
                target=begun.migration.target,
                seconds=round(now - begun.since, 1),
                percent=percent.get(task),
            )
            for task, begun in tracker.running.items()
        ),
        ended=tracker.counts(),
        left=len(tracker.pending),
        memory_moved=moved,
        seconds_left=round((now - since) * left / moved, 1) if moved else None,
    )
