# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run on a cluster as metrics in the text format of Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from ..._model.plan import ClusterState, DiskMoveKind, MigrationKind, Plan
from ..._model.snapshot import Snapshot
from ..._model.text.moments import read_moment
from . import totals as names
from .datastores import Gauge, Sample, datastore_gauges, disk_gauges, plan_gauges
from .library import core, prometheus
from .totals import RESULTS, Counts, Totals


@dataclass(frozen=True, kw_only=True)
class RunMetrics:
    """A run that has ended: what it read and planned, the summaries of its rounds, and whether it failed."""

    cluster: str
    plan: Plan | None = None
    snapshot: Snapshot | None = None
    summaries: Sequence[Mapping[str, Any]] = ()
    counts: Counts = field(default_factory=Counts)
    totals: Totals = field(default_factory=Totals)
    good: bool = True
    ended_at: float = 0

    @property
    def last(self) -> Mapping[str, Any]:
        """The summary of the last round; empty where nothing was run."""
        return self.summaries[-1] if self.summaries else {}

    @property
    def tells_of_disks(self) -> bool:
        """Whether this run, or one before it, was about datastores."""
        planned = self.plan is not None and self.plan.storage is not None
        return planned or bool(self.counts.disk_moves or self.totals.disk_moves)

    @property
    def status(self) -> str:
        return "failed" if not self.good else str(self.last.get("status") or "planned")


class _Families:
    """What a registry collects: the metric families, one by one."""

    def __init__(self, run: RunMetrics) -> None:
        self._run = run

    def collect(self) -> Iterator[Any]:
        run = self._run
        yield from _run_families(run)
        yield from _total_families(run)
        if run.plan is not None:
            yield from _plan_families(run, run.plan)
        if run.snapshot is not None:
            yield from _snapshot_families(run, run.snapshot)
        for gauge in _storage_gauges(run):
            yield from _gauge(run, gauge.name, gauge.text, gauge.samples, *gauge.labels)


def registry_of(run: RunMetrics) -> Any:
    registry = prometheus.CollectorRegistry(auto_describe=False)
    registry.register(_Families(run))
    return registry


def text_of(run: RunMetrics) -> str:
    """The metrics in the text format."""
    text: bytes = prometheus.generate_latest(registry_of(run))
    return text.decode()


def _family(
    kind: str, run: RunMetrics, name: str, text: str, samples: Iterable[Sample], labels: Sequence[str] = ()
) -> Any:
    family = getattr(core, f"{kind}MetricFamily")(name, text, labels=["cluster", *labels])
    for values, value in samples:
        family.add_metric([run.cluster, *values], value)
    return family


def _gauge(run: RunMetrics, name: str, text: str, samples: Iterable[Sample], *labels: str) -> Iterator[Any]:
    """The family, unless there is no value: what is not known is not exported."""
    found = list(samples)
    if found:
        yield _family("Gauge", run, f"evenkeel_{name}", text, found, labels)


def _storage_gauges(run: RunMetrics) -> Iterator[Gauge]:
    """Of the datastores, and of the moves of disks in the plan."""
    storage = None if run.plan is None else run.plan.storage
    yield from datastore_gauges(storage, run.snapshot, run.summaries)
    if run.plan is not None and storage is not None:
        yield from plan_gauges(storage, run.plan.policy.storage)
    if run.snapshot is not None:
        yield from disk_gauges(run.snapshot)


def _one(value: float | None) -> list[Sample]:
    return [] if value is None else [((), float(value))]


