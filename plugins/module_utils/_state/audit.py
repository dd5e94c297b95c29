# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was recorded of runs and migrations, for people who ask later. Changes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from .._model.text.moments import read_moment, written_at
from .database import Database
from .library import sa
from .runs import PlanText
from .tables import HISTORY, PLANS, RUNS

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From a moment up to another one, in seconds since 1970 by the clock of the database."""

    since: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCluster:
    """A cluster of which something is recorded: its key, and its name and platform as far as runs say."""

    key: str
    name: str
    platform: str
    runs: int
    migrations: int
    first: float | None
    last: float | None
    last_status: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run; `reading`, `result` and `who` are parsed JSON."""

    id: str
    cluster: str
    name: str
    platform: str
    started_at: float
    ended_at: float | None
    status: str
    goal: str | None
    preset: str | None
    policy: str | None
    plan: str | None
    reading: Mapping[str, Any] | None
    result: Mapping[str, Any]
    who: Mapping[str, Any]
    has_plan: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PastMigration:
    """A migration that was tried; of runs of versions before 1.1 there are no names, kinds and reasons."""

    cluster: str
    guest: str
    guest_name: str
    source: str
    source_name: str
    target: str
    target_name: str
    result: str
    why: str
    kind: str | None
    reason: str | None
    started_at: str | None
    ended_at: str
    recorded_at: float
    seconds: float | None
    memory: int | None
    run: str | None


def known_clusters(database: Database) -> Sequence[KnownCluster]:
    """By name and key."""

    def read(connection: Connection) -> list[KnownCluster]:
        moved = sa.select(HISTORY.c.cluster, sa.func.count()).group_by(HISTORY.c.cluster)
        migrations: dict[str, int] = {row[0]: row[1] for row in connection.execute(moved)}
        numbers = sa.select(
            RUNS.c.cluster,
            sa.func.count().label("runs"),
            sa.func.min(RUNS.c.started_at).label("first"),
            sa.func.max(RUNS.c.started_at).label("last"),
        ).group_by(RUNS.c.cluster)
        found = {}
        for row in connection.execute(numbers).all():
            last = (RUNS.c.cluster == row.cluster) & (RUNS.c.started_at == row.last)
            newest = connection.execute(sa.select(RUNS.c.name, RUNS.c.platform, RUNS.c.status).where(last))
            name, platform, status = newest.all()[0]
            found[row.cluster] = KnownCluster(
                key=row.cluster,
                name=name,
                platform=platform,
                runs=row.runs,
                migrations=migrations.get(row.cluster, 0),
                first=row.first,
                last=row.last,
                last_status=status,
            )
        for key, count in migrations.items():
            if key not in found:
                platform, _separator, rest = key.partition(":")
                name = rest.rpartition(":")[2] or key
                found[key] = KnownCluster(
                    key=key,
                    name=name,
                    platform=platform,
                    runs=0,
                    migrations=count,
                    first=None,
                    last=None,
                    last_status=None,
                )
        return sorted(found.values(), key=lambda cluster: (cluster.name, cluster.key))

    return database.read(read)


def past_runs(database: Database, clusters: Sequence[str], period: Period) -> Sequence[PastRun]:
    """The runs of clusters that began in a period, the newest first."""
    wanted = (
        sa.select(RUNS, PLANS.c.digest.is_not(None).label("has_plan"))
        .outerjoin(PLANS, PLANS.c.digest == RUNS.c.plan)
        .where(RUNS.c.cluster.in_(clusters))
        .where((RUNS.c.started_at >= period.since) & (RUNS.c.started_at <= period.until))
        .order_by(RUNS.c.started_at.desc(), RUNS.c.id)
    )
    return [_run(row) for row in database.read(lambda connection: connection.execute(wanted).all())]


