# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules service_request and service_info."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, get_args

from ..._model.codec import decode
from ..._model.errors import InputError
from ..._model.quantities import LONG_TIME, TIME
from ..._service.queue.promises import SparePlace
from ..._service.queue.repository import Failure, complete, defer, fail, listed, start, task_named
from ..._service.queue.task import Status, Task
from ..._service.report import request_report
from ..._service.request import work_with_units
from ..._state.database import Database
from ..._state.owner import process
from ..options.argument_spec import NoSecret, options_of
from ..options.values import at_least
from ..state_session import StateOptions, needed_database


@dataclass(frozen=True, kw_only=True)
class RequestOptions(StateOptions):
    """The options of service_request; `seconds` until the work is tried again."""

    id: str
    claim: NoSecret
    state: Literal["begun", "completed", "waiting", "failed"]
    worker_pid: int | None = None
    result: Mapping[str, Any] | None = None
    spare_place: Mapping[str, Any] | None = None
    error: str | None = None
    error_type: str = "Failed"
    seconds: Annotated[float, TIME] = 1


@dataclass(frozen=True, kw_only=True)
class InfoOptions(StateOptions):
    """The options of service_info; `ended_within` in seconds."""

    ids: Sequence[str] | None = None
    statuses: Sequence[Status] | None = None
    ended_within: Annotated[float, LONG_TIME] = 86_400


REQUIRED_IF = [
    ("state", "completed", ["result"]),
    ("state", "waiting", ["error"]),
    ("state", "failed", ["error"]),
]


def run_service_request(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Say how far the work on a request has come. In check mode nothing is said."""
    options = options_of(RequestOptions, params)
    at_least(options, 0, "seconds")
    with needed_database(options, os.environ, make=not check_mode) as database:
        if check_mode:
            task = task_named(database, options.id)
            return _result(task, True, 0.0) if task is not None else {"changed": False, "request": None}
        return _tell(database, options)


def _tell(database: Database, options: RequestOptions) -> dict[str, Any]:
    name, claim, state = options.id, options.claim, options.state
    if state == "begun":
        worker = None
        if options.worker_pid is not None:
            worker = process(options.worker_pid)
            if worker is None:
                raise InputError("worker_pid", options.worker_pid, "a process that runs here")
        task, left = start(database, name, claim, worker, _place(options.spare_place))
        return _result(task, True, left)
    if state == "completed":
        return _result(*complete(database, name, claim, options.result or {}), 0.0)
    failure = Failure(kind=options.error_type or "Failed", message=options.error or "")
    if state == "waiting":
        return _result(*defer(database, name, claim, options.seconds, failure), 0.0)
    return _result(*fail(database, name, claim, failure), 0.0)


def _place(given: Mapping[str, Any] | None) -> SparePlace | None:
    return None if given is None else decode(SparePlace, dict(given), "spare_place")


def _result(task: Task, changed: bool, left: float) -> dict[str, Any]:
    shown = {**task.to_json(), "work": work_with_units(task.kind, task.work), "wait_left": left}
    diff = {"before": {}, "after": {key: shown[key] for key in ("status", "tries", "error")}}
    return {"changed": changed, "request": shown, **({"diff": diff} if changed else {})}


def run_service_info(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Requests, and the receivers that were notified of their end."""
    options = options_of(InfoOptions, params)
    at_least(options, 0, "ended_within")
    with needed_database(options, os.environ, make=False) as database:
        found = [
            request_report(database, task)
            for task in listed(database, options.ended_within)
            if _matches(task.id, options.ids) and task.status in (options.statuses or get_args(Status))
        ]
    return {"changed": False, "requests": found}


def _matches(name: str, patterns: Sequence[str] | None) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
