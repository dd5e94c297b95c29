# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs that are under way are still to move to datastores, by their plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .._model.datastores import disk_places
from .._model.errors import InputError
from .._model.plan import DiskMove, Plan
from .._model.snapshot import Snapshot
from .database import Database, now
from .library import sa
from .runs import RUNNING, PlanText, has_ended
from .tables import PLANS, RUNS

if TYPE_CHECKING:
    from sqlalchemy import Connection

# What a run that was killed has started may go on for so long on the platform.
DAY_SECONDS = 86_400.0


def moves_under_way(database: Database, *clusters: str) -> tuple[DiskMove, ...]:
    """The disk moves of the plans of runs that have not ended; of a run whose process is gone for a day.
    `clusters` are the keys that the cluster has or had.
    """

    def read(connection: Connection) -> list[PlanText]:
        wanted = (
            sa.select(PLANS.c.digest, PLANS.c.body, RUNS.c.owner, RUNS.c.started_at)
            .join(PLANS, PLANS.c.digest == RUNS.c.plan)
            .where(RUNS.c.cluster.in_(clusters) & (RUNS.c.status == RUNNING))
        )
        since = now(connection) - DAY_SECONDS
        return [
            PlanText(digest=row.digest, body=row.body)
            for row in connection.execute(wanted).all()
            if row.started_at >= since or not has_ended(row.owner)
        ]

    return tuple(move for text in database.read(read) for move in _moves(text))


def _moves(text: PlanText) -> Sequence[DiskMove]:
    """None for a plan of a later version that says more than this code understands."""
    try:
        storage = Plan.from_json(text.plan()).storage
    except InputError:
        return ()
    return () if storage is None else storage.moves


def with_disks_arriving(snapshot: Snapshot, moves: Sequence[DiskMove]) -> Snapshot:
    """The snapshot in which datastores say what may still come to them: of each move, all as long as one of
    its disks is not there.
    """
    guests = {guest.id: guest for guest in snapshot.guests}
    coming: dict[str, int] = {}
    for move in moves:
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
