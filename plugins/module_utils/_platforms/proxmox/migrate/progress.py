# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a migration is, which only the log of its task says, and sooner than any list that it has ended."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ...errors import PlatformError
from ..api.session import Session
from ..api.task_log import LAST_LINES, read_log, verdict

# A line a second: what comes between two looks is read at once, and of one that was found late in a few.
_LINES = 500
# The log is a call for each migration, so it is not looked at in every poll.
_SECONDS = 5.0
_AMOUNT = r"([\d.]+) ([KMGT]?i?B) of ([\d.]+) ([KMGT]?i?B)"
_STATE = re.compile(rf"transferred {_AMOUNT} VM-state")
_DISK = re.compile(rf"(\S+): transferred {_AMOUNT}")
# Of a disk that is copied while its machine is off.
_COPY = re.compile(rf"^transferred {_AMOUNT} \(")
_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}


@dataclass(slots=True)
class _Tail:
    """The progress read from the log of a migration; `real` is the task that writes it, None when not known.
    `copied` holds bytes done and in all, of each disk and of the memory.
    """

    real: str | None = None
    lines: int = 0
    copied: dict[str, tuple[float, float]] = field(default_factory=dict)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    asked_at: float | None = None

    @property
    def bytes(self) -> tuple[float, float]:
        """Done, and in all."""
        done, total = (sum(part[n] for part in self.copied.values()) for n in (0, 1))
        return done, total

    @property
    def percent(self) -> float | None:
        done, total = self.bytes
        # Memory that changes meanwhile is sent again: more than there is may be sent before the end.
        return min(99.0, 100 * done / total) if total else None


class TransferProgress:
    """Reads the logs of running migrations on, a bounded piece at a time."""

    def __init__(self, session: Session, monotonic: Callable[[], float]) -> None:
        self._session = session
        self._monotonic = monotonic
        self._tails: dict[str, _Tail] = {}

    def percent(self, task: str, real: Callable[[], str | None]) -> float | None:
        """Of what is to be copied, as far as the log names it; None while it names nothing. `real` finds the
        task whose log it is. Never raises.
        """
        tail = self._tails.setdefault(task, _Tail())
        now = self._monotonic()
        if tail.asked_at is None or now - tail.asked_at >= _SECONDS:
            tail.asked_at = now
            # Only to be shown: whether it runs is found out elsewhere.
            with suppress(PlatformError):
                self._read_on(tail, real)
        return tail.percent

    def done(self, task: str) -> float | None:
        """Bytes that have been copied, as far as the log was read; None where it names nothing."""
        done, total = self._tails.get(task, _Tail()).bytes
        return done if total else None

    def end(self, task: str) -> str | None:
        """How the task ended, as far as its log was read; None where it shows no end."""
        return verdict(self.log(task))

    def log(self, task: str) -> Sequence[str]:
        """The last lines that were read."""
        return tuple(self._tails[task].last) if task in self._tails else ()

    def has_log(self, task: str) -> tuple[str | None, int]:
        """The task that wrote the log that was read, and how many of its lines were."""
        tail = self._tails.get(task, _Tail())
        return tail.real, tail.lines

    def _read_on(self, tail: _Tail, real: Callable[[], str | None]) -> None:
        tail.real = tail.real or real()
        if tail.real is None:
            return
        read = read_log(self._session, tail.real, start=tail.lines, limit=_LINES)
        if read == ["no content"]:
            return
        tail.lines += len(read)
        tail.last.extend(read)
        for line in read:
            tail.copied.update(_copied(line))


def _copied(line: str) -> dict[str, tuple[float, float]]:
    """The progress of a disk, or of the memory, in a line."""
    if (found := _STATE.search(line)) is not None or (found := _COPY.search(line)) is not None:
        name, parts = "", found.groups()
    elif (found := _DISK.search(line)) is not None:
        name, *rest = found.groups()
        parts = tuple(rest)
    else:
        return {}
    done, total = (float(parts[n]) * _UNITS[parts[n + 1]] for n in (0, 2))
    return {name: (done, total)}
