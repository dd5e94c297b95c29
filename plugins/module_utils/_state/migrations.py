# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables through the versions.

A version is a list of statements that every database understands. It is never changed once it was released:
what comes later is a version of its own, appended.
"""

from __future__ import annotations

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
    ("ALTER TABLE cluster_lock ADD COLUMN alive_until DOUBLE PRECISION",),
    (
        """CREATE TABLE state_clock (
            boot TEXT NOT NULL PRIMARY KEY,
            steady DOUBLE PRECISION NOT NULL,
            moment DOUBLE PRECISION NOT NULL
        )""",
    ),
)


def is_newest(connection: Connection) -> bool:
    """Whether the tables have the newest version. Raises StateTooNew when they are newer than this code."""
    return _version(connection) == len(VERSIONS)


def upgrade(connection: Connection) -> None:
    """Bring the tables to the newest version, in the transaction of this connection. Of several at once all
    but one collide, and find the work done when they try again.

    Raises StateTooNew when they are newer than this code.
    """
    found = _version(connection)
    if found is None:
        connection.execute(sa.text("CREATE TABLE evenkeel_schema (version INTEGER NOT NULL)"))
    version = found or 0
    if version == len(VERSIONS):
        return
    for statements in VERSIONS[version:]:
        for statement in statements:
            connection.execute(sa.text(statement))
    write = "INSERT INTO evenkeel_schema VALUES (:new)"
    if version:
        write = "UPDATE evenkeel_schema SET version = :new"
    connection.execute(sa.text(write), {"new": len(VERSIONS)})


def _version(connection: Connection) -> int | None:
    """None where there are no tables at all."""
    if not sa.inspect(connection).has_table("evenkeel_schema"):
        return None
    version = int(connection.execute(sa.text("SELECT version FROM evenkeel_schema")).scalar() or 0)
    if version > len(VERSIONS):
        raise StateTooNew(
            f"its tables have version {version}, this collection knows {len(VERSIONS)}",
            where="state_url",
            hint="Use the newest evenkeel.cluster on every controller that shares the database",
        )
    return version
