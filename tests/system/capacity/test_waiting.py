# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting, coming too late, and being killed: with real processes on real databases."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.errors import (
    Impossible,
    LeaseDiffers,
    LeaseNotHeld,
    NotFulfilled,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.expire_and_grant import (
    expire_and_grant,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.lease import Lease
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.leases import (
    HEARTBEAT_SECONDS,
    Requester,
    release,
    request_lease,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.transaction import (
    read_transaction,
    write_transaction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.wait_for_lease import (
    WaitOptions,
    wait_for_lease,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import (
    Database,
    Retry,
    open_database,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.errors import StateUnavailable
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import process, this_process
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS
from ansible_collections.evenkeel.cluster.tests.support.postgresql import PostgreSQL
from ansible_collections.evenkeel.cluster.tests.system.capacity.shared import (
    describe,
    get,
    give_back,
    pass_time,
    pool,
    request,
)

PACKAGE = "ansible_collections.evenkeel.cluster"
# Asks for a lease of so many vCPUs, waits for it, says that it has it, and stays.
ASKS = f"""
import os, sys, time
from {PACKAGE}.plugins.module_utils._capacity.leases import Requester
from {PACKAGE}.plugins.module_utils._capacity.request import Request
from {PACKAGE}.plugins.module_utils._capacity.wait_for_lease import WaitOptions, wait_for_lease
from {PACKAGE}.plugins.module_utils._state.database import open_database
from {PACKAGE}.plugins.module_utils._state.owner import process, this_process
url, name, vcpus, holds = sys.argv[1:]
requester = Requester(waiter=this_process(), holder=process(os.getpid()) if holds else None)
with open_database(url) as database:
    options = WaitOptions(wait=900, poll=0.1)
    obtained = wait_for_lease(database, name, Request(vcpus=int(vcpus)), requester, options)
    print(obtained.after.phase, flush=True)
    time.sleep(900)
"""


@contextmanager
def another(url: str, name: str, vcpus: int, *, holds: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Another process that asks, waits and stays."""
    started = subprocess.Popen(
        [sys.executable, "-c", ASKS, url, name, str(vcpus), "yes" if holds else ""],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def eventually(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert process.poll() is None, "it ended before its moment came"
        assert time.monotonic() < until
        time.sleep(0.02)


def phase(database: Database, name: str) -> str | None:
    found = read_transaction(database, lambda books: books.last(name))
    return None if found is None else found.phase


def last(database: Database, name: str) -> Lease:
    found = read_transaction(database, lambda books: books.last(name))
    assert found is not None
    return found


def kill(started: subprocess.Popen[str]) -> None:
    started.kill()
    started.wait()


@pytest.fixture
def one_pool(database: Database) -> Database:
    describe(database, pool("a"))
    return database


def test_whoever_waits_gets_it_when_it_is_given_back(url: str, one_pool: Database) -> None:
    get(one_pool, "first", vcpus=8)
    with another(url, "second", 8) as started:
        eventually(lambda: phase(one_pool, "second") == "Pending", started)
        give_back(one_pool, "first")
        assert started.stdout is not None
        assert started.stdout.readline() == "Fulfilled\n"
    lease = last(one_pool, "second")
    assert (lease.place_until, lease.waiter) == (None, None)


def test_the_place_of_a_killed_process_is_lost_at_once(url: str, one_pool: Database) -> None:
    get(one_pool, "first", vcpus=8)
    with another(url, "second", 10) as started:
        eventually(lambda: phase(one_pool, "second") == "Pending", started)
        with pytest.raises(NotFulfilled, match="the free capacity is kept for 1 request ahead of it"):
            get(one_pool, "third", vcpus=2)
        kill(started)
        assert get(one_pool, "third", vcpus=2).phase == "Fulfilled"
    lease = last(one_pool, "second")
    assert lease.end_cause == "lapsed"
    assert lease.reason.startswith(f"Its place in the queue lapsed, because process {started.pid} on ")


def test_the_place_of_a_killed_process_elsewhere_lapses(one_pool: Database) -> None:
    get(one_pool, "first", vcpus=8)
    far = Requester(waiter=replace(this_process(), place="another machine", pid=2**22 + 1))
    write_transaction(one_pool, lambda books: request_lease(books, "second", request(vcpus=10), far))
    pass_time(one_pool, HEARTBEAT_SECONDS - 5)
    with pytest.raises(NotFulfilled):
        get(one_pool, "third", vcpus=2)
    pass_time(one_pool, 6)
    assert get(one_pool, "third", vcpus=2).phase == "Fulfilled"
    assert phase(one_pool, "second") == "Failed"


def test_what_a_killed_process_was_given_goes_to_the_next(url: str, one_pool: Database) -> None:
    """It is killed between its last look and the moment that it is served."""
    get(one_pool, "first", vcpus=8)
    with another(url, "second", 10) as started:
        eventually(lambda: phase(one_pool, "second") == "Pending", started)
        kill(started)
        give_back(one_pool, "first")
        assert phase(one_pool, "second") == "Fulfilled"
        assert get(one_pool, "third", vcpus=10).phase == "Fulfilled"
    lease = last(one_pool, "second")
    assert lease.end_cause == "unclaimed"
    assert lease.reason.startswith(f"Granted, but not claimed, because process {started.pid} on ")


def test_what_nobody_comes_for_elsewhere_goes_to_the_next(one_pool: Database) -> None:
    get(one_pool, "first", vcpus=8)
    far = Requester(waiter=replace(this_process(), place="another machine"))
    write_transaction(one_pool, lambda books: request_lease(books, "second", request(vcpus=10), far))
    give_back(one_pool, "first")
    assert phase(one_pool, "second") == "Fulfilled"
    pass_time(one_pool, HEARTBEAT_SECONDS + 1)
    assert get(one_pool, "third", vcpus=10).phase == "Fulfilled"
    assert phase(one_pool, "second") == "Released"


def test_the_lease_of_a_killed_owner_goes_to_who_needs_it(url: str, one_pool: Database) -> None:
    with another(url, "first", 8, holds=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "Fulfilled\n"
        with pytest.raises(NotFulfilled):
            get(one_pool, "second", vcpus=8)
        kill(started)
        assert get(one_pool, "second", vcpus=8).phase == "Fulfilled"
    lease = last(one_pool, "first")
    assert lease.end_cause == "owner gone"
    assert lease.reason.startswith(f"The owner of the lease, process {started.pid} on ")


def test_a_name_whose_owner_was_killed_is_free_and_of_one_that_lives_it_is_not(
    url: str, one_pool: Database
) -> None:
    asker = Requester(waiter=this_process(), holder=process(1))
    with another(url, "mine", 8, holds=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "Fulfilled\n"
        before = last(one_pool, "mine").id
        with pytest.raises(LeaseDiffers, match=f"it belongs to process {started.pid} on "):
            wait_for_lease(one_pool, "mine", request(vcpus=8), asker, WaitOptions())
        kill(started)
        lease = wait_for_lease(one_pool, "mine", request(vcpus=8), asker, WaitOptions()).after
    assert lease.id != before
    assert lease.holder == asker.holder


def test_the_lifetime_begins_when_somebody_has_it(one_pool: Database) -> None:
    get(one_pool, "first", vcpus=8)
    get(one_pool, "second", WaitOptions(keep=3600), vcpus=8, lifetime=60)
    give_back(one_pool, "first")
    pass_time(one_pool, 30)
    lease = get(one_pool, "second", vcpus=8, lifetime=60)
    assert lease.phase == "Fulfilled"
    assert lease.until is not None
    assert lease.granted_at is not None
    assert lease.until - lease.granted_at > 85


class Hours:
    """A clock that only runs while somebody sleeps, and something that happens meanwhile."""

    def __init__(self, meanwhile: Callable[[], Any] = lambda: None) -> None:
        self.now = 0.0
        self.naps = 0
        self._meanwhile = meanwhile

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.naps += 1
        if self.naps == 2:
            self._meanwhile()

    def patience(self, wait: float = 20, keep: float = 0) -> WaitOptions:
        return WaitOptions(
            wait=wait, keep=keep, sleep=self.sleep, monotonic=lambda: self.now, rng=lambda: 0.5
        )


def test_when_the_time_is_over_the_place_is_given_up(one_pool: Database) -> None:
    get(one_pool, "first", vcpus=8)
    hours = Hours()
    with pytest.raises(NotFulfilled, match="Not fulfilled within 20 s, at position 1 of the queue"):
        get(one_pool, "second", hours.patience(), vcpus=8)
    assert hours.now == 20
    assert phase(one_pool, "second") == "Failed"
    assert get(one_pool, "third", vcpus=2).phase == "Fulfilled"


def test_or_kept_for_who_asks_again(one_pool: Database) -> None:
    get(one_pool, "first", vcpus=8)
    waiting = get(one_pool, "second", Hours().patience(keep=300), vcpus=8)
    assert waiting.phase == "Pending"
    pass_time(one_pool, 200)
    get(one_pool, "third", WaitOptions(keep=300), vcpus=8)
    give_back(one_pool, "first")
    assert get(one_pool, "second", vcpus=8).id == waiting.id
    assert phase(one_pool, "third") == "Pending"


def test_what_is_given_back_in_the_last_moment_is_still_had(one_pool: Database) -> None:
    get(one_pool, "first", vcpus=8)
    hours = Hours(lambda: give_back(one_pool, "first"))
    assert get(one_pool, "second", hours.patience(wait=2), vcpus=8).phase == "Fulfilled"


def test_what_is_over_meanwhile_is_noticed_by_who_waits(one_pool: Database) -> None:
    get(one_pool, "first", vcpus=8, lifetime=3600)
    hours = Hours(lambda: pass_time(one_pool, 3601 - HEARTBEAT_SECONDS / 2))
    # Its own place has not lapsed: time passes for it as well.
    pass_time(one_pool, HEARTBEAT_SECONDS / 2)
    with pytest.raises(NotFulfilled):
        get(one_pool, "second", Hours().patience(wait=5), vcpus=8)
    assert get(one_pool, "third", hours.patience(wait=5), vcpus=8).phase == "Fulfilled"
    assert phase(one_pool, "first") == "Released"


@pytest.mark.parametrize("somebody", [False, True])
def test_whoever_overslept_begins_again(one_pool: Database, somebody: bool) -> None:
    """A laptop was shut, a database was away: the place lapsed, and perhaps nothing is remembered of it."""
    get(one_pool, "first", vcpus=8)

    def oversleep() -> None:
        pass_time(one_pool, HEARTBEAT_SECONDS + 1)
        write_transaction(one_pool, expire_and_grant)
        assert phase(one_pool, "second") == "Failed"
        if somebody:
            get(one_pool, "second", WaitOptions(keep=3600), vcpus=8)
        give_back(one_pool, "first")

    lease = get(one_pool, "second", Hours(oversleep).patience(), vcpus=8)
    assert lease.phase == "Fulfilled"


def test_withdrawn_meanwhile(one_pool: Database) -> None:
    get(one_pool, "first", vcpus=8)
    withdraw = Hours(lambda: write_transaction(one_pool, lambda books: release(books, "second", None)))
    with pytest.raises(
        LeaseNotHeld, match="ended while this task waited for it: Withdrawn from the queue by"
    ):
        get(one_pool, "second", withdraw.patience(), vcpus=8)


def test_impossible_meanwhile(one_pool: Database) -> None:
    get(one_pool, "first", vcpus=3)
    shrink = Hours(lambda: describe(one_pool, pool("a", {"vcpus": 4})))
    with pytest.raises(Impossible, match="no pool is large enough for 8 vCPUs: 0 of 1 pools fit: 1 vcpus"):
        get(one_pool, "second", shrink.patience(), vcpus=8)
    assert phase(one_pool, "second") == "Failed"


def test_a_database_that_is_away_for_a_while_costs_nothing(postgresql: PostgreSQL) -> None:
    url = postgresql.new_database()
    with open_database(url, Retry(attempts=2, most_seconds=0.1)) as database:
        describe(database, pool("a"))
        get(database, "first", vcpus=8)

        def interrupt() -> None:
            postgresql.stop()

        class Interrupted(Hours):
            def sleep(self, seconds: float) -> None:
                super().sleep(seconds)
                if self.naps == 4:
                    postgresql.start()
                    give_back(database, "first")

        hours = Interrupted(interrupt)
        lease = get(database, "second", hours.patience(), vcpus=8)
        assert (lease.phase, hours.naps >= 4) == ("Fulfilled", True)

        postgresql.stop()
        try:
            with pytest.raises(StateUnavailable):
                get(database, "third", Hours().patience(), vcpus=8)
        finally:
            postgresql.start()


def test_a_dry_run_leaves_nothing(one_pool: Database) -> None:
    asker = Requester(waiter=this_process())
    would = wait_for_lease(one_pool, "first", request(vcpus=8), asker, WaitOptions(), dry=True)
    assert (would.before, would.after.phase) == (None, "Fulfilled")
    assert [one.name for one in would.after.pools] == ["a"]
    get(one_pool, "other", vcpus=8)
    would = wait_for_lease(one_pool, "first", request(vcpus=8), asker, WaitOptions(wait=1e9), dry=True)
    assert would.after.phase == "Pending"
    with pytest.raises(NotFulfilled):
        wait_for_lease(one_pool, "first", request(vcpus=8), asker, WaitOptions(), dry=True)
    assert read_transaction(one_pool, lambda books: [lease.name for lease in books.leases()]) == ["other"]
