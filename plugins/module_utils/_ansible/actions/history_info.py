# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module history_info: runs and migrations of the past, and the plans of that time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Literal

from ..._model.errors import InputError
from ..._model.text.moments import read_moment, written_at
from ..._model.text.wording import listed
from ..._state import audit
from ..._state.audit import KnownCluster, PastMigration, PastRun, Period
from ..._state.database import now
from ..._state.disk_history import PastDiskMove, past_disk_moves
from ..._state.runs import PlanText
from ..json_files import is_kept
from ..options.argument_spec import Path, options_of
from ..options.values import at_least
from ..reports.history import history_report
from ..state_session import StateOptions, needed_database

Part = Literal["runs", "migrations", "days", "guests", "failures", "disk_moves"]
PARTS: tuple[Part, ...] = ("runs", "migrations", "days", "guests", "failures", "disk_moves")
_MAX_NAMED = 5
_FAILED = ("failed", "cancelled", "refused")
_FAILED_RUNS = ("failed", "interrupted", "partial", "stopped", "rolled_back")
_MOMENT = "a day such as 2026-01-31, or a moment in UTC such as 2026-01-31T22:00:00Z"


@dataclass(frozen=True, kw_only=True)
class HistoryOptions(StateOptions):
    """The options of history_info."""

    clusters: Sequence[str] | None = None
    guest: str | None = None
    days: int = 30
    since: str | None = None
    until: str | None = None
    what: Sequence[Part] = PARTS
    max_entries: int = 1000
    plan: str | None = None
    plan_path: Path | None = None


