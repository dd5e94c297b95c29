# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""First come, first served before a SQLite file.

SQLite lets those who wait for a file try again and again, and whoever tries at the right moment wins: among
many, some wait very long. A plain lock of a file beside it would not fix that, for whoever asks in the
moment between the end of one and the waking of the next overtakes all who wait. So everybody takes a ticket,
the next number, and locks the byte of that number in the file; whoever has ticket n waits until nobody has a
lock on the bytes before it. The kernel takes the locks of a process away when it dies, wherever that is, and
those behind it move up. It keeps order only; that transactions never overlap is SQLite's own doing.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import threading
from contextlib import suppress
from pathlib import Path

# The number of the last ticket is at the start of the file, and the lock of byte 0 is for who takes the next.
_COUNTER = struct.Struct("<Q")
_MOST = 2**62
# Numbers of Linux' fcntl.h for locks of an open file. A Python that was built with old headers, such as
# those that uv installs, has no names for them.
_OFD_SETLK = 37
_OFD_SETLKW = 38
# As the kernel has a lock: kind, from where counted, first byte, how many of them, process.
_LOCK = struct.Struct("@hhqqi4x")


class FifoFileLock:
    """The way to one SQLite file."""

    def __init__(self, database: Path, patience: float) -> None:
        self._path = database.with_name(f"{database.name}-turn")
        self._patience = patience

    def acquire(self) -> int | None:
        """Waits for the turn and returns the argument of `leave`. None where there are no such locks, or
        where others have held it for longer than the patience lasts: then go on without.
        """
        # Locks of an open file, which threads have apart from each other, are Linux' own so far.
        if sys.platform != "linux":
            return None
        try:
            turn = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return None
        try:
            place = _Place(turn)
            if place.is_next():
                return turn
        except OSError:
            os.close(turn)
            return None
        return turn if _Wait(turn, place).won(self._patience) else None

    @staticmethod
    def release(turn: int | None) -> None:
        if turn is not None:
            with suppress(OSError):
                # A process that was forked in between has the file open, too, and keeps what is only closed.
                _lock(turn, fcntl.F_UNLCK, 0, 0, wait=False)
            with suppress(OSError):
                os.close(turn)


class _Place:
    """A place in the line."""

    def __init__(self, turn: int) -> None:
        self._turn = turn
        self._ticket: int | None = None

    def is_next(self) -> bool:
        """Take a ticket, unless somebody is just taking one. Whether nobody is before it."""
        try:
            ticket = self._take_ticket(wait=False)
            self._wait_for_those_before(ticket, wait=False)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def wait(self) -> None:
        """Until nobody is before it."""
        ticket = self._take_ticket(wait=True) if self._ticket is None else self._ticket
        self._wait_for_those_before(ticket, wait=True)

    def _take_ticket(self, *, wait: bool) -> int:
        _lock(self._turn, fcntl.F_WRLCK, 0, 1, wait=wait)
        ticket = int.from_bytes(os.pread(self._turn, _COUNTER.size, 0), "little") % _MOST + 1
        # Nobody has the byte of a new ticket, unless the file was spoilt: then its turn ends before this one.
        _lock(self._turn, fcntl.F_WRLCK, ticket, 1, wait=wait)
        os.pwrite(self._turn, _COUNTER.pack(ticket), 0)
        self._ticket = ticket
        _lock(self._turn, fcntl.F_UNLCK, 0, 1, wait=False)
        return ticket

    def _wait_for_those_before(self, ticket: int, *, wait: bool) -> None:
        if ticket > 1:
            if wait:
                # Each waits for the one before it alone, so that only one is woken when a turn ends. When
                # that one was killed instead, others may still be before it.
                _lock(self._turn, fcntl.F_RDLCK, ticket - 1, 1, wait=True)
            _lock(self._turn, fcntl.F_RDLCK, 1, ticket - 1, wait=wait)


def _lock(turn: int, kind: int, first: int, count: int, *, wait: bool) -> None:
    """Raises OSError when that can't be, and, unless it waits, when others have it."""
    command = _OFD_SETLKW if wait else _OFD_SETLK
    fcntl.fcntl(turn, command, _LOCK.pack(kind, os.SEEK_SET, first, count, 0))


class _Wait:
    """Waits in a thread: the kernel's wait has no time-out."""

    def __init__(self, turn: int, place: _Place) -> None:
        self._turn = turn
        self._place = place
        self._over = threading.Event()
        self._given_up = False
        self._guard = threading.Lock()

    def won(self, patience: float) -> bool:
        thread = threading.Thread(target=self._wait, daemon=True)
        thread.start()
        if self._over.wait(patience):
            return not self._given_up
        with self._guard:
            # It may have come in this very moment.
            self._given_up = not self._over.is_set()
        return not self._given_up

    def _wait(self) -> None:
        try:
            self._place.wait()
        except OSError:
            failed = True
        else:
            failed = False
        with self._guard:
            if self._given_up or failed:
                self._given_up = True
                FifoFileLock.release(self._turn)
            self._over.set()