def _run_families(run: RunMetrics) -> Iterator[Any]:
    last = run.last
    yield from _gauge(run, "last_run_timestamp_seconds", "Time when the last run ended.", _one(run.ended_at))
    yield from _gauge(
        run,
        "last_good_run_timestamp_seconds",
        "Time when the last run ended that did not fail.",
        _one(run.totals.last_good_run),
    )
    yield from _gauge(run, "last_run_success", "Whether the last run did not fail.", _one(run.good))
    statuses = ("done", "planned", "partial", "stopped", "rolled_back", "failed")
    yield from _gauge(
        run,
        "last_run_status",
        "Status of the last run: 1 for the one that it has.",
        [((status,), run.status == status) for status in statuses],
        "status",
    )
    yield from _gauge(
        run,
        "last_run_duration_seconds",
        "Duration of the migrations of the last run, from the first start to the last end.",
        _one(sum(float(one.get("seconds") or 0) for one in run.summaries) if run.summaries else None),
    )
    yield from _gauge(
        run,
        "last_run_migrations",
        "Migrations of the last run by kind and result.",
        _by_kind(run.counts.migrations, get_args(MigrationKind)),
        "kind",
        "result",
    )
    if run.tells_of_disks:
        yield from _disk_families(run)
    yield from _gauge(
        run,
        "last_run_migrated_memory_bytes",
        "Memory of the guests that the last run migrated.",
        _one(run.counts.memory_bytes),
    )
    yield from _gauge(
        run,
        "last_run_migration_seconds",
        "Sum of the durations of the migrations of the last run.",
        _one(run.counts.migration_seconds),
    )
    yield from _gauge(
        run,
        "last_run_lock_wait_seconds",
        "Time that the last run waited for the lock of the cluster.",
        _one(run.counts.lock_wait_seconds),
    )
    in_band = last.get("in_band") if run.summaries else _in_band(run.plan)
    yield from _gauge(
        run,
        "in_band",
        "Whether the cluster satisfies its policy after the last run.",
        _one(None if in_band is None else bool(in_band)),
    )
    before = next((one["spread_before"] for one in run.summaries if one.get("spread_before")), None)
    after = last.get("spread_after")
    planned = run.plan.before.spread if run.plan is not None else {}
    before = before or planned
    yield from _gauge(
        run,
        "spread_before_ratio",
        "Difference between the fullest and the emptiest host before the last run, as a part of capacity.",
        _ratios(before),
        "metric",
    )
    yield from _gauge(
        run,
        "spread_ratio",
        "Difference between the fullest and the emptiest host after the last run, as a part of capacity.",
        _ratios(after if run.summaries else before),
        "metric",
    )


def _disk_families(run: RunMetrics) -> Iterator[Any]:
    counts = run.counts
    yield from _gauge(
        run,
        "last_run_disk_moves",
        "Moves of disks of the last run by kind and result.",
        _by_kind(counts.disk_moves, get_args(DiskMoveKind)),
        "kind",
        "result",
    )
    for name, text, value in (
        ("last_run_copied_bytes", "Bytes of the disks that the last run moved.", counts.copied_bytes),
        (
            "last_run_disk_move_seconds",
            "Sum of the durations of the moves of disks of the last run.",
            counts.disk_move_seconds,
        ),
        (
            "last_run_copies_left_behind",
            "Copies of disks that the last run left behind and no guest uses.",
            counts.left_behind,
        ),
    ):
        yield from _gauge(run, name, text, _one(value))


def _in_band(plan: Plan | None) -> bool | None:
    """Of a cluster for which a plan was made and not run."""
    if plan is None:
        return None
    moves = plan.migrations or (plan.storage is not None and plan.storage.moves)
    return plan.status == "balanced" and not moves


def _by_kind(counts: Mapping[tuple[str, str], float], usual: Sequence[str]) -> list[Sample]:
    """All kinds and results, so that a counter exists before it rises for the first time."""
    kinds = dict.fromkeys([*usual, *(kind for kind, _result in counts)])
    return [((kind, result), counts.get((kind, result), 0)) for kind in kinds for result in RESULTS]


def _ratios(points: Mapping[str, float | None] | None) -> list[Sample]:
    return [((metric,), value / 100) for metric, value in (points or {}).items() if value is not None]


def _total_families(run: RunMetrics) -> Iterator[Any]:
    found = run.totals
    runs = {result: found.runs.get(result, 0) for result in ("good", "failed")}
    counters: list[tuple[str, str, list[Sample], Sequence[str]]] = [
        (
            names.MIGRATIONS,
            "Migrations by kind and result.",
            _by_kind(found.migrations, get_args(MigrationKind)),
            ("kind", "result"),
        ),
        (names.SECONDS, "Sum of the durations of the migrations.", _one(found.migration_seconds), ()),
        (names.BYTES, "Memory of the guests that were migrated.", _one(found.memory_bytes), ()),
        (names.RUNS, "Runs by result.", [((result,), count) for result, count in runs.items()], ("result",)),
        (names.LOCK_WAIT, "Time spent waiting for the lock.", _one(found.lock_wait_seconds), ()),
        (
            names.LOCKS_TAKEN,
            "Locks of killed runs that were taken over.",
            _one(found.locks_taken_over),
            (),
        ),
    ]
    if run.tells_of_disks:
        counters += [
            (
                names.DISK_MOVES,
                "Moves of disks by kind and result.",
                _by_kind(found.disk_moves, get_args(DiskMoveKind)),
                ("kind", "result"),
            ),
            (
                names.DISK_SECONDS,
                "Sum of the durations of the moves of disks.",
                _one(found.disk_move_seconds),
                (),
            ),
            (names.COPIED, "Bytes of the disks that were moved.", _one(found.copied_bytes), ()),
            (
                names.LEFT_BEHIND,
                "Copies of disks that were left behind and that no guest uses.",
                _one(found.left_behind),
                (),
            ),
        ]
    for name, text, samples, labels in counters:
        yield _family("Counter", run, name, text, samples, labels)


