# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""First come, first served before a SQLite file. Private to the collection.

SQLite lets those who wait for a file try again and again, and whoever tries at the right moment wins: among
many, some wait very long. The lock of a file beside it is handed on by the kernel in the order of asking, and
dies with its process. It keeps order only; that transactions never overlap is SQLite's own doing.
"""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path


class Turnstile:
    """The way to one SQLite file."""

    def __init__(self, database: Path, patience: float) -> None:
        self._path = database.with_name(f"{database.name}-turn")
        self._patience = patience

    def enter(self) -> int | None:
        """Wait for the turn; `leave` with what this gives. None where there is no such lock, or where others
        have held it for longer than the patience lasts: then go on without.
        """
        try:
            turn = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return None
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return turn if _Wait(turn).won(self._patience) else None
        except OSError:
            os.close(turn)
            return None
        return turn

    @staticmethod
    def leave(turn: int | None) -> None:
        if turn is not None:
            with suppress(OSError):
                os.close(turn)


class _Wait:
    """Waits in a thread: the kernel's wait has no time-out."""

    def __init__(self, turn: int) -> None:
        self._turn = turn
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
            fcntl.flock(self._turn, fcntl.LOCK_EX)
        except OSError:
            failed = True
        else:
            failed = False
        with self._guard:
            if self._given_up or failed:
                self._given_up = True
                Turnstile.leave(self._turn)
            self._over.set()
