# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One at a time on a cluster: a lock with an owner and an end."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._model.text.moments import written_at
from .database import Database, now
from .errors import LockHeld, LockLost, StateBusy, StateError, StateUnavailable
from .library import sa
from .owner import Owner, is_gone, this_process
from .tables import LOCK_ALIVE, LOCKS

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOCK_SECONDS = 120.0
# Between two tries to get a lock that someone else holds.
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A lock's holder, in seconds since 1970: since when, and until when unless it is renewed. `alive_until`
    is that end on the steady clock of the owner's place; None when an older version wrote the lock.
    """

    owner: Owner
    since: float
    until: float
    alive_until: float | None = None

    def is_over(self, moment: float, place: str, steady: float) -> bool:
        """Whether the lock has expired. On the owner's machine only the steady clock counts: if the clock of
        the database is set, two runs could work at once, or none for long.
        """
        if self.alive_until is not None and place and self.owner.place == place:
            return self.alive_until <= steady
        return self.until <= moment

    def __str__(self) -> str:
        since, until = map(written_at, (self.since, self.until))
        return f"{self.owner}, since {since}, until {until} unless it is renewed"


class Lock:
    """The lock of a cluster. Its owner calls `renew_if_due` often, and before everything that only one run
    may do. `waited` is how many seconds it was waited for, `taken_over` whose it was when that run had ended
    without releasing it.
    """

    def __init__(
        self,
        database: Database,
        cluster: str,
        owner: Owner,
        seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cluster = cluster
        self.owner = owner
        self._database = database
        self._seconds = seconds
        self._monotonic = monotonic
        # Read before the transaction: the lock never ends earlier than we believe.
        self._renewed = monotonic()
        self.waited = 0.0
        self.taken_over: Owner | None = None

    def acquire(self) -> Holding | None:
        """Take the lock if it is free, has expired, or its owner has ended. Returns its holder otherwise."""
        begun = self._monotonic()
        holding = self._database.transaction(self._take)
        if holding is None:
            self._renewed = begun
        return holding

    def renew_if_due(self) -> None:
        """Renew the lock when a third of its time is over. Costs nearly nothing otherwise.

        Raises LockLost when another run has it, and when the database was unreachable for so long that
        another run may have it.
        """
        if self._monotonic() - self._renewed < self._seconds / 3:
            return
        try:
            self.renew()
        except (StateBusy, StateUnavailable) as error:
            # Some time is left to try again; the last sixth of it is for the clocks.
            if self._monotonic() - self._renewed >= self._seconds * 5 / 6:
                raise LockLost(
                    f"The lock could not be renewed in time: {error}", where=f"lock of {self.cluster}"
                ) from None

    def renew(self) -> None:
        """Renew the lock for its whole time from now on. Raises LockLost when another run has it."""
        begun = self._monotonic()
        other = self._database.transaction(self._prolong)
        if other is not None:
            raise LockLost(f"The lock was taken over by {other}", where=f"lock of {self.cluster}")
        self._renewed = begun

    def release(self) -> None:
        """Release the lock. A lock of another run is left alone."""
        mine = (LOCKS.c.cluster == self.cluster) & (LOCKS.c.token == self.owner.token)
        self._database.transaction(lambda connection: connection.execute(sa.delete(LOCKS).where(mine)))

    def _take(self, connection: Connection) -> Holding | None:
        moment = now(connection)
        found = _holding(connection, self.cluster)
        self.taken_over = None
        if found is None:
            self._insert(connection, moment)
        elif found.owner.token == self.owner.token:
            self._extend(connection, moment)
        elif found.is_over(moment, self.owner.place, self._monotonic()) or is_gone(found.owner):
            # Not an update: columns of builds that this code does not know would go on for the new owner.
            connection.execute(sa.delete(LOCKS).where(LOCKS.c.cluster == self.cluster))
            self._insert(connection, moment)
            self.taken_over = found.owner
        else:
            return found
        return None

    def _prolong(self, connection: Connection) -> Holding | str | None:
        found = _holding(connection, self.cluster)
        if found is None:
            return "another run, which has released it since"
        if found.owner.token != self.owner.token:
            return found
        # One that has run out, and that nobody took meanwhile, goes on.
        self._extend(connection, now(connection))
        return None

    def _insert(self, connection: Connection, moment: float) -> None:
        owner = self.owner
        connection.execute(
            sa.insert(LOCKS).values(
                cluster=self.cluster,
                token=owner.token,
                host=owner.host,
                pid=owner.pid,
                born=owner.started_at,
                place=owner.place,
                since=moment,
                until=moment + self._seconds,
            )
        )
        self._note_alive(connection)

    def _extend(self, connection: Connection, moment: float) -> None:
        this = (LOCKS.c.cluster == self.cluster) & (LOCKS.c.token == self.owner.token)
        connection.execute(sa.update(LOCKS).where(this).values(until=moment + self._seconds))
        self._note_alive(connection)

    def _note_alive(self, connection: Connection) -> None:
        this = LOCK_ALIVE.c.cluster == self.cluster
        row = {"token": self.owner.token, "alive_until": self._monotonic() + self._seconds}
        if connection.execute(sa.update(LOCK_ALIVE).where(this).values(**row)).rowcount == 0:
            connection.execute(sa.insert(LOCK_ALIVE).values(cluster=self.cluster, **row))


@contextmanager
def cluster_lock(
    database: Database,
    cluster: str,
    owner: Owner,
    *,
    name: str = "",
    older: Iterable[str] = (),
    seconds: float = LOCK_SECONDS,
    wait: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    rng: Callable[[], float] = random.random,
) -> Iterator[Lock]:
    """Hold the lock of a cluster. It expires `seconds` after it was last renewed. Waits up to `wait` seconds
    while another run holds it, or a run of an older version that knows the cluster by one of the keys
    `older`. `name` is the cluster's in messages.

    Raises LockHeld with the owner of the lock.
    """
    lock = Lock(database, cluster, owner, seconds, monotonic)
    asked = monotonic()
    until = asked + wait

    def acquire() -> Holding | None:
        held = (holder(database, key) for key in older)
        return next((holding for holding in held if holding is not None), None) or lock.acquire()

    while (holding := acquire()) is not None:
        if monotonic() >= until:
            raise LockHeld(
                f"Another run is working on this cluster: {holding}",
                where=f"cluster {name or cluster}",
                hint="Run again when that run has ended, or set lock_wait to wait for it",
            )
        sleep(min(_PAUSE_SECONDS * (0.5 + rng()), max(0.0, until - monotonic())))
        lock.waited = monotonic() - asked
    try:
        yield lock
    finally:
        # Where that fails, it ends by itself; what has been done must not look like a failure.
        with suppress(StateError):
            lock.release()


def holder(database: Database, cluster: str) -> Holding | None:
    """The run that holds the lock of a cluster now, or None. Changes nothing."""

    def look(connection: Connection) -> Holding | None:
        found = _holding(connection, cluster)
        if found is None or is_gone(found.owner):
            return None
        over = found.is_over(now(connection), this_process().place, time.monotonic())
        return None if over else found

    return database.read(look)


def _holding(connection: Connection, cluster: str) -> Holding | None:
    same = (LOCK_ALIVE.c.cluster == LOCKS.c.cluster) & (LOCK_ALIVE.c.token == LOCKS.c.token)
    found = sa.select(LOCKS, LOCK_ALIVE.c.alive_until).outerjoin(LOCK_ALIVE, same)
    row = connection.execute(found.where(LOCKS.c.cluster == cluster)).one_or_none()
    if row is None:
        return None
    owner = Owner(host=row.host, pid=row.pid, started_at=row.born, place=row.place, token=row.token)
    return Holding(owner=owner, since=row.since, until=row.until, alive_until=row.alive_until)
