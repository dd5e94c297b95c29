# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks and migrations under way while the cluster is read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ...errors import PlatformError
from ...values import Row
from ..api.session import Session
from ..api.task_log import Backups, Targets
from ..api.values import Upid, row
from .cluster import Resources
from .ha import NodeStates
from .task_history import MIGRATION_TASKS

MIGRATIONS = frozenset(MIGRATION_TASKS)
# Someone watches; nothing is done to the guest.
CONSOLES = frozenset({"vncproxy", "vncshell", "spiceproxy", "spiceshell", "termproxy", "vzconsole"})


@dataclass(frozen=True, slots=True)
class MigrationsInProgress:
    """`held` are the guests that a task or a backup holds; `migrating` says where a migration takes them."""

    held: frozenset[str] = frozenset()
    migrating: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(
        cls, session: Session, tasks: Iterable[Row], resources: Resources, states: NodeStates
    ) -> MigrationsInProgress:
        """`tasks` are those of /cluster/tasks. The last report of a node that is gone stays for ever."""
        up = {str(entry.get("node")) for entry in resources.nodes if entry.get("status") != "offline"}
        guests = {str(entry.get("vmid")): entry for entry in resources.guests}
        running = [
            task
            for task in tasks
            if not task.get("endtime")
            and not task.get("status")
            and task.get("type") not in CONSOLES
            and task.get("node") in up
            and (task.get("type") == "vzdump" or str(task.get("id")) in guests)
        ]
        ended = _ended(session, [task for task in running if not _locked(guests.get(str(task.get("id"))))])
        running = [task for task in running if task.get("upid") not in ended]
        backups = [str(task.get("upid")) for task in running if task.get("type") == "vzdump"]
        held = {str(task.get("id")) for task in running if str(task.get("id")) in guests}
        moving = {
            str(task.get("id")): str(task.get("upid")) for task in running if task.get("type") in MIGRATIONS
        }
        nodes = {str(entry.get("node")) for entry in resources.nodes}
        migrating = {**_by_ha(states, guests), **Targets(session).of(moving)}
        return cls(
            held=frozenset(held | Backups(session).held(backups, resources.guests)),
            migrating={
                guest: target
                for guest, target in sorted(migrating.items())
                if target in nodes and target != guests[guest].get("node")
            },
        )


def _by_ha(states: NodeStates, guests: Mapping[str, Row]) -> dict[str, str]:
    """Those that the HA manager moves, also before the migration itself has begun."""
    return {guest: target for guest, target in states.targets.items() if guest in guests and states.fresh}


def _locked(entry: Row | None) -> bool:
    return entry is not None and bool(entry.get("lock"))


def _ended(session: Session, tasks: Collection[Row]) -> frozenset[str]:
    """The list shows a task as running for up to ten seconds after its end; the task itself knows."""

    def has_ended(upid: str) -> bool:
        path = f"nodes/{Upid.parse(upid).node}/tasks/{upid}/status"
        try:
            return row(session.get(path), path).get("status") == "stopped"
        except PlatformError:
            return False

    upids = [str(task.get("upid")) for task in tasks]
    ends = session.concurrently(has_ended, upids) if upids else []
    return frozenset(upid for upid, end in zip(upids, ends, strict=True) if end)
