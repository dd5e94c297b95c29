# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a URL to an engine, set up so that transactions are serialised."""

from __future__ import annotations

import errno
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._model.errors import UrlError
from .._model.text.urls import Url, parsed_url
from .errors import StateError, StateLibraryMissing, StateUnavailable
from .fifo_file_lock import FifoFileLock
from .library import sa
from .urls import SQLITE
from .watch import Watch

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

# How long SQLite waits for another process to finish its transaction.
_SQLITE_PATIENCE_SECONDS = 10
# How long it waits in line, which is longer where there is a crowd.
_TURN_PATIENCE_SECONDS = 60
_CONNECT_SECONDS = 10
_PSYCOPG = "postgresql+psycopg"
_POSTGRESQL = ("postgresql", _PSYCOPG)
_TURN = "evenkeel_turn"
READS = "evenkeel_reads"
"""The execution option of a transaction that only reads."""
WATCH = "evenkeel_watch"
"""The execution option with the clocks of this machine."""


def engine_for(text: str, watch: Watch) -> tuple[Engine, Url]:
    """The engine, and its URL. Nothing is connected yet; on SQLite the file is made.

    Raises StateError for a URL that is of no use, StateLibraryMissing, and StateUnavailable for a file that
    can't be made.
    """
    url = _parsed(text)
    engine = _sqlite(url, watch) if url.scheme in SQLITE else _postgresql(url)
    return engine, url


def reading(engine: Engine) -> Engine:
    """The same engine, whose transactions read one state of the database and hold nobody up."""
    options: dict[str, Any] = {READS: True}
    if engine.dialect.name == "postgresql":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return engine.execution_options(**options)


def _parsed(text: str) -> Url:
    scheme, separator, _rest = text.partition("://")
    if separator and scheme.isalnum() and scheme not in (*SQLITE, *_POSTGRESQL):
        raise _unsupported(scheme)
    try:
        url = parsed_url(text, "state_url", f"sqlite:///PATH or {_PSYCOPG}://USER:PASSWORD@HOST/DATABASE")
    except UrlError as error:
        raise StateError(error.what, where=error.where, hint=error.hint) from None
    if url.scheme not in (*SQLITE, *_POSTGRESQL):
        raise _unsupported(url.scheme)
    if url.scheme in SQLITE and url.host:
        raise StateError(
            "a URL of SQLite names a file, and no server", where="state_url", hint="Write sqlite:///PATH"
        )
    return url


def _unsupported(scheme: str) -> StateError:
    return StateError(
        f"databases of the kind {scheme} are not supported",
        where="state_url",
        hint=f"Use sqlite or {_PSYCOPG}",
    )


def _sqlite(url: Url, watch: Watch) -> Engine:
    path = None
    if url.path not in ("", ":memory:"):
        path = Path(url.path).expanduser()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            if not os.access(path.parent, os.W_OK | os.X_OK):
                why = f"SQLite writes files beside it, and {path.parent} is read-only"
                raise PermissionError(errno.EACCES, why)
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else "a character in it can't be used"
            raise StateUnavailable(
                f"{path} can't be opened: {said}",
                where="state_url",
                hint="Name another place, such as sqlite:////var/lib/evenkeel/state.db",
            ) from None
    address = sa.URL.create(url.scheme, database=None if path is None else str(path), query=url.options)
    engine: Engine = sa.create_engine(
        address, connect_args={"timeout": _SQLITE_PATIENCE_SECONDS}, execution_options={WATCH: watch}
    )
    sa.event.listen(engine, "connect", _sqlite_connected)
    turns = None if path is None else FifoFileLock(path, _TURN_PATIENCE_SECONDS)
    sa.event.listen(engine, "begin", partial(_sqlite_begun, turns))
    sa.event.listen(engine, "checkin", _sqlite_ended)
    return engine


def _sqlite_connected(connection: Any, _record: object) -> None:
    # The driver's own notion of transactions would begin them too late, after the first read.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _sqlite_begun(turns: FifoFileLock | None, connection: Connection) -> None:
    if connection.get_execution_options().get(READS):
        connection.exec_driver_sql("BEGIN")
        return
    if turns is not None:
        connection.info[_TURN] = turns.acquire()
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _sqlite_ended(_connection: Any, record: Any) -> None:
    FifoFileLock.release(record.info.pop(_TURN, None))


def _postgresql(url: Url) -> Engine:
    address = sa.URL.create(
        _PSYCOPG, url.user, url.password, url.host or None, url.port, url.path or None, url.options
    )
    try:
        engine: Engine = sa.create_engine(
            address,
            isolation_level="SERIALIZABLE",
            pool_pre_ping=True,
            connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": "evenkeel"},
        )
    except ImportError:
        raise StateLibraryMissing(
            "the Python library psycopg is not installed",
            where="state_url",
            hint=f"Run {sys.executable} -m pip install 'psycopg[binary]'",
        ) from None
    sa.event.listen(engine, "connect", _postgresql_connected)
    return engine


def _postgresql_connected(connection: Any, _record: object) -> None:
    # A controller that vanishes in the middle of a transaction must not keep the others waiting.
    with connection.cursor() as cursor:
        cursor.execute("SET idle_in_transaction_session_timeout = '30s'")
        cursor.execute("SET lock_timeout = '10s'")
    connection.commit()
