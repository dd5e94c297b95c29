# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables, as queries see them; migrations.py makes them."""

from __future__ import annotations

from typing import Any

from .library import sa

# Modules that keep no state import this without SQLAlchemy.
METADATA: Any = None
HISTORY: Any = None
DISK_HISTORY: Any = None
RUNS: Any = None
PLANS: Any = None
LOCKS: Any = None
TURN: Any = None
POOLS: Any = None
LEASES: Any = None
GRANTS: Any = None
NETWORK_USES: Any = None
RESERVATIONS: Any = None
RESERVATION_COUNTS: Any = None
SERVICE_REQUESTS: Any = None
SERVICE_DELIVERIES: Any = None
CLOCK: Any = None
LOCK_ALIVE: Any = None

if sa is not None:
    METADATA = sa.MetaData()

    # One row a migration that was tried. Moments are texts as in a snapshot, except for when the row was
    # written: that is in seconds since 1970 on the database's own clock, null in rows of before.
    HISTORY = sa.Table(
        "migration_history",
        METADATA,
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("guest", sa.Text, primary_key=True),
        sa.Column("ended_at", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("started_at", sa.Text),
        sa.Column("recorded_at", sa.Double),
        # Null in rows of before, and where a run found out what another one had done.
        sa.Column("run", sa.Text),
        sa.Column("kind", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("guest_name", sa.Text),
        sa.Column("source_name", sa.Text),
        sa.Column("target_name", sa.Text),
        sa.Column("memory", sa.BigInteger),
        sa.Column("seconds", sa.Double),
    )

    # One row a move of disks that was begun or refused; `disks`, `moved` and `left_behind` are JSON.
    DISK_HISTORY = sa.Table(
        "disk_move_history",
        METADATA,
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("guest", sa.Text, primary_key=True),
        sa.Column("ended_at", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("disks", sa.Text, primary_key=True),
        sa.Column("guest_name", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("moved", sa.Text, nullable=False),
        sa.Column("left_behind", sa.Text, nullable=False),
        sa.Column("started_at", sa.Text),
        sa.Column("seconds", sa.Double),
        sa.Column("recorded_at", sa.Double, nullable=False),
        sa.Column("run", sa.Text),
        sa.Column("kind", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("bytes", sa.BigInteger),
    )

    # One row a run that was no check. Moments are seconds since 1970 on the database's own clock; `policy`
    # and `plan` are digests, `reading`, `result` and `who` JSON, and `owner` is the process.
    RUNS = sa.Table(
        "cluster_run",
        METADATA,
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("cluster", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("platform", sa.Text, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("goal", sa.Text),
        sa.Column("preset", sa.Text),
        sa.Column("policy", sa.Text),
        sa.Column("plan", sa.Text),
        sa.Column("reading", sa.Text),
        sa.Column("result", sa.Text),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
    )

    # One row a plan that was applied: its JSON, compressed, as base64.
    PLANS = sa.Table(
        "cluster_plan",
        METADATA,
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("cluster", sa.Text, nullable=False),
        sa.Column("migrations", sa.BigInteger, nullable=False),
        sa.Column("kept_at", sa.Double, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )

    # One row a cluster that someone works on. Moments are seconds since 1970 on the database's own clock.
    LOCKS = sa.Table(
        "cluster_lock",
        METADATA,
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.BigInteger, nullable=False),
        sa.Column("born", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )

    # The moment of `until` on the steady clock of the owner's `place`, which nobody can set. It counts only
    # for the lock of this token: version 0.1.0 takes locks over and does not know this table.
    LOCK_ALIVE = sa.Table(
        "cluster_lock_alive",
        METADATA,
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("alive_until", sa.Double, nullable=False),
    )

    # One row: how many changes of pools and leases there were. On PostgreSQL its lock is what makes one wait
    # for another.
    TURN = sa.Table("capacity_turn", METADATA, sa.Column("number", sa.BigInteger, primary_key=True))

    # One row a pool, its body as JSON.
    POOLS = sa.Table(
        "capacity_pool",
        METADATA,
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
    )

    # One row a lease; of one name at most one that has no end. `number` orders requests, and with
    # `granted_number` and `ended_number` everything that happened. Version 0.1.0 writes no `end_cause`, and
    # decides by how `reason` begins.
    LEASES = sa.Table(
        "capacity_lease",
        METADATA,
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("end_cause", sa.Text),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("requested_at", sa.Double, nullable=False),
        sa.Column("granted_at", sa.Double),
        sa.Column("granted_number", sa.BigInteger),
        sa.Column("until", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("ended_number", sa.BigInteger),
        sa.Column("place_until", sa.Double),
        sa.Column("waiter", sa.Text),
        sa.Column("holder", sa.Text),
    )

    # What leases that have not ended take of pools, of networks and, for guests to come, of hosts.
    GRANTS = sa.Table(
        "capacity_grant",
        METADATA,
        sa.Column("lease", sa.Text, primary_key=True),
        sa.Column("pool", sa.Text, primary_key=True),
        sa.Column("vcpus", sa.BigInteger, nullable=False),
        sa.Column("memory", sa.BigInteger, nullable=False),
        sa.Column("storage", sa.BigInteger, nullable=False),
    )
    NETWORK_USES = sa.Table(
        "capacity_network_use",
        METADATA,
        sa.Column("lease", sa.Text, primary_key=True),
        sa.Column("place", sa.Text, primary_key=True),
        sa.Column("port_group", sa.Text, primary_key=True),
        sa.Column("vlan", sa.BigInteger),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("shared_by", sa.Text, nullable=False),
    )
    RESERVATIONS = sa.Table(
        "capacity_hold",
        METADATA,
        sa.Column("lease", sa.Text, primary_key=True),
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("guest", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )

    # How often reservations were added in a cluster: a placement by an older number has not seen all of them.
    RESERVATION_COUNTS = sa.Table(
        "capacity_hold_count",
        METADATA,
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )

    # One row a request to the service. `claim` is what whoever works on it must show, `desk` the process that
    # has handed it on, `worker` the one that has begun; until then `until` is when it must have, and from
    # then on when the desk must have given a sign of life.
    SERVICE_REQUESTS = sa.Table(
        "service_request",
        METADATA,
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("tries", sa.BigInteger, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("ended_at", sa.Double),
        sa.Column("claim", sa.Text),
        sa.Column("desk", sa.Text),
        sa.Column("worker", sa.Text),
        sa.Column("begun_at", sa.Double),
        sa.Column("until", sa.Double),
    )

    # One row for each whom the end of a request is told, from the moment of that end. While `desk` tries,
    # `due_at` is when it has given up or died.
    SERVICE_DELIVERIES = sa.Table(
        "service_delivery",
        METADATA,
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("receiver", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("tries", sa.BigInteger, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("ended_at", sa.Double),
        sa.Column("desk", sa.Text),
    )

    # At most one row, on SQLite: a moment of the database's clock, and what the steady clock of that boot of
    # the machine said then.
    CLOCK = sa.Table(
        "database_clock",
        METADATA,
        sa.Column("boot", sa.Text, primary_key=True),
        sa.Column("steady", sa.Double, nullable=False),
        sa.Column("moment", sa.Double, nullable=False),
    )
