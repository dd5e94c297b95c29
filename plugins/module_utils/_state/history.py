# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations of earlier runs, and failures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .._model.outcome import MigrationOutcome, Result
from .._model.plan import Migration
from .._model.snapshot import Refusal, Snapshot
from .._model.text.moments import later, read_moment, written_at
from .database import Database, now
from .library import sa
from .tables import HISTORY

if TYPE_CHECKING:
    from sqlalchemy import Connection

# What was tried on the platform, or what its own check refused; the rest was never begun.
_TRIED: frozenset[Result] = frozenset({"migrated", "failed", "cancelled", "refused"})
# Longer than any cool-down can be.
KEEP_DAYS = 400
# The clocks of two processes are read one after the other, and by each as far as it sees what was noted.
_TICK_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class MigrationRecord:
    """When a guest was last migrated, and when a migration of it last failed, in seconds since 1970 by the
    clock of the database.
    """

    migrated_at: float | None
    failed_at: float | None


@dataclass(frozen=True, slots=True)
class Refused:
    """That the platform's own check refused to migrate a guest to a host, and when, by the same clock."""

    guest: str
    host: str
    why: str
    at: float


@dataclass(frozen=True, slots=True)
class GuestMove:
    """Where a guest was before some migrations of it, and where it was after them: ids of hosts."""

    origin: str
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What a run knows of its migrations besides how they ended: its own id, the migrations by step, and the
    names of guests and hosts by id.
    """

    run: str
    migrations: Mapping[int, Migration]
    names: Mapping[str, str]


def record(
    database: Database,
    cluster: str,
    outcomes: Iterable[MigrationOutcome],
    context: RunContext | None = None,
) -> None:
    """Keep the end of migrations; those that were never begun are left out. An end that is recorded again
    takes the place of what was said of it before, if it turned out otherwise.
    """
    rows = [row for outcome in outcomes for row in _rows(cluster, outcome, context)]
    if not rows:
        return

    def write(connection: Connection) -> None:
        moment = now(connection)
        for row in rows:
            this = sa.and_(*(column == row[column.name] for column in HISTORY.primary_key))
            known = connection.execute(sa.select(HISTORY.c.result).where(this)).scalar()
            if known is None:
                connection.execute(sa.insert(HISTORY).values(**row, recorded_at=moment))
            elif known != row["result"]:
                connection.execute(sa.update(HISTORY).where(this).values(**row, recorded_at=moment))

    database.transaction(write)


def forget_old(database: Database, cluster: str, days: float = KEEP_DAYS) -> None:
    """Throw away what is older than these days, and so old that no cool-down reaches back to it."""

    def write(connection: Connection) -> None:
        oldest = now(connection) - max(days, KEEP_DAYS) * 86_400
        unrecorded = HISTORY.c.recorded_at.is_(None) & (HISTORY.c.ended_at < written_at(oldest))
        old = (HISTORY.c.recorded_at < oldest) | unrecorded
        connection.execute(sa.delete(HISTORY).where(HISTORY.c.cluster == cluster).where(old))

    database.transaction(write)


def recall(database: Database, *clusters: str) -> Mapping[str, MigrationRecord]:
    """The past of every guest that has one, by id; `clusters` are the keys that the cluster has or had."""
    newest = (
        sa.select(
            HISTORY.c.guest,
            HISTORY.c.result,
            sa.func.max(HISTORY.c.ended_at).label("ended_at"),
            sa.func.max(HISTORY.c.recorded_at).label("recorded_at"),
        )
        .where(HISTORY.c.cluster.in_(clusters))
        .where(HISTORY.c.result != "refused")
        .group_by(HISTORY.c.guest, HISTORY.c.result)
    )
    found: dict[str, dict[str, float]] = {}
    for row in database.transaction(lambda connection: connection.execute(newest).all()):
        found.setdefault(row.guest, {})[row.result] = _seconds(row.recorded_at, row.ended_at)
    return {
        guest: MigrationRecord(migrated_at=ends.get("migrated"), failed_at=ends.get("failed"))
        for guest, ends in found.items()
    }


def refusals(database: Database, *clusters: str) -> Sequence[Refused]:
    """The newest refusal of each guest and host, unless the guest was migrated there since."""
    rows = (
        sa.select(
            HISTORY.c.guest,
            HISTORY.c.target,
            HISTORY.c.result,
            HISTORY.c.why,
            HISTORY.c.ended_at,
            HISTORY.c.recorded_at,
        )
        .where(HISTORY.c.cluster.in_(clusters))
        .where(HISTORY.c.result.in_(("refused", "migrated")))
        .where(
            HISTORY.c.guest.in_(
                sa.select(HISTORY.c.guest)
                .where(HISTORY.c.cluster.in_(clusters))
                .where(HISTORY.c.result == "refused")
            )
        )
    )
    newest: dict[tuple[str, str], tuple[float, bool, Refused]] = {}
    for row in database.transaction(lambda connection: connection.execute(rows).all()):
        at = _seconds(row.recorded_at, row.ended_at)
        entry = (at, row.result == "migrated", Refused(row.guest, row.target, row.why, at))
        pair = (row.guest, row.target)
        newest[pair] = max(newest.get(pair, entry), entry, key=lambda one: one[:2])
    return [refused for _at, migrated, refused in newest.values() if not migrated]


def _seconds(recorded_at: float | None, ended_at: str) -> float:
    """A moment by the clock of the database; of a row of before it kept that, by the clock of its run."""
    return read_moment(ended_at).timestamp() if recorded_at is None else recorded_at


def moves_since(database: Database, cluster: str, moment: float) -> Mapping[str, GuestMove]:
    """The guests, by id, whose migrations were recorded since a moment on the database's clock; one that is
    back where it was is none of them. What was recorded within a tick of the moment counts, for it may have
    come after.
    """
    newer = (
        sa.select(HISTORY.c.guest, HISTORY.c.source, HISTORY.c.target)
        .where(HISTORY.c.cluster == cluster)
        .where(HISTORY.c.result == "migrated")
        .where(HISTORY.c.recorded_at >= moment - _TICK_SECONDS)
        .order_by(HISTORY.c.recorded_at, HISTORY.c.ended_at)
    )
    found: dict[str, GuestMove] = {}
    for row in database.read(lambda connection: connection.execute(newer).all()):
        before = found.get(row.guest)
        found[row.guest] = GuestMove(before.origin if before else row.source, row.target)
    return {guest: shift for guest, shift in found.items() if shift.end != shift.origin}


def with_history(
    snapshot: Snapshot, past: Mapping[str, MigrationRecord], refused: Sequence[Refused], moment: float
) -> Snapshot:
    """The snapshot with what was remembered; where the platform remembers too, the newer moment counts.

    `moment` is when it was taken, by the clock of the database.
    """

    def then(at: float | None) -> str | None:
        return None if at is None else by_its_clock(snapshot, at, moment)

    guests = []
    for guest in snapshot.guests:
        known = past.get(guest.id)
        guests.append(
            guest
            if known is None
            else replace(
                guest,
                last_migrated_at=_later(guest.last_migrated_at, then(known.migrated_at)),
                last_failed_at=_later(guest.last_failed_at, then(known.failed_at)),
            )
        )
    remembered = tuple(
        Refusal(guest=one.guest, host=one.host, why=one.why, at=by_its_clock(snapshot, one.at, moment))
        for one in refused
    )
    return replace(snapshot, guests=tuple(guests), refusals=(*snapshot.refusals, *remembered))


def by_its_clock(snapshot: Snapshot, at: float, moment: float) -> str:
    """A moment of the database's clock by the clock that dates the snapshot, which was taken at `moment` of
    the database's. What was remembered is as old as the database says: no other clock has a say.
    """
    return later(snapshot.taken_at, min(0.0, at - moment))


def _later(one: str | None, other: str | None) -> str | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)


def _rows(
    cluster: str, outcome: MigrationOutcome, context: RunContext | None
) -> Iterator[dict[str, str | float | None]]:
    if outcome.ended_at is None:
        return
    names = context.names if context else {}
    row: dict[str, str | float | None] = {
        "cluster": cluster,
        "ended_at": outcome.ended_at,
        "target": outcome.target,
        "target_name": names.get(outcome.target),
        "started_at": outcome.started_at,
        "seconds": outcome.seconds,
    }
    planned = _planned(outcome, context)
    if context is not None and planned is not None:
        row |= {"run": context.run, "kind": planned.kind, "reason": planned.why}
    if outcome.result in _TRIED:
        yield row | {
            "guest": outcome.guest.id,
            "guest_name": outcome.guest.name,
            "source": outcome.source,
            "source_name": names.get(outcome.source),
            "result": outcome.result,
            "why": outcome.why,
            "memory": None if planned is None else planned.cost.memory,
        }
    for moved in outcome.along:
        together = f"migrated by the platform together with {outcome.guest.name}"
        yield row | {
            "guest": moved.guest.id,
            "guest_name": moved.guest.name,
            "source": moved.source,
            "source_name": names.get(moved.source),
            "result": "migrated",
            "why": together,
            "reason": together,
            "memory": moved.memory,
        }


def _planned(outcome: MigrationOutcome, context: RunContext | None) -> Migration | None:
    """The migration of the run that ended so; None for one of another run, which a journal knows."""
    if context is None:
        return None
    planned = context.migrations.get(outcome.step)
    if planned is None:
        # Those that undo a run have the numbers after its own.
        back = [
            one
            for one in context.migrations.values()
            if (one.guest.id, one.target, one.source) == (outcome.guest.id, outcome.source, outcome.target)
        ]
        if not back or outcome.step <= max(context.migrations):
            return None
        return replace(back[-1], kind="rollback", why=f"undoes step {back[-1].step}")
    same = (planned.guest.id, planned.source, planned.target)
    return planned if same == (outcome.guest.id, outcome.source, outcome.target) else None