def last_run(database: Database, clusters: Sequence[str]) -> PastRun | None:
    """The run of clusters that began last, or None."""
    wanted = (
        sa.select(RUNS, PLANS.c.digest.is_not(None).label("has_plan"))
        .outerjoin(PLANS, PLANS.c.digest == RUNS.c.plan)
        .where(RUNS.c.cluster.in_(clusters))
        .order_by(RUNS.c.started_at.desc(), RUNS.c.id)
        .limit(1)
    )
    row = database.read(lambda connection: connection.execute(wanted).first())
    return None if row is None else _run(row)


def past_migrations(
    database: Database, clusters: Sequence[str], period: Period, guest: str | None = None
) -> Sequence[PastMigration]:
    """The migrations of clusters that ended in a period, the newest first; `guest` is an id or a name."""
    # Version 0.1.0 does not record when it wrote a row.
    texts = (HISTORY.c.ended_at >= written_at(period.since)) & (
        HISTORY.c.ended_at <= written_at(period.until)
    )
    numbers = (HISTORY.c.recorded_at >= period.since) & (HISTORY.c.recorded_at <= period.until)
    wanted = (
        sa.select(HISTORY)
        .where(HISTORY.c.cluster.in_(clusters))
        .where(numbers | (HISTORY.c.recorded_at.is_(None) & texts))
    )
    if guest is not None:
        wanted = wanted.where((HISTORY.c.guest == guest) | (HISTORY.c.guest_name == guest))
    rows = database.read(lambda connection: connection.execute(wanted).all())
    return sorted(map(_migration, rows), key=lambda one: (-one.recorded_at, one.ended_at, one.guest))


def runs_named(database: Database, ids: Sequence[str]) -> Mapping[str, PastRun]:
    """Runs by id, also such that began before a period."""
    found: dict[str, PastRun] = {}
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        wanted = (
            sa.select(RUNS, PLANS.c.digest.is_not(None).label("has_plan"))
            .outerjoin(PLANS, PLANS.c.digest == RUNS.c.plan)
            .where(RUNS.c.id.in_(some))
        )
        rows = database.read(partial(_all, wanted=wanted))
        found |= {row.id: _run(row) for row in rows}
    return found


def kept_plans(database: Database, wanted: str) -> Sequence[PlanText]:
    """The plans whose digest, or one of whose runs, begins so; at most two."""
    start = wanted.removeprefix("sha256:")

    def read(connection: Connection) -> list[PlanText]:
        digest = PLANS.c.digest.startswith(f"sha256:{start}", autoescape=True)
        run = PLANS.c.digest.in_(sa.select(RUNS.c.plan).where(RUNS.c.id.startswith(start, autoescape=True)))
        found = sa.select(PLANS.c.digest, PLANS.c.body).where(digest | run).order_by(PLANS.c.digest).limit(2)
        return [PlanText(digest=row.digest, body=row.body) for row in connection.execute(found)]

    return database.read(read) if start else []


def _all(connection: Connection, *, wanted: Any) -> Sequence[Any]:
    return connection.execute(wanted).all()


def _run(row: Any) -> PastRun:
    return PastRun(
        id=row.id,
        cluster=row.cluster,
        name=row.name,
        platform=row.platform,
        started_at=row.started_at,
        ended_at=row.ended_at,
        status=row.status,
        goal=row.goal,
        preset=row.preset,
        policy=row.policy,
        plan=row.plan,
        reading=None if row.reading is None else json.loads(row.reading),
        result={} if row.result is None else json.loads(row.result),
        who=json.loads(row.who),
        has_plan=bool(row.has_plan),
    )


def _migration(row: Any) -> PastMigration:
    at = row.recorded_at
    return PastMigration(
        cluster=row.cluster,
        guest=row.guest,
        guest_name=row.guest_name or row.guest,
        source=row.source,
        source_name=row.source_name or row.source,
        target=row.target,
        target_name=row.target_name or row.target,
        result=row.result,
        why=row.why,
        kind=row.kind,
        reason=row.reason,
        started_at=row.started_at,
        ended_at=row.ended_at,
        recorded_at=read_moment(row.ended_at).timestamp() if at is None else at,
        seconds=row.seconds,
        memory=row.memory,
        run=row.run,
    )
