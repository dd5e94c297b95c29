# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers with this version and with 0.1.0 share one database during an upgrade."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.expire_and_grant import (
    expire_and_grant,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.lease import Lease
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.leases import (
    Requester,
    release,
    request_lease,
    stop_waiting,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.request import Request
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.repository import Repository
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.transaction import (
    read_transaction,
    write_transaction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.text.moments import read_moment
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.callbacks.outbox import deliveries
from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.repository import (
    listed,
    task_named,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.audit import (
    Period,
    known_clusters,
    past_migrations,
    past_runs,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database, open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.errors import LockHeld
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.history import recall
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.locks import Lock, cluster_lock, holder
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import Owner, this_process
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.runs import readings
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.urls import sqlite_file

RELEASED = Path(__file__).with_name("released_0_1_0.sql")
# Of 0.1.0: what it decides by, the version that it accepts, and what it executes.
REASONS = {
    "lapsed": "its place in the queue lapsed",
    "unclaimed": "nobody came for it",
    "unfulfilled": "not fulfilled",
}
VERSION = 5
COLUMNS = (
    "id, name, number, phase, reason, request, result, requested_at, granted_at, granted_number, until,"
    " ended_at, ended_number, place_until, waiter, holder"
)
END = (
    "UPDATE capacity_lease SET phase = :phase, reason = :reason, ended_at = 1796009900, ended_number = 99,"
    " place_until = NULL, waiter = NULL, holder = NULL WHERE name = :name AND ended_at IS NULL"
)
TAKE_OVER = (
    "UPDATE cluster_lock SET token = 'of 0.1.0', host = :host, pid = :pid, born = :born, place = :place,"
    " since = 0, until = 99999999999 WHERE cluster = 'c' AND token = :token"
)


@pytest.fixture
def released(url: str) -> Iterator[Database]:
    """A database of 0.1.0, opened by this version."""
    file = sqlite_file(url)
    if file is not None:
        file.parent.mkdir()
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        for statement in RELEASED.read_text().split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
    engine.dispose()
    with open_database(url) as opened:
        yield opened


def execute(database: Database, statement: str, **values: object) -> int:
    """The number of rows that a statement has written."""
    text = sqlalchemy.text(statement)
    return database.transaction(lambda connection: connection.execute(text, values).rowcount)


def rows(database: Database, statement: str) -> list[tuple[object, ...]]:
    text = sqlalchemy.text(statement)
    return [tuple(row) for row in database.read(lambda connection: connection.execute(text).all())]


def last(database: Database, name: str) -> Lease:
    lease = read_transaction(database, lambda books: books.last(name))
    assert lease is not None
    return lease


def test_0_1_0_accepts_the_version_of_the_tables(released: Database, url: str) -> None:
    assert rows(released, "SELECT version FROM evenkeel_schema") == [(VERSION,)]
    # A new database is no different.
    with open_database("sqlite://") as new:
        assert rows(new, "SELECT version FROM evenkeel_schema") == [(VERSION,)]
    # Whoever comes next adds nothing twice.
    open_database(url).close()


def test_every_column_that_0_1_0_does_not_write_may_be_null(released: Database) -> None:
    values = ", ".join(["'n'", "'n'", "90", "'Pending'", "''", "'{}'", "NULL", "1", *["NULL"] * 8])
    execute(released, f"INSERT INTO capacity_lease ({COLUMNS}) VALUES ({values})")
    execute(
        released,
        "INSERT INTO cluster_lock (cluster, token, host, pid, born, place, since, until)"
        " VALUES ('n', 't', 'h', 1, '', '', 0, 0)",
    )
    assert len(rows(released, f"SELECT {COLUMNS} FROM capacity_lease WHERE name = 'n'")) == 1


@pytest.mark.parametrize(
    "cause",
    ["unfulfilled", "withdrawn", "released", "owner gone", "expired", "lapsed", "unclaimed", "impossible"],
)
def test_the_cause_of_an_end_that_0_1_0_has_written(released: Database, cause: str) -> None:
    lease = last(released, cause)
    assert (lease.end_cause, lease.to_json()["end_cause"]) == (cause, cause)
    stored = rows(released, f"SELECT reason, end_cause FROM capacity_lease WHERE name = '{cause}'")
    assert stored == [(lease.reason, None)]


def test_rows_of_0_1_0_are_read_and_served(released: Database) -> None:
    running, waiting = last(released, "running"), last(released, "waiting")
    assert (running.phase, running.end_cause, running.pools[0].name) == ("Fulfilled", None, "dal10")
    assert running.holder is not None
    assert (running.holder.started_at, running.holder.pid) == ("4711", 11)
    assert [(one.cluster, one.reservations[0].guest) for one in running.reservations] == [
        ("proxmox:prod", "new1")
    ]
    assert waiting.phase == "Pending"
    write_transaction(released, lambda books: release(books, "running", "job-1"))
    assert last(released, "waiting").phase == "Fulfilled"
    held = holder(released, "proxmox:prod")
    assert held is not None
    assert (held.owner.token, held.owner.started_at, held.alive_until) == ("lock-token", "4711", None)
    assert recall(released, "proxmox:prod").keys() == {"101"}
    assert [task.id for task in listed(released, 1e9)] == ["r-1", "r-2"]
    failed = task_named(released, "r-2")
    assert failed is not None
    assert failed.error == {"type": "LeaseNotHeld", "message": "there is no lease of that name"}
    assert [one.receiver for one in deliveries(released, "r-2")] == ["ci"]


def test_the_past_of_0_1_0_is_in_the_history(released: Database) -> None:
    execute(
        released,
        "INSERT INTO migration_history (cluster, guest, ended_at, source, target, result, why, started_at)"
        " VALUES ('proxmox:prod', '102', '2026-01-02T00:01:00Z', 'pve1', 'pve2', 'failed', 'no space', NULL)",
    )
    (known,) = known_clusters(released)
    assert (known.name, known.platform, known.runs, known.migrations) == ("prod", "proxmox", 0, 2)
    always = Period(since=0, until=1e11)
    failed, moved = sorted(past_migrations(released, [known.key], always), key=lambda one: one.result)
    assert (moved.guest_name, moved.target_name, moved.kind, moved.run) == ("101", "pve2", None, None)
    assert (failed.why, failed.ended_at) == ("no space", "2026-01-02T00:01:00Z")
    year = Period(since=0, until=read_moment("2026-01-01T12:00:00Z").timestamp())
    assert [one.guest for one in past_migrations(released, [known.key], year)] == []
    assert (past_runs(released, [known.key], always), readings(released, known.key, count=9, seconds=9)) == (
        [],
        (),
    )


def lapse(database: Database, name: str) -> None:
    execute(database, f"UPDATE capacity_lease SET place_until = 1 WHERE name = '{name}'")
    write_transaction(database, expire_and_grant)


def leave_unclaimed(database: Database, name: str) -> None:
    write_transaction(database, lambda books: release(books, "running", None))
    write_transaction(database, lambda books: release(books, "waiting", None))
    assert last(database, name).phase == "Fulfilled"
    lapse(database, name)


def give_up(database: Database, name: str) -> None:
    def stop(books: Repository) -> Lease:
        return stop_waiting(books, books.lease(last(database, name).id), 5, 0)

    write_transaction(database, stop)


@pytest.mark.parametrize(
    ("cause", "end", "reason"),
    [
        ("lapsed", lapse, "Its place in the queue lapsed at 1970-01-01T00:00:01Z, because the task "),
        ("unclaimed", leave_unclaimed, "Granted, but not claimed in time"),
        ("unfulfilled", give_up, "Not fulfilled within 5 s, at position 2 of the queue: "),
    ],
)
def test_0_1_0_reads_why_a_lease_ended_that_it_waits_for(
    released: Database, cause: str, end: Callable[[Database, str], None], reason: str
) -> None:
    """It decides by how the stored reason begins."""
    elsewhere = replace(this_process(), place="another machine")
    asked = Request(vcpus=12)
    write_transaction(
        released, lambda books: request_lease(books, "asked", asked, Requester(waiter=elsewhere))
    )
    end(released, "asked")
    ((stored, column),) = rows(released, "SELECT reason, end_cause FROM capacity_lease WHERE name = 'asked'")
    assert str(stored).startswith(REASONS[cause])
    assert column == cause
    lease = last(released, "asked")
    assert lease.reason.startswith(reason)
    assert stored == f"{REASONS[cause]}: {lease.reason}"


def test_0_1_0_ends_a_lease_of_this_version(released: Database) -> None:
    requester = Requester(waiter=replace(this_process(), place="another machine"))
    write_transaction(released, lambda books: request_lease(books, "asked", Request(vcpus=4), requester))
    execute(released, END, name="asked", phase="Released", reason="its lifetime of 86400 s was over at 2026")
    assert last(released, "asked").end_cause == "expired"


def test_a_lock_that_0_1_0_has_taken_over_goes_by_the_clock_of_the_database(released: Database) -> None:
    """What the steady clock said of the lock of before must not end that of 0.1.0 early."""
    me = this_process()
    gone = replace(me, pid=2**22 + 1)
    assert Lock(released, "c", gone, 60, lambda: 0.0).acquire() is None
    values = {"host": me.host, "pid": me.pid, "born": me.started_at, "place": me.place, "token": gone.token}
    assert execute(released, TAKE_OVER, **values) == 1
    other = Lock(released, "c", replace(me, token="new"), 60)
    held = other.acquire()
    assert held is not None
    assert (held.owner.token, held.alive_until) == ("of 0.1.0", None)


def test_a_lock_of_this_version_is_one_for_0_1_0(released: Database) -> None:
    owner = Owner(host="h", pid=7, started_at="4", place="here", token="mine")
    with cluster_lock(released, "c", owner):
        lock = "SELECT token, host, pid, born, place, until > since FROM cluster_lock WHERE cluster = 'c'"
        ((*facts, later),) = rows(released, lock)
    assert facts == ["mine", "h", 7, "4", "here"]
    assert later


def test_a_run_waits_for_one_of_0_1_0_that_knows_the_cluster_by_another_key(released: Database) -> None:
    with (
        pytest.raises(LockHeld, match=r"^cluster prod: Another run is working .*: process 9 on controller-1"),
        cluster_lock(released, "proxmox:7f3a:prod", this_process(), name="prod", older=["proxmox:prod"]),
    ):
        pass
    execute(released, "DELETE FROM cluster_lock")
    with cluster_lock(released, "proxmox:7f3a:prod", this_process(), older=["proxmox:prod"]):
        assert holder(released, "proxmox:7f3a:prod") is not None


@pytest.mark.parametrize("version", [6, 7])
def test_builds_between_0_1_0_and_this_version_share_it_too(
    released: Database, url: str, version: int
) -> None:
    """They have numbered what is an addition now, and add it themselves when the number is that of 0.1.0."""
    execute(released, "ALTER TABLE cluster_lock ADD COLUMN alive_until DOUBLE PRECISION")
    if version == 7:
        execute(released, "CREATE TABLE state_clock (boot TEXT NOT NULL PRIMARY KEY)")
    execute(released, f"UPDATE evenkeel_schema SET version = {version}")
    with open_database(url) as database:
        assert rows(database, "SELECT version FROM evenkeel_schema") == [(version,)]
        gone = "INSERT INTO cluster_lock VALUES ('c', 't', 'h', 1, '', '', 0, 1, 0)"
        execute(database, gone)
        assert Lock(database, "c", this_process(), 60).acquire() is None
        # Of the lock that was there before nothing is left that such a build would take for ours.
        assert rows(database, "SELECT alive_until FROM cluster_lock WHERE cluster = 'c'") == [(None,)]
