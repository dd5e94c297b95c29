# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes to submit a request and to poll it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..intake import accepted
from .routes import Exchange, Route, answer, refusal, without_token

if TYPE_CHECKING:
    from aiohttp.web import StreamResponse


async def submit(exchange: Exchange) -> StreamResponse:
    """Accept a request."""
    task = (await exchange.intake.take(await exchange.body(), "http")).task
    where = {"Location": f"/requests/{task.id}"}
    status = 202 if task.status == "processing" else 200
    return answer(status, accepted(task), where)


async def poll(exchange: Exchange) -> StreamResponse:
    """Return the state of a request."""
    name = exchange.request.match_info["id"]
    report = await exchange.intake.report(name)
    if report is None:
        return refusal(404, "UnknownRequest", f"No request has the id {name}")
    return answer(200, report)


async def health(exchange: Exchange) -> StreamResponse:
    """Return whether requests can be accepted."""
    await exchange.intake.report("")
    return answer(200, {"status": "ok"})


ROUTES = (
    Route(method="POST", path="/requests", handler=submit, operation={}),
    Route(method="GET", path="/requests/{id}", handler=poll, operation={}),
    Route(method="GET", path="/health", handler=health, operation={}, access=without_token),
)
