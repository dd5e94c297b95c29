# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clock that does not jump when somebody sets that of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy

from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import now
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.watch import machine_watch
from ansible_collections.evenkeel.cluster.tests.support.set_clock import START, Machine


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_it_follows_at_half_speed(tmp_path: Path, jump: float) -> None:
    machine = Machine()
    with machine.database(tmp_path) as database:
        assert database.transaction(now) == START
        machine.wall += jump
        assert database.transaction(now) == START
        machine.passes(100)
        ahead = 50 if jump > 0 else -50
        for read in (database.read, database.transaction, database.read):
            assert read(now) == START + 100 + ahead
        machine.passes(7100)
        assert database.transaction(now) == machine.wall
        machine.passes(3600)
        assert database.read(now) == machine.wall


def test_every_process_sees_the_same(tmp_path: Path) -> None:
    machine = Machine()
    with machine.database(tmp_path) as one, machine.database(tmp_path) as other:
        one.transaction(now)
        machine.wall += 3600
        machine.passes(10)
        assert one.transaction(now) == START + 15
        machine.passes(10)
        assert other.read(now) == one.read(now) == START + 30


def test_it_is_never_behind_itself(tmp_path: Path) -> None:
    machine = Machine()
    with machine.database(tmp_path) as database:
        last = database.transaction(now)
        for jump in (-3600, 7200, -80_000, 0.01, -0.01):
            machine.wall += jump
            for passed in (0.0, 0.3, 0.9, 2.0, 40.0):
                machine.passes(passed)
                for read in (database.read, database.transaction):
                    assert read(now) >= last
                    last = read(now)


@pytest.mark.parametrize("jump", [86_401.0, -86_401.0])
def test_a_clock_that_was_never_set_is_right_at_once(tmp_path: Path, jump: float) -> None:
    machine = Machine()
    with machine.database(tmp_path) as database:
        database.transaction(now)
        machine.wall += jump
        assert database.transaction(now) == machine.wall


@pytest.mark.parametrize(("boot", "steady"), [("another boot", 5000.0), ("this boot", 10.0), ("", 5000.0)])
def test_where_the_steady_clock_is_another(tmp_path: Path, boot: str, steady: float) -> None:
    machine = Machine()
    with machine.database(tmp_path) as database:
        database.transaction(now)
    machine.steady = steady
    machine.wall += 3600
    with machine.database(tmp_path, boot) as database:
        assert database.transaction(now) == START + 3600


def test_it_is_noted_once_a_second_and_by_who_may_write(tmp_path: Path) -> None:
    machine = Machine()

    def noted(connection: sqlalchemy.Connection) -> list[float]:
        rows = connection.execute(sqlalchemy.text("SELECT steady FROM database_clock"))
        return list(rows.scalars())

    with machine.database(tmp_path) as database:
        database.read(now)
        assert database.read(noted) == []
        for passed, expected in ((0.0, 1000.0), (0.75, 1000.0), (0.25, 1001.0)):
            machine.passes(passed)
            database.transaction(now)
            assert database.read(noted) == [expected]


def test_of_this_machine() -> None:
    watch = machine_watch()
    first, second = watch.steady(), watch.steady()
    assert first <= second
    assert watch.boot == machine_watch().boot
