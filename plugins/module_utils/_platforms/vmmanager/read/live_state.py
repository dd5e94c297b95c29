# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where guests are and what nodes are like at this moment, and what is under way on them.

A guest's line does not say that a task works on it, and a task's line does not say on which guest: the
guests' histories tell, and are asked only when there is a migration that was not started from here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ...errors import NotFound
from ...protocol import ClusterNow, GuestNow
from ...values import Row
from ..api.filters import ids
from ..api.lists import Lists
from ..api.session import Session
from ..api.values import reference
from .clusters import ClusterPlace
from .guests import GUESTS, STATES, id_of, node_of, obstacles, power_on, run_state
from .history import MIGRATION, UNFINISHED, MigrationHistory
from .loads import LoadReader
from .nodes import host_now, memory, nodes_of

TASKS = "vm/v3/task"
# A migration may be asked for and not be listed for a moment.
LISTING_SECONDS = 10.0


@dataclass(slots=True)
class LiveStateReader:
    """Remembers which guest a task is about, which never changes: by its number, and by its consul id for
    those that were started from here.
    """

    session: Session
    lists: Lists
    place: ClusterPlace
    meter: LoadReader
    owners: dict[str, str] = field(default_factory=dict)
    started: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, Row] = field(default_factory=dict)
    _asked: set[tuple[str, str]] = field(default_factory=set)

    def read(self, guests: Collection[str], doubtful: Mapping[str, str]) -> ClusterNow:
        """`doubtful` are guests, with the reason, of which it is not known whether something was started."""
        self.nodes = nodes_of(self.lists, self.place)
        found = {
            id_of(entry): entry
            for entry in self.lists.find(GUESTS, ids([guest for guest in sorted(guests) if guest.isdigit()]))
            if reference(entry.get("cluster")) == self.place.id
        }
        held = self._held(found)
        memory_used = self.meter.memory_of_nodes(
            {identity: memory(entry) for identity, entry in self.nodes.items()}
        )
        return ClusterNow(
            cluster=self.place.id,
            guests={
                guest: GuestNow(
                    host=str(node_of(entry)),
                    power=power_on(self.nodes.get(str(node_of(entry)), {}), entry),
                    busy=_state_of(entry) or held.get(guest) or doubtful.get(guest),
                    run_state=run_state(entry),
                )
                for guest, entry in found.items()
            },
            hosts={
                identity: host_now(entry, memory_used.get(identity)) for identity, entry in self.nodes.items()
            },
        )

    def remember(self, guest: str, history: MigrationHistory) -> None:
        """Whose the tasks of a history are."""
        for task in history.tasks:
            self.owners[task] = guest

    def name_of_node(self, identity: str) -> str:
        entry = self.nodes.get(identity)
        return identity if entry is None else f"{entry.get('name')} ({identity})"

    def _held(self, guests: Mapping[str, Row]) -> dict[str, str]:
        """The guests that a task holds, with its name: migrations of whomever, other tasks where one was met
        before.
        """
        tasks = self.lists.find(TASKS, [{"status": status} for status in UNFINISHED])
        names = {str(reference(task)): str(task.get("name")) for task in tasks}
        for task in tasks:
            if (consul := reference(task.get("consul_id"))) in self.started:
                self.owners[str(reference(task))] = self.started[str(consul)]
        strange = [task for task, name in names.items() if name == MIGRATION and task not in self.owners]
        unasked = [guest for guest in guests if any((task, guest) not in self._asked for task in strange)]
        for guest, history in zip(unasked, self.session.concurrently(self._history, unasked), strict=True):
            self.remember(guest, history)
        self._asked |= {(task, guest) for task in strange for guest in unasked}
        return {
            self.owners[task]: f"a task is under way ({name})"
            for task, name in names.items()
            if task in self.owners
        }

    def _history(self, guest: str) -> MigrationHistory:
        try:
            return MigrationHistory.read(self.session, guest)
        except NotFound:
            return MigrationHistory(())


def _state_of(entry: Row) -> str | None:
    """Paused is a state in which nothing works on it."""
    return next((words for blocker, words in obstacles(entry) if blocker in STATES - {"paused"}), None)
