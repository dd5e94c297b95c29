# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of started migrations: a task's end counts only together with the place of the guest,
and a task whose node is away may never end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ...errors import NotFound, Refused, UnexpectedAnswer
from ...protocol import MigrationRequest, MigrationState
from ...values import Row, row
from ..api.filters import Where, ids
from ..api.lists import Lists
from ..api.session import Session
from ..api.values import part, reference
from ..read.guests import GUESTS, id_of, is_plain, node_of
from ..read.history import COMPLETE, FAILED, MIGRATION
from ..read.live_state import TASKS
from ..read.nodes import NODES, name_of, status_of
from .start import CONSUL, NUMBER

# How long a task that was named at the start may stay out of the list, and how long a guest may be shown
# elsewhere, or not yet running, after its task has ended well.
LISTING_SECONDS = 60.0
ARRIVING_SECONDS = 20.0
# How often nodes are looked at while migrations run, and how long one of the two must be away until its task
# is not waited for any more.
NODES_SECONDS = 15.0
AWAY_SECONDS = 180.0
_ABORTED = frozenset({"abort", "aborted", "cancel", "cancelled", "canceled"})
RUNNING = MigrationState(state="running")
_GONE = "the guest no longer exists"


@dataclass(slots=True)
class TaskPoller:
    """Remembers what `poll` can't see again: since when something is odd, and what was cancelled."""

    session: Session
    lists: Lists
    monotonic: Callable[[], float]
    _odd: dict[tuple[str, str], float] = field(default_factory=dict)
    _cancelled: set[str] = field(default_factory=set)
    _away: dict[str, float] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _looked: float | None = None

    def poll(self, tasks: Mapping[str, MigrationRequest]) -> dict[str, MigrationState]:
        """One call for all, one more for the guests of those that have ended, and now and then one for the
        nodes.
        """
        listed = self._listed(tasks)
        states: dict[str, MigrationState] = {}
        ended: dict[str, MigrationRequest] = {}
        orphaned: dict[str, str] = {}
        for task, request in tasks.items():
            if task not in listed or _is_over(listed[task]):
                ended[task] = request
            elif (node := self._long_away(request)) is not None:
                ended[task], orphaned[task] = request, node
            else:
                states[task] = _under_way(listed[task])
        guests = self._guests(ended.values())
        for task, request in ended.items():
            guest = guests.get(request.guest)
            if task in orphaned:
                states[task] = self._orphaned(request, guest, orphaned[task])
            else:
                states[task] = self._end(task, request, listed.get(task), guest)
        return states

    def _long_away(self, request: MigrationRequest) -> str | None:
        """The one of its two nodes that has been away for long."""
        now = self.monotonic()
        if self._looked is None:
            self._looked = now
        if now - self._looked >= NODES_SECONDS:
            self._looked = now
            nodes = {str(reference(entry)): entry for entry in self.lists.whole(NODES)}
            self._names = {identity: name_of(entry) for identity, entry in nodes.items()}
            away = [identity for identity, entry in nodes.items() if status_of(entry) != "online"]
            self._away = {identity: self._away.get(identity, now) for identity in away}
        ends = (request.source, request.target)
        return next((node for node in ends if now - self._away.get(node, now) >= AWAY_SECONDS), None)

    def _orphaned(self, request: MigrationRequest, guest: Row | None, node: str) -> MigrationState:
        """Of a task that has not ended, one of whose nodes is away."""
        if guest is None:
            return MigrationState(state="failed", why=_GONE)
        there = node_of(guest) == request.target
        if there and node != request.target and is_plain(guest):
            return MigrationState(state="migrated", percent=100)
        why = (
            f"node {self._names.get(node, node)} is away and the task has not ended; the guest is"
            f" {_place(guest, there=there)}"
        )
        return MigrationState(state="failed", why=why)

    def cancel(self, task: str) -> None:
        """A task that is over, or not listed, is left alone."""
        self._cancelled.add(task)
        entry = self._listed([task]).get(task)
        if entry is None or _is_over(entry):
            return
        try:
            self.session.post(f"{TASKS}/{reference(entry)}/abort", {}, repeatable=True)
        except (NotFound, Refused):
            entry = self._listed([task]).get(task)
            if entry is not None and not _is_over(entry):
                raise

    def _listed(self, tasks: Iterable[str]) -> dict[str, Row]:
        """Their lines in the list. Other tasks may have come of the same call: the migration is the one."""
        result: dict[str, Row] = {}
        for prefix, key in ((CONSUL, "consul_id"), (NUMBER, "id")):
            named = {task.removeprefix(prefix): task for task in tasks if task.startswith(prefix)}
            where: Where = [{key: name} for name in named] if key == "consul_id" else ids(list(named))
            for entry in self.lists.find(TASKS, where):
                task = named[str(reference(entry.get(key)))]
                if task not in result or entry.get("name") == MIGRATION:
                    result[task] = entry
        return result

    def _guests(self, requests: Iterable[MigrationRequest]) -> dict[str, Row]:
        wanted = sorted({request.guest for request in requests if request.guest.isdigit()})
        return {id_of(entry): entry for entry in self.lists.find(GUESTS, ids(wanted))}

    def _end(
        self, task: str, request: MigrationRequest, entry: Row | None, guest: Row | None
    ) -> MigrationState:
        """Of a task that has ended, or that is not in the list."""
        if guest is None:
            return MigrationState(state="failed", why=_GONE)
        there = node_of(guest) == request.target
        if there and is_plain(guest):
            return MigrationState(state="migrated", percent=100)
        status = None if entry is None else entry.get("status")
        if status == COMPLETE:
            if self._still(task, "arriving", ARRIVING_SECONDS):
                return RUNNING
            why = f"the task is complete, but the guest is {_place(guest, there=there)}"
        elif entry is None:
            if self._still(task, "listing", LISTING_SECONDS):
                return RUNNING
            why = f"the platform lists no such task, and the guest is {_place(guest, there=there)}"
        else:
            why = self._output(entry) or f"the task ended with: {status}"
            if there:
                why += f"; the guest is {_place(guest, there=there)}"
        cancelled = task in self._cancelled or str(status) in _ABORTED
        return MigrationState(state="cancelled" if cancelled else "failed", why=why)

    def _still(self, task: str, what: str, seconds: float) -> bool:
        """Whether it has been odd for less than so long."""
        since = self._odd.setdefault((task, what), self.monotonic())
        return self.monotonic() - since < seconds

    def _output(self, entry: Row) -> str:
        """The output of the task, from its row or from a call about it alone."""
        found = entry.get("output")
        if not found:
            path = f"{TASKS}/{reference(entry)}"
            try:
                found = part(row(self.session.get(path), f"GET {path}").get("task"), "output")
            except (NotFound, Refused, UnexpectedAnswer):
                found = None
        return str(part(found, "error", "msg", "message") or found or "").strip()


def _is_over(entry: Row) -> bool:
    status = entry.get("status")
    return status == COMPLETE or status in FAILED or str(status) in _ABORTED


def _under_way(entry: Row) -> MigrationState:
    """A status that is not known counts as one of these: the platform still works on it."""
    status = entry.get("status")
    reason = str(entry.get("defer_reason") or "").strip()
    if status == "running":
        return RUNNING
    return MigrationState(state="running", why=f"{status}{': ' + reason if reason else ''}")


def _place(guest: Row, *, there: bool) -> str:
    where = f"on {part(guest.get('node'), 'name') or node_of(guest)}"
    return f"{where} and {guest.get('state')}" if there else where
