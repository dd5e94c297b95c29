# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks under way on hosts and guests, and where migrations under way lead to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ...errors import PermissionMissing, Refused
from ..api.collector import Found
from ..api.library import vim
from ..api.session import Session
from ..api.values import find_all, text
from .clusters import ClusterPlace

TASK_PATHS = ("info.state", "info.descriptionId", "info.startTime")

# VirtualMachine.relocate, VirtualMachine.migrate, and Drm.ExecuteVMotionLRO, which is DRS at work.
_MOVING = re.compile("relocate|migrate|vmotion", re.IGNORECASE)
_ENTERING = re.compile("entermaintenancemode", re.IGNORECASE)
_ACTIVE = frozenset({"queued", "running"})
# They are posted when a migration starts and name the host that it goes to.
_STARTED = ("VmBeingHotMigratedEvent", "VmBeingMigratedEvent", "VmBeingRelocatedEvent")
# The event of a start is posted a moment before or after the start of its task.
_APART = timedelta(seconds=5)


def is_active(task: Found) -> bool:
    """Whether it has not ended."""
    return task.text("info.state") in _ACTIVE


def is_move(task: Found) -> bool:
    """Whether it is a migration of a guest, no matter who requested it."""
    return bool(_MOVING.search(task.text("info.descriptionId") or ""))


def enters_maintenance(host: Found, tasks: Mapping[str, Found]) -> bool:
    """Whether the host is on its way into maintenance mode: it waits until its guests have left."""
    return entering_task(host, tasks) is not None


def entering_task(host: Found, tasks: Mapping[str, Found]) -> str | None:
    """The task by which it is."""
    for identity in host.items("recentTask"):
        task = tasks.get(identity)
        if task is not None and is_active(task) and _ENTERING.search(task.text("info.descriptionId") or ""):
            return identity
    return None


@dataclass(frozen=True, slots=True)
class Moves:
    """The guests that are being migrated, each with its target host, or None where vCenter does not say;
    `trouble` is why not.
    """

    targets: Mapping[str, str | None] = field(default_factory=dict)
    trouble: str | None = None


def migrations(
    session: Session, place: ClusterPlace, guests: Mapping[str, Found], tasks: Mapping[str, Found]
) -> Moves:
    """Migrations under way, including those that others started.

    A task does not name its target, but the event of its start does: one call where anything moves.
    """
    moving = {
        identity: task
        for identity, guest in guests.items()
        for task in (tasks.get(recent) for recent in guest.items("recentTask"))
        if task is not None and is_active(task) and is_move(task)
    }
    if not moving:
        return Moves()
    starts = [datetime.fromisoformat(start) for start in map(_start, moving.values()) if start]
    since = min(starts) - _APART if starts else None
    targets: dict[str, str] = {}
    try:
        response = session.call(session.manager("eventManager"), "QueryEvents", _filter(place, since))
    except (PermissionMissing, Refused) as error:
        return Moves(dict.fromkeys(moving), str(error))
    for event in sorted(find_all(response, "returnval"), key=lambda event: int(text(event, "key") or 0)):
        guest, target = text(event, "vm/vm"), text(event, "destHost/host")
        start = _start(moving[guest]) if guest in moving else None
        if guest is None or target is None or guest not in moving:
            continue
        created = datetime.fromisoformat(text(event, "createdTime") or "")
        if start is None or created >= datetime.fromisoformat(start) - _APART:
            targets[guest] = target
    return Moves({guest: targets.get(guest) for guest in moving})


def _start(task: Found) -> str | None:
    return task.text("info.startTime")


def _filter(place: ClusterPlace, since: datetime | None) -> Any:
    spec = vim.event.EventFilterSpec
    return spec(
        entity=spec.ByEntity(entity=vim.ClusterComputeResource(place.id), recursion="all"),
        time=spec.ByTime(beginTime=since) if since is not None else None,
        eventTypeId=list(_STARTED),
        disableFullMessage=True,
    )
