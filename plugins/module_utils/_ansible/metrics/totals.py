# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters of a cluster, which go on from run to run: they are read from what the run before has exported."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from .library import parser

# The results of migrations that are counted; the others are not migrations.
RESULTS = ("migrated", "failed", "cancelled", "refused", "skipped")

MIGRATIONS = "evenkeel_migrations"
SECONDS = "evenkeel_migration_seconds"
BYTES = "evenkeel_migrated_memory_bytes"
DISK_MOVES = "evenkeel_disk_moves"
DISK_SECONDS = "evenkeel_disk_move_seconds"
COPIED = "evenkeel_copied_bytes"
LEFT_BEHIND = "evenkeel_copies_left_behind"
RUNS = "evenkeel_runs"
LOCK_WAIT = "evenkeel_lock_wait_seconds"
LOCKS_TAKEN = "evenkeel_locks_taken_over"
LAST_GOOD = "evenkeel_last_good_run_timestamp_seconds"


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums over all runs of a cluster; migrations and moves of disks by kind and result, runs by result."""

    migrations: Mapping[tuple[str, str], float] = field(default_factory=dict)
    migration_seconds: float = 0
    memory_bytes: float = 0
    disk_moves: Mapping[tuple[str, str], float] = field(default_factory=dict)
    disk_move_seconds: float = 0
    copied_bytes: float = 0
    left_behind: float = 0
    runs: Mapping[str, float] = field(default_factory=dict)
    lock_wait_seconds: float = 0
    locks_taken_over: float = 0
    last_good_run: float | None = None


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What one run adds to the totals."""

    migrations: Mapping[tuple[str, str], int] = field(default_factory=dict)
    migration_seconds: float = 0
    memory_bytes: int = 0
    disk_moves: Mapping[tuple[str, str], int] = field(default_factory=dict)
    disk_move_seconds: float = 0
    copied_bytes: int = 0
    left_behind: int = 0
    lock_wait_seconds: float = 0
    locks_taken_over: int = 0


def counts_of(summaries: Sequence[Mapping[str, object]]) -> Counts:
    """The counts of a run, whose rounds have these summaries of vm_migrate."""
    return Counts(
        migrations=_by_kind(summaries, "by_kind"),
        migration_seconds=sum(_number(summary, "migration_seconds") for summary in summaries),
        memory_bytes=int(_done(summaries, "memory_bytes")),
        disk_moves=_by_kind(summaries, "disk_moves_by_kind"),
        disk_move_seconds=sum(_number(summary, "disk_move_seconds") for summary in summaries),
        copied_bytes=int(_done(summaries, "bytes_copied")),
        left_behind=int(_done(summaries, "left_behind")),
        lock_wait_seconds=sum(_number(summary, "lock_waited") for summary in summaries),
        locks_taken_over=sum(bool(summary.get("lock_taken_over")) for summary in summaries),
    )


def _by_kind(summaries: Sequence[Mapping[str, object]], key: str) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for summary in summaries:
        by_kind = summary.get(key)
        for kind, results in (by_kind if isinstance(by_kind, Mapping) else {}).items():
            for result, count in results.items():
                if result in RESULTS:
                    entry = (str(kind), str(result))
                    found[entry] = found.get(entry, 0) + int(count)
    return found


def _done(summaries: Sequence[Mapping[str, object]], key: str) -> float:
    """The sum over the rounds that were not in check mode."""
    return sum(_number(one, key) for one in summaries if one.get("status") != "planned")


def _number(summary: Mapping[str, object], key: str) -> float:
    value = summary.get(key)
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0


def added(totals: Totals, counts: Counts, *, good: bool, now: float) -> Totals:
    """The totals after a run that ended at `now`."""
    runs = dict(totals.runs)
    result = "good" if good else "failed"
    runs[result] = runs.get(result, 0) + 1
    return replace(
        totals,
        migrations=_sums(totals.migrations, counts.migrations),
        migration_seconds=totals.migration_seconds + counts.migration_seconds,
        memory_bytes=totals.memory_bytes + counts.memory_bytes,
        disk_moves=_sums(totals.disk_moves, counts.disk_moves),
        disk_move_seconds=totals.disk_move_seconds + counts.disk_move_seconds,
        copied_bytes=totals.copied_bytes + counts.copied_bytes,
        left_behind=totals.left_behind + counts.left_behind,
        runs=runs,
        lock_wait_seconds=totals.lock_wait_seconds + counts.lock_wait_seconds,
        locks_taken_over=totals.locks_taken_over + counts.locks_taken_over,
        last_good_run=now if good else totals.last_good_run,
    )


def _sums(
    before: Mapping[tuple[str, str], float], more: Mapping[tuple[str, str], int]
) -> Mapping[tuple[str, str], float]:
    return {key: before.get(key, 0) + more.get(key, 0) for key in {**before, **more}}


def totals_of(text: str, cluster: str) -> Totals:
    """The totals in what was exported for a cluster. Raises ValueError for a text of another kind."""
    migrations: dict[tuple[str, str], float] = {}
    disk_moves: dict[tuple[str, str], float] = {}
    runs: dict[str, float] = {}
    single: dict[str, float] = {}
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get("cluster") != cluster or not math.isfinite(sample.value):
                continue
            if sample.name == f"{MIGRATIONS}_total":
                migrations[sample.labels["kind"], sample.labels["result"]] = sample.value
            elif sample.name == f"{DISK_MOVES}_total":
                disk_moves[sample.labels["kind"], sample.labels["result"]] = sample.value
            elif sample.name == f"{RUNS}_total":
                runs[sample.labels["result"]] = sample.value
            else:
                single[sample.name] = sample.value
    return Totals(
        migrations=migrations,
        migration_seconds=single.get(f"{SECONDS}_total", 0),
        memory_bytes=single.get(f"{BYTES}_total", 0),
        disk_moves=disk_moves,
        disk_move_seconds=single.get(f"{DISK_SECONDS}_total", 0),
        copied_bytes=single.get(f"{COPIED}_total", 0),
        left_behind=single.get(f"{LEFT_BEHIND}_total", 0),
        runs=runs,
        lock_wait_seconds=single.get(f"{LOCK_WAIT}_total", 0),
        locks_taken_over=single.get(f"{LOCKS_TAKEN}_total", 0),
        last_good_run=single.get(LAST_GOOD),
    )
