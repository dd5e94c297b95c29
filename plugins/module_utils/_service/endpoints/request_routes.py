# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes to submit a request and to poll it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..intake import accepted
from ..openapi import error_answer, json_answer, reference
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


VM = {"name": "ci-4711", "cpu": 4, "memory": "8G", "disks": [{"size": "100G"}]}
REQUESTS: dict[str, dict[str, Any]] = {
    "place": {"id": "build-4711", "kind": "place", "vms": [VM], "lifetime": "2h", "wait": "10m"},
    "spare": {"id": "upgrade-7", "kind": "spare", "vm": {**VM, "name": "node-spare-1"}, "lifetime": "6h"},
    "lease": {
        "id": "tests-17",
        "kind": "lease",
        "vcpus": 24,
        "memory": "96G",
        "wait": "1h",
        "notify": ["ci"],
    },
    "renew": {"kind": "renew", "name": "tests-17", "lifetime": "2h"},
    "release": {"kind": "release", "name": "build-4711"},
}
"""An example of each kind."""
_ACCEPTED = {"id": "build-4711", "kind": "place", "status": "processing"}
_COMPLETED = {
    **_ACCEPTED,
    "status": "completed",
    "received_at": "2026-01-31T22:00:00Z",
    "ended_at": "2026-01-31T22:00:04Z",
    "tries": 1,
    "result": {
        "status": "placed",
        "cluster": {"id": "prod", "name": "prod"},
        "vms": [{"name": "ci-4711", "host": "pve3", "address": "10.0.0.13", "datastore": "ceph"}],
        "lease": {"name": "build-4711", "until": "2026-02-01T00:00:03Z"},
    },
    "error": None,
    "callbacks": [
        {
            "id": "msg_1f0c",
            "channel": "callback",
            "receiver": "ci",
            "status": "delivered",
            "tries": 1,
            "error": None,
            "ended_at": "2026-01-31T22:00:05Z",
        }
    ],
}
_SUBMIT = {
    "operationId": "submit",
    "summary": "Submit a request",
    "description": "The request is in the database when it was accepted. The same request with the same id is"
    " the same request: sending it again does not create another one.",
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": reference("Request"),
                "examples": {kind: {"value": value} for kind, value in REQUESTS.items()},
            }
        },
    },
    "responses": {
        202: {
            **json_answer("Accepted, and in progress", reference("Accepted"), _ACCEPTED),
            "headers": {"Location": {"description": "where to poll", "schema": {"type": "string"}}},
        },
        200: json_answer(
            "Accepted before, and ended", reference("Accepted"), {**_ACCEPTED, "status": "completed"}
        ),
        400: error_answer(
            "The request is wrong. It was not accepted",
            "InputError",
            "vms[0].cpu: 0 is not a number above 0",
            field="vms[0].cpu",
            value="0",
            expected="a number above 0",
        ),
        409: error_answer(
            "Another request has this id",
            "RequestDiffers",
            "request build-4711: Another request with this id exists already. Use a new id for each request",
        ),
    },
}
_POLL = {
    "operationId": "poll",
    "summary": "Return the state and the result of a request",
    "parameters": [
        {
            "name": "id",
            "in": "path",
            "required": True,
            "description": "id of the request",
            "schema": {"type": "string"},
        }
    ],
    "responses": {
        200: json_answer("The request", reference("Report"), _COMPLETED),
        404: error_answer("No request has this id", "UnknownRequest", "No request has the id build-4712"),
    },
}
_HEALTH = {
    "operationId": "health",
    "summary": "Return whether requests can be accepted",
    "responses": {200: json_answer("They can", reference("Health"), {"status": "ok"})},
}

ROUTES = (
    Route(method="POST", path="/requests", handler=submit, operation=_SUBMIT),
    Route(method="GET", path="/requests/{id}", handler=poll, operation=_POLL),
    Route(method="GET", path="/health", handler=health, operation=_HEALTH, access=without_token),
)
