# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Never two at once on a cluster, and never nobody for long: with real processes on real databases."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy

from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import (
    Database,
    Retry,
    open_database,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.errors import LockHeld, LockLost
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.locks import (
    Holding,
    Lock,
    cluster_lock,
    holder,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import (
    Owner,
    is_gone,
    owner_of,
    owner_text,
    process,
    this_process,
)
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.postgresql import PostgreSQL

PACKAGE = "ansible_collections.evenkeel.cluster"
HOLD = f"""
import sys, time
from {PACKAGE}.plugins.module_utils._state.database import open_database
from {PACKAGE}.plugins.module_utils._state.locks import cluster_lock
from {PACKAGE}.plugins.module_utils._state.owner import this_process
from dataclasses import replace
owner = replace(this_process(), place=sys.argv[2]) if sys.argv[2] else this_process()
with open_database(sys.argv[1]) as database, cluster_lock(database, "c", owner, seconds=float(sys.argv[3])):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def holding(url: str, *, place: str = "", seconds: float = 60) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lock; it says that it runs at another place when one is given."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, url, place, str(seconds)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("killed", [0, 4])
def test_of_twenty_that_fight_never_two_have_it(url: str, killed: int, tmp_path: Path) -> None:
    folder = tmp_path / "fight"
    folder.mkdir()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            f"{PACKAGE}.tests.system.state.contenders",
            url,
            folder,
            "20",
            "3",
            str(killed),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.stderr == ""
    result = json.loads(done.stdout)
    assert result["two_at_once"] == []
    assert result["codes"] == [-9] * killed + [0] * (20 - killed)
    assert result["turns"] == [3] * (20 - killed)


def test_whoever_is_refused_learns_who_has_it_and_until_when(url: str, database: Database) -> None:
    with holding(url) as process:
        with pytest.raises(LockHeld) as refused, cluster_lock(database, "c", this_process()):
            pass
        now = holder(database, "c")
    assert now is not None
    assert now.owner.pid == process.pid
    assert f"process {process.pid} on {now.owner.host}, since 20" in str(refused.value)
    assert 0 < now.until - time.time() <= 60


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_clock_that_jumps(url: str, database: Database, jump: int) -> None:
    """Forward, and whoever has the lock and is alive keeps it; back, and what runs out is free as ever."""

    def leap(seconds: float) -> None:
        statement = f"UPDATE cluster_lock SET since = since - ({seconds}), until = until - ({seconds})"
        database.transaction(lambda connection: connection.execute(sqlalchemy.text(statement)))

    with holding(url):
        leap(jump)
        assert holder(database, "c") is not None
        with pytest.raises(LockHeld), cluster_lock(database, "c", this_process()):
            pass
    with holding(url, seconds=0.05):
        leap(jump)
        with cluster_lock(database, "c", this_process(), wait=PATIENCE_SECONDS):
            pass
    # Elsewhere only the clock of the database is the same for all.
    with holding(url, place="another machine"):
        leap(3600)
        assert holder(database, "c") is None


def test_clusters_have_locks_of_their_own(url: str, database: Database) -> None:
    with holding(url), cluster_lock(database, "d", this_process()):
        assert holder(database, "d") is not None


def test_it_is_free_when_given_back(database: Database) -> None:
    for _ in range(2):
        with cluster_lock(database, "c", this_process()):
            assert holder(database, "c") is not None
        assert holder(database, "c") is None


def test_whoever_waits_gets_it_when_it_is_given_back(url: str, database: Database) -> None:
    with ExitStack() as held:
        other = held.enter_context(open_database(url))
        held.enter_context(cluster_lock(other, "c", this_process()))
        naps: list[float] = []

        def nap(seconds: float) -> None:
            naps.append(seconds)
            held.close()

        with cluster_lock(database, "c", this_process(), wait=30, sleep=nap):
            assert len(naps) == 1


def test_of_a_killed_process_here_it_is_taken_at_once(url: str, database: Database) -> None:
    with holding(url, seconds=3600) as process:
        process.kill()
        process.wait()
        with cluster_lock(database, "c", this_process()):
            pass


def test_of_a_killed_process_elsewhere_it_is_taken_when_it_has_run_out(url: str, database: Database) -> None:
    with holding(url, place="another machine", seconds=2) as process:
        process.kill()
        process.wait()
        with pytest.raises(LockHeld), cluster_lock(database, "c", this_process()):
            pass
        run_out: list[bool] = []

        def nap(seconds: float) -> None:
            run_out.append(holder(database, "c") is None)
            time.sleep(seconds / 10)

        with cluster_lock(database, "c", this_process(), wait=60, sleep=nap):
            # It may run out between a look and the nap after it; the next look takes it.
            assert sum(run_out) <= 1


def test_a_living_process_elsewhere_keeps_what_it_renews(database: Database) -> None:
    owner = replace(this_process(), place="another machine", pid=1)
    with cluster_lock(database, "c", owner, seconds=2) as lock:
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            time.sleep(0.1)
            lock.renew_if_due()
            with pytest.raises(LockHeld), cluster_lock(database, "c", this_process()):
                pass


def test_whoever_overslept_is_told_and_takes_nothing_back(url: str, database: Database) -> None:
    late = Lock(database, "c", replace(this_process(), place="another machine"), seconds=0.2)
    assert late.acquire() is None
    time.sleep(0.3)
    with open_database(url) as other, cluster_lock(other, "c", this_process()) as lock:
        with pytest.raises(LockLost, match=f"taken over by process {lock.owner.pid} on"):
            late.renew_if_due()
        late.release()
        now = holder(other, "c")
        assert now is not None
        assert now.owner == lock.owner


def test_what_has_run_out_and_was_not_taken_goes_on(database: Database) -> None:
    over = map(
        sqlalchemy.text,
        ("UPDATE cluster_lock SET until = 0", "UPDATE cluster_lock_alive SET alive_until = 0"),
    )
    with cluster_lock(database, "c", this_process()) as lock:
        database.transaction(lambda connection: [connection.execute(one) for one in over])
        assert holder(database, "c") is None
        lock.renew()
        assert holder(database, "c") is not None


def test_a_database_that_is_away_for_a_while_costs_nothing_but_one_that_stays_away_the_lock(
    postgresql: PostgreSQL,
) -> None:
    hours = [0.0]
    url = postgresql.new_database()
    with open_database(url, Retry(attempts=2, most_seconds=0.1)) as database:
        lock = Lock(database, "c", this_process(), seconds=60, monotonic=lambda: hours[0])
        assert lock.acquire() is None
        postgresql.stop()
        try:
            hours[0] = 30.0
            lock.renew_if_due()
            hours[0] = 50.0
            with pytest.raises(LockLost, match="The lock could not be renewed in time"):
                lock.renew_if_due()
        finally:
            postgresql.start()
        hours[0] = 55.0
        lock.renew_if_due()
        lock.release()


def test_a_pid_that_another_process_has_now_is_no_sign_of_life() -> None:
    me = this_process()
    assert not is_gone(me)
    assert is_gone(replace(me, started_at="1"))
    assert is_gone(replace(me, pid=2**22 + 1))
    assert not is_gone(replace(me, pid=2**22 + 1, place="another machine"))
    assert not is_gone(replace(me, pid=2**22 + 1, place=""))


def test_an_owner_has_one_text_which_queries_compare() -> None:
    text = '{"born": "7", "host": "h\\u00e4", "pid": 3, "place": "boot 1", "token": "t"}'
    owner = Owner(host="hä", pid=3, started_at="7", place="boot 1", token="t")
    assert owner_text(owner) == text
    # As rows of before have it, in another order.
    assert owner_of('{"host": "hä", "pid": 3, "born": "7", "place": "boot 1", "token": "t"}') == owner
    assert owner_of(text) == owner
    assert (owner_text(None), owner_of(None)) == (None, None)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    with open_database(f"sqlite:///{tmp_path}/state.db", Retry(attempts=1)) as opened:
        yield opened


class Hours:
    """A clock that a test moves, and that a nap moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.seconds += seconds


def away(database: Database, *, back: bool = False) -> None:
    """The table of locks can't be found, or can be again."""
    names = ("hidden", "cluster_lock") if back else ("cluster_lock", "hidden")
    rename = sqlalchemy.text("ALTER TABLE {} RENAME TO {}".format(*names))
    database.transaction(lambda connection: connection.execute(rename))


def row(database: Database) -> sqlalchemy.Row[tuple[object, ...]]:
    select = sqlalchemy.text("SELECT * FROM cluster_lock NATURAL JOIN cluster_lock_alive")
    return database.transaction(lambda connection: connection.execute(select).one())


@pytest.mark.parametrize(("passed", "renewed"), [(0, False), (19.9, False), (20, True), (59, True)])
def test_it_is_renewed_after_a_third_of_its_time(file: Database, passed: float, renewed: bool) -> None:
    hours = Hours()
    lock = Lock(file, "c", this_process(), 60, hours)
    assert lock.acquire() is None
    assert row(file).alive_until == 1060
    hours.seconds += passed
    lock.renew_if_due()
    assert row(file).alive_until == (1060 + passed if renewed else 1060)


@pytest.mark.parametrize(("passed", "lost"), [(49.9, False), (50, True), (70, True)])
def test_a_lock_that_can_not_be_renewed_is_lost_before_it_ends(
    file: Database, passed: float, lost: bool
) -> None:
    hours = Hours()
    lock = Lock(file, "c", this_process(), 60, hours)
    lock.acquire()
    hours.seconds += 5
    lock.renew()
    away(file)
    hours.seconds += passed
    if lost:
        with pytest.raises(LockLost, match=r"^lock of c: The lock could not be renewed in time: "):
            lock.renew_if_due()
    else:
        lock.renew_if_due()


@pytest.mark.parametrize("renew", [False, True])
def test_a_lock_is_believed_from_before_the_database_was_asked(file: Database, renew: bool) -> None:
    """The database may have written it long before its answer comes: it ends earlier than the answer says."""
    hours = Hours()
    lock = Lock(file, "c", this_process(), 60, hours)
    if renew:
        lock.acquire()

    def slowly(_connection: object) -> None:
        hours.seconds += 25

    sqlalchemy.event.listen(file._engine, "commit", slowly)
    if renew:
        lock.renew()
    else:
        lock.acquire()
    sqlalchemy.event.remove(file._engine, "commit", slowly)
    assert row(file).alive_until == 1060
    away(file)
    hours.seconds = 1050
    with pytest.raises(LockLost):
        lock.renew_if_due()


def test_a_lock_that_is_taken_twice_by_its_owner_is_as_old_as_at_first(file: Database) -> None:
    hours = Hours()
    lock = Lock(file, "c", this_process(), 60, hours)
    lock.acquire()
    first = row(file)
    hours.seconds += 7
    assert lock.acquire() is None
    assert (row(file).since, row(file).alive_until) == (first.since, first.alive_until + 7)
    lock.renew()
    assert row(file).since == first.since


def test_a_lock_that_was_taken_over_is_as_old_as_its_new_owner_has_it(file: Database) -> None:
    gone = replace(this_process(), pid=2**22 + 1)
    assert Lock(file, "c", gone, 60).acquire() is None
    early = sqlalchemy.text("UPDATE cluster_lock SET since = 1")
    file.transaction(lambda connection: connection.execute(early))
    assert holder(file, "c") is None
    owner = this_process()
    assert Lock(file, "c", owner, 60).acquire() is None
    assert row(file).since > 1
    assert row(file).token == owner.token


def test_one_that_was_given_back_is_not_renewed(file: Database) -> None:
    lock = Lock(file, "c", this_process(), 60)
    lock.acquire()
    lock.release()
    with pytest.raises(LockLost, match="The lock was taken over by another run, which has released it since"):
        lock.renew()


@pytest.mark.parametrize(
    ("alive_until", "owner", "place", "over"),
    [
        # Our steady clock alone counts where it is the owner's too.
        (50.0, "here", "here", True),
        (50.1, "here", "here", False),
        # Else that of the database.
        (99.0, "here", "there", True),
        (1.0, "here", "there", True),
        (99.0, "", "", True),
        (None, "here", "here", True),
    ],
)
def test_by_which_clock_it_is_over(alive_until: float | None, owner: str, place: str, over: bool) -> None:
    holding = Holding(owner=replace(this_process(), place=owner), since=0, until=200, alive_until=alive_until)
    assert holding.is_over(200, place, 50) is over
    assert holding.is_over(199.9, place, 50) is (over and alive_until == 50.0)


def test_who_waits_looks_again_at_random_moments_and_at_the_very_end(file: Database) -> None:
    hours = Hours()
    rng = iter([0.0, 0.5, 0.9, 0.9, 0.9, 0.9])
    assert Lock(file, "c", this_process(), 600).acquire() is None
    with (
        pytest.raises(LockHeld, match=r"^cluster prod: Another run is working on this cluster: process "),
        cluster_lock(
            file, "c", this_process(), name="prod", wait=4, sleep=hours.sleep, monotonic=hours,
            rng=lambda: next(rng),
        ),
    ):  # fmt: skip
        pass
    assert hours.naps == pytest.approx([0.5, 1.0, 1.4, 1.1])


def test_who_does_not_wait_looks_once(file: Database) -> None:
    hours = Hours()
    assert Lock(file, "c", this_process(), 600).acquire() is None
    with pytest.raises(LockHeld, match=r"^cluster c: "), cluster_lock(
        file, "c", this_process(), sleep=hours.sleep, monotonic=hours
    ):  # fmt: skip
        pass
    assert hours.naps == []


def test_what_was_done_is_no_failure_where_a_lock_can_not_be_given_back(file: Database) -> None:
    with cluster_lock(file, "c", this_process()):
        away(file)
    away(file, back=True)
    assert holder(file, "c") is not None


def test_who_has_a_lock_is_told_in_words() -> None:
    owner = Owner(host="h1", pid=7, started_at="", place="", token="")
    assert str(Holding(owner=owner, since=0, until=90)) == (
        "process 7 on h1, since 1970-01-01T00:00:00Z, until 1970-01-01T00:01:30Z unless it is renewed"
    )


@pytest.mark.parametrize("pid", [0, -1, 2**31, 2**22 + 1])
def test_there_is_no_such_process(pid: int) -> None:
    assert process(pid) is None


def test_a_process_is_always_the_same_owner_and_is_gone_when_it_waits_to_be_reaped() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = process(child.pid)
    assert found is not None
    assert (found, found.pid, found.token) == (process(child.pid), child.pid, "")
    assert not is_gone(found)
    child.kill()
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_gone(found):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert process(child.pid) is None
    child.communicate()
    assert is_gone(found)


def test_every_owner_is_one_of_its_own() -> None:
    one, two = this_process(), this_process()
    assert one.token != two.token
    assert replace(one, token="") == replace(two, token="")
    assert str(one) == f"process {one.pid} on {one.host}"
