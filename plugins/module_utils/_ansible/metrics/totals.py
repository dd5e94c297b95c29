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
RUNS = "evenkeel_runs"
LOCK_WAIT = "evenkeel_lock_wait_seconds"
LOCKS_TAKEN = "evenkeel_locks_taken_over"
LAST_GOOD = "evenkeel_last_good_run_timestamp_seconds"


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums over all runs of a cluster; migrations by kind and result, runs by result."""

    migrations: Mapping[tuple[str, str], float] = field(default_factory=dict)
    migration_seconds: float = 0
    memory_bytes: float = 0
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
    lock_wait_seconds: float = 0
    locks_taken_over: int = 0


def counts_of(summaries: Sequence[Mapping[str, object]]) -> Counts:
    """The counts of a run, whose rounds have these summaries of vm_migrate."""
    migrations: dict[tuple[str, str], int] = {}
    for summary in summaries:
        by_kind = summary.get("by_kind")
        for kind, results in (by_kind if isinstance(by_kind, Mapping) else {}).items():
            for result, count in results.items():
                if result in RESULTS:
                    key = (str(kind), str(result))
                    migrations[key] = migrations.get(key, 0) + int(count)
    return Counts(
        migrations=migrations,
        migration_seconds=sum(_number(summary, "migration_seconds") for summary in summaries),
        memory_bytes=int(
            sum(_number(one, "memory_bytes") for one in summaries if one.get("status") != "planned")
        ),
        lock_wait_seconds=sum(_number(summary, "lock_waited") for summary in summaries),
        locks_taken_over=sum(bool(summary.get("lock_taken_over")) for summary in summaries),
    )


def _number(summary: Mapping[str, object], key: str) -> float:
    value = summary.get(key)
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0


def added(totals: Totals, counts: Counts, *, good: bool, now: float) -> Totals:
    """The totals after a run that ended at `now`."""
    migrations = dict(totals.migrations)
    for key, count in counts.migrations.items():
        migrations[key] = migrations.get(key, 0) + count
    runs = dict(totals.runs)
    result = "good" if good else "failed"
    runs[result] = runs.get(result, 0) + 1
    return replace(
        totals,
        migrations=migrations,
        migration_seconds=totals.migration_seconds + counts.migration_seconds,
        memory_bytes=totals.memory_bytes + counts.memory_bytes,
        runs=runs,
        lock_wait_seconds=totals.lock_wait_seconds + counts.lock_wait_seconds,
        locks_taken_over=totals.locks_taken_over + counts.locks_taken_over,
        last_good_run=now if good else totals.last_good_run,
    )


def totals_of(text: str, cluster: str) -> Totals:
    """The totals in what was exported for a cluster. Raises ValueError for a text of another kind."""
    migrations: dict[tuple[str, str], float] = {}
    runs: dict[str, float] = {}
    single: dict[str, float] = {}
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get("cluster") != cluster or not math.isfinite(sample.value):
                continue
            if sample.name == f"{MIGRATIONS}_total":
                migrations[sample.labels["kind"], sample.labels["result"]] = sample.value
            elif sample.name == f"{RUNS}_total":
                runs[sample.labels["result"]] = sample.value
            else:
                single[sample.name] = sample.value
    return Totals(
        migrations=migrations,
        migration_seconds=single.get(f"{SECONDS}_total", 0),
        memory_bytes=single.get(f"{BYTES}_total", 0),
        runs=runs,
        lock_wait_seconds=single.get(f"{LOCK_WAIT}_total", 0),
        locks_taken_over=single.get(f"{LOCKS_TAKEN}_total", 0),
        last_good_run=single.get(LAST_GOOD),
    )
