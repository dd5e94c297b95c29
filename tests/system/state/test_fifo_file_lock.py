# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks first has the SQLite file first; whoever is killed or stuck holds nobody up for ever."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy

from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.errors import StateUnavailable
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.fifo_file_lock import FifoFileLock
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS


def eventually(true: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < until
        time.sleep(0.002)


def waiting(path: Path) -> int:
    """How many wait for the lock of a file, as the kernel has it."""
    return len(_waits(path))


def waiting_for(path: Path, first: int) -> int:
    """How many wait for bytes of it from this one on."""
    return sum(int(wait[-2]) == first for wait in _waits(path))


def _waits(path: Path) -> list[list[str]]:
    inode = str(path.stat().st_ino)
    lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    return [line.split() for line in lines if "->" in line and line.split()[-3].endswith(f":{inode}")]


def in_a_process(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def test_in_the_order_of_asking(tmp_path: Path) -> None:
    turnstile = FifoFileLock(tmp_path / "state.db", 60)
    order = tmp_path / "order"
    order.touch()

    def ask(number: int) -> None:
        turn = turnstile.acquire()
        assert turn is not None
        with order.open("a") as stream:
            stream.write(f"{number} ")
        turnstile.release(turn)

    mine = turnstile.acquire()
    pids = []
    for number in range(12):
        pids.append(in_a_process(lambda: ask(number)))  # noqa: B023
        eventually(lambda: waiting(tmp_path / "state.db-turn") == number + 1)  # noqa: B023
    turnstile.release(mine)
    for pid in pids:
        os.waitpid(pid, 0)
    assert order.read_text() == "".join(f"{number} " for number in range(12))


def test_the_turn_of_a_killed_process_is_over(tmp_path: Path) -> None:
    turnstile = FifoFileLock(tmp_path / "state.db", 60)

    def hold() -> None:
        turnstile.acquire()
        (tmp_path / "held").touch()
        time.sleep(60)

    pid = in_a_process(hold)
    eventually((tmp_path / "held").exists)
    os.kill(pid, signal.SIGKILL)
    turn = turnstile.acquire()
    os.waitpid(pid, 0)
    assert turn is not None
    turnstile.release(turn)


def test_nobody_overtakes_whoever_is_slow_to_take_its_turn(tmp_path: Path) -> None:
    turnstile = FifoFileLock(tmp_path / "state.db", 60)
    mine = turnstile.acquire()
    slow = in_a_process(lambda: turnstile.release(turnstile.acquire()))
    eventually(lambda: waiting(tmp_path / "state.db-turn") == 1)
    os.kill(slow, signal.SIGSTOP)
    turnstile.release(mine)
    assert FifoFileLock(tmp_path / "state.db", 0.2).acquire() is None
    os.kill(slow, signal.SIGCONT)
    os.waitpid(slow, 0)
    turn = turnstile.acquire()
    assert turn is not None
    turnstile.release(turn)


def test_who_waited_for_a_killed_one_waits_for_those_before_it(tmp_path: Path) -> None:
    turnstile = FifoFileLock(tmp_path / "state.db", 60)
    path, entered = tmp_path / "state.db-turn", tmp_path / "entered"

    def ask() -> None:
        turn = turnstile.acquire()
        if turn is not None:
            entered.touch()

    mine = turnstile.acquire()
    pids = []
    for number in range(4):
        pids.append(in_a_process(ask))
        eventually(lambda: waiting(path) == number + 1)  # noqa: B023
    for pid in pids[:3]:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    eventually(lambda: waiting_for(path, first=1) == 1)
    assert not entered.exists()
    turnstile.release(mine)
    os.waitpid(pids[3], 0)
    assert entered.exists()


def test_a_file_that_was_spoilt_costs_order_only(tmp_path: Path) -> None:
    turnstile = FifoFileLock(tmp_path / "state.db", 60)
    for spoilt in (b"x", b"\xff" * 8, b"\0" * 8, b"nonsense and more of it"):
        turnstile.release(turnstile.acquire())
        mine = turnstile.acquire()
        assert mine is not None
        (tmp_path / "state.db-turn").write_bytes(spoilt)
        other = FifoFileLock(tmp_path / "state.db", 0.05).acquire()
        turnstile.release(other)
        turnstile.release(mine)
        again = FifoFileLock(tmp_path / "state.db", 60).acquire()
        assert again is not None
        turnstile.release(again)


def test_the_place_of_another_is_waited_for_in_a_file_that_was_spoilt(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    mine = FifoFileLock(path, 60).acquire()
    assert mine is not None
    # The next ticket is the one that is out already.
    path.with_name("state.db-turn").write_bytes(b"\0" * 8)
    entered = tmp_path / "entered"

    def ask() -> None:
        if FifoFileLock(path, 60).acquire() is not None:
            entered.touch()

    pid = in_a_process(ask)
    eventually(lambda: waiting_for(path.with_name("state.db-turn"), first=1) == 1)
    FifoFileLock.release(mine)
    os.waitpid(pid, 0)
    assert entered.exists()


def test_a_child_has_no_part_in_its_parents_turn(tmp_path: Path) -> None:
    turnstile = FifoFileLock(tmp_path / "state.db", 60)
    mine = turnstile.acquire()
    child = in_a_process(lambda: time.sleep(60))
    turnstile.release(mine)
    turn = turnstile.acquire()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert turn is not None
    turnstile.release(turn)


def test_after_one_that_is_stuck_others_go_on_and_leave_nothing_behind(tmp_path: Path) -> None:
    stuck = FifoFileLock(tmp_path / "state.db", 60).acquire()
    assert FifoFileLock(tmp_path / "state.db", 0.05).acquire() is None
    # Whoever gave up still stands in the kernel's row, and hands the turn on at once.
    assert waiting(tmp_path / "state.db-turn") == 1
    FifoFileLock.release(stuck)
    turn = FifoFileLock(tmp_path / "state.db", 60).acquire()
    assert turn is not None
    FifoFileLock.release(turn)


def test_killed_at_any_moment_nobody_holds_others_up_or_is_inside_with_another(tmp_path: Path) -> None:
    turnstile = FifoFileLock(tmp_path / "state.db", 60)
    both = tmp_path / "both"

    def go_round() -> None:
        # Opened before the turn is taken: when it dies, the kernel closes this one first.
        with (tmp_path / "inside").open("a") as inside:
            while True:
                turn = turnstile.acquire()
                try:
                    fcntl.flock(inside, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    both.touch()
                fcntl.flock(inside, fcntl.LOCK_UN)
                turnstile.release(turn)

    rng = random.Random(1)
    pids = [in_a_process(go_round) for _ in range(8)]
    for _ in range(60):
        time.sleep(rng.random() / 100)
        number = rng.randrange(len(pids))
        os.kill(pids[number], signal.SIGKILL)
        os.waitpid(pids[number], 0)
        pids[number] = in_a_process(go_round)
    turn = turnstile.acquire()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert turn is not None
    turnstile.release(turn)
    assert not both.exists()


def test_without_such_locks_nothing_is_lost(tmp_path: Path) -> None:
    # Nobody can open this as a file.
    (tmp_path / "state.db-turn").mkdir()
    url = f"sqlite:///{tmp_path}/state.db"
    count = sqlalchemy.text("UPDATE capacity_turn SET number = number + 1")

    def add() -> None:
        with open_database(url) as database:
            for _ in range(20):
                database.transaction(lambda connection: connection.execute(count))

    with open_database(url) as database:
        assert FifoFileLock(tmp_path / "state.db", 60).acquire() is None
        pids = [in_a_process(add) for _ in range(6)]
        for pid in pids:
            os.waitpid(pid, 0)
        number = sqlalchemy.text("SELECT number FROM capacity_turn")
        assert database.read(lambda connection: connection.execute(number).scalar()) == 120


def test_who_is_stuck_while_taking_a_ticket_holds_others_up_for_their_patience_only(tmp_path: Path) -> None:
    stuck = os.open(tmp_path / "state.db-turn", os.O_RDWR | os.O_CREAT, 0o600)
    first_byte = struct.pack("@hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
    fcntl.fcntl(stuck, fcntl.F_OFD_SETLK, first_byte)
    assert FifoFileLock(tmp_path / "state.db", 0.05).acquire() is None
    os.close(stuck)
    turn = FifoFileLock(tmp_path / "state.db", 60).acquire()
    assert turn is not None
    FifoFileLock.release(turn)


def test_where_there_can_be_no_such_file(tmp_path: Path) -> None:
    assert FifoFileLock(tmp_path / "nowhere" / "state.db", 60).acquire() is None


def test_a_transaction_that_fails_ends_its_turn(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path}/state.db") as database:
        with pytest.raises(StateUnavailable, match="nowhere"):
            database.transaction(lambda c: c.execute(sqlalchemy.text("SELECT * FROM nowhere")))
        turn = FifoFileLock(tmp_path / "state.db", 0.05).acquire()
        assert turn is not None
        FifoFileLock.release(turn)
