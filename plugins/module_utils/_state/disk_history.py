# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves of disks of earlier runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .._model.outcome import DiskMoveOutcome, Result
from .._model.plan import DiskMove
from .database import Database, now
from .library import sa
from .tables import DISK_HISTORY

if TYPE_CHECKING:
    from sqlalchemy import Connection

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
