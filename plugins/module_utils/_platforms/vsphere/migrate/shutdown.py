# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shutting a guest down by its own operating system."""

from __future__ import annotations

from ...errors import NotFound, Refused
from ...waiting import WaitLimits
from ..api.collector import Found, properties, retrieve
from ..api.https import AnswerLost
from ..api.library import vim
from ..api.permissions import SHUT_DOWN, require_privileges
from ..api.session import Session
from ..api.values import plain
from ..read.guests import power

_PATHS = ("name", "runtime.powerState", "runtime.connectionState", "guest.toolsRunningStatus")
_FIRST_WAIT = 0.2
_LONGEST_WAIT = 5.0


def shut_down(session: Session, guest: str, limits: WaitLimits) -> None:
    """Ask VMware Tools for it and wait until the guest is off. The power is never cut."""
    vm = vim.VirtualMachine(guest)
    found = session.renewing(lambda: _look(session, guest))
    if _is_off(found):
        return
    where = f"guest {plain(found.text('name')) or guest}"
    session.renewing(lambda: require_privileges(session, [vm], SHUT_DOWN))
    if found.text("guest.toolsRunningStatus") != "guestToolsRunning":
        raise Refused(
            "the guest cannot be asked to shut down, because VMware Tools are not running in it",
            where=where,
            hint="Shut it down from its own console, or start VMware Tools",
        )
    try:
        session.call(vm, "ShutdownGuest", repeatable=False)
    except AnswerLost:
        # The request may have arrived all the same: the power state shows it.
        pass
    except Refused:
        if not _is_off(session.renewing(lambda: _look(session, guest))):
            raise
    for expired in limits.rounds(_FIRST_WAIT, _LONGEST_WAIT):
        if _is_off(session.renewing(lambda: _look(session, guest))):
            return
        if expired:
            raise Refused(
                f"it is still on {limits.seconds:g} seconds after it was asked to shut down",
                where=where,
                hint="Check its console: its operating system may be waiting for input",
            )


def _look(session: Session, guest: str) -> Found:
    found = retrieve(session, [vim.VirtualMachine(guest)], [properties(vim.VirtualMachine, *_PATHS)])
    if not found:
        raise NotFound(
            f"guest {guest} does not exist (any more), or the account does not see it", where=session.where
        )
    return found[0]


def _is_off(found: Found) -> bool:
    return power(found) in ("stopped", "suspended")
