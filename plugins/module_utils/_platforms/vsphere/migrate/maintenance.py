# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance mode of a host."""

from __future__ import annotations

from ...errors import NotFound, Refused
from ...waiting import WaitLimits
from ..api.collector import Found, properties, retrieve, step
from ..api.errors import localized
from ..api.https import AnswerLost
from ..api.library import vim
from ..api.permissions import MAINTENANCE, names, require_privileges
from ..api.session import Session
from ..api.soap import returned
from ..api.values import text
from ..read.recent_tasks import TASK_PATHS, entering_task
from .start import cancel

_MODE = "runtime.inMaintenanceMode"
_STILL_THERE = "Check which guests still run on the host: it enters maintenance mode when they have left"
_FIRST_WAIT = 0.05
_LONGEST_WAIT = 5.0
# The task ends by itself at its timeout; how much longer its end may take to be seen.
GRACE = 30.0


def in_maintenance(session: Session, host: str) -> bool:
    return _mode(session.renewing(lambda: _look(session, host, None)), host)


def set_maintenance(session: Session, host: str, *, on: bool, limits: WaitLimits) -> None:
    """Start the task and follow it to its end. Guests that are switched off stay where they are.

    Where somebody else has put the host on its way already, that task is followed, and never cancelled.
    """
    place = vim.HostSystem(host)
    session.renewing(lambda: require_privileges(session, [place], MAINTENANCE))
    under_way = session.renewing(lambda: _entering(session, host)) if on else None
    if under_way is not None:
        _follow(session, host, under_way, on, limits, ours=False)
        return
    method = "EnterMaintenanceMode_Task" if on else "ExitMaintenanceMode_Task"
    arguments = (int(limits.seconds), False, None) if on else (int(limits.seconds),)
    try:
        task = text(returned(session.call(place, method, *arguments, repeatable=False)))
    except AnswerLost:
        # It may have been run all the same: the state of the host shows it.
        task = None
    except Refused:
        # Somebody else may have been faster.
        if in_maintenance(session, host) == on:
            return
        raise
    _follow(session, host, task, on, limits)


def _entering(session: Session, host: str) -> str | None:
    """The task by which the host is on its way into maintenance mode."""
    found = retrieve(
        session,
        [vim.HostSystem(host)],
        [properties(vim.HostSystem, "recentTask"), properties(vim.Task, *TASK_PATHS)],
        step(vim.HostSystem, "recentTask"),
    )
    items = {item.id: item for item in found}
    return entering_task(items[host], items) if host in items else None


def _follow(
    session: Session, host: str, task: str | None, on: bool, limits: WaitLimits, *, ours: bool = True
) -> None:
    for expired in limits.rounds(_FIRST_WAIT, _LONGEST_WAIT, GRACE):
        found = session.renewing(lambda: _look(session, host, task))
        entry = found.get(task or "")
        state = None if entry is None else entry.text("info.state")
        if entry is not None and state == "error":
            why = localized(entry.values.get("info.error"))
            raise Refused(why, where=_named(session, host), hint=_STILL_THERE if on else "")
        if state not in ("queued", "running") and _mode(found, host) == on:
            return
        if expired:
            break
    if task is not None and ours:
        cancel(session, task)
    verb = "did not enter" if on else "did not leave"
    raise Refused(
        f"it {verb} maintenance mode within {limits.seconds:g} seconds",
        where=_named(session, host),
        hint=_STILL_THERE if on else "",
    )


def _named(session: Session, host: str) -> str:
    return names(session, [("HostSystem", host)])[0]


def _look(session: Session, host: str, task: str | None) -> dict[str, Found]:
    objects = [vim.HostSystem(host), *([vim.Task(task)] if task else [])]
    found = retrieve(
        session,
        objects,
        [properties(vim.HostSystem, _MODE), properties(vim.Task, "info.state", "info.error")],
    )
    return {item.id: item for item in found}


def _mode(found: dict[str, Found], host: str) -> bool:
    if host not in found:
        raise NotFound(f"there is no host {host}, or the account does not see it", where="maintenance mode")
    return bool(found[host].flag(_MODE))
