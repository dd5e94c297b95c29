# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes with which callers of virtflow-scheduler and of vsphere-capacity-manager go on working.

They answer in the words and with the codes of those systems. They are off unless the configuration names
them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..._model.errors import InputError
from ..._model.text.wording import is_storable, parsed_json
from ..compatibility import vcm, virtflow
from ..config import Compatibility, Http
from ..library import web
from ..queue.repository import task_named
from ..queue.task import Task
from .routes import Access, Exchange, Route

if TYPE_CHECKING:
    from aiohttp.web import StreamResponse


def schedule(exchange: Exchange) -> Awaitable[StreamResponse]:
    """Accept a request to choose a host."""
    return _submit(exchange, "place")


def prepare_spare(exchange: Exchange) -> Awaitable[StreamResponse]:
    """Accept a request for a spare VM."""
    return _submit(exchange, "spare")


async def result(exchange: Exchange) -> StreamResponse:
    """Return the result of a task."""
    task = await _task(exchange)
    if task is None:
        return virtflow_refusal(404, "UnknownRequest", "Task ID not found")
    return _json(200, virtflow.result(task))


async def status(exchange: Exchange) -> StreamResponse:
    """Return the status of a task."""
    task = await _task(exchange)
    return _json(200, {"error": "Task not found"} if task is None else virtflow.status(task))


async def acquire(exchange: Exchange) -> StreamResponse:
    """Lease capacity of pools."""
    asked = vcm.wanted(parsed_json(await exchange.body(), "request"))
    try:
        return _json(200, await exchange.intake.ask(vcm.acquire, asked))
    except vcm.NotAcquired as error:
        return vcm_refusal(500, "NotAcquired", f"error acquiring lease: {error}")


async def release(exchange: Exchange) -> StreamResponse:
    """Release leases."""
    await exchange.intake.ask(vcm.give_back, parsed_json(await exchange.body(), "request"))
    response: StreamResponse = web.Response(status=200)
    return response


async def show_pools(exchange: Exchange) -> StreamResponse:
    """Return all pools with what is available."""
    await exchange.body()
    return _json(200, await exchange.intake.ask(vcm.pools))


def virtflow_refusal(code: int, kind: str, message: str, **more: str) -> StreamResponse:
    """An error as virtflow-scheduler's framework has it."""
    if kind == "InputError":
        path = (more["field"],) if "field" in more else ()
        return _unprocessable(virtflow.entry("value_error", path, message, more.get("value")))
    return _json(code, {"detail": message})


def vcm_refusal(code: int, _kind: str, message: str, **_more: str) -> StreamResponse:
    """An error as vsphere-capacity-manager has it."""
    response: StreamResponse = web.Response(status=code, text=f"{message}\n")
    return response


async def _submit(exchange: Exchange, kind: str) -> StreamResponse:
    name = str(uuid.uuid4())
    body = await exchange.body()
    try:
        asked = virtflow.place_request(parsed_json(body, "request"), name, kind)
    except InputError as error:
        return _unprocessable(virtflow.entry("json_invalid", (), str(error), {}))
    except virtflow.Invalid as error:
        return _unprocessable(*error.detail)
    await exchange.intake.take(json.dumps(asked).encode(), virtflow.ORIGIN)
    return _json(200, {"task_id": name, "status": "queued", "message": "Task submitted, check status later."})


async def _task(exchange: Exchange) -> Task | None:
    name = exchange.request.match_info["id"]
    task = await exchange.intake.ask(task_named, name) if is_storable(name) else None
    return task if task is not None and task.terms.origin == virtflow.ORIGIN else None


def _json(code: int, body: object) -> StreamResponse:
    response: StreamResponse = web.json_response(body, status=code)
    return response


def _unprocessable(*detail: Mapping[str, Any]) -> StreamResponse:
    return _json(422, {"detail": list(detail)})


def _access(name: Compatibility) -> Callable[[Http], Access]:
    def access(http: Http) -> Access:
        if name not in http.compatibility:
            return "off"
        return "token" if http.compatibility_token else "open"

    return access


_Handler = Callable[[Exchange], Awaitable["StreamResponse"]]


def _virtflow(method: Any, path: str, handler: _Handler, summary: str) -> Route:
    return Route(
        method=method,
        path=path,
        handler=handler,
        operation={"summary": summary},
        access=_access("virtflow"),
        refusal=virtflow_refusal,
    )


def _vcm(method: Any, path: str, handler: _Handler, summary: str) -> Route:
    return Route(
        method=method,
        path=path,
        handler=handler,
        operation={"summary": summary},
        access=_access("vcm"),
        refusal=vcm_refusal,
    )


ROUTES = (
    _virtflow("POST", "/schedule", schedule, "Choose a host, as virtflow-scheduler"),
    _virtflow("POST", "/spare/prepare", prepare_spare, "Prepare a spare VM, as virtflow-scheduler"),
    _virtflow("GET", "/result/{id}", result, "Result of a task, as virtflow-scheduler"),
    _virtflow("GET", "/schedule/{id}", result, "Result of a task, as virtflow-scheduler"),
    _virtflow("GET", "/status/{id}", status, "Status of a task, as virtflow-scheduler"),
    _vcm("POST", "/acquire", acquire, "Lease capacity, as vsphere-capacity-manager"),
    _vcm("POST", "/release", release, "Release leases, as vsphere-capacity-manager"),
    _vcm("GET", "/show-pools", show_pools, "Pools and what is available, as vsphere-capacity-manager"),
    _vcm("POST", "/show-pools", show_pools, "Pools and what is available, as vsphere-capacity-manager"),
)
