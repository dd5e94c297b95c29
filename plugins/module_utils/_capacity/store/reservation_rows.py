# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reservations of leases as rows of the database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..._model.codec import encode
from ..._model.reservation import Reservation
from ..._state.library import sa
from ..._state.tables import LEASES, RESERVATION_COUNTS, RESERVATIONS
from ..lease import ClusterReservations
from .rows import reservation_of

if TYPE_CHECKING:
    from sqlalchemy import Connection


def over(moment: float) -> Any:
    """The condition that the time of a lease, or its place in the queue, is over."""
    return sa.func.coalesce((LEASES.c.until <= moment) | (LEASES.c.place_until <= moment), sa.false())


class ReservationRows:
    """The rows within one transaction."""

    def __init__(self, connection: Connection, now: float) -> None:
        self._connection = connection
        self._now = now

    def of(self, leases: Sequence[str]) -> dict[str, list[ClusterReservations]]:
        """The reservations of these leases, by the id of the lease."""
        if not leases:
            return {}
        rows = sa.select(RESERVATIONS).order_by(RESERVATIONS.c.cluster, RESERVATIONS.c.guest)
        if len(leases) == 1:
            rows = rows.where(RESERVATIONS.c.lease == leases[0])
        found: dict[str, dict[str, list[Reservation]]] = {}
        for row in self._connection.execute(rows):
            found.setdefault(row.lease, {}).setdefault(row.cluster, []).append(reservation_of(row.body))
        return {
            lease: [
                ClusterReservations(cluster=cluster, reservations=tuple(reservations))
                for cluster, reservations in clusters.items()
            ]
            for lease, clusters in found.items()
        }

    def of_cluster(self, cluster: str) -> list[Reservation]:
        """The reservations in a cluster of leases that have not ended, by guest."""
        found = (
            sa.select(RESERVATIONS.c.body)
            .select_from(sa.join(RESERVATIONS, LEASES, RESERVATIONS.c.lease == LEASES.c.id))
            .where((RESERVATIONS.c.cluster == cluster) & sa.not_(over(self._now)))
            .order_by(RESERVATIONS.c.guest)
        )
        return [reservation_of(body) for body in self._connection.execute(found).scalars()]

    def counts(self) -> Mapping[str, int]:
        """How often reservations were added, by cluster."""
        return {
            row.cluster: int(row.number) for row in self._connection.execute(sa.select(RESERVATION_COUNTS))
        }

    def put(self, lease: str, reservations: Sequence[ClusterReservations]) -> None:
        """Write the reservations of a lease instead of those that it has."""
        self._connection.execute(sa.delete(RESERVATIONS).where(RESERVATIONS.c.lease == lease))
        counts = self.counts()
        for one in reservations:
            for reservation in one.reservations:
                body = json.dumps(encode(reservation), sort_keys=True)
                row = {"lease": lease, "cluster": one.cluster, "guest": reservation.guest, "body": body}
                self._connection.execute(sa.insert(RESERVATIONS).values(**row))
            number = counts.get(one.cluster, 0) + 1
            write = sa.insert(RESERVATION_COUNTS).values(cluster=one.cluster, number=number)
            if one.cluster in counts:
                write = (
                    sa.update(RESERVATION_COUNTS)
                    .where(RESERVATION_COUNTS.c.cluster == one.cluster)
                    .values(number=number)
                )
            self._connection.execute(write)
