# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a step of a plan may be hindered from starting, when the platform is asked again, and how often a
start of unknown fate is repeated: the same for migrations and for moves of disks.
"""

from __future__ import annotations

from .._platforms.errors import SessionLost, UnexpectedAnswer, Unreachable
from .clock import Clock
from .job import MAX_BUSY_SECONDS, MAX_START_ATTEMPTS, RETRY_SECONDS

# Errors that leave open whether the platform has heard of a start.
UNCERTAIN = (Unreachable, SessionLost, UnexpectedAnswer)


class StartAttempts:
    """By the number of the step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._uncertain: dict[int, int] = {}
        self._busy: dict[int, float] = {}
        # When the platform may be asked again about a step, and after how long once more.
        self._again: dict[int, tuple[float, float]] = {}

    def has_waited(self, step: int) -> bool:
        """Whether what may be over in a moment has taken long enough, since this was first asked."""
        now = self._clock.monotonic()
        return now - self._busy.setdefault(step, now) >= MAX_BUSY_SECONDS

    def wait_anew(self, step: int) -> None:
        """What hindered it until now does not count."""
        self._busy.pop(step, None)

    def postpone(self, step: int) -> None:
        """Ask the platform about it again later, less and less often."""
        first, longest = RETRY_SECONDS
        _at, wait = self._again.get(step, (0.0, first))
        self._again[step] = self._clock.monotonic() + wait, min(2 * wait, longest)

    def is_postponed(self, step: int) -> bool:
        return self._clock.monotonic() < self._again.get(step, (0.0, 0.0))[0]

    def count_uncertain(self, step: int) -> None:
        """The platform may or may not have heard of a start."""
        self._uncertain[step] = self._uncertain.get(step, 0) + 1

    def are_used_up(self, step: int) -> bool:
        """Whether it is not started once more after starts of which nothing came."""
        return self._uncertain.get(step, 0) >= MAX_START_ATTEMPTS

    def may_have_started(self, step: int) -> bool:
        """Whether this run has made a start that the platform may have heard of."""
        return step in self._uncertain
