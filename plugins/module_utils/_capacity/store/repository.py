# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools and leases in the database."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..._model.codec import encode
from ..._state.database import clock
from ..._state.library import sa
from ..._state.owner import Owner, owner_of
from ..._state.tables import GRANTS, LEASES, NETWORK_USES, POOLS, RESERVATIONS, TURN
from ..allocate import Allocation
from ..backfill_queue import QueuedRequest, shared_by
from ..free_capacity import RESOURCES, FreeCapacity, NetworkBook, NetworkUse
from ..lease import ClusterReservations, Lease, LeaseEnd
from ..pool import Pool
from ..request import Request
from .reservation_rows import ReservationRows, over
from .rows import lease_of, pool_of, request_of, row_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

# For how long leases that have ended are remembered.
_KEEP_SECONDS = 90 * 86_400
# Older ones are looked for once in this number of changes.
_FORGET_EVERY = 64


class Repository:
    """Pools, leases and what they take, within one transaction.

    Others wait for it, so that little is asked of the database twice: pools and leases that were read are
    remembered, and what changes of a lease is written once, before the next question about leases or by
    `write`, without which nothing is certain to last.

    A lease goes on until its end is written or its time is over, whichever comes first: nobody has to come
    and end it for others to have what it held.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        number, moment = connection.execute(sa.select(TURN.c.number, clock(connection))).one()
        self.now = float(moment)
        self._number = self._written_number = int(number)
        self._pools: list[Pool] | None = None
        self._known: dict[str, Lease] = {}
        # Rows by the id of their lease; of leases that are new, whole ones.
        self._unwritten: dict[str, dict[str, Any]] = {}
        self._new: set[str] = set()
        self._void: Sequence[str] = ()
        self._reservations = ReservationRows(connection, self.now)

    @property
    def _goes_on(self) -> Any:
        """The condition that a lease has not ended."""
        going = LEASES.c.ended_at.is_(None) & sa.not_(over(self.now))
        return going & LEASES.c.id.not_in(self._void) if self._void else going

    def disregard(self, leases: Iterable[str]) -> None:
        """From here on these, by id, are taken for ended in all that is read, as those that are over are."""
        self._void = [*leases]

    def next_number(self) -> int:
        """Counts every change; the first is 1."""
        self._number += 1
        return self._number

    def write(self) -> None:
        """Write what has not been written yet."""
        self._write_leases()
        if self._number != self._written_number:
            self._connection.execute(sa.update(TURN).values(number=self._number))
            self._written_number = self._number

    # Pools

    def pools(self) -> list[Pool]:
        """Every pool, by name."""
        if self._pools is None:
            found = self._connection.execute(sa.select(POOLS.c.body)).scalars()
            self._pools = sorted((pool_of(body) for body in found), key=lambda pool: pool.name)
        return list(self._pools)

    def save_pool(self, pool: Pool) -> None:
        self._pools = None
        body = json.dumps(pool.to_json(), sort_keys=True)
        this = POOLS.c.name == pool.name
        changed = sa.update(POOLS).where(this).values(body=body, changed_at=self.now)
        if self._connection.execute(changed).rowcount == 0:
            row = {"name": pool.name, "body": body, "created_at": self.now, "changed_at": self.now}
            self._connection.execute(sa.insert(POOLS).values(**row))

    def remove_pool(self, name: str) -> None:
        self._pools = None
        self._connection.execute(sa.delete(POOLS).where(POOLS.c.name == name))

    def free_capacities(self, pools: Iterable[Pool]) -> list[FreeCapacity]:
        """Free capacity of the pools."""
        self._write_leases()
        sums = (
            sa.select(GRANTS.c.pool, *(sa.func.sum(GRANTS.c[name]).label(name) for name in RESOURCES))
            .join(LEASES, GRANTS.c.lease == LEASES.c.id)
            .where(self._goes_on)
            .group_by(GRANTS.c.pool)
        )
        taken = {
            row.pool: (int(row.vcpus), int(row.memory), int(row.storage))
            for row in self._connection.execute(sums)
        }
        return [FreeCapacity(pool, *taken.get(pool.name, (0, 0, 0))) for pool in pools]

    def network_book(self) -> NetworkBook:
        return NetworkBook(
            NetworkUse(
                place=row.place,
                port_group=row.port_group,
                vlan=row.vlan,
                kind=row.kind,
                shared_by=row.shared_by,
            )
            for row in self._network_uses()
        )

    def _network_uses(self) -> Any:
        self._write_leases()
        uses = sa.select(NETWORK_USES).join(LEASES, NETWORK_USES.c.lease == LEASES.c.id)
        return self._connection.execute(uses.where(self._goes_on))

    def network_users(self) -> Mapping[tuple[str, str], list[str]]:
        """The ids of the leases that have a port group, by place and port group."""
        users: dict[tuple[str, str], list[str]] = {}
        for row in self._network_uses():
            users.setdefault((row.place, row.port_group), []).append(row.lease)
        return users

    # Leases

    def live(self, name: str) -> Lease | None:
        """The lease of that name that goes on."""
        found = self._leases((LEASES.c.name == name) & self._goes_on)
        return found[0] if found else None

    def last(self, name: str) -> Lease | None:
        """The newest lease of that name, ended or not."""
        found = self._leases(LEASES.c.name == name)
        return max(found, key=lambda lease: lease.number, default=None)

    def lease(self, identity: str) -> Lease:
        """The lease of an id that is known to be there."""
        return self._known.get(identity) or self._leases(LEASES.c.id == identity)[0]

    def find(self, identity: str) -> Lease | None:
        """The lease of an id, unless it has been forgotten."""
        return next(iter(self._leases(LEASES.c.id == identity)), None)

    def leases(self, *, ended_after: float | None = None) -> list[Lease]:
        """Those that go on, and those whose end was written after a moment, in the order of asking."""
        wanted = self._goes_on
        if ended_after is not None:
            wanted |= LEASES.c.ended_at > ended_after
        return sorted(self._leases(wanted), key=lambda lease: lease.number)

    def expired(self) -> list[Lease]:
        """Those whose time, or whose place in the queue, is over and that have not ended."""
        return self._leases(LEASES.c.ended_at.is_(None) & over(self.now))

    def any_expired(self) -> bool:
        self._write_leases()
        found = sa.select(LEASES.c.id).where(LEASES.c.ended_at.is_(None) & over(self.now)).limit(1)
        return self._connection.execute(found).first() is not None

    def processes(self) -> list[tuple[str, Owner]]:
        """The processes that leases depend on, each with the id of its lease."""
        self._write_leases()
        columns = (LEASES.c.id, LEASES.c.waiter, LEASES.c.holder)
        depends = LEASES.c.waiter.is_not(None) | LEASES.c.holder.is_not(None)
        found = self._connection.execute(sa.select(*columns).where(LEASES.c.ended_at.is_(None) & depends))
        return [
            (row.id, process)
            for row in found
            for process in (owner_of(row.waiter), owner_of(row.holder))
            if process is not None
        ]

    def queue(self) -> list[QueuedRequest]:
        self._write_leases()
        columns = (LEASES.c.id, LEASES.c.number, LEASES.c.request, LEASES.c.requested_at)
        waiting = sa.select(*columns).where(self._goes_on & (LEASES.c.phase == "Pending"))
        return [
            QueuedRequest(
                lease=row.id,
                number=row.number,
                request=request_of(row.request),
                requested_at=row.requested_at,
            )
            for row in self._connection.execute(waiting)
        ]

    def add(
        self, name: str, request: Request, *, place_until: float, waiter: Owner | None, holder: Owner | None
    ) -> Lease:
        """A new lease, pending. What was left of one of that name that failed is forgotten."""
        self._write_leases()
        self._connection.execute(
            sa.delete(LEASES).where((LEASES.c.name == name) & (LEASES.c.phase == "Failed"))
        )
        lease = Lease(
            id=secrets.token_hex(8),
            name=name,
            number=self.next_number(),
            phase="Pending",
            reason="",
            request=request,
            requested_at=self.now,
            place_until=place_until,
            waiter=waiter,
            holder=holder,
        )
        self._new.add(lease.id)
        self.update(lease)
        return lease

    def update(self, lease: Lease, **numbers: int) -> None:
        """Keep what may have changed of a lease, and numbers of what happened to it."""
        self._known[lease.id] = lease
        self._unwritten.setdefault(lease.id, {}).update(row_of(lease), **numbers)

    def grant(self, lease: Lease, allotments: Sequence[Allocation]) -> Lease:
        """Give a lease what it waits for."""
        request = lease.request
        pools = tuple(replace(one.pool, networks=one.networks) for one in allotments)
        names = ", ".join(pool.name for pool in pools)
        granted = replace(
            lease,
            phase="Fulfilled",
            reason=f"leased from {names}" if names else "the request names no resource of a pool",
            pools=pools,
            granted_at=self.now,
            until=self.now + request.lifetime,
        )
        self.update(granted, granted_number=self.next_number())
        book = NetworkBook()
        sizes = _sizes(request)
        grants = [{"lease": lease.id, "pool": one.pool.name, **sizes} for one in allotments]
        if grants:
            self._connection.execute(sa.insert(GRANTS), grants)
        for one in allotments:
            book.take(one.pool, one.networks, shared_by(lease.id, request))
        uses = [{"lease": lease.id, **encode(use)} for use in book.uses()]
        if uses:
            self._connection.execute(sa.insert(NETWORK_USES), uses)
        return granted

    def resize(self, lease: Lease) -> None:
        """Write other sizes of a lease that goes on."""
        self.update(lease)
        write = sa.update(GRANTS).where(GRANTS.c.lease == lease.id)
        self._connection.execute(write, _sizes(lease.request))

    def end(self, lease: Lease, end: LeaseEnd) -> Lease:
        """Take back everything that a lease has, and record how it ended."""
        taken = (
            (GRANTS, lease.pools),
            (NETWORK_USES, any(pool.networks for pool in lease.pools)),
            (RESERVATIONS, lease.reservations),
        )
        for table, some in taken:
            if some:
                self._connection.execute(sa.delete(table).where(table.c.lease == lease.id))
        ended = replace(
            lease,
            phase=end.phase,
            reason=end.reason,
            end_cause=end.cause,
            ended_at=self.now,
            place_until=None,
            waiter=None,
            holder=None,
        )
        number = self.next_number()
        self.update(ended, ended_number=number)
        if number % _FORGET_EVERY == 0:
            old = LEASES.c.ended_at < self.now - _KEEP_SECONDS
            self._connection.execute(sa.delete(LEASES).where(old))
        return ended

    # Reservations

    @property
    def reservations(self) -> ReservationRows:
        self._write_leases()
        return self._reservations

    def reserve(self, lease: Lease, reservations: Sequence[ClusterReservations]) -> Lease:
        """Give a lease these reservations instead of those that it has."""
        self.reservations.put(lease.id, reservations)
        holding = self._known[lease.id] = replace(lease, reservations=tuple(reservations))
        return holding

    def _leases(self, condition: Any) -> list[Lease]:
        self._write_leases()
        rows = self._connection.execute(sa.select(LEASES).where(condition)).all()
        # Only leases that are fulfilled have reservations.
        reservations = self.reservations.of([row.id for row in rows if row.phase == "Fulfilled"])
        found = [lease_of(row, reservations.get(row.id, ())) for row in rows]
        self._known.update((lease.id, lease) for lease in found)
        return found

    def _write_leases(self) -> None:
        for identity, row in self._unwritten.items():
            write = sa.update(LEASES).where(LEASES.c.id == identity)
            if identity in self._new:
                write = sa.insert(LEASES)
            self._connection.execute(write, row)
        self._unwritten.clear()
        self._new.clear()


def _sizes(request: Request) -> dict[str, int]:
    return {name: getattr(request, name) for name in RESOURCES}
