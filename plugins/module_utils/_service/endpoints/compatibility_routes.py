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
from typing import TYPE_CHECKING, Any, Literal

from ..._model.errors import InputError
from ..._model.text.wording import is_storable, parsed_json
from ..compatibility import vcm, virtflow
from ..config import Compatibility, Http
from ..library import web
from ..openapi import json_answer
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


def _text(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


_ANYTHING: Mapping[str, Any] = {"type": "object"}
_DETAIL = {"type": "object", "properties": {"detail": {}}, "required": ["detail"]}
_NO_TOKEN = "The token is missing or wrong, where one is required"
_SCHEDULE = {
    "type": "object",
    "properties": {
        "requested_cpu": {"type": "integer"},
        "requested_memory": {"type": "integer", "description": "MiB"},
        "requested_pool": {"type": "string"},
        "dedicated": {"type": "boolean"},
    },
    "required": ["requested_cpu", "requested_memory", "requested_pool", "dedicated"],
}
_WANTED = {"requested_cpu": 4, "requested_memory": 8192, "requested_pool": "default", "dedicated": False}
_TASK = {"task_id": "f235b1d4-0ad0-4e2a-a9b7-62f8e2a6c128", "status": "queued", "message": "Task submitted"}
_DONE = {"status": "completed", "result": {"name": "pve3", "ip": "10.0.0.13", "vm": "ci-1"}}
_LEASE = {"metadata": {"name": "vsphere-lease-1"}, "spec": {}, "status": {"pool": "dal10", "vcpus": 24}}


def _virtflow(
    method: Literal["GET", "POST"],
    path: str,
    handler: Callable[[Exchange], Awaitable[StreamResponse]],
    summary: str,
    example: object,
) -> Route:
    responses = {
        200: json_answer("The answer of virtflow-scheduler", _ANYTHING, example),
        401: json_answer(_NO_TOKEN, _DETAIL),
    }
    body = {}
    if method == "POST":
        responses[422] = json_answer("The request is wrong, with an entry a field", _DETAIL)
        content = {"application/json": {"schema": _SCHEDULE, "example": _WANTED}}
        body = {"requestBody": {"required": True, "content": content}}
    elif "status" not in path:
        responses[404] = json_answer("There is no such task", _DETAIL)
    return Route(
        method=method,
        path=path,
        handler=handler,
        operation={"summary": f"{summary}, as virtflow-scheduler", "responses": responses, **body},
        access=_access("virtflow"),
        refusal=virtflow_refusal,
    )


def _vcm(
    method: Literal["GET", "POST"],
    path: str,
    handler: Callable[[Exchange], Awaitable[StreamResponse]],
    summary: str,
    answers: Mapping[int, Any],
    example: object = None,
) -> Route:
    body = {}
    if example is not None:
        content = {"application/json": {"schema": _ANYTHING, "example": example}}
        body = {"requestBody": {"required": True, "content": content}}
    return Route(
        method=method,
        path=path,
        handler=handler,
        operation={
            "summary": f"{summary}, as vsphere-capacity-manager",
            "responses": {401: _text(_NO_TOKEN), **answers},
            **body,
        },
        access=_access("vcm"),
        refusal=vcm_refusal,
    )


_WRONG = {400: _text("The body is wrong")}
_LIST: Mapping[str, Any] = {"type": "array", "items": _ANYTHING}
_POOLS = {200: json_answer("The pools", _LIST)}
_NOT_ACQUIRED = _text("Not all of it is available, or an error of the service")
_NONE = {"description": "The leases have ended"}
_REQUEST = {"metadata": {"name": "job-1"}, "spec": {"vcpus": 24, "memory": 96, "storage": 720, "vcenters": 1}}

ROUTES = (
    _virtflow("POST", "/schedule", schedule, "Choose a host", _TASK),
    _virtflow("POST", "/spare/prepare", prepare_spare, "Prepare a spare VM", _TASK),
    _virtflow("GET", "/result/{id}", result, "Return the result of a task", _DONE),
    _virtflow("GET", "/schedule/{id}", result, "Return the result of a task", _DONE),
    _virtflow("GET", "/status/{id}", status, "Return the status of a task", {**_TASK, "error": None}),
    _vcm(
        "POST", "/acquire", acquire, "Lease capacity",
        {200: json_answer("A lease in each pool", _LIST, [_LEASE]), 500: _NOT_ACQUIRED, **_WRONG}, _REQUEST,
    ),
    _vcm(
        "POST", "/release", release, "Release leases", {200: _NONE, **_WRONG},
        {**_REQUEST, "status": {"leases": [_LEASE]}},
    ),
    _vcm("GET", "/show-pools", show_pools, "Return the pools and what is available", _POOLS),
    _vcm("POST", "/show-pools", show_pools, "Return the pools and what is available", _POOLS),
)  # fmt: skip
