# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks of a guest, from its own history."""

from __future__ import annotations

from dataclasses import dataclass

from ...values import Row, row, rows
from ..api.session import Session
from ..api.values import moment, part, reference, whole

MIGRATION = "host_migrate"
UNFINISHED = ("created", "running", "deferred")
COMPLETE = "complete"
# Both words are in use.
FAILED = ("fail", "failed")
# How a history calls the node that a guest is migrated to is not published; a start calls it `node`.
_TARGETS = ("node", "node_id", "dst_node", "target_node", "new_node")


@dataclass(frozen=True, slots=True)
class MigrationHistory:
    """Entries such as {"id", "name", "state", "task", "date_create"}."""

    entries: tuple[Row, ...]

    @classmethod
    def read(cls, session: Session, guest: str) -> MigrationHistory:
        path = f"vm/v3/host/{guest}/history"
        call = f"GET {path}"
        return cls(tuple(rows(row(session.get(path), call).get("list"), call)))

    @property
    def newest(self) -> int:
        """The number of the newest entry, 0 where there is none."""
        return max((_number(entry) for entry in self.entries), default=0)

    @property
    def under_way(self) -> Row | None:
        """Any task that has not ended."""
        return next((entry for entry in self.entries if entry.get("state") in UNFINISHED), None)

    @property
    def bound_for(self) -> str | None:
        """The node that a migration under way goes to, where its parameters name it."""
        found = [
            part(entry.get("params"), *_TARGETS)
            for entry in self.entries
            if entry.get("name") == MIGRATION and entry.get("state") in UNFINISHED
        ]
        return next((node for value in found if (node := reference(value)) is not None), None)

    @property
    def tasks(self) -> frozenset[str]:
        return frozenset(task for entry in self.entries if (task := reference(entry.get("task"))))

    @property
    def migrated_at(self) -> str | None:
        return self._last((COMPLETE,))

    @property
    def failed_at(self) -> str | None:
        return self._last(FAILED)

    def migration_under_way(self) -> str | None:
        """The number of its task."""
        return self._newest_migration(UNFINISHED, 0)

    def migration_since(self, newest: int) -> str | None:
        """The task of a migration that was asked for after `newest`, ended or not."""
        return self._newest_migration(None, newest)

    def _newest_migration(self, states: tuple[str, ...] | None, since: int) -> str | None:
        found = [
            entry
            for entry in self.entries
            if entry.get("name") == MIGRATION
            and (states is None or entry.get("state") in states)
            and _number(entry) > since
        ]
        return reference(max(found, key=_number).get("task")) if found else None

    def _last(self, states: tuple[str, ...]) -> str | None:
        moments = [
            moment(entry.get("date_create"))
            for entry in self.entries
            if entry.get("name") == MIGRATION and entry.get("state") in states
        ]
        return max((when for when in moments if when), default=None)


def _number(entry: Row) -> int:
    return whole(entry.get("id")) or 0
