# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of service_request and service_info."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, get_args

from ..._model.errors import InputError
from ..._service.queue.repository import Failure, complete, defer, fail, listed, start, task_named
from ..._service.queue.task import Status, Task
from ..._service.webhooks.outbox import delivery_reports
from ..._state.database import Database
from ..._state.owner import process
from ..options.values import at_least
from ..state_session import needed_database

REQUEST_ARGUMENTS: dict[str, Any] = {
    "id": {"type": "str", "required": True},
    "claim": {"type": "str", "required": True, "no_log": False},
    "state": {"type": "str", "choices": ["begun", "completed", "waiting", "failed"], "required": True},
    "worker_pid": {"type": "int"},
    "result": {"type": "dict"},
    "error": {"type": "str"},
    "error_type": {"type": "str", "default": "Failed"},
    "seconds": {"type": "float", "default": 1},
}
INFO_ARGUMENTS: dict[str, Any] = {
    "ids": {"type": "list", "elements": "str"},
    "statuses": {"type": "list", "elements": "str", "choices": list(get_args(Status))},
    "ended_within": {"type": "float", "default": 86_400},
}
REQUIRED_IF = [
    ("state", "completed", ["result"]),
    ("state", "waiting", ["error"]),
    ("state", "failed", ["error"]),
]


def run_service_request(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Say how far the work on a request has come. In check mode nothing is said."""
    at_least(params, 0, "seconds")
    with needed_database(params, os.environ, make=not check_mode) as database:
        if check_mode:
            task = task_named(database, params["id"])
            return _result(task, True, 0.0) if task is not None else {"changed": False, "request": None}
        return _tell(database, params)


def _tell(database: Database, params: Mapping[str, Any]) -> dict[str, Any]:
    name, claim, state = params["id"], params["claim"], params["state"]
    if state == "begun":
        worker = None
        if params["worker_pid"] is not None:
            worker = process(params["worker_pid"])
            if worker is None:
                raise InputError("worker_pid", params["worker_pid"], "a process that runs here")
        task, left = start(database, name, claim, worker)
        return _result(task, True, left)
    if state == "completed":
        return _result(*complete(database, name, claim, params["result"]), 0.0)
    failure = Failure(kind=params["error_type"] or "Failed", message=params["error"])
    if state == "waiting":
        return _result(*defer(database, name, claim, params["seconds"], failure), 0.0)
    return _result(*fail(database, name, claim, failure), 0.0)


def _result(task: Task, changed: bool, left: float) -> dict[str, Any]:
    shown = {**task.to_json(), "work": task.work, "wait_left": left}
    diff = {"before": {}, "after": {key: shown[key] for key in ("status", "tries", "error")}}
    return {"changed": changed, "request": shown, **({"diff": diff} if changed else {})}


def run_service_info(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Requests, and who was told of their end."""
    at_least(params, 0, "ended_within")
    with needed_database(params, os.environ, make=False) as database:
        found = [
            delivery_reports(database, task)
            for task in listed(database, params["ended_within"])
            if _matches(task.id, params["ids"]) and task.status in (params["statuses"] or get_args(Status))
        ]
    return {"changed": False, "requests": found}


def _matches(name: str, patterns: list[str] | None) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
