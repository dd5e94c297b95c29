# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When guests were last migrated, and when that or a move of their disks failed: vCenter's own events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element

from ...._model.text.moments import written
from ...errors import PlatformError, SessionLost
from ..api.errors import Gone
from ..api.library import vim
from ..api.session import Session
from ..api.soap import returned
from ..api.values import find, find_all, text, type_of
from .clusters import ClusterPlace

# Whoever asked for them: this collection, a person, DRS, maintenance mode.
_MOVED = ("VmMigratedEvent", "DrsVmMigratedEvent", "VmRelocatedEvent")
_FAILED = ("VmFailedMigrateEvent", "VmRelocateFailedEvent")
# The most that a collector hands out at once.
PAGE = 1000


@dataclass(frozen=True, slots=True)
class MigrationHistory:
    """The last of each, by guest, as a snapshot writes moments. `disks_failed_at`: of moves of disks alone,
    of which vCenter does not say which they were.
    """

    migrated_at: Mapping[str, str] = field(default_factory=dict)
    failed_at: Mapping[str, str] = field(default_factory=dict)
    disks_failed_at: Mapping[str, str] = field(default_factory=dict)


def read_history(
    session: Session, place: ClusterPlace, since: datetime, page: int = PAGE
) -> MigrationHistory:
    """Migrations in the events of the cluster since then, by one call a page, never one a guest."""
    migrated: dict[str, str] = {}
    failed: dict[str, str] = {}
    disks_failed: dict[str, str] = {}
    for event in _events(session, place, since, page):
        guest, at = text(event, "vm/vm"), text(event, "createdTime")
        if guest is None or at is None:
            continue
        if type_of(event) in _FAILED:
            if _was_cancelled(event):
                continue
            ends = disks_failed if _stayed(event, "destHost/host") else failed
        elif _stayed(event, "sourceHost/host"):
            continue
        else:
            ends = migrated
        moment = written(datetime.fromisoformat(at))
        ends[guest] = max(moment, ends.get(guest, moment))
    return MigrationHistory(migrated, failed, disks_failed)


def _events(session: Session, place: ClusterPlace, since: datetime, page: int) -> Iterator[Element]:
    """From the oldest to the newest. A vCenter has few collectors: none is left behind."""
    manager = session.manager("eventManager")
    made = text(returned(session.call(manager, "CreateCollectorForEvents", _filter(place, since))))
    collector = vim.event.EventHistoryCollector(made)
    try:
        while found := _next(session, collector, page):
            yield from found
    finally:
        with suppress(PlatformError):
            session.call(collector, "DestroyCollector")


def _next(session: Session, collector: Any, page: int) -> list[Element]:
    """Never asked for twice: the second answer would be the page after the one that was lost."""
    try:
        return find_all(session.call(collector, "ReadNextEvents", page, repeatable=False), "returnval")
    except Gone:
        raise SessionLost("the session has ended, and its collector with it", where=session.where) from None


def _filter(place: ClusterPlace, since: datetime) -> Any:
    spec = vim.event.EventFilterSpec
    return spec(
        entity=spec.ByEntity(entity=vim.ClusterComputeResource(place.id), recursion="all"),
        time=spec.ByTime(beginTime=since),
        eventTypeId=[*_MOVED, *_FAILED],
        disableFullMessage=True,
    )


def _stayed(event: Element, other: str) -> bool:
    """Only its disks were moved, or were to be: the `other` host of the event is the same."""
    here = text(event, "host/host")
    return here is not None and here == text(event, other)


def _was_cancelled(event: Element) -> bool:
    """Somebody did not want it any more: nothing is wrong with the guest."""
    return type_of(find(event, "reason/fault")) == "RequestCanceled"
