# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a run waits between two looks at the platform, and how long it bears with one that is silent."""

from __future__ import annotations

from collections.abc import Callable

from .._model.errors import EvenKeelError
from .._platforms.errors import AuthenticationFailed, PermissionMissing
from .clock import Clock
from .errors import WrongCluster
from .job import MAX_UNREACHABLE_SECONDS

# Errors that no repetition can fix.
_FINAL = (AuthenticationFailed, PermissionMissing, WrongCluster)
_MIN_PAUSE_SECONDS = 0.1


class Pace:
    """The waits of one run, in seconds. `longest` is the longest between two looks. `rested`: for how long
    nothing was under way because the run is paused.
    """

    def __init__(self, clock: Clock, longest: float, rng: Callable[[], float]) -> None:
        self._clock = clock
        self._longest = longest
        self._rng = rng
        self._wait = _MIN_PAUSE_SECONDS
        self._silent_since: dict[str, float] = {}
        self.rested = 0.0

    def pause(self, *, progressed: bool) -> None:
        """Wait before asking again: shortly after something was started, longer and longer while nothing
        happens. A platform that is in trouble is asked at random moments, lest all who wait for it come at
        the same one.
        """
        self._wait = min(_MIN_PAUSE_SECONDS if progressed else 2 * self._wait, self._longest)
        self._clock.sleep(self._wait * (0.5 + self._rng() / 2) if self._silent_since else self._wait)

    def rest(self) -> None:
        """Wait while the run is paused and nothing is under way. The cluster is looked at before it goes
        on.
        """
        began = self._clock.monotonic()
        self.pause(progressed=False)
        self.rested += self._clock.monotonic() - began

    def answered(self, question: str) -> None:
        """The platform has answered this question."""
        self._silent_since.pop(question, None)

    def must_give_up(self, question: str, error: EvenKeelError) -> bool:
        """Whether a platform that does not answer has been tolerated for long enough, separately for each
        question, because one that reports its hosts may still fail to report its tasks.
        """
        now = self._clock.monotonic()
        since = self._silent_since.setdefault(question, now)
        return isinstance(error, _FINAL) or now - since >= MAX_UNREACHABLE_SECONDS
