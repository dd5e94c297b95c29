# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Coroutines that run side by side, and end as one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


def heed_cancellation() -> None:
    """Raise CancelledError where the running task was cancelled: an error of the same moment may have taken
    the place of the cancellation, and what tries again after errors would go on for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def run_all(*works: Coroutine[Any, Any, None]) -> None:
    """Run all until they have ended. The first error cancels the others, and is raised as it is."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        heed_cancellation()


async def run_beside(main: Coroutine[Any, Any, None], *others: Coroutine[Any, Any, None]) -> None:
    """Run all until `main` has ended, which cancels the others. The first error is raised as it is."""
    leading = asyncio.ensure_future(main)
    beside = asyncio.ensure_future(run_all(*others))
    try:
        await asyncio.wait({leading, beside}, return_when=asyncio.FIRST_COMPLETED)
        if not leading.done():
            beside.result()
        await leading
    finally:
        for task in (leading, beside):
            task.cancel()
        await asyncio.gather(leading, beside, return_exceptions=True)
        heed_cancellation()
