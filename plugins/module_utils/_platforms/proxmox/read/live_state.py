# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything is at this moment."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ...protocol import ClusterNow, GuestNow, HostNow
from ...values import Row
from ..api.session import Session
from ..api.task_log import Backups, Targets
from ..api.values import rows, whole
from .cluster import Membership, Resources
from .guests import id_of, power_of, run_state_of
from .ha import BROKEN, BUSY, NodeStates
from .hosts import in_maintenance, status_of
from .migrations_in_progress import CONSOLES, MIGRATIONS

_BACKUP = "vzdump"


@dataclass(frozen=True, slots=True)
class PresentState:
    """The cluster at one moment, and what that was made of."""

    now: ClusterNow
    resources: Resources
    states: NodeStates


class LiveStateReader:
    """Looks again and again, and remembers of running tasks what their logs said."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._targets = Targets(session)
        self._backups = Backups(session)

    def read(self, membership: Membership, guests: Collection[str]) -> PresentState:
        """The place of these guests, and all hosts."""
        resources = Resources.read(self._session)
        states = NodeStates.read(self._session)
        away = {str(entry.get("node")) for entry in resources.nodes if status_of(entry) == "offline"}
        tasks = [
            task
            for task in rows(self._session.get("cluster/tasks"), "cluster/tasks")
            # A node that is gone leaves its running tasks in the list.
            if _runs(task) and task.get("node") not in away
        ]
        wanted = set(guests)
        entries = [entry for entry in resources.guests if id_of(entry) in wanted]
        busy = self._busy(tasks, entries, resources, states)
        found = {
            id_of(entry): GuestNow(
                host=str(entry.get("node")),
                power=power_of(entry, node_online=entry.get("node") not in away),
                busy=busy.get(id_of(entry)),
                run_state=run_state_of(entry),
            )
            for entry in entries
        }
        hosts = {str(entry.get("node")): _host_now(entry, states) for entry in resources.nodes}
        now = ClusterNow(cluster=membership.name, guests=found, hosts=hosts)
        return PresentState(now, resources, states)

    def _busy(
        self, tasks: Sequence[Row], entries: Sequence[Row], resources: Resources, states: NodeStates
    ) -> dict[str, str]:
        """The task or lock that holds a guest, by id."""
        ids = {id_of(entry) for entry in entries}
        migrations = {
            guest: str(task.get("upid"))
            for task in tasks
            if task.get("type") in MIGRATIONS and (guest := str(task.get("id"))) in ids
        }
        targets = {**states.targets, **self._targets.of(migrations)}
        backups = self._backups.held(
            (str(task.get("upid")) for task in tasks if task.get("type") == _BACKUP and not task.get("id")),
            resources.guests,
        )
        running = {str(task.get("id")): str(task.get("type")) for task in tasks}
        result: dict[str, str] = {}
        for entry in entries:
            guest = id_of(entry)
            why = _held(entry, states, targets.get(guest))
            if why is None and guest in running:
                why = (
                    _migrating(targets.get(guest))
                    if guest in migrations
                    else f"a task is under way ({running[guest]})"
                )
            if why is None and guest in backups:
                why = f"a backup of its node ({_BACKUP}) is running and will include it"
            if why is not None:
                result[guest] = why
        return result


def _runs(task: Row) -> bool:
    return not task.get("endtime") and not task.get("status") and task.get("type") not in CONSOLES


def _held(entry: Row, states: NodeStates, target: str | None) -> str | None:
    """The migration, lock or HA state that holds the guest, from its own row."""
    state = entry.get("hastate")
    if entry.get("lock") == "migrate" or state in ("migrate", "relocate"):
        return _migrating(target)
    if entry.get("lock"):
        return f"it is locked ({entry['lock']})"
    if states.disarmed == "ignore":
        return None
    if state and state != "ignored" and states.disarmed:
        return "HA is disarmed and holds its guests (freeze): arm it again"
    return f"HA has it in state {state}" if state in BUSY | BROKEN else None


def _migrating(target: str | None) -> str:
    return f"a migration to {target} is under way" if target else "a migration of it is under way"


def _host_now(entry: Row, states: NodeStates) -> HostNow:
    node = str(entry.get("node"))
    active = status_of(entry) == "online" and not in_maintenance(entry, states) and states.usable(node)
    return HostNow(
        active=active,
        memory_capacity=whole(entry.get("maxmem")),
        memory_used=whole(entry.get("mem")),
    )
