# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database is made once, brought to the newest version, and says what is wrong with it."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy

from ansible_collections.evenkeel.cluster.plugins.module_utils._state import library
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import (
    Database,
    Retry,
    open_database,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.errors import (
    StateBusy,
    StateError,
    StateLibraryMissing,
    StateTooNew,
    StateUnavailable,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.migrations import VERSIONS
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.tables import METADATA
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.urls import sqlite_file
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.postgresql import PASSWORD, PostgreSQL
from ansible_collections.evenkeel.cluster.tests.support.unprivileged import python

DATABASE = "ansible_collections.evenkeel.cluster.plugins.module_utils._state.database"

IN_PROCESSES = """
import os, sys, sqlalchemy
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Retry, open_database

def work():
    with open_database(sys.argv[1], Retry(attempts=100, most_seconds=0.2)) as database:
        for _ in range(int(sys.argv[3])):
            database.transaction(count)

def count(connection):
    pid = connection.execute(sqlalchemy.text("SELECT pid FROM cluster_lock")).scalar_one()
    connection.execute(sqlalchemy.text("UPDATE cluster_lock SET pid = :pid"), {"pid": pid + 1})

for _ in range(int(sys.argv[2])):
    if os.fork() == 0:
        work()
        os._exit(0)
sys.exit(any([os.wait()[1] for _ in range(int(sys.argv[2]))]))
"""


def in_processes(url: str, processes: int, transactions: int) -> None:
    """Each opens the database and adds one so many times, all at once."""
    done = subprocess.run(
        [sys.executable, "-c", IN_PROCESSES, url, str(processes), str(transactions)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def columns(connection: sqlalchemy.Connection) -> dict[str, set[tuple[str, bool]]]:
    """By table: its columns and whether each may be null."""
    seen = sqlalchemy.inspect(connection)
    return {
        table: {(column["name"], column["nullable"]) for column in seen.get_columns(table)}
        for table in seen.get_table_names()
        if table not in ("evenkeel_schema", "evenkeel_addition")
    }


def test_the_migrations_make_the_tables_that_the_queries_expect(database: Database) -> None:
    assert database.transaction(columns) == {
        table.name: {(column.name, bool(column.nullable)) for column in table.columns}
        for table in METADATA.tables.values()
    }


def test_opened_again_everything_is_still_there(url: str) -> None:
    for expected in (0, 1):
        with open_database(url) as database:
            count = sqlalchemy.text("SELECT count(*) FROM cluster_lock")
            assert database.transaction(lambda c: c.execute(count).scalar()) == expected  # noqa: B023
            insert = sqlalchemy.text("INSERT INTO cluster_lock VALUES (:c, '', '', 1, '', '', 0, 0)")
            database.transaction(lambda c: c.execute(insert, {"c": f"c{expected}"}))  # noqa: B023


def test_many_that_open_it_first_at_the_same_time(url: str) -> None:
    in_processes(url, 12, 0)


def test_tables_of_a_newer_collection_are_left_alone(url: str) -> None:
    with open_database(url) as database:
        raise_it = sqlalchemy.text("UPDATE evenkeel_schema SET version = 99")
        database.transaction(lambda connection: connection.execute(raise_it))
    with pytest.raises(StateTooNew, match=r": The tables have version 99; this .* up to 7\. Install"):
        open_database(url)


def test_a_transaction_that_always_collides_ends_with_an_error(postgresql: PostgreSQL) -> None:
    # On SQLite a transaction begins only when no other is under way.
    url = postgresql.new_database()
    naps: list[float] = []
    retry = Retry(attempts=4, first_seconds=1, most_seconds=3, sleep=naps.append, rng=lambda: 0.5)

    def read_then_collide(connection: sqlalchemy.Connection) -> None:
        connection.execute(sqlalchemy.text("SELECT pid FROM cluster_lock")).all()
        write = sqlalchemy.text("UPDATE cluster_lock SET pid = pid + 1")
        with open_database(url, Retry(attempts=1)) as other:
            other.transaction(lambda connection: connection.execute(write))
        connection.execute(write)

    with open_database(url, retry) as database:
        insert = sqlalchemy.text("INSERT INTO cluster_lock VALUES ('c', '', '', 1, '', '', 0, 0)")
        database.transaction(lambda connection: connection.execute(insert))
        with pytest.raises(StateBusy, match="it conflicted with other transactions 4 times"):
            database.transaction(read_then_collide)
        assert naps == [0.5, 1.0, 1.5]


def test_transactions_of_many_processes_are_serialised(url: str) -> None:
    with open_database(url) as database:
        insert = sqlalchemy.text("INSERT INTO cluster_lock VALUES ('c', '', '', 0, '', '', 0, 0)")
        database.transaction(lambda connection: connection.execute(insert))
        in_processes(url, 8, 25)
        select = sqlalchemy.text("SELECT pid FROM cluster_lock")
        assert database.transaction(lambda connection: connection.execute(select).scalar()) == 200


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path}/new/state.db").close()
    for name in ("state.db", "state.db-turn"):
        assert stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_one_in_memory_leaves_nothing() -> None:
    with open_database("sqlite://") as database:
        assert database.transaction(columns).keys() == METADATA.tables.keys()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("state.db", "state_url: the URL can't be used: it does not begin with a scheme and ://. Write it"),
        ("postgresql://u:s3/s3cret@h/d", "state_url: the URL can't be used: it has @ behind the server"),
        ("postgresql://u:s3cret@h@h/d/@", "state_url: the URL can't be used: it has @ behind the server"),
        ("mysql://u:s3cret@h/d", "state_url: databases of the kind mysql are not supported. Use sqlite or"),
        ("postgresql+psycopg2://u:s3cret@h/d", "databases of the kind postgresql[+]psycopg2 are not"),
    ],
)
def test_a_url_of_no_use(url: str, message: str) -> None:
    with pytest.raises(StateError, match=message) as refused:
        open_database(url)
    assert "s3cret" not in str(refused.value)


def test_a_file_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateUnavailable, match=r"state.db can't be opened: .*Name another place"):
        open_database(f"sqlite:///{tmp_path}/file/state.db")


