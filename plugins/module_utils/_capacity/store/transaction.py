# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing pools and leases, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ..._state.database import Database
from .repository import Repository

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")

_LOCK = "SET LOCAL lock_timeout = '60s'; LOCK TABLE capacity_turn IN EXCLUSIVE MODE"


class _RolledBack(Exception):
    """Carries the result of a change that is taken back."""


def write_transaction(database: Database, work: Callable[[Repository], T], *, undo: bool = False) -> T:
    """Returns the result of `work`, during which nobody else changes anything; `undo`: nothing is kept.

    It may run again from its start, so it must do nothing but read and change the repository.
    """

    def alone(connection: Connection) -> T:
        if connection.dialect.name == "postgresql":
            # Before anything is read: what this transaction sees begins when it has the lock, and so nothing
            # that was changed by those before it can escape it. Those who only read need no lock.
            # Long enough for a crowd: whoever gives up goes to the end of the line.
            connection.exec_driver_sql(_LOCK)
        repository = Repository(connection)
        result = work(repository)
        repository.write()
        if undo:
            raise _RolledBack(result)
        return result

    try:
        return database.transaction(alone)
    except _RolledBack as undone:
        result: T = undone.args[0]
        return result


def read_transaction(database: Database, work: Callable[[Repository], T]) -> T:
    """Returns the result of `work`, which must change nothing; it waits for nobody."""
    return database.read(lambda connection: work(Repository(connection)))
