# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking vCenter whether it would run a migration."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

from ...errors import Refused
from ...protocol import Objection
from ...waiting import WaitLimits
from ..api.collector import properties, retrieve
from ..api.errors import Unsupported, localized, passes, way_out
from ..api.library import vim
from ..api.session import Session
from ..api.soap import returned
from ..api.values import descendants, text

_FIRST_WAIT = 0.02
_LONGEST_WAIT = 1.0


def objections(session: Session, guest: str, target: str, spec: Any, limits: WaitLimits) -> list[Objection]:
    """All that vCenter's own check has against it. It is a task of vCenter's, one a migration: a server
    without the first check is asked for the other.
    """
    checker = session.manager("vmProvisioningChecker")
    vm, host = vim.VirtualMachine(guest), vim.HostSystem(target)
    calls: list[tuple[str, tuple[Any, ...]]] = [("CheckRelocate_Task", (vm, spec, None))]
    # CheckMigrate knows of no disks that go along, and would take them for an obstacle.
    if not spec.disk:
        calls.append(("CheckMigrate_Task", (vm, host, None, None, None)))
    for method, arguments in calls:
        try:
            task = text(returned(session.call(checker, method, *arguments))) or ""
        except Unsupported:
            continue
        return _errors(session, task, method, limits)
    return []


def _errors(session: Session, task: str, method: str, limits: WaitLimits) -> list[Objection]:
    for expired in limits.rounds(_FIRST_WAIT, _LONGEST_WAIT):
        found = retrieve(
            session,
            [vim.Task(task)],
            [properties(vim.Task, "info.state", "info.error", "info.result")],
        )
        state = found[0].text("info.state") if found else None
        if state == "success":
            result = found[0].values.get("info.result")
            return [] if result is None else [_objections_of(error) for error in descendants(result, "error")]
        if state == "error":
            return [_objections_of(found[0].values.get("info.error"))]
        if state is None or expired:
            break
    raise Refused(f"{method} did not end within {limits.seconds:g} seconds", where=f"{session.where}, {task}")


def _objections_of(error: Element | None) -> Objection:
    """vCenter's message and what can be done about it."""
    hint = way_out(error)
    return Objection(f"{localized(error)}{f'. {hint}' if hint else ''}", passes(error))