@pytest.mark.parametrize("made", [False, True])
def test_a_folder_that_is_read_only(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    if made:
        open_database(f"sqlite:///{folder}/state.db").close()
    folder.chmod(0o500)
    code = f"from {DATABASE} import open_database; open_database('sqlite:///{folder}/state.db')"
    done = subprocess.run([*python(), "-c", code], capture_output=True, text=True, check=False)
    folder.chmod(0o700)
    last = done.stderr.splitlines()[-1]
    why = f"SQLite writes files beside it, and {folder} is read-only" if made else "Permission denied"
    assert f"StateUnavailable: state_url: {folder}/state.db can't be opened: {why}. Name another" in last


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("plain text, and plenty of it: " * 40)
    with pytest.raises(StateUnavailable, match=r"state.db: file is not a database"):
        open_database(f"sqlite:///{tmp_path}/state.db")


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(StateUnavailable, match=r"postgresql\+psycopg://me:\*\*\*@127.0.0.1:1/d: .*refused"):
        open_database("postgresql+psycopg://me:s3cret@127.0.0.1:1/d")


def test_a_wrong_password_is_not_shown(postgresql: PostgreSQL) -> None:
    wrong = postgresql.new_database().replace(PASSWORD.replace("/", "%2F"), "s3cret")
    with pytest.raises(StateUnavailable, match="password authentication failed") as refused:
        open_database(wrong)
    assert "s3cret" not in str(refused.value)


def test_without_the_library_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "sa", None)
    with pytest.raises(StateLibraryMissing, match=r"SQLAlchemy is not installed. Run \S+ -m pip install"):
        open_database("sqlite://")


def test_without_the_driver_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StateLibraryMissing, match=r"psycopg is not installed. Run \S+ -m pip install"):
        open_database("postgresql://u@127.0.0.1:1/d")


def test_which_file_a_url_names() -> None:
    assert sqlite_file("sqlite:////var/lib/state.db") == Path("/var/lib/state.db")
    assert sqlite_file("sqlite:///~/state.db") == Path.home() / "state.db"
    assert [sqlite_file(url) for url in ("sqlite://", "sqlite:///:memory:", "postgresql://h/d")] == [None] * 3


def test_who_reads_waits_for_nobody_and_sees_one_state(url: str) -> None:
    count = sqlalchemy.text("SELECT count(*) FROM cluster_lock")
    insert = sqlalchemy.text("INSERT INTO cluster_lock VALUES ('c', '', '', 0, '', '', 0, 0)")
    with open_database(url, Retry(attempts=1)) as writer, open_database(url, Retry(attempts=1)) as reader:

        def write_while_somebody_reads(connection: sqlalchemy.Connection) -> None:
            connection.execute(insert)
            assert reader.read(lambda other: other.execute(count).scalar()) == 0

        def read_while_somebody_writes(connection: sqlalchemy.Connection) -> list[object]:
            before = connection.execute(count).scalar()
            writer.transaction(lambda other: other.execute(sqlalchemy.text("DELETE FROM cluster_lock")))
            return [before, connection.execute(count).scalar()]

        writer.transaction(write_while_somebody_reads)
        assert reader.read(read_while_somebody_writes) == [1, 1]
        assert reader.read(lambda connection: connection.execute(count).scalar()) == 0


def test_a_file_is_written_to_the_disk_before_a_transaction_is_over(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path}/state.db") as database:
        for setting, value in (("journal_mode", "wal"), ("synchronous", 2), ("busy_timeout", 10_000)):
            read = sqlalchemy.text(f"PRAGMA {setting}")
            assert database.read(lambda connection: connection.execute(read).scalar()) == value  # noqa: B023


