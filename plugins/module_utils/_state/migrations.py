# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables through the versions.

Two versions of the collection may share a database during an upgrade. The number in `evenkeel_schema` is the
version of the tables, and code refuses a database whose number is higher than it knows. So the number grows
only for changes that older code must refuse. What older code can ignore (a table, an index, a column that may
be null) is an addition: its name is recorded in `evenkeel_addition`, and the number stays.

Versions and additions are lists of statements that every database understands. They are never changed once
they were released; what comes later is appended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .errors import StateTooNew
from .library import sa

if TYPE_CHECKING:
    from sqlalchemy import Connection

VERSIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE migration_history (
            cluster TEXT NOT NULL,
            guest TEXT NOT NULL,
            ended_at TEXT NOT NULL,
            source TEXT NOT NULL,
            target TEXT NOT NULL,
            result TEXT NOT NULL,
            why TEXT NOT NULL,
            started_at TEXT,
            PRIMARY KEY (cluster, guest, ended_at, source, target)
        )""",
        """CREATE TABLE cluster_lock (
            cluster TEXT NOT NULL PRIMARY KEY,
            token TEXT NOT NULL,
            host TEXT NOT NULL,
            pid BIGINT NOT NULL,
            born TEXT NOT NULL,
            place TEXT NOT NULL,
            since DOUBLE PRECISION NOT NULL,
            until DOUBLE PRECISION NOT NULL
        )""",
    ),
    (
        "CREATE TABLE capacity_turn (number BIGINT NOT NULL PRIMARY KEY)",
        "INSERT INTO capacity_turn VALUES (0)",
        """CREATE TABLE capacity_pool (
            name TEXT NOT NULL PRIMARY KEY,
            body TEXT NOT NULL,
            created_at DOUBLE PRECISION NOT NULL,
            changed_at DOUBLE PRECISION NOT NULL
        )""",
        """CREATE TABLE capacity_lease (
            id TEXT NOT NULL PRIMARY KEY,
            name TEXT NOT NULL,
            number BIGINT NOT NULL,
            phase TEXT NOT NULL,
            reason TEXT NOT NULL,
            request TEXT NOT NULL,
            result TEXT,
            requested_at DOUBLE PRECISION NOT NULL,
            granted_at DOUBLE PRECISION,
            granted_number BIGINT,
            until DOUBLE PRECISION,
            ended_at DOUBLE PRECISION,
            ended_number BIGINT,
            place_until DOUBLE PRECISION,
            waiter TEXT,
            holder TEXT
        )""",
        "CREATE UNIQUE INDEX capacity_lease_live ON capacity_lease (name) WHERE ended_at IS NULL",
        "CREATE INDEX capacity_lease_ended ON capacity_lease (ended_at)",
        """CREATE TABLE capacity_grant (
            lease TEXT NOT NULL,
            pool TEXT NOT NULL,
            vcpus BIGINT NOT NULL,
            memory BIGINT NOT NULL,
            storage BIGINT NOT NULL,
            PRIMARY KEY (lease, pool)
        )""",
        """CREATE TABLE capacity_network_use (
            lease TEXT NOT NULL,
            place TEXT NOT NULL,
            port_group TEXT NOT NULL,
            vlan BIGINT,
            kind TEXT NOT NULL,
            shared_by TEXT NOT NULL,
            PRIMARY KEY (lease, place, port_group)
        )""",
        """CREATE TABLE capacity_hold (
            lease TEXT NOT NULL,
            cluster TEXT NOT NULL,
            guest TEXT NOT NULL,
            body TEXT NOT NULL,
            PRIMARY KEY (lease, cluster, guest)
        )""",
        """CREATE TABLE capacity_hold_count (
            cluster TEXT NOT NULL PRIMARY KEY,
            number BIGINT NOT NULL
        )""",
    ),
    (
        """CREATE TABLE service_request (
            id TEXT NOT NULL PRIMARY KEY,
            body TEXT NOT NULL,
            terms TEXT NOT NULL,
            status TEXT NOT NULL,
            received_at DOUBLE PRECISION NOT NULL,
            due_at DOUBLE PRECISION NOT NULL,
            tries BIGINT NOT NULL,
            result TEXT,
            error TEXT,
            ended_at DOUBLE PRECISION,
            claim TEXT,
            desk TEXT,
            worker TEXT,
            begun_at DOUBLE PRECISION,
            until DOUBLE PRECISION
        )""",
        "CREATE INDEX service_request_going_on ON service_request (due_at) WHERE ended_at IS NULL",
        "CREATE INDEX service_request_ended ON service_request (ended_at)",
        """CREATE TABLE service_delivery (
            id TEXT NOT NULL PRIMARY KEY,
            request TEXT NOT NULL,
            channel TEXT NOT NULL,
            receiver TEXT NOT NULL,
            body TEXT NOT NULL,
            status TEXT NOT NULL,
            created_at DOUBLE PRECISION NOT NULL,
            due_at DOUBLE PRECISION NOT NULL,
            tries BIGINT NOT NULL,
            error TEXT,
            ended_at DOUBLE PRECISION,
            desk TEXT
        )""",
        "CREATE INDEX service_delivery_going_on ON service_delivery (due_at) WHERE ended_at IS NULL",
        "CREATE INDEX service_delivery_request ON service_delivery (request)",
    ),
    ("ALTER TABLE migration_history ADD COLUMN recorded_at DOUBLE PRECISION",),
    ("CREATE INDEX capacity_lease_name ON capacity_lease (name)",),
)

# Builds before additions were recorded gave numbers up to this one to a column and a table that nothing reads
# any more; `ADDITIONS` must not use their names, so that these builds can share the database as well.
_MAX_VERSION = 7

ADDITIONS: dict[str, tuple[str, ...]] = {
    "lock_alive": (
        """CREATE TABLE cluster_lock_alive (
            cluster TEXT NOT NULL PRIMARY KEY,
            token TEXT NOT NULL,
            alive_until DOUBLE PRECISION NOT NULL
        )""",
    ),
    "clock": (
        """CREATE TABLE database_clock (
            boot TEXT NOT NULL PRIMARY KEY,
            steady DOUBLE PRECISION NOT NULL,
            moment DOUBLE PRECISION NOT NULL
        )""",
    ),
    "lease_end_cause": ("ALTER TABLE capacity_lease ADD COLUMN end_cause TEXT",),
    "runs": (
        """CREATE TABLE cluster_run (
            id TEXT NOT NULL PRIMARY KEY,
            cluster TEXT NOT NULL,
            name TEXT NOT NULL,
            platform TEXT NOT NULL,
            started_at DOUBLE PRECISION NOT NULL,
            ended_at DOUBLE PRECISION,
            status TEXT NOT NULL,
            goal TEXT,
            preset TEXT,
            policy TEXT,
            plan TEXT,
            reading TEXT,
            result TEXT,
            who TEXT NOT NULL,
            owner TEXT
        )""",
        "CREATE INDEX cluster_run_started ON cluster_run (cluster, started_at)",
        """CREATE TABLE cluster_plan (
            digest TEXT NOT NULL PRIMARY KEY,
            cluster TEXT NOT NULL,
            migrations BIGINT NOT NULL,
            kept_at DOUBLE PRECISION NOT NULL,
            body TEXT NOT NULL
        )""",
        "CREATE INDEX cluster_plan_kept ON cluster_plan (cluster, kept_at)",
        "ALTER TABLE migration_history ADD COLUMN run TEXT",
        "ALTER TABLE migration_history ADD COLUMN kind TEXT",
        "ALTER TABLE migration_history ADD COLUMN reason TEXT",
        "ALTER TABLE migration_history ADD COLUMN guest_name TEXT",
        "ALTER TABLE migration_history ADD COLUMN source_name TEXT",
        "ALTER TABLE migration_history ADD COLUMN target_name TEXT",
        "ALTER TABLE migration_history ADD COLUMN memory BIGINT",
        "ALTER TABLE migration_history ADD COLUMN seconds DOUBLE PRECISION",
        "CREATE INDEX migration_history_recorded ON migration_history (cluster, recorded_at)",
    ),
    "disk_moves": (
        """CREATE TABLE disk_move_history (
            cluster TEXT NOT NULL,
            guest TEXT NOT NULL,
            ended_at TEXT NOT NULL,
            source TEXT NOT NULL,
            target TEXT NOT NULL,
            disks TEXT NOT NULL,
            guest_name TEXT NOT NULL,
            result TEXT NOT NULL,
            why TEXT NOT NULL,
            moved TEXT NOT NULL,
            left_behind TEXT NOT NULL,
            started_at TEXT,
            seconds DOUBLE PRECISION,
            recorded_at DOUBLE PRECISION NOT NULL,
            run TEXT,
            kind TEXT,
            reason TEXT,
            bytes BIGINT,
            PRIMARY KEY (cluster, guest, ended_at, source, target, disks)
        )""",
        "CREATE INDEX disk_move_history_recorded ON disk_move_history (cluster, recorded_at)",
    ),
}


def is_newest(connection: Connection) -> bool:
    """Whether the tables have everything that this code needs.

    Raises StateTooNew when their version is higher than this code knows.
    """
    version = _version(connection)
    return version is not None and version >= len(VERSIONS) and not _missing(connection)


def upgrade(connection: Connection) -> None:
    """Bring the tables to the newest version, in the transaction of this connection. Of several at once all
    but one collide, and find the work done when they try again.

    Raises StateTooNew when their version is higher than this code knows.
    """
    found = _version(connection)
    if found is None:
        connection.execute(sa.text("CREATE TABLE evenkeel_schema (version INTEGER NOT NULL)"))
    version = found or 0
    if version < len(VERSIONS):
        for statements in VERSIONS[version:]:
            _execute(connection, statements)
        write = "UPDATE evenkeel_schema SET version = :new"
        if not version:
            write = "INSERT INTO evenkeel_schema VALUES (:new)"
        connection.execute(sa.text(write), {"new": len(VERSIONS)})
    if not sa.inspect(connection).has_table("evenkeel_addition"):
        connection.execute(sa.text("CREATE TABLE evenkeel_addition (name TEXT NOT NULL PRIMARY KEY)"))
    for name in _missing(connection):
        _execute(connection, ADDITIONS[name])
        connection.execute(sa.text("INSERT INTO evenkeel_addition VALUES (:name)"), {"name": name})


def _execute(connection: Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.execute(sa.text(statement))


def _version(connection: Connection) -> int | None:
    """None where there are no tables at all."""
    if not sa.inspect(connection).has_table("evenkeel_schema"):
        return None
    version = int(connection.execute(sa.text("SELECT version FROM evenkeel_schema")).scalar() or 0)
    if version > _MAX_VERSION:
        raise StateTooNew(
            f"The tables have version {version}; this version of the collection supports up to"
            f" {_MAX_VERSION}",
            where="state_url",
            hint="Install the newest evenkeel.cluster on every controller that shares the database",
        )
    return version


def _missing(connection: Connection) -> list[str]:
    """The names of the additions that the database lacks."""
    if not sa.inspect(connection).has_table("evenkeel_addition"):
        return list(ADDITIONS)
    found = set(connection.execute(sa.text("SELECT name FROM evenkeel_addition")).scalars())
    return [name for name in ADDITIONS if name not in found]