def run_history_info(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """What the state database has recorded; a plan of that time, into a file when plan_path is given and it
    is not check mode.
    """
    options = options_of(HistoryOptions, params)
    at_least(options, 1, "days", unit="days")
    at_least(options, 1, "max_entries", unit="entries")
    with needed_database(options, os.environ, make=False) as database:
        period = _period(options, database.read(now))
        known = audit.known_clusters(database)
        chosen = _chosen(known, options.clusters)
        keys = [cluster.key for cluster in chosen]
        # By a cluster for which nothing is recorded, nothing is asked.
        runs = audit.past_runs(database, keys, period)
        migrations = audit.past_migrations(database, keys, period, options.guest)
        disk_moves = past_disk_moves(database, keys, period.since, period.until, options.guest)
        named = {run.id: run for run in runs}
        missing = sorted({one.run for one in migrations if one.run is not None and one.run not in named})
        named |= audit.runs_named(database, missing)
        plans = [] if options.plan is None else audit.kept_plans(database, options.plan)
    if options.guest is not None:
        own = {one.run for one in migrations} | {move.run for move in disk_moves}
        runs = [run for run in runs if run.id in own]
    result: dict[str, Any] = {
        "changed": False,
        "since": written_at(period.since),
        "until": written_at(period.until),
        "clusters": [_cluster(cluster) for cluster in chosen],
    }
    lists = {
        "runs": [_run(run) for run in runs],
        "migrations": [_migration(one, named, chosen) for one in migrations],
        "days": _days(runs, migrations, disk_moves),
        "guests": _guests(migrations),
        "failures": [*_failures(migrations), *_failures(disk_moves)],
        "disk_moves": [_disk_move(one, chosen) for one in disk_moves],
    }
    if not known:
        result["warnings"] = ["Nothing is recorded in the state database yet."]
    result["summary"] = _summary(runs, migrations, disk_moves)
    result["report"] = history_report({**result, **lists}, options.guest)
    for name in options.what:
        result[name] = lists[name][: options.max_entries]
    result["cut"] = sorted(name for name in options.what if len(lists[name]) > options.max_entries)
    if options.plan is not None:
        result |= _plan(options, plans, check_mode=check_mode)
    return result


def _plan(options: HistoryOptions, plans: Sequence[PlanText], *, check_mode: bool) -> dict[str, Any]:
    if len(plans) != 1:
        why = (
            "there is no such plan, or it is no longer kept" if not plans else "there are several such plans"
        )
        raise InputError(
            "plan",
            options.plan,
            "the beginning of the digest of one plan, or of the id of a run",
            statement=f" {options.plan}: {why}",
            hint="Runs with has_plan: true have one"
            if not plans
            else "Use more characters of the digest or of the id of the run",
        )
    value = plans[0].plan()
    kept = is_kept(options.plan_path, value, "plan_path", check_mode=check_mode)
    found: dict[str, Any] = {"plan_digest": plans[0].digest}
    return found | ({"plan_path": options.plan_path} if kept else {"plan": value})


def _period(options: HistoryOptions, moment: float) -> Period:
    until = moment if options.until is None else _seconds(options.until, "until", end=True)
    since = (
        until - options.days * 86_400
        if options.since is None
        else _seconds(options.since, "since", end=False)
    )
    if since > until:
        raise InputError(
            "since", options.since, "a moment before until", statement=f" ({options.since}) is after until",
            hint="Exchange them",
        )  # fmt: skip
    return Period(since=since, until=until)


def _seconds(text: str, option: str, *, end: bool) -> float:
    """A moment, or the first or last second of a day."""
    try:
        return read_moment(text).timestamp()
    except InputError:
        pass
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return (day + timedelta(days=1) if end else day).timestamp()
    except (ValueError, OverflowError):
        raise InputError(option, text, _MOMENT) from None


def _chosen(known: Sequence[KnownCluster], wanted: Sequence[str] | None) -> Sequence[KnownCluster]:
    """The clusters of these names, keys, or patterns of names. Raises InputError for one that none has."""
    if not wanted:
        return known
    for name in wanted:
        if not any(_matches(cluster, name) for cluster in known):
            names = listed(sorted({cluster.name for cluster in known}), _MAX_NAMED)
            raise InputError(
                "clusters",
                name,
                "the name of a cluster in the state database",
                statement=f": nothing is recorded of a cluster {name}",
                hint=f"Recorded are: {names}" if names else "Nothing is recorded yet",
            )
    return [cluster for cluster in known if any(_matches(cluster, name) for name in wanted)]


def _matches(cluster: KnownCluster, wanted: str) -> bool:
    return cluster.key == wanted or fnmatchcase(cluster.name, wanted)


def _cluster(cluster: KnownCluster) -> dict[str, Any]:
    return {
        "key": cluster.key,
        "name": cluster.name,
        "platform": cluster.platform,
        "runs": cluster.runs,
        "migrations": cluster.migrations,
        "first_run": _moment(cluster.first),
        "last_run": _moment(cluster.last),
        "last_status": cluster.last_status,
    }


def _run(run: PastRun) -> dict[str, Any]:
    reading = run.reading
    return {
        "id": run.id,
        "cluster": run.name,
        "key": run.cluster,
        "platform": run.platform,
        "started_at": written_at(run.started_at),
        "ended_at": _moment(run.ended_at),
        "status": run.status,
        "goal": run.goal,
        "preset": run.preset,
        "policy_digest": run.policy,
        "plan_digest": run.plan,
        "has_plan": run.has_plan,
        "read_at": None if reading is None else reading["at"],
        "spread": {} if reading is None else reading["spread"],
        "highest": {} if reading is None else _highest(reading["hosts"]),
        "violations": [] if reading is None else reading.get("broken", []),
        "result": run.result,
        "who": run.who,
    }


def _highest(hosts: Mapping[str, Mapping[str, float | None]]) -> dict[str, float]:
    """By metric, percent in use on the fullest host."""
    found: dict[str, float] = {}
    for used in hosts.values():
        for metric, percent in used.items():
            if percent is not None:
                found[metric] = max(percent, found.get(metric, percent))
    return found


def _migration(
    one: PastMigration, runs: Mapping[str, PastRun], clusters: Sequence[KnownCluster]
) -> dict[str, Any]:
    run = runs.get(one.run or "")
    names = {cluster.key: cluster.name for cluster in clusters}
    return {
        "cluster": names.get(one.cluster, one.cluster),
        "key": one.cluster,
        "guest": {"id": one.guest, "name": one.guest_name},
        "from": {"id": one.source, "name": one.source_name},
        "to": {"id": one.target, "name": one.target_name},
        "result": one.result,
        "why": one.why,
        "kind": one.kind,
        "reason": one.reason,
        "started_at": one.started_at,
        "ended_at": one.ended_at,
        "recorded_at": written_at(one.recorded_at),
        "seconds": one.seconds,
        "memory_bytes": one.memory,
        "run": one.run,
        "goal": None if run is None else run.goal,
        "plan_digest": None if run is None else run.plan,
        "who": {} if run is None else run.who,
    }


def _disk_move(one: PastDiskMove, clusters: Sequence[KnownCluster]) -> dict[str, Any]:
    names = {cluster.key: cluster.name for cluster in clusters}
    return {
        "cluster": names.get(one.cluster, one.cluster),
        "key": one.cluster,
        "guest": {"id": one.guest, "name": one.guest_name},
        "disks": list(one.disks),
        "from": one.source,
        "to": one.target,
        "result": one.result,
        "why": one.why,
        "moved": list(one.moved),
        "left_behind": list(one.left_behind),
        "kind": one.kind,
        "reason": one.reason,
        "started_at": one.started_at,
        "ended_at": one.ended_at,
        "recorded_at": written_at(one.recorded_at),
        "seconds": one.seconds,
        "bytes": one.bytes,
        "run": one.run,
    }


def _days(
    runs: Iterable[PastRun], migrations: Iterable[PastMigration], disk_moves: Iterable[PastDiskMove]
) -> list[dict[str, Any]]:
    """By day, the newest first, those on which something is recorded."""
    found: dict[str, dict[str, Any]] = {}

    def of(seconds: float) -> dict[str, Any]:
        day = written_at(seconds)[:10]
        empty = {
            "day": day, "runs": 0, "failed_runs": 0, "migrations": 0, "failures": 0, "memory_bytes": 0,
            "disk_moves": 0, "disk_failures": 0, "bytes_copied": 0, "spread": {},
        }  # fmt: skip
        return found.setdefault(day, empty)

    for run in sorted(runs, key=lambda one: one.started_at):
        day = of(run.started_at)
        day["runs"] += 1
        day["failed_runs"] += run.status in _FAILED_RUNS
        for metric, points in ((run.reading or {}).get("spread") or {}).items():
            if points is not None:
                spread = day["spread"].setdefault(metric, {"min": points, "max": points, "last": points})
                spread |= {
                    "min": min(points, spread["min"]), "max": max(points, spread["max"]), "last": points,
                }  # fmt: skip
    for one in migrations:
        day = of(one.recorded_at)
        day["migrations"] += one.result == "migrated"
        day["failures"] += one.result in _FAILED
        day["memory_bytes"] += (one.memory or 0) if one.result == "migrated" else 0
    for move in disk_moves:
        day = of(move.recorded_at)
        day["disk_moves"] += move.result == "migrated"
        day["disk_failures"] += move.result in _FAILED
        day["bytes_copied"] += (move.bytes or 0) if move.result == "migrated" else 0
    return [found[day] for day in sorted(found, reverse=True)]


def _guests(migrations: Iterable[PastMigration]) -> list[dict[str, Any]]:
    """By guest, those first that were migrated most."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in migrations:
        # The newest comes first, and has the present name.
        entry = found.setdefault(
            (one.cluster, one.guest),
            {
                "guest": {"id": one.guest, "name": one.guest_name},
                "key": one.cluster,
                "migrations": 0,
                "failures": 0,
                "memory_bytes": 0,
                "last": written_at(one.recorded_at),
            },
        )
        entry["migrations"] += one.result == "migrated"
        entry["failures"] += one.result in _FAILED
        entry["memory_bytes"] += (one.memory or 0) if one.result == "migrated" else 0
    return sorted(
        found.values(), key=lambda entry: (-entry["migrations"], -entry["failures"], entry["guest"]["name"])
    )


def _failures(tried: Iterable[PastMigration] | Iterable[PastDiskMove]) -> list[dict[str, Any]]:
    """By result and reason, the most frequent first."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in tried:
        if one.result not in _FAILED:
            continue
        entry = found.setdefault(
            (one.result, one.why),
            {
                "result": one.result, "why": one.why, "count": 0, "guests": [],
                "of": "disk_moves" if isinstance(one, PastDiskMove) else "migrations",
                "last": written_at(one.recorded_at),
            },
        )  # fmt: skip
        entry["count"] += 1
        if one.guest_name not in entry["guests"]:
            entry["guests"].append(one.guest_name)
    return sorted(found.values(), key=lambda entry: (-entry["count"], entry["why"]))


def _summary(
    runs: Sequence[PastRun], migrations: Sequence[PastMigration], disk_moves: Sequence[PastDiskMove]
) -> dict[str, Any]:
    return {
        "runs": len(runs),
        "failed_runs": sum(run.status in _FAILED_RUNS for run in runs),
        "migrations": sum(one.result == "migrated" for one in migrations),
        "failures": sum(one.result in _FAILED for one in migrations),
        "memory_bytes": sum(one.memory or 0 for one in migrations if one.result == "migrated"),
        "disk_moves": sum(move.result == "migrated" for move in disk_moves),
        "disk_failures": sum(move.result in _FAILED for move in disk_moves),
        "bytes_copied": sum(move.bytes or 0 for move in disk_moves if move.result == "migrated"),
        "left_behind": sum(len(move.left_behind) for move in disk_moves),
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else written_at(seconds)
