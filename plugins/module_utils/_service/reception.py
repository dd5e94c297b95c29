# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking requests in, by whichever door they come, and answering what became of them.

The database is asked in threads of its own: nothing here keeps the event loop waiting. Private to the
collection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .._state.database import Database
from .config import ServiceConfig
from .outbox import told
from .request import asked_of
from .task import Task, Terms
from .tasks import Taken, look, take

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reception:
    """The service's database and configuration."""

    database: Database
    config: ServiceConfig
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "evenkeel"))

    async def ask(self, work: Callable[..., T], *arguments: Any) -> T:
        """What work does with the database and the arguments, in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(self.database, *arguments))

    async def take(self, value: object, origin: str, *, message: str | None = None) -> Taken:
        """A request that came in is kept. A message is kept as it came, for the dead letters, and needs an
        id.

        Raises InputError and RequestDiffers for what can't be taken, StateError when the database does not
        answer.
        """
        asked = asked_of(value, needs_id=message is not None)
        terms = Terms(
            origin=origin,
            receivers=self.config.receivers_of(asked.notify),
            budget=self.config.work.tries,
            wait=asked.wait,
            message=message,
        )
        return await self.ask(take, asked, terms)

    async def told(self, name: str) -> dict[str, Any] | None:
        """What became of a request, and who was told; None when there is none of that id."""
        task = await self.ask(look, name)
        return None if task is None else await self.ask(told, task)


def accepted(task: Task) -> dict[str, Any]:
    """The answer to a request that was taken."""
    return {"id": task.id, "kind": task.kind, "status": task.status}
