# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepting requests from every endpoint, and reporting their state.

The database is asked in threads of its own: nothing here keeps the event loop waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .._model.text.wording import is_storable, parsed_json
from .._state.database import Database
from .config import ServiceConfig
from .queue.repository import Accepted, accept, task_named
from .queue.task import Task, Terms
from .report import request_report
from .request import ParsedRequest, parse_request

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Intake:
    """The service's database and configuration."""

    database: Database
    config: ServiceConfig
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "evenkeel"))
    # Their own, so that nobody who only asks the database waits for large requests.
    _readers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, "evenkeel-read"))

    async def ask(self, work: Callable[..., T], *arguments: Any) -> T:
        """Returns what `work` returns for the database and the arguments. It runs in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(self.database, *arguments))

    async def take(
        self, body: bytes, origin: str, *, message: str | None = None, name: str | None = None
    ) -> Accepted:
        """A request that came in, as JSON, is kept. A message is kept as it came, for the dead letters, and
        needs an id, which `name` stands in for.

        Raises InputError and RequestDiffers for what can't be taken, StateError when the database does not
        answer.
        """

        def read() -> ParsedRequest:
            value = parsed_json(body, "request")
            if name and isinstance(value, dict):
                value.setdefault("id", name)
            return parse_request(
                value, needs_id=message is not None, most_guests=self.config.work.most_guests
            )

        asked = await asyncio.get_running_loop().run_in_executor(self._readers, read)
        terms = Terms(
            origin=origin,
            receivers=self.config.receivers_of(asked.notify),
            budget=self.config.work.tries,
            wait=asked.wait,
            message=message,
        )
        return await self.ask(accept, asked, terms)

    async def report(self, name: str) -> dict[str, Any] | None:
        """The state of a request and of its call-backs; None when there is no request of that id."""
        if not is_storable(name):
            return None
        task = await self.ask(task_named, name)
        return None if task is None else await self.ask(request_report, task)


def accepted(task: Task) -> dict[str, Any]:
    """The answer to a request that was accepted."""
    return {"id": task.id, "kind": task.kind, "status": task.status}
