# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves of disks of earlier runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._model.outcome import DiskMoveOutcome, Result
from .._model.plan import DiskMove
from .database import Database, now
from .library import sa
from .tables import DISK_HISTORY

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDiskMove:
    """A move of disks that was tried."""

    cluster: str
    guest: str
    guest_name: str
    disks: tuple[str, ...]
    source: str
    target: str
    result: str
    why: str
    moved: tuple[str, ...]
    left_behind: tuple[str, ...]
    kind: str | None
    reason: str | None
    started_at: str | None
    ended_at: str
    recorded_at: float
    seconds: float | None
    bytes: int | None
    run: str | None


# What was tried on the platform, or what its own check refused; the rest was never begun.
_TRIED: frozenset[Result] = frozenset({"migrated", "failed", "cancelled", "refused"})


def record(
    database: Database,
    cluster: str,
    outcomes: Iterable[DiskMoveOutcome],
    run: str | None,
    moves: Mapping[int, DiskMove],
) -> None:
    """Keep the end of moves. An end that is recorded again takes the place of what was said of it before.
    `moves` are those of the run, by step.
    """
    rows = [_row(cluster, one, run, moves) for one in outcomes if one.result in _TRIED and one.ended_at]

    def write(connection: Connection) -> None:
        moment = now(connection)
        for row in rows:
            this = sa.and_(*(column == row[column.name] for column in DISK_HISTORY.primary_key))
            known = connection.execute(sa.select(DISK_HISTORY.c.result).where(this)).scalar()
            if known is None:
                connection.execute(sa.insert(DISK_HISTORY).values(**row, recorded_at=moment))
            else:
                connection.execute(sa.update(DISK_HISTORY).where(this).values(**row))

    if rows:
        database.transaction(write)


def past_disk_moves(
    database: Database, clusters: Sequence[str], since: float, until: float, guest: str | None = None
) -> Sequence[PastDiskMove]:
    """The moves of clusters that were recorded in a period, the newest first; `guest` is an id or a name."""
    wanted = (
        sa.select(DISK_HISTORY)
        .where(DISK_HISTORY.c.cluster.in_(clusters))
        .where((DISK_HISTORY.c.recorded_at >= since) & (DISK_HISTORY.c.recorded_at <= until))
    )
    if guest is not None:
        wanted = wanted.where((DISK_HISTORY.c.guest == guest) | (DISK_HISTORY.c.guest_name == guest))
    rows = database.read(lambda connection: connection.execute(wanted).all())
    return sorted(map(_past, rows), key=lambda one: (-one.recorded_at, one.ended_at, one.guest, one.disks))


def _past(row: Any) -> PastDiskMove:
    lists: dict[str, Any] = {
        name: tuple(json.loads(getattr(row, name))) for name in ("disks", "moved", "left_behind")
    }
    plain = (
        "cluster", "guest", "guest_name", "source", "target", "result", "why", "kind", "reason",
        "started_at", "ended_at", "recorded_at", "seconds", "bytes", "run",
    )  # fmt: skip
    return PastDiskMove(**lists, **{name: getattr(row, name) for name in plain})


def forget_old(database: Database, cluster: str, days: float) -> None:
    """Throw away what is older than these days."""

    def write(connection: Connection) -> None:
        oldest = now(connection) - days * 86_400
        old = (DISK_HISTORY.c.cluster == cluster) & (DISK_HISTORY.c.recorded_at < oldest)
        connection.execute(sa.delete(DISK_HISTORY).where(old))

    database.transaction(write)


def _row(
    cluster: str, outcome: DiskMoveOutcome, run: str | None, moves: Mapping[int, DiskMove]
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "cluster": cluster,
        "guest": outcome.guest.id,
        "guest_name": outcome.guest.name,
        "ended_at": outcome.ended_at,
        "source": outcome.source,
        "target": outcome.target,
        "disks": json.dumps(outcome.disks),
        "result": outcome.result,
        "why": outcome.why,
        "moved": json.dumps(outcome.moved),
        "left_behind": json.dumps(outcome.left_behind),
        "started_at": outcome.started_at,
        "seconds": outcome.seconds,
    }
    planned = moves.get(outcome.step)
    ends = (outcome.guest.id, outcome.source, outcome.target)
    if planned is not None and (planned.guest.id, planned.source, planned.target) == ends:
        row |= {"run": run, "kind": planned.kind, "reason": planned.why, "bytes": planned.bytes}
    elif moves and outcome.step > max(moves):
        row |= {"run": run, "kind": "rollback"}
    return row
