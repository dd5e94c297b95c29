# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When each disk move runs, from the start of the first one: as estimated, and as it was."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._model.outcome import DiskMoveOutcome
from .._model.plan import DiskMove
from .._model.policy.storage import StoragePolicy
from .._model.text.moments import read_moment
from .given import Given
from .storage import disk_steps
from .timeline import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRow:
    """One disk move: as planned (None without a plan), as it ended (None before a run), both spans. Its ends
    are ids of datastores.
    """

    step: int
    guest: str
    guest_id: str
    disks: tuple[str, ...]
    source: str
    target: str
    wave: int
    planned: DiskMove | None
    ended: DiskMoveOutcome | None
    estimated: Span | None
    real: Span | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskTimeline:
    """All disk moves in the order of the plan. estimated, real: seconds from the first start to the last
    end.
    """

    rows: tuple[DiskRow, ...]
    estimated: float | None
    real: float | None

    @property
    def seconds(self) -> float:
        """The length of its picture."""
        ends = [span.end for row in self.rows for span in (row.estimated, row.real) if span is not None]
        return max(ends, default=0.0)


def disk_timeline_of(given: Given) -> DiskTimeline | None:
    """None where no disk is to be moved, and none was."""
    return given.once("disk timeline", _timeline)


def _timeline(given: Given) -> DiskTimeline | None:
    planned, ended = disk_steps(given)
    if not planned and not ended:
        return None
    policy = (given.plan.policy.storage if given.plan else None) or StoragePolicy()
    spans = disk_spans([*planned.values()], policy.max_per_datastore, given.max_parallel)
    real = _real_spans(ended)
    rows = []
    for step in [*planned, *(step for step in ended if step not in planned)]:
        move = planned.get(step) or ended[step]
        rows.append(
            DiskRow(
                step=step,
                guest=move.guest.name,
                guest_id=move.guest.id,
                disks=move.disks,
                source=move.source,
                target=move.target,
                wave=planned[step].wave if step in planned else 0,
                planned=planned.get(step),
                ended=ended.get(step),
                estimated=spans.get(step),
                real=real.get(step),
            )
        )
    rows.sort(key=lambda row: (row.wave or 1 << 30, row.step))
    return DiskTimeline(
        rows=tuple(rows),
        estimated=max((span.end for span in spans.values()), default=None),
        real=max((span.end for span in real.values()), default=None),
    )


def disk_spans(moves: Sequence[DiskMove], per_datastore: int, most: int | None = None) -> Mapping[int, Span]:
    """By step: each starts as soon as those that it comes after have ended and both datastores have a slot,
    those first that hold up most. A guest has one move at a time. most: in the whole cluster.
    """
    pending = _longest_first(moves)
    ways = {(move.source, move.target) for move in moves}
    waits = {move.step for move in moves}
    busy: Counter[str] = Counter()
    guests: set[str] = set()
    ends: list[tuple[float, int, DiskMove]] = []
    found: dict[int, Span] = {}
    now = 0.0
    while pending:
        left = []
        changed = True
        for number, move in enumerate(pending):
            # Thousands may be waiting for the few slots of a datastore.
            if changed and all(busy[one] >= per_datastore or busy[two] >= per_datastore for one, two in ways):
                left += pending[number:]
                break
            changed = False
            if (
                (most is not None and len(ends) >= most)
                or move.guest.id in guests
                or busy[move.source] >= per_datastore
                or busy[move.target] >= per_datastore
                or not waits.isdisjoint(move.after)
            ):
                left.append(move)
                continue
            found[move.step] = Span(now, now + move.seconds)
            heapq.heappush(ends, (now + move.seconds, move.step, move))
            busy.update((move.source, move.target))
            guests.add(move.guest.id)
            changed = True
        pending = left
        if not ends:
            break
        now = ends[0][0]
        while ends and ends[0][0] <= now:
            move = heapq.heappop(ends)[2]
            waits.discard(move.step)
            busy.subtract((move.source, move.target))
            guests.discard(move.guest.id)
    return found


def _longest_first(moves: Sequence[DiskMove]) -> list[DiskMove]:
    """By the seconds of a move and of the longest chain that comes after it."""
    tails: dict[int, float] = {}
    for move in reversed(moves):
        whole = move.seconds + tails.get(move.step, 0.0)
        tails[move.step] = whole
        for step in move.after:
            tails[step] = max(tails.get(step, 0.0), whole)
    return sorted(moves, key=lambda move: -tails[move.step])


def _real_spans(ended: Mapping[int, DiskMoveOutcome]) -> Mapping[int, Span]:
    starts = {
        step: read_moment(move.started_at) for step, move in ended.items() if move.started_at is not None
    }
    first = min(starts.values(), default=None)
    found = {}
    for step, at in starts.items():
        move = ended[step]
        start = 0.0 if first is None else (at - first).total_seconds()
        if move.seconds is not None:
            found[step] = Span(start, start + move.seconds)
        elif move.ended_at is not None:
            found[step] = Span(start, start + max(0.0, (read_moment(move.ended_at) - at).total_seconds()))
    return found
