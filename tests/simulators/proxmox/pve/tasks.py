# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Worker tasks: their UPIDs, states and logs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Task:
    """A worker on a node. `user` is what started it, a token's name included."""

    node: str
    pid: int
    pstart: int
    started: float
    type: str
    id: str
    user: str
    lines: list[str] = field(default_factory=list)
    ended: float | None = None
    exitstatus: str | None = None
    on_abort: Callable[[], float] | None = None
    """Stop it; returns for how many seconds the caller waits."""
    lost: bool = False
    """Its node is gone."""

    @property
    def upid(self) -> str:
        process = f"{self.pid:08X}:{self.pstart:08X}:{int(self.started):08X}"
        return f"UPID:{self.node}:{process}:{self.type}:{self.id}:{self.user}:"

    @property
    def running(self) -> bool:
        return self.ended is None

    @property
    def failed(self) -> bool:
        return (
            self.exitstatus is not None
            and self.exitstatus != "OK"
            and not self.exitstatus.startswith("WARNINGS")
        )

    def owned_by(self, user: str) -> bool:
        """A user owns the tasks of its tokens; a token only its own."""
        return user in (self.user, self.user.partition("!")[0])

    def log(self, moment: float, text: str) -> None:
        self.lines.append(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(moment))} {text}")

    def plain(self, text: str) -> None:
        """A line without the time, as most tasks write them."""
        self.lines.append(text)

    def end(self, moment: float, exitstatus: str) -> None:
        self.ended = moment
        self.exitstatus = exitstatus
        self.on_abort = None
        good = exitstatus == "OK" or exitstatus.startswith("WARNINGS")
        self.lines.append(f"TASK {'' if good else 'ERROR: '}{exitstatus}")

    def cut(self, moment: float) -> None:
        """Killed, or its node was reset: the log ends without a verdict (fact 30)."""
        self.ended = moment
        self.exitstatus = "unexpected status"
        self.on_abort = None
        self.lost = False

    def shown_as_running(self, now: float, delay: float) -> bool:
        """In the cluster's list, which hears of an end only `delay` seconds later (fact 27)."""
        return self.ended is None or now - self.ended < delay

    def entry(self) -> dict[str, object]:
        """What the lists and the status have in common."""
        user, _, token = self.user.partition("!")
        result: dict[str, object] = {
            "upid": self.upid,
            "node": self.node,
            "pid": self.pid,
            "pstart": self.pstart,
            "starttime": int(self.started),
            "type": self.type,
            "id": self.id,
            "user": user,
        }
        if token:
            result["tokenid"] = token
        return result


class TaskBook:
    """All tasks of the cluster, newest last."""

    def __init__(self, booted: float) -> None:
        self._booted = booted
        self._next_pid = 0xABC0
        self._tasks: dict[str, Task] = {}

    def start(self, node: str, kind: str, subject: str, user: str, now: float) -> Task:
        self._next_pid += 7
        task = Task(node, self._next_pid, max(int((now - self._booted) * 100), 0), now, kind, subject, user)
        self._tasks[task.upid] = task
        return task

    def find(self, upid: str) -> Task | None:
        return self._tasks.get(upid)

    def newest_first(self) -> Iterator[Task]:
        return reversed(self._tasks.values())
