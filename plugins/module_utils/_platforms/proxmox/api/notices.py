# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed readings of a cluster, collected while it is read and reported once for each reason."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Optional, TypeVar

from ...._model.snapshot import HiddenFact, Notice
from ...._model.text.wording import listed, sentence
from ...errors import NotFound, PermissionMissing, PlatformError, Refused, UnexpectedAnswer
from .errors import NodeUnresponsive

# The failure of one call about one thing; what is left out here is the failure of the whole API.
ONE_CALL = (NotFound, PermissionMissing, Refused, UnexpectedAnswer, NodeUnresponsive)
MAX_NAMED = 10
# The object that a reason names: the notice lists all that have the same reason.
_NAME = re.compile(r"(/nodes/|/qemu/|/lxc/)[^/\s']+")

T = TypeVar("T")


@dataclass(slots=True)
class _Failure:
    hosts: list[str] = field(default_factory=list)
    guests: list[str] = field(default_factory=list)


class ReadFailures:
    """May be added to by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str, tuple[HiddenFact, ...]], _Failure] = {}
        self._notices: list[Notice] = []

    def attempt(
        self,
        call: Callable[[], T],
        what: str,
        *,
        host: str | None = None,
        guest: str | None = None,
        hides: tuple[HiddenFact, ...] = (),
    ) -> Optional[T]:
        """The result, or None where this one call failed: then `what` is missing."""
        try:
            return call()
        except ONE_CALL as error:
            self.missing(what, error, host=host, guest=guest, hides=hides)
            return None

    def missing(
        self,
        what: str,
        error: PlatformError,
        *,
        host: str | None = None,
        guest: str | None = None,
        hides: tuple[HiddenFact, ...] = (),
    ) -> None:
        """`what` could not be read of a host or a guest, or at all."""
        with self._lock:
            gap = self._found.setdefault((what, _NAME.sub(r"\1{name}", error.what), hides), _Failure())
            gap.hosts += [host] if host is not None else []
            gap.guests += [guest] if guest is not None else []

    def add(
        self,
        text: str,
        *,
        hides: tuple[HiddenFact, ...] = (),
        hosts: Iterable[str] = (),
        guests: Iterable[str] = (),
    ) -> None:
        with self._lock:
            self._notices.append(Notice(text=text, hides=hides, hosts=tuple(hosts), guests=tuple(guests)))

    def notices(self) -> tuple[Notice, ...]:
        """In an order that does not depend on which thread was faster."""
        found = [
            Notice(
                text=f"{what}{_of(gap)} could not be read: {why}",
                hides=hides,
                hosts=tuple(sorted(set(gap.hosts))),
                guests=tuple(in_order(set(gap.guests))),
            )
            for (what, why, hides), gap in self._found.items()
        ]
        said = (replace(notice, text=sentence(notice.text)) for notice in (*self._notices, *found))
        return tuple(sorted(said, key=lambda notice: notice.text))


def in_order(ids: Iterable[str]) -> list[str]:
    """Ids of guests by their number."""
    return sorted(ids, key=lambda each: (len(each), each))


def with_names(noun: str, ids: Sequence[str]) -> str:
    """Node pve1, nodes pve1, pve2."""
    return f"{noun}{'' if len(ids) == 1 else 's'} {listed(ids, MAX_NAMED)}"


def _of(gap: _Failure) -> str:
    parts = []
    if gap.hosts:
        parts.append(with_names("node", sorted(set(gap.hosts))))
    if gap.guests:
        parts.append(with_names("guest", in_order(set(gap.guests))))
    return f" of {' and of '.join(parts)}" if parts else ""
