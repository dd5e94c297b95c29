# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting a migration, so that it is never started twice."""

from __future__ import annotations

from ...errors import NoResponse, PlatformError, UnexpectedAnswer
from ...values import Row, row
from ..api.errors import Denied, PlatformSuspended, refused_start
from ..api.lists import Lists
from ..api.session import MAX_RESUME_ATTEMPTS, Session
from ..api.values import reference
from ..read.history import MigrationHistory
from ..read.live_state import TASKS

# A task is named by its consul id, which the start gives, or by its own number where that is all we know.
CONSUL = "consul:"
NUMBER = "task:"


def start(session: Session, lists: Lists, guest: str, body: Row, newest: int) -> str:
    """The name of the task. Raises NoResponse when it may or may not have been started.

    Only a platform that wakes up (503) is asked again, after a look into the guest's history: what is there
    that came after its entry `newest` is taken for what was asked for.
    """
    path = f"vm/v3/host/{guest}/migrate"
    attempt = 0
    while True:
        attempt += 1
        try:
            return _named(session.post(path, body), path)
        except Denied as denied:
            raise refused_start(denied) from None
        except NoResponse as unanswered:
            try:
                task = MigrationHistory.read(session, guest).migration_since(newest)
                if task is not None:
                    return name_of(lists, task)
            except PlatformError:
                raise unanswered from None
            if not isinstance(unanswered, PlatformSuspended) or attempt >= MAX_RESUME_ATTEMPTS:
                raise
        session.pause_for_resume(attempt)


def under_way(session: Session, lists: Lists, guest: str) -> str | None:
    """The migration of this guest that has not ended."""
    task = MigrationHistory.read(session, guest).migration_under_way()
    return None if task is None else name_of(lists, task)


def name_of(lists: Lists, number: str) -> str:
    """The name that a start would have returned for the task of this number."""
    listed = lists.find(TASKS, [{"id": int(number)}]) if number.isdigit() else []
    consul = reference(listed[0].get("consul_id")) if listed else None
    return f"{NUMBER}{number}" if consul is None else f"{CONSUL}{consul}"


def _named(answer: object, path: str) -> str:
    """Its `id` is that of the guest; the task is named beside it."""
    consul = reference(row(answer, f"POST {path}").get("task"))
    if consul is None:
        raise UnexpectedAnswer("no task was named", where=f"POST {path}")
    return f"{CONSUL}{consul}"
