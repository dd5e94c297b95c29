# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting and stopping a migration, so that it is never started twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import Refused, StartRefused, Unreachable
from ...protocol import MigrationRequest
from ..api.collector import Found, properties, retrieve, step
from ..api.errors import Fault, Gone
from ..api.https import AnswerLost
from ..api.library import vim
from ..api.session import Session
from ..api.soap import returned
from ..api.values import text
from ..read.recent_tasks import TASK_PATHS, is_active, is_move


def start(session: Session, request: MigrationRequest, spec: Any) -> str:
    """Start the migration; returns its task, which is looked for where the answer is lost."""
    return relocate(
        session, request.guest, spec, (), lambda guest: guest.text("runtime.host") == request.target
    )


def relocate(
    session: Session, guest: str, spec: Any, paths: Sequence[str], arrived: Callable[[Found], bool]
) -> str:
    """Start a relocation of hosts or disks; returns its task. Where the answer is lost it is looked for, and
    `arrived` says by the properties `paths` of the guest whether it has done its work already.
    """
    try:
        response = session.call(
            vim.VirtualMachine(guest), "RelocateVM_Task", spec, "defaultPriority", repeatable=False
        )
    except AnswerLost as lost:
        return _adopted(session, guest, paths, arrived, lost)
    except Fault as fault:
        if not fault.objects:
            raise
        raise StartRefused(fault.what, where=fault.where, hint=fault.way_out, passing=fault.passes) from None
    return text(returned(response)) or ""


def under_way(session: Session, request: MigrationRequest) -> str | None:
    """The task of a migration of this guest that has not ended."""
    return _running(_moves(_recent(session, request.guest)))


def _recent(session: Session, guest: str, paths: Sequence[str] = ()) -> list[Found]:
    return list(
        retrieve(
            session,
            [vim.VirtualMachine(guest)],
            [
                properties(vim.VirtualMachine, *{"runtime.host": None, **dict.fromkeys(paths)}),
                properties(vim.Task, *TASK_PATHS),
            ],
            step(vim.VirtualMachine, "recentTask"),
        )
    )


def _moves(found: list[Found]) -> list[Found]:
    return [task for task in found if task.kind == "Task" and is_move(task)]


def _running(moves: list[Found]) -> str | None:
    return next((task.id for task in moves if is_active(task)), None)


def _adopted(
    session: Session, guest: str, paths: Sequence[str], arrived: Callable[[Found], bool], lost: AnswerLost
) -> str:
    """The task of a start whose answer was lost; raises Unreachable when nothing came of it."""
    found = session.renewing(lambda: _recent(session, guest, paths))
    moves = _moves(found)
    running = _running(moves)
    if running is not None:
        return running
    now = next((item for item in found if item.kind == "VirtualMachine"), None)
    if now is not None and arrived(now) and moves:
        return moves[-1].id
    raise Unreachable(
        f"the start was sent and its answer was lost ({lost.what}); no migration of the guest is under way",
        where=f"{session.where}, guest {guest}",
        hint="Read the cluster again before it is started again",
    )


def cancel(session: Session, task: str) -> None:
    """Ask for it. A task that is over already needs none: its state reports its end."""
    try:
        session.call(vim.Task(task), "CancelTask", repeatable=False)
    except Gone:
        pass
    except Refused as refusal:
        if "InvalidState" not in refusal.what:
            raise
