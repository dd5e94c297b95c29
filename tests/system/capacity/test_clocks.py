# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases while somebody sets the clock of the machine: nothing is granted twice, nothing is kept for ever."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.errors import NotFulfilled
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.lease import moment
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.leases import (
    Requester,
    heartbeat,
    release,
    request_lease,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.transaction import (
    read_transaction,
    write_transaction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import Database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.tests.support.set_clock import Machine, SetClock

from .shared import describe, get, pool, request

HOUR = 3600.0
# Asked of a program for which the clock can be set; each line that it reads is a step.
PROGRAM = """
import sys, time
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.errors import NotFulfilled
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store import transaction
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.locks import Lock, holder
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.tests.system.capacity.shared import describe, get, pool

database = open_database(sys.argv[1])
describe(database, pool("a"))
lease = get(database, "mine", vcpus=10, lifetime=900)
assert Lock(database, "c", this_process(), 120).acquire() is None
for line in sys.stdin:
    try:
        get(database, "other", vcpus=1)
    except NotFulfilled:
        other = "refused"
    else:
        other = "granted"
    phase = transaction.read_transaction(database, lambda books: books.last("mine").phase)
    renewed = get(database, "mine", vcpus=10, lifetime=900).number == lease.number
    print(other, phase, renewed, holder(database, "c") is not None, round(time.time()), flush=True)
"""


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def file(machine: Machine, tmp_path: Path) -> Iterator[Database]:
    with machine.database(tmp_path) as database:
        describe(database, pool("a"))
        yield database


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_lease_lasts_as_long_as_it_was_asked_for(file: Database, machine: Machine, jump: float) -> None:
    get(file, "first", vcpus=10, lifetime=600)
    machine.wall += jump
    machine.passes(399)
    with pytest.raises(NotFulfilled):
        get(file, "second", vcpus=10)
    # However the clock is set, it is over after twice its time.
    machine.passes(802)
    assert get(file, "second", vcpus=10).phase == "Fulfilled"


def test_a_place_in_the_queue_is_kept(file: Database, machine: Machine) -> None:
    get(file, "first", vcpus=10, lifetime=86_400)
    far = Requester(waiter=replace(this_process(), place="another machine"))
    second = write_transaction(file, lambda books: request_lease(books, "second", request(vcpus=10), far))
    for jump in (HOUR, -HOUR, HOUR):
        machine.wall += jump
        # As often as a sign of life comes.
        machine.passes(40)
        with pytest.raises(NotFulfilled):
            get(file, "third", vcpus=10)
        found = read_transaction(file, lambda books: books.find(second.id))
        assert found is not None
        assert found.phase == "Pending"
        write_transaction(file, lambda books: heartbeat(books, found, far))  # noqa: B023
    write_transaction(file, lambda books: release(books, "first", None))
    last = read_transaction(file, lambda books: books.last("second"))
    assert last is not None
    assert (last.id, last.phase) == (second.id, "Fulfilled")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_a_program_whose_clock_is_set(tmp_path: Path, zone: str) -> None:
    clock = SetClock(tmp_path / "clock")
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, f"sqlite:///{tmp_path}/state.db"],
        env={**clock.environment, "TZ": zone},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        shown = []
        for jump in (0, HOUR, -HOUR, 3 * HOUR, 0):
            clock.set(jump)
            program.stdin.write("\n")
            program.stdin.flush()
            *found, wall = program.stdout.readline().split()
            assert found == ["refused", "Fulfilled", "True", "True"]
            shown.append(int(wall) - jump)
        _out, said = program.communicate()
        assert (program.returncode, said) == (0, "")
    # The clock was really set.
    assert shown == sorted(shown)


def test_moments_know_no_summer_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two moments an hour apart have the same time of day in Berlin, and are told apart."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    before = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()
    assert moment(before) == "2026-10-25T00:30:00Z"
    assert moment(before + HOUR) == "2026-10-25T01:30:00Z"
