# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a run stops early, or pauses: a signal, a file, a person, or the end of its time."""

from __future__ import annotations

from pathlib import Path


class StopSignal:
    """Why nothing new may start, for good or for a while. A signal handler calls `request`. `requests` is
    another one that counts, too.
    """

    def __init__(
        self,
        *,
        file: str | None = None,
        pause_file: str | None = None,
        deadline: float | None = None,
        requests: StopSignal | None = None,
    ) -> None:
        self._file = Path(file).expanduser() if file else None
        self._pause_file = Path(pause_file).expanduser() if pause_file else None
        self._deadline = deadline
        self._requested: str | None = None
        self._paused: str | None = None
        self._requests = requests

    def request(self, why: str) -> None:
        self._requested = why

    def pause(self, why: str) -> None:
        self._paused = why

    def resume(self) -> None:
        self._paused = None

    def pause_reason(self) -> str | None:
        """Why nothing new is started for the time being, or None. What is under way goes on, and so does the
        time until the deadline.
        """
        if self._paused is not None:
            return self._paused
        if self._pause_file is not None and self._pause_file.exists():
            return f"the pause file {self._pause_file} exists"
        return None if self._requests is None else self._requests.pause_reason()

    def reason(self, now: float) -> str | None:
        """Why nothing new may start, or None. `now` is on the scale of the deadline."""
        if self._requested is not None:
            return self._requested
        if self._file is not None and self._file.exists():
            return f"the stop file {self._file} exists"
        if self._deadline is not None and now >= self._deadline:
            return "the time limit of the run was reached"
        return None if self._requests is None else self._requests.reason(now)
