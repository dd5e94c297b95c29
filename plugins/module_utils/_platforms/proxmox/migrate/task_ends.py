# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How tasks ended, in one call for all of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ...errors import NotFound
from ..api.errors import NodeUnresponsive
from ..api.session import Session
from ..api.task_log import reason
from ..api.values import Upid, row, rows, succeeded

# How long it counts who is offline: a dead node's tasks stay in the lists as if they ran.
_NODES_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class End:
    """How a task ended; `known` is false where nobody can say."""

    text: str
    known: bool = True

    @property
    def good(self) -> bool:
        return self.known and succeeded(self.text)


class TaskEnds:
    """Asks for the ends of tasks, and remembers for a moment which nodes are away."""

    def __init__(self, session: Session, monotonic: Callable[[], float]) -> None:
        self._session = session
        self._monotonic = monotonic
        self._away: tuple[float, frozenset[str]] | None = None

    def of_all(self, wanted: Collection[str]) -> dict[str, End | None]:
        """How each task ended, None for one under way. The list is short: what it lacks is asked for."""
        if not wanted:
            return {}
        listed = {
            str(task.get("upid")): End(str(task.get("status") or "unknown")) if task.get("endtime") else None
            for task in rows(self._session.get("cluster/tasks"), "cluster/tasks")
        }
        ends = {task: listed[task] if task in listed else self.of(task) for task in wanted}
        for task, end in ends.items():
            node = Upid.parse(task).node
            # What a node reported before it went stays in the list for as long as it is away.
            if end is None and node in self.offline():
                ends[task] = silent(node)
        return ends

    def of(self, task: str) -> End | None:
        """The end of one task, by its node; None where it runs."""
        node = Upid.parse(task).node
        path = f"nodes/{node}/tasks/{task}/status"
        try:
            status = row(self._session.get(path), path)
        except NodeUnresponsive:
            return silent(node)
        except NotFound:
            return End(f"the node that ran it ({node}) no longer reports the task", known=False)
        return None if status.get("status") == "running" else End(str(status.get("exitstatus") or "unknown"))

    def offline(self) -> frozenset[str]:
        now = self._monotonic()
        if self._away is None or now - self._away[0] >= _NODES_SECONDS:
            nodes = rows(self._session.get("cluster/resources", type="node"), "cluster/resources")
            gone = (str(entry.get("node")) for entry in nodes if entry.get("status") == "offline")
            self._away = now, frozenset(gone)
        return self._away[1]


def silent(node: str) -> End:
    """Of a task whose node does not answer."""
    return End(f"the node that ran it ({node}) does not answer", known=False)


def with_reason(end: End, log: Sequence[str]) -> str:
    """The end with what the log says of its reason."""
    why = None if end.good else reason(log)
    return f"{end.text}: {why}" if why and why not in end.text else end.text
