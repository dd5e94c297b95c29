# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs that are under way are still to move to datastores, by their plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .._model.datastores import disk_places
from .._model.errors import InputError
from .._model.plan import DiskMove, Plan
from .._model.snapshot import Guest, Snapshot
from .database import Database, now
from .library import sa
from .runs import RUNNING, PlanText, has_ended
from .tables import PLANS, RUNS

if TYPE_CHECKING:
    from sqlalchemy import Connection

# What a run that was killed has started may go on for so long on the platform.
DAY_SECONDS = 86_400.0


# What guests are blocked by whose disks are being copied.
HELD = frozenset({"being_migrated", "locked"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MovesUnderWay:
    """The disk moves of runs that have not ended, and of those whose process is known to be gone: of these
    only the copies that they have started go on, and nothing else follows.
    """

    running: tuple[DiskMove, ...] = ()
    killed: tuple[DiskMove, ...] = ()


def moves_under_way(database: Database, *clusters: str) -> MovesUnderWay:
    """The disk moves of the plans of runs that have not ended; of a run whose process is gone for a day.
    `clusters` are the keys that the cluster has or had.
    """

    def read(connection: Connection) -> list[tuple[PlanText, bool]]:
        wanted = (
            sa.select(PLANS.c.digest, PLANS.c.body, RUNS.c.owner, RUNS.c.started_at)
            .join(PLANS, PLANS.c.digest == RUNS.c.plan)
            .where(RUNS.c.cluster.in_(clusters) & (RUNS.c.status == RUNNING))
        )
        since = now(connection) - DAY_SECONDS
        found = [
            (row.started_at, PlanText(digest=row.digest, body=row.body), has_ended(row.owner))
            for row in connection.execute(wanted).all()
        ]
        return [(text, gone) for started_at, text, gone in found if started_at >= since or not gone]

    found = database.read(read)
    return MovesUnderWay(
        running=tuple(move for text, gone in found if not gone for move in _moves(text)),
        killed=tuple(move for text, gone in found if gone for move in _moves(text)),
    )


def _moves(text: PlanText) -> Sequence[DiskMove]:
    """None for a plan of a later version that says more than this code understands."""
    try:
        storage = Plan.from_json(text.plan()).storage
    except InputError:
        return ()
    return () if storage is None else storage.moves


def with_disks_arriving(snapshot: Snapshot, moves: MovesUnderWay) -> Snapshot:
    """The snapshot in which datastores say what may still come to them: of each move, all as long as one of
    its disks is not there. Of a run that was killed only the moves of guests count that the platform still
    works on.
    """
    guests = {guest.id: guest for guest in snapshot.guests}
    started = [
        move for move in moves.killed if move.guest.id in guests and _is_held(guests[move.guest.id], move)
    ]
    coming: dict[str, int] = {}
    for move in (*moves.running, *started):
        guest = guests.get(move.guest.id)
        if guest is None:
            continue
        places = zip(guest.disks, disk_places(snapshot, guest), strict=True)
        if any(disk.id in move.disks and place != move.target for disk, place in places):
            coming[move.target] = coming.get(move.target, 0) + move.room
    if all(place.arriving == coming.get(place.id, 0) for place in snapshot.datastores):
        return snapshot
    return replace(
        snapshot,
        datastores=tuple(replace(place, arriving=coming.get(place.id, 0)) for place in snapshot.datastores),
    )


def _is_held(guest: Guest, move: DiskMove) -> bool:
    """Whether the platform works on the guest or on a disk of the move."""
    blockers = {
        *guest.blockers,
        *(name for disk in guest.disks if disk.id in move.disks for name in disk.blockers),
    }
    return guest.migrating_to is not None or not HELD.isdisjoint(blockers)
