# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Works side by side end when they are cancelled, whatever else happens at that moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._service.queue.task_group import (
    run_all,
    run_beside,
)

Group = Callable[..., Coroutine[Any, Any, None]]


async def for_ever() -> None:
    await asyncio.Event().wait()


async def losing_its_server() -> None:
    """The server goes away at the moment at which the work is cancelled."""
    try:
        await for_ever()
    except asyncio.CancelledError:
        raise ConnectionError("the server has closed the channel") from None


async def tried_again(group: Group, *works: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await group(*(work() for work in works))
        except ConnectionError:
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("group", "works"),
    [
        (run_all, (losing_its_server,)),
        (run_all, (for_ever, losing_its_server)),
        (run_beside, (losing_its_server, for_ever)),
        (run_beside, (for_ever, losing_its_server)),
    ],
)
def test_a_cancellation_is_not_lost_in_an_error_of_the_same_moment(
    group: Group, works: tuple[Callable[[], Awaitable[None]], ...]
) -> None:
    async def stopped() -> None:
        task = asyncio.ensure_future(tried_again(group, *works))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        for _ in range(50):
            await asyncio.sleep(0)
        assert task.cancelled()

    loop = asyncio.new_event_loop()
    try:
        # asyncio.run would wait for a task that goes on.
        loop.run_until_complete(stopped())
    finally:
        loop.close()


def test_the_first_error_is_raised_as_it_is() -> None:
    async def fails() -> None:
        raise ConnectionError("gone")

    for group in (run_all, run_beside):
        with pytest.raises(ConnectionError, match="gone"):
            asyncio.run(group(for_ever(), fails()))
