# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks first has the SQLite file first; whoever is killed or stuck holds nobody up for ever."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy

from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.errors import StateUnavailable
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.turnstile import Turnstile


def eventually(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until
        time.sleep(0.002)


def waiting(path: Path) -> int:
    """How many wait for the lock of a file, as the kernel has it."""
    inode = str(path.stat().st_ino)
    lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    return sum("->" in line and line.split()[-3].endswith(f":{inode}") for line in lines)


def in_a_process(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def test_in_the_order_of_asking(tmp_path: Path) -> None:
    turnstile = Turnstile(tmp_path / "state.db", 60)
    order = tmp_path / "order"
    order.touch()

    def ask(number: int) -> None:
        # A child has its parent's files, and its turn with them.
        turnstile.leave(mine)
        turn = turnstile.enter()
        assert turn is not None
        with order.open("a") as stream:
            stream.write(f"{number} ")
        turnstile.leave(turn)

    mine = turnstile.enter()
    pids = []
    for number in range(12):
        pids.append(in_a_process(lambda: ask(number)))  # noqa: B023
        eventually(lambda: waiting(tmp_path / "state.db-turn") == number + 1)  # noqa: B023
    turnstile.leave(mine)
    for pid in pids:
        os.waitpid(pid, 0)
    assert order.read_text() == "".join(f"{number} " for number in range(12))


def test_the_turn_of_a_killed_process_is_over(tmp_path: Path) -> None:
    turnstile = Turnstile(tmp_path / "state.db", 60)

    def hold() -> None:
        turnstile.enter()
        (tmp_path / "held").touch()
        time.sleep(60)

    pid = in_a_process(hold)
    eventually((tmp_path / "held").exists)
    os.kill(pid, signal.SIGKILL)
    turn = turnstile.enter()
    os.waitpid(pid, 0)
    assert turn is not None
    turnstile.leave(turn)


def test_after_one_that_is_stuck_others_go_on_and_leave_nothing_behind(tmp_path: Path) -> None:
    stuck = Turnstile(tmp_path / "state.db", 60).enter()
    assert Turnstile(tmp_path / "state.db", 0.05).enter() is None
    # Whoever gave up still stands in the kernel's row, and hands the turn on at once.
    assert waiting(tmp_path / "state.db-turn") == 1
    Turnstile.leave(stuck)
    turn = Turnstile(tmp_path / "state.db", 60).enter()
    assert turn is not None
    Turnstile.leave(turn)


def test_where_there_can_be_no_such_file(tmp_path: Path) -> None:
    assert Turnstile(tmp_path / "nowhere" / "state.db", 60).enter() is None


def test_a_transaction_that_fails_ends_its_turn(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path}/state.db") as database:
        with pytest.raises(StateUnavailable, match="nowhere"):
            database.transaction(lambda c: c.execute(sqlalchemy.text("SELECT * FROM nowhere")))
        turn = Turnstile(tmp_path / "state.db", 0.05).enter()
        assert turn is not None
        Turnstile.leave(turn)
