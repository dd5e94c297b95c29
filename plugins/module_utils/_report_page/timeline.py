# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When each migration runs: as estimated, and as it was."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._execution.concurrency_limits import ConcurrencyLimits
from .._execution.critical_path import by_critical_path
from .._model.outcome import MigrationOutcome, Outcome
from .._model.plan import Migration, Plan
from .._model.text.moments import read_moment
from .given import Given


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds since the run began."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One migration: as planned (None without a plan), as it ended (None before a run), both spans."""

    step: int
    guest: str
    guest_id: str
    source: str
    target: str
    wave: int
    planned: Migration | None
    ended: MigrationOutcome | None
    estimated: Span | None
    real: Span | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All migrations in the order of the plan. seconds: the length of its picture."""

    rows: tuple[Row, ...]
    estimated: float | None
    real: float | None

    @property
    def seconds(self) -> float:
        ends = [span.end for row in self.rows for span in (row.estimated, row.real) if span is not None]
        return max(ends, default=0.0)


def timeline_of(given: Given) -> Timeline | None:
    """None where nothing is to be migrated, and nothing was."""
    return given.once("timeline", _timeline)


def _timeline(given: Given) -> Timeline | None:
    plan = given.plan or (given.placement.plan if given.placement else None)
    outcome = given.outcome
    planned = {migration.step: migration for migration in plan.migrations} if plan else {}
    ended = {migration.step: migration for migration in outcome.migrations} if outcome else {}
    if not planned and not ended:
        return None
    spans = estimated_spans(plan.migrations, limits_of(plan, given.max_parallel)) if plan else {}
    rows = []
    for step in [*planned, *(step for step in ended if step not in planned)]:
        migration = planned.get(step) or ended[step]
        real = _real(outcome, ended[step]) if outcome and step in ended else None
        rows.append(
            Row(
                step=step,
                guest=migration.guest.name,
                guest_id=migration.guest.id,
                source=migration.source,
                target=migration.target,
                wave=planned[step].wave if step in planned else 0,
                planned=planned.get(step),
                ended=ended.get(step),
                estimated=spans.get(step),
                real=real,
            )
        )
    rows.sort(key=lambda row: (row.wave or 1 << 30, row.step))
    ran = outcome is not None and outcome.status != "planned"
    return Timeline(
        rows=tuple(rows),
        estimated=max((span.end for span in spans.values()), default=None),
        real=outcome.seconds if outcome and ran else None,
    )


def limits_of(plan: Plan, max_parallel: int | None = None) -> ConcurrencyLimits:
    """The limits that a plan knows of, and that of the whole cluster where it is known: a run may have others
    besides.
    """
    policy = plan.policy
    return ConcurrencyLimits(
        cluster=max_parallel or max(1, len(plan.migrations)),
        per_host=policy.max_per_host,
        per_datastore=policy.max_per_host,
        into_host=policy.max_in_per_host,
        out_of_host=policy.max_out_per_host,
    )


def estimated_spans(migrations: Sequence[Migration], limits: ConcurrencyLimits) -> Mapping[int, Span]:
    """By step: each starts as soon as those that it comes after have ended and its hosts have slots, in the
    order in which a run starts them.
    """
    pending, underway = list(migrations), list[Migration]()
    ends: list[tuple[float, int]] = []
    found: dict[int, Span] = {}
    now = 0.0
    while pending:
        moving = {migration.step for migration in underway}
        waits = moving | {migration.step for migration in pending}
        for migration in by_critical_path(pending, underway, limits):
            if not waits.isdisjoint(migration.after) or not limits.allows(migration, underway):
                continue
            found[migration.step] = Span(now, now + migration.cost.seconds)
            heapq.heappush(ends, (now + migration.cost.seconds, migration.step))
            underway.append(migration)
            pending.remove(migration)
        if not ends:
            break
        now, step = heapq.heappop(ends)
        done = {step}
        while ends and ends[0][0] <= now:
            done.add(heapq.heappop(ends)[1])
        underway = [migration for migration in underway if migration.step not in done]
    return found


def _real(outcome: Outcome, migration: MigrationOutcome) -> Span | None:
    if migration.started_at is None:
        return None
    start = (read_moment(migration.started_at) - read_moment(outcome.started_at)).total_seconds()
    if migration.seconds is not None:
        return Span(max(0.0, start), max(0.0, start) + migration.seconds)
    if migration.ended_at is None:
        return None
    end = (read_moment(migration.ended_at) - read_moment(outcome.started_at)).total_seconds()
    return Span(max(0.0, start), max(0.0, start, end))
