# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls about one object each, which may fail without an end to the reading of the cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ...errors import (
    AuthenticationFailed,
    NotFound,
    PermissionMissing,
    PlatformError,
    Refused,
    SessionLost,
    UnexpectedAnswer,
    Unreachable,
)
from .lists import CLUSTERS
from .session import Session

T = TypeVar("T")
# Maximum of calls of one kind that get no answer, or meet a closed function.
MAX_SILENT = 4


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """The result of a call, or why there is none."""

    value: T | None
    why: str = ""


@dataclass(slots=True)
class CircuitBreaker:
    """After MAX_SILENT calls of a kind, such as history, without an answer it makes no more of that kind.

    `strict`: an unanswered call is an error at once, because the next try may be answered.
    """

    session: Session
    strict: bool = False
    _silent: Counter[str] = field(default_factory=Counter)
    _answered: set[str] = field(default_factory=set)

    def attempt(self, kind: str, call: Callable[[], T]) -> Found[T]:
        """Raises PlatformError when the platform itself does not answer."""
        if kind not in self._answered and self._silent[kind] >= MAX_SILENT:
            return Found(None, f"not asked for, because the first {self._silent[kind]} calls had no answer")
        try:
            found = call()
        except (NotFound, PermissionMissing, Refused, UnexpectedAnswer) as error:
            return Found(None, str(error))
        except (AuthenticationFailed, SessionLost, Unreachable) as error:
            # A function that is closed to the outside answers as if the token were wrong.
            if self.strict or not self._platform_answers():
                raise
            self._silent[kind] += 1
            return Found(None, str(error))
        self._answered.add(kind)
        return Found(found)

    def _platform_answers(self) -> bool:
        try:
            self.session.get(CLUSTERS)
        except PlatformError:
            return False
        return True
