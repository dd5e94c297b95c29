# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves of disks of earlier runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .._model.datastores import disk_places
from .._model.outcome import DiskMoveOutcome, Result
from .._model.plan import DiskMove
from .._model.snapshot import Disk, DiskRefusal, Guest, Snapshot
from .database import Database, now
from .history import KEEP_DAYS, by_its_clock
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskMoveRecord:
    """When a disk last arrived at another datastore, and when a move of it last failed and from which
    datastore (its id) it was to go; in seconds since 1970 by the clock of the database.
    """

    moved_at: float | None = None
    failed_at: float | None = None
    failed_from: str | None = None


@dataclass(frozen=True, slots=True)
class RefusedDisks:
    """That the platform's own check refused to move disks of a guest to a datastore, and when; ids, and
    seconds since 1970 by the clock of the database.
    """

    guest: str
    disks: tuple[str, ...]
    datastore: str
    why: str
    at: float


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


def recall_disk_moves(
    database: Database, *clusters: str
) -> Mapping[str, Mapping[str | None, DiskMoveRecord]]:
    """The past of the disks of every guest a move of whose disks has failed, by id of the guest and of the
    disk; `clusters` are the keys that the cluster has or had. As with migrations, a move that was cancelled
    or refused has not failed.
    """
    of_clusters = DISK_HISTORY.c.cluster.in_(clusters)
    ways = (
        DISK_HISTORY.c.guest,
        DISK_HISTORY.c.disks,
        DISK_HISTORY.c.moved,
        DISK_HISTORY.c.source,
        DISK_HISTORY.c.result,
    )
    wanted = (
        sa.select(*ways, sa.func.max(DISK_HISTORY.c.recorded_at).label("at"))
        .where(of_clusters)
        .where(
            DISK_HISTORY.c.guest.in_(
                sa.select(DISK_HISTORY.c.guest).where(of_clusters).where(DISK_HISTORY.c.result == "failed")
            )
        )
        .group_by(*ways)
    )
    rows = database.transaction(lambda connection: connection.execute(wanted).all())
    found: dict[str, dict[str | None, DiskMoveRecord]] = {}
    for row in sorted(rows, key=lambda row: row.at):
        disks = found.setdefault(row.guest, {})
        moved = json.loads(row.moved)
        for disk in json.loads(row.disks):
            known = disks.get(disk, DiskMoveRecord())
            if disk in moved:
                # Also where the move as a whole has failed.
                disks[disk] = replace(known, moved_at=row.at)
            elif row.result == "failed":
                disks[disk] = replace(known, failed_at=row.at, failed_from=row.source)
    return found


def disk_refusals(database: Database, *clusters: str) -> Sequence[RefusedDisks]:
    """The newest refusal for each disk and datastore, unless the disk arrived there since; `clusters` are the
    keys that the cluster has or had.
    """
    of_clusters = DISK_HISTORY.c.cluster.in_(clusters)
    rows = (
        sa.select(
            DISK_HISTORY.c.guest,
            DISK_HISTORY.c.disks,
            DISK_HISTORY.c.moved,
            DISK_HISTORY.c.target,
            DISK_HISTORY.c.result,
            DISK_HISTORY.c.why,
            DISK_HISTORY.c.recorded_at,
        )
        .where(of_clusters)
        .where(
            DISK_HISTORY.c.guest.in_(
                sa.select(DISK_HISTORY.c.guest).where(of_clusters).where(DISK_HISTORY.c.result == "refused")
            )
        )
        .order_by(DISK_HISTORY.c.recorded_at, DISK_HISTORY.c.ended_at)
    )
    newest: dict[tuple[str, str, str], tuple[str, float]] = {}
    for row in database.transaction(lambda connection: connection.execute(rows).all()):
        moved = json.loads(row.moved)
        for disk in json.loads(row.disks):
            key = (row.guest, row.target, disk)
            if disk in moved:
                newest.pop(key, None)
            elif row.result == "refused":
                newest[key] = (row.why, row.recorded_at)
    together: dict[tuple[str, str, str, float], list[str]] = {}
    for (guest, target, disk), (why, at) in newest.items():
        together.setdefault((guest, target, why, at), []).append(disk)
    return [
        RefusedDisks(guest=guest, disks=tuple(disks), datastore=target, why=why, at=at)
        for (guest, target, why, at), disks in together.items()
    ]


def with_disk_refusals(snapshot: Snapshot, refused: Sequence[RefusedDisks], moment: float) -> Snapshot:
    """The snapshot with the moves of disks that the platform refused. `moment` is when it was taken, by the
    clock of the database.
    """
    remembered = tuple(
        DiskRefusal(
            guest=one.guest,
            disks=one.disks,
            datastore=one.datastore,
            why=one.why,
            at=by_its_clock(snapshot, one.at, moment),
        )
        for one in refused
    )
    return replace(snapshot, disk_refusals=(*snapshot.disk_refusals, *remembered))


def with_failed_disk_moves(
    snapshot: Snapshot, past: Mapping[str, Mapping[str | None, DiskMoveRecord]], moment: float
) -> Snapshot:
    """The snapshot with when moves of disks last failed; where the platform remembers too, the newer moment
    counts. Such a failure is over as soon as the disk has left its datastore, whoever moved it.

    `moment` is when it was taken, by the clock of the database.
    """

    def failed(disk: Disk, place: str | None, known: DiskMoveRecord) -> str | None:
        moments = [disk.last_failed_at]
        if known.failed_at is not None and known.failed_from == place:
            moments.append(by_its_clock(snapshot, known.failed_at, moment))
        last = max((at for at in moments if at is not None), default=None)
        if last is None or known.moved_at is None:
            return last
        return None if last < by_its_clock(snapshot, known.moved_at, moment) else last

    def with_past(guest: Guest) -> Guest:
        known = past.get(guest.id)
        if known is None:
            return guest
        places = zip(guest.disks, disk_places(snapshot, guest), strict=True)
        disks = (
            replace(disk, last_failed_at=failed(disk, place, known[disk.id])) if disk.id in known else disk
            for disk, place in places
        )
        return replace(guest, disks=tuple(disks))

    return replace(snapshot, guests=tuple(map(with_past, snapshot.guests)))


def forget_old(database: Database, cluster: str, days: float) -> None:
    """Throw away what is older than these days, and so old that no `retry_after` or `retry_refused_after`
    reaches back to it.
    """

    def write(connection: Connection) -> None:
        oldest = now(connection) - max(days, KEEP_DAYS) * 86_400
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
