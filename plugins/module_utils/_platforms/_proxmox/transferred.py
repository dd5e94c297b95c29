# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a migration is, which only the log of its task tells. Private to the collection."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from ..errors import PlatformError
from .answers import Row, Upid, rows
from .session import Session

# A line a second: what comes between two looks is read at once, and of one that was found late in a few.
_LINES = 500
# The log is a call for each migration, so it is not looked at in every poll.
_SECONDS = 5.0
_STATE = re.compile(r"transferred ([\d.]+) ([KMGT]?i?B) of ([\d.]+) ([KMGT]?i?B) VM-state")
_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}


@dataclass(slots=True)
class _Tail:
    """What was read of the log of one migration; `real` is the task that writes it, None when not known."""

    real: str | None = None
    lines: int = 0
    percent: float | None = None
    asked_at: float | None = None


class Transferred:
    """Reads the logs of running migrations on, a bounded piece at a time."""

    def __init__(self, session: Session, monotonic: Callable[[], float]) -> None:
        self._session = session
        self._monotonic = monotonic
        self._tails: dict[str, _Tail] = {}

    def percent(self, task: str, real: Callable[[], str | None]) -> float | None:
        """Of the memory; None while nothing is told. `real` finds the task whose log tells. Never raises."""
        tail = self._tails.setdefault(task, _Tail())
        now = self._monotonic()
        if tail.asked_at is None or now - tail.asked_at >= _SECONDS:
            tail.asked_at = now
            # Only to be shown: whether it runs is found out elsewhere.
            with suppress(PlatformError):
                self._read_on(tail, real)
        return tail.percent

    def _read_on(self, tail: _Tail, real: Callable[[], str | None]) -> None:
        tail.real = tail.real or real()
        if tail.real is None:
            return
        path = f"nodes/{Upid.parse(tail.real).node}/tasks/{tail.real}/log"
        read = rows(self._session.get(path, start=tail.lines, limit=_LINES), path)
        tail.lines += len(read)
        told = [percent for line in read if (percent := _percent(line)) is not None]
        tail.percent = told[-1] if told else tail.percent


def _percent(line: Row) -> float | None:
    found = _STATE.search(str(line.get("t")))
    if found is None:
        return None
    done, total = (float(found[n]) * _UNITS[found[n + 1]] for n in (1, 3))
    # Memory that changes meanwhile is sent again: more than there is may be sent before the end.
    return min(99.0, 100 * done / total) if total else None
