# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was migrated, and what failed, in earlier runs. Private to the collection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .._model.moments import written_at
from .._model.outcome import MigrationOutcome, Result
from .._model.snapshot import Guest, Snapshot
from .database import Database, now
from .library import sa
from .tables import HISTORY

if TYPE_CHECKING:
    from sqlalchemy import Connection

# What was tried on the platform; the rest was never begun.
_TRIED: frozenset[Result] = frozenset({"migrated", "failed", "cancelled"})
# Longer than any cool-down can be.
_KEEP_SECONDS = 400 * 86_400
# SQLite's clock has whole milliseconds only.
_TICK_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Past:
    """When a guest was last migrated, and when a migration of it last failed."""

    migrated_at: str | None
    failed_at: str | None


@dataclass(frozen=True, slots=True)
class Shift:
    """Where a guest was before some migrations of it, and where it was after them: ids of hosts."""

    origin: str
    end: str


def record(database: Database, cluster: str, outcomes: Iterable[MigrationOutcome]) -> None:
    """Keep the end of migrations; those that were never begun are left out. An end that is recorded again
    takes the place of what was said of it before, if it turned out otherwise.
    """
    rows = [row for outcome in outcomes for row in _rows(cluster, outcome)]
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


def forget_old(database: Database, cluster: str) -> None:
    """Throw away what is so old that no cool-down reaches back to it."""

    def write(connection: Connection) -> None:
        oldest = written_at(now(connection) - _KEEP_SECONDS)
        old = (HISTORY.c.cluster == cluster) & (HISTORY.c.ended_at < oldest)
        connection.execute(sa.delete(HISTORY).where(old))

    database.transaction(write)


def recall(database: Database, cluster: str) -> Mapping[str, Past]:
    """The past of every guest that has one, by id."""
    newest = (
        sa.select(HISTORY.c.guest, HISTORY.c.result, sa.func.max(HISTORY.c.ended_at).label("ended_at"))
        .where(HISTORY.c.cluster == cluster)
        .group_by(HISTORY.c.guest, HISTORY.c.result)
    )
    found: dict[str, dict[str, str]] = {}
    for row in database.transaction(lambda connection: connection.execute(newest).all()):
        found.setdefault(row.guest, {})[row.result] = row.ended_at
    return {
        guest: Past(migrated_at=ends.get("migrated"), failed_at=ends.get("failed"))
        for guest, ends in found.items()
    }


def shifted(database: Database, cluster: str, moment: float) -> Mapping[str, Shift]:
    """The guests, by id, whose migrations were recorded since a moment on the database's clock; one that is
    back where it was is none of them. What was recorded within a tick of the moment counts, for it may have
    come after.
    """
    newer = (
        sa.select(HISTORY.c.guest, HISTORY.c.source, HISTORY.c.target)
        .where(HISTORY.c.cluster == cluster)
        .where(HISTORY.c.result == "migrated")
        .where(HISTORY.c.recorded_at >= moment - _TICK_SECONDS)
        .order_by(HISTORY.c.ended_at, HISTORY.c.recorded_at)
    )
    found: dict[str, Shift] = {}
    for row in database.read(lambda connection: connection.execute(newer).all()):
        before = found.get(row.guest)
        found[row.guest] = Shift(before.origin if before else row.source, row.target)
    return {guest: shift for guest, shift in found.items() if shift.end != shift.origin}


def with_past(snapshot: Snapshot, past: Mapping[str, Past]) -> Snapshot:
    """The snapshot with what was remembered; where the platform remembers too, the newer moment counts."""
    return replace(snapshot, guests=tuple(_with_past(guest, past.get(guest.id)) for guest in snapshot.guests))


def _with_past(guest: Guest, past: Past | None) -> Guest:
    if past is None:
        return guest
    return replace(
        guest,
        last_migrated_at=_newer(guest.last_migrated_at, past.migrated_at),
        last_failed_at=_newer(guest.last_failed_at, past.failed_at),
    )


def _newer(one: str | None, other: str | None) -> str | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)


def _rows(cluster: str, outcome: MigrationOutcome) -> Iterator[dict[str, str | None]]:
    if outcome.result in _TRIED and outcome.ended_at is not None:
        yield {
            "cluster": cluster,
            "guest": outcome.guest.id,
            "ended_at": outcome.ended_at,
            "source": outcome.source,
            "target": outcome.target,
            "result": outcome.result,
            "why": outcome.why,
            "started_at": outcome.started_at,
        }
    if outcome.ended_at is not None:
        for moved in outcome.along:
            yield {
                "cluster": cluster,
                "guest": moved.guest.id,
                "ended_at": outcome.ended_at,
                "source": moved.source,
                "target": outcome.target,
                "result": "migrated",
                "why": f"the platform moved it along with {outcome.guest.name}",
                "started_at": outcome.started_at,
            }
