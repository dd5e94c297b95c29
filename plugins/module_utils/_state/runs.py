# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that were no checks: what each read, planned and did, and who started it."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._model.codec import decode, encode
from .._model.errors import InputError
from .._model.plan import Plan
from .._model.snapshot import Reading, Snapshot
from .database import Database, now
from .library import sa
from .owner import Owner, is_gone, owner_of, owner_text
from .tables import PLANS, RUNS

if TYPE_CHECKING:
    from sqlalchemy import Connection

RUNNING = "running"
INTERRUPTED = "interrupted"
# Plans without migrations only show how the cluster was, and there are many of them.
EMPTY_PLAN_DAYS = 30
# How many readings a snapshot takes from here at most.
MAX_READINGS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStart:
    """A run that begins: its cluster by key and by name, its plan if it has one, and who started it."""

    id: str
    cluster: str
    name: str
    platform: str
    who: Mapping[str, Any]
    owner: Owner
    plan: Plan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanText:
    """A plan as it is kept."""

    digest: str
    body: str

    def plan(self) -> Any:
        """The JSON of the plan."""
        return json.loads(zlib.decompress(base64.b64decode(self.body)))


def plan_text(plan: Plan) -> PlanText:
    """The digest and the compressed JSON of a plan."""
    text = _canonical(plan.to_json()).encode()
    return PlanText(digest=_digest(text), body=base64.b64encode(zlib.compress(text, 9)).decode("ascii"))


def reading_of(plan: Plan) -> Reading | None:
    """The loads that a plan rests on; None where it does not say of when they are."""
    if plan.measured is None:
        return None
    return Reading(
        at=plan.measured.at,
        window_seconds=plan.measured.window_seconds,
        demand=plan.policy.demand,
        spread=plan.before.spread,
        hosts={host: state.used for host, state in plan.before.hosts.items()},
        broken=tuple(violation.rule for violation in plan.before.violations if violation.strict),
    )


def begin(database: Database, run: RunStart, *, alone: bool) -> None:
    """Record that a run has begun, with its plan. `alone`: it holds the lock of the cluster, so that runs of
    the cluster that never ended were interrupted; otherwise only those are whose process has ended.
    """
    plan = run.plan
    text = None if plan is None else plan_text(plan)
    reading = None if plan is None else reading_of(plan)
    row = {
        "id": run.id,
        "cluster": run.cluster,
        "name": run.name,
        "platform": run.platform,
        "status": RUNNING,
        "goal": None if plan is None else plan.policy.goal,
        "preset": None if plan is None else plan.policy.preset,
        "policy": None if plan is None else _digest(_canonical(plan.policy.to_json()).encode()),
        "plan": None if text is None else text.digest,
        "reading": None if reading is None else _canonical(encode(reading)),
        "who": _canonical(run.who),
        "owner": owner_text(run.owner),
    }

    def write(connection: Connection) -> None:
        moment = now(connection)
        same = (RUNS.c.cluster == run.cluster) & (RUNS.c.status == RUNNING)
        open_ = connection.execute(sa.select(RUNS.c.id, RUNS.c.owner).where(same)).all()
        lost = [other.id for other in open_ if alone or has_ended(other.owner)]
        if lost:
            change = sa.update(RUNS).where(RUNS.c.id.in_(lost))
            connection.execute(change.values(status=INTERRUPTED, ended_at=moment))
        if text is not None and plan is not None:
            known = sa.select(PLANS.c.digest).where(PLANS.c.digest == text.digest)
            if connection.execute(known).first() is None:
                connection.execute(
                    sa.insert(PLANS).values(
                        digest=text.digest,
                        cluster=run.cluster,
                        # By this it is kept for longer than a plan that does nothing.
                        migrations=len(plan.migrations) + _disk_moves(plan),
                        kept_at=moment,
                        body=text.body,
                    )
                )
        connection.execute(sa.insert(RUNS).values(**row, started_at=moment))

    database.transaction(write)


def _disk_moves(plan: Plan) -> int:
    return 0 if plan.storage is None else len(plan.storage.moves)


def end(database: Database, run: str, status: str, result: Mapping[str, Any]) -> None:
    """Record how a run ended."""

    def write(connection: Connection) -> None:
        values = {"status": status, "result": _canonical(result), "ended_at": now(connection)}
        connection.execute(sa.update(RUNS).where(RUNS.c.id == run).values(**values))

    database.transaction(write)


def forget_runs(database: Database, cluster: str, days: float) -> None:
    """Throw away runs and plans that are older than these days, and sooner the plans without migrations."""

    def write(connection: Connection) -> None:
        moment = now(connection)
        oldest = moment - days * 86_400
        empty = moment - min(days, EMPTY_PLAN_DAYS) * 86_400
        runs = (RUNS.c.cluster == cluster) & (RUNS.c.started_at < oldest)
        connection.execute(sa.delete(RUNS).where(runs))
        old = (PLANS.c.kept_at < oldest) | ((PLANS.c.migrations == 0) & (PLANS.c.kept_at < empty))
        connection.execute(sa.delete(PLANS).where(PLANS.c.cluster == cluster).where(old))

    database.transaction(write)


def readings(database: Database, *clusters: str, count: int, seconds: float) -> tuple[Reading, ...]:
    """The newest readings of runs of a cluster: this number of them, and all of the last so many seconds;
    `clusters` are the keys that it has or had.
    """

    def read(connection: Connection) -> list[str]:
        kept = RUNS.c.cluster.in_(clusters) & RUNS.c.reading.is_not(None)
        newest = sa.select(RUNS.c.reading, RUNS.c.started_at).where(kept).order_by(RUNS.c.started_at.desc())
        since = now(connection) - seconds
        rows = connection.execute(newest.limit(MAX_READINGS)).all()
        return [row.reading for number, row in enumerate(rows) if number < count or row.started_at >= since]

    found = (_reading(text) for text in database.read(read))
    return tuple(reading for reading in found if reading is not None)


def with_readings(snapshot: Snapshot, found: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """Those that a snapshot has besides, and these, the newest first."""
    both = {reading.at: reading for reading in (*(snapshot.readings or ()), *found)}
    return tuple(sorted(both.values(), key=lambda reading: reading.at, reverse=True))


def _reading(text: str) -> Reading | None:
    """None for one of a later version that says more than this code understands."""
    try:
        return decode(Reading, json.loads(text), "reading")
    except InputError:
        return None


def has_ended(text: str | None) -> bool:
    """Whether the process of a run, as its record names it, is known to be gone."""
    try:
        owner = owner_of(text)
    except (InputError, ValueError):
        return False
    return owner is not None and is_gone(owner)


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _digest(text: bytes) -> str:
    return f"sha256:{hashlib.sha256(text).hexdigest()}"
