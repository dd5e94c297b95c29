# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database that keeps what outlives a run: a SQLite file, or PostgreSQL where controllers share it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from .._model.text.urls import Url
from .engines import READS, WATCH, engine_for, reading
from .errors import StateBusy, StateError, StateUnavailable
from .library import require, sa
from .migrations import is_newest, upgrade
from .watch import Watch, machine_watch

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

T = TypeVar("T")

# PostgreSQL: serialization failure, deadlock, lock not available; two who insert the same row, or make the
# same table (it has a type of its own, and which of the two is found first is a matter of the moment).
_COLLISIONS = frozenset({"40001", "40P01", "55P03", "23505", "42P07", "42710"})
# What libpq says of certificates and of servers without TLS.
_TLS_HINTS = {
    "does not support SSL": "Switch TLS on there, or set another sslmode in state_url",
    "certificate": "The certificate must not have expired, must name the server as state_url does, and must"
    " be issued by an authority in sslrootcert: ?sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca.pem",
}
# SQLite: busy, locked.
_SQLITE_COLLISIONS = frozenset({5, 6})


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a transaction that collided with another is tried, and the pauses between: random, up to a
    limit that doubles.
    """

    attempts: int = 12
    first_seconds: float = 0.01
    most_seconds: float = 1.0
    sleep: Callable[[float], None] = time.sleep
    rng: Callable[[], float] = random.random

    def pause(self, attempt: int) -> None:
        """After a number of attempts."""
        self.sleep(self.rng() * min(self.most_seconds, self.first_seconds * 2.0 ** (attempt - 1)))


class Database:
    """An open database whose tables are of the newest version. Use it in `with`, or close it."""

    def __init__(self, engine: Engine, url: Url, retry: Retry) -> None:
        self._engine = engine
        self._reading = reading(engine)
        self._url = url
        self._where = str(url)
        self._retry = retry
        # Nearly always there is nothing to do, and then nobody is to wait for it.
        if not self.read(is_newest):
            self.transaction(upgrade)

    def transaction(self, work: Callable[[Connection], T]) -> T:
        """Returns the result of `work`. It runs as if alone in the database, and again from its start when
        that was not so: it must do nothing but queries.

        Raises StateBusy when it collided each time, StateUnavailable when the database does not answer.
        """
        return self._attempt(self._engine, work)

    def read(self, work: Callable[[Connection], T]) -> T:
        """As `transaction`, for work that only reads: it waits for nobody, and nobody waits for it."""
        return self._attempt(self._reading, work)

    def _attempt(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        attempt = 0
        while True:
            try:
                with engine.begin() as connection:
                    return work(connection)
            except sa.exc.DBAPIError as error:
                attempt += 1
                if not _may_pass(error) or (error.connection_invalidated and attempt == self._retry.attempts):
                    raise self._unavailable(error) from None
            if attempt == self._retry.attempts:
                raise StateBusy(
                    f"it conflicted with other transactions {attempt} times",
                    where=self._where,
                    hint="Try again later",
                )
            self._retry.pause(attempt)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _unavailable(self, error: Any) -> StateError:
        said = self._url.hidden(str(error.orig)).strip().splitlines()
        what = said[0] if said else type(error.orig).__name__
        hint = next((hint for words, hint in _TLS_HINTS.items() if words in what), "")
        return StateUnavailable(what, where=self._where, hint=hint)


def open_database(url: str, retry: Retry | None = None, watch: Watch | None = None) -> Database:
    """Open the database at `sqlite:///PATH` or `postgresql+psycopg://USER@HOST/NAME`; missing tables, and on
    SQLite the file and its folders, are made. `sqlite://` alone is kept in memory and forgotten.

    Raises StateLibraryMissing, StateUnavailable, StateTooNew, and StateError for a URL that is none of these.
    """
    require()
    engine, address = engine_for(url, watch or machine_watch())
    return Database(engine, address, retry or Retry())


def clock(connection: Connection) -> Any:
    """As a column: seconds since 1970 on the clock that all who share the database share."""
    if connection.dialect.name == "postgresql":
        return sa.literal_column("CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)")
    options = connection.get_execution_options()
    return sa.literal(options[WATCH].read(connection, note=not options.get(READS)))


def now(connection: Connection) -> float:
    """That clock."""
    return float(connection.execute(sa.select(clock(connection))).scalar_one())


def _may_pass(error: Any) -> bool:
    """Whether the same transaction may succeed when it is tried again. All that we do may be done twice."""
    if error.connection_invalidated:
        return True
    if getattr(error.orig, "sqlstate", None) in _COLLISIONS:
        return True
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _SQLITE_COLLISIONS