def collided(database: Database, other: Database, times: int) -> list[int]:
    """How often work was done that collided so many times with another."""
    write = sqlalchemy.text("UPDATE capacity_turn SET number = number + 1")
    tries: list[int] = []

    def work(connection: sqlalchemy.Connection) -> None:
        tries.append(len(tries) + 1)
        connection.execute(sqlalchemy.text("SELECT number FROM capacity_turn")).all()
        if len(tries) <= times:
            other.transaction(lambda others: others.execute(write))
        # What was read is not true any more: on SQLite this fails at once.
        connection.execute(write)

    database.read(work)
    return tries


@pytest.mark.parametrize(
    ("times", "naps"), [(0, []), (1, [0.5]), (3, [0.5, 1.0, 1.5]), (4, [0.5, 1.0, 1.5, 1.5])]
)
def test_a_collision_is_tried_again_after_pauses_that_grow_up_to_a_limit(
    tmp_path: Path, times: int, naps: list[float]
) -> None:
    slept: list[float] = []
    retry = Retry(attempts=5, first_seconds=1, most_seconds=3, sleep=slept.append, rng=lambda: 0.5)
    url = f"sqlite:///{tmp_path}/state.db"
    with open_database(url, retry) as database, open_database(url, Retry(attempts=1)) as other:
        assert len(collided(database, other, times)) == times + 1
    assert slept == naps


def test_the_last_collision_is_an_error_and_is_not_slept_over(tmp_path: Path) -> None:
    slept: list[float] = []
    retry = Retry(attempts=3, first_seconds=1, most_seconds=3, sleep=slept.append, rng=lambda: 1)
    url = f"sqlite:///{tmp_path}/state.db"
    with open_database(url, retry) as database, open_database(url, Retry(attempts=1)) as other:
        with pytest.raises(
            StateBusy, match=r"it conflicted with other transactions 3 times\. Try again later"
        ):
            collided(database, other, 99)
        # Nothing is left of what failed, and nothing waits for it.
        assert len(collided(database, other, 0)) == 1
    assert slept == [1, 2]


def test_what_no_repetition_mends_is_not_tried_again(tmp_path: Path) -> None:
    slept: list[float] = []
    nowhere = sqlalchemy.text("SELECT * FROM nowhere")
    with (
        open_database(f"sqlite:///{tmp_path}/state.db", Retry(sleep=slept.append)) as database,
        pytest.raises(StateUnavailable, match=r"no such table: nowhere"),
    ):
        database.transaction(lambda connection: connection.execute(nowhere))
    assert slept == []


@pytest.mark.parametrize("version", range(1, len(VERSIONS) + 1))
def test_tables_of_every_version_are_brought_to_the_newest(tmp_path: Path, version: int) -> None:
    with sqlite3.connect(tmp_path / "state.db") as old:
        old.execute("CREATE TABLE evenkeel_schema (version INTEGER NOT NULL)")
        old.execute("INSERT INTO evenkeel_schema VALUES (?)", (version,))
        for statements in VERSIONS[:version]:
            for statement in statements:
                old.execute(statement)
        old.execute(
            "INSERT INTO migration_history (cluster, guest, ended_at, source, target, result, why)"
            " VALUES ('c', 'g', 't', 'a', 'b', 'migrated', '')"
        )
    for _ in range(2):
        with open_database(f"sqlite:///{tmp_path}/state.db") as database:
            assert database.transaction(columns) == {
                table.name: {(column.name, bool(column.nullable)) for column in table.columns}
                for table in METADATA.tables.values()
            }
            found = sqlalchemy.text("SELECT version FROM evenkeel_schema")
            assert database.read(lambda c: c.execute(found).all()) == [(len(VERSIONS),)]  # noqa: B023
            kept = sqlalchemy.text("SELECT guest FROM migration_history")
            assert database.read(lambda c: c.execute(kept).all()) == [("g",)]  # noqa: B023


def test_a_library_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, fits in (("1.4.54", False), ("2.0.0", True), ("10.1", True)):
        monkeypatch.setattr(library, "sa", SimpleNamespace(__version__=version))
        if fits:
            library.require()
        else:
            with pytest.raises(StateLibraryMissing, match=r"SQLAlchemy 1\.4\.54 is too old, version 2 is"):
                library.require()


@pytest.mark.parametrize("url", ["sqlite://host/state.db", "sqlite://u:s3cret@host/state.db"])
def test_a_url_of_sqlite_names_no_server(url: str) -> None:
    with pytest.raises(StateError, match="a URL of SQLite names a file") as refused:
        open_database(url)
    assert "s3cret" not in str(refused.value)


def test_options_of_a_url_are_no_part_of_its_file() -> None:
    assert sqlite_file("sqlite:////var/lib/state.db?timeout=5") == Path("/var/lib/state.db")
    assert sqlite_file("sqlite+pysqlite:////var/lib/state.db") == Path("/var/lib/state.db")
    assert sqlite_file("/var/lib/state.db") is None