def _plan_families(run: RunMetrics, plan: Plan) -> Iterator[Any]:
    cluster = plan.cluster
    labels = ("name", "id", "platform", "goal")
    yield from _gauge(
        run,
        "cluster_info",
        "The cluster as the platform knows it, and the goal of its policy.",
        [((cluster.name, cluster.id, plan.platform, plan.policy.goal), 1)],
        *labels,
    )
    yield from _gauge(
        run,
        "spread_max_ratio",
        "Difference between two hosts that the policy allows, as a part of capacity.",
        [((metric,), plan.policy.spread_limit(metric) / 100) for metric in plan.before.spread]
        if plan.policy.levels
        else [],
        "metric",
    )
    yield from _gauge(
        run,
        "spread_lower_bound_ratio",
        "Lowest spread that any plan can reach, as far as is proven.",
        _ratios(plan.proof.spread_lower_bound),
        "metric",
    )
    yield from _gauge(
        run,
        "host_load_ratio",
        "Load of a host before the last run, as a part of its capacity.",
        [
            ((host, metric), value / 100)
            for host, state in _hosts(plan.before)
            for metric, value in state.used.items()
            if value is not None
        ],
        "host",
        "metric",
    )
    yield from _gauge(
        run,
        "host_guests",
        "Running guests of a host before the last run.",
        [((host,), state.guests) for host, state in _hosts(plan.before)],
        "host",
    )
    # After an incomplete run nobody has looked which rules still hold.
    broken, left = list(plan.before.violations), list(plan.after.violations)
    if plan.storage is not None:
        broken += plan.storage.before.violations
        left += plan.storage.after.violations
    for name, violations, when in (
        ("rule_violations", left if run.last.get("status") == "done" else broken, "after the last run"),
        ("rule_violations_before", broken, "before the last run"),
    ):
        counts = Counter(str(one.strict).lower() for one in violations)
        yield from _gauge(
            run,
            name,
            f"Rules that do not hold {when}.",
            [((strict,), counts[strict]) for strict in ("true", "false")],
            "strict",
        )
    storage = plan.storage
    of_disks = () if storage is None else storage.unresolved
    codes = Counter(item.code for item in (*plan.unresolved, *of_disks))
    yield from _gauge(
        run,
        "plan_unresolved",
        "Findings that the plan of the last run does not resolve, by code. No sample means none.",
        [((code,), count) for code, count in sorted(codes.items())],
        "code",
    )
    for name, text, value in (
        ("plan_migrations", "Migrations of the plan of the last run.", len(plan.migrations)),
        (
            "plan_migrations_lower_bound",
            "Fewest migrations that any plan needs, as far as is proven.",
            plan.proof.migrations_lower_bound,
        ),
        ("plan_optimal", "Whether the plan is proven to have the fewest migrations.", plan.proof.optimal),
        (
            "plan_memory_bytes",
            "Memory of the guests that the plan migrates.",
            sum(migration.cost.memory for migration in plan.migrations),
        ),
        ("plan_duration_seconds", "Expected duration of the plan.", plan.proof.seconds),
        (
            "plan_duration_lower_bound_seconds",
            "Shortest duration of these migrations in any order.",
            plan.proof.seconds_lower_bound,
        ),
        (
            "plan_notices",
            "Facts that the plan rests on without having seen them.",
            len(plan.notices) + (0 if storage is None else len(storage.notices)),
        ),
    ):
        yield from _gauge(run, name, text, _one(value))


def _hosts(state: ClusterState) -> Iterator[tuple[str, Any]]:
    """The hosts by name; by name and id where two have the same name."""
    seen = Counter(host.name for host in state.hosts.values())
    for identity, host in state.hosts.items():
        yield (host.name if seen[host.name] == 1 else f"{host.name} ({identity})"), host


def _snapshot_families(run: RunMetrics, snapshot: Snapshot) -> Iterator[Any]:
    guests = [guest for guest in snapshot.guests if guest.is_on_host]
    reasons = Counter(blocker for guest in guests for blocker in guest.blockers)
    yield from _gauge(run, "guests", "Guests that run or may run.", _one(len(guests)))
    yield from _gauge(
        run,
        "guests_not_migratable",
        "Guests that cannot be migrated, by reason. A guest with two reasons counts twice.",
        [((reason,), count) for reason, count in sorted(reasons.items())],
        "reason",
    )
    hidden = Counter(fact for notice in snapshot.notices for fact in (notice.hides or ("other",)))
    yield from _gauge(
        run,
        "not_seen",
        "Notices of what could not be read, by kind of fact. No sample means none.",
        [((fact,), count) for fact, count in sorted(hidden.items())],
        "fact",
    )
    yield from _gauge(
        run,
        "snapshot_timestamp_seconds",
        "Time when the cluster was read, by the clock of the platform.",
        _one(read_moment(snapshot.taken_at).timestamp()),
    )
