# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for something that the platform does by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitLimits:
    """How to wait: what sleeps, what returns the time, and the maximum in seconds."""

    sleep: Callable[[float], None]
    monotonic: Callable[[], float]
    seconds: float

    def rounds(self, first: float, longest: float, grace: float = 0.0) -> Iterator[bool]:
        """Yield, once a look at the platform, whether the time is over; `grace` seconds are added to it.
        Between looks it sleeps for `first` seconds, then twice as long each time, at most `longest`.
        """
        wait, deadline = first, self.monotonic() + self.seconds + grace
        while True:
            now = self.monotonic()
            yield now >= deadline
            self.sleep(min(wait, max(0.0, deadline - now)))
            wait = min(2 * wait, longest)
