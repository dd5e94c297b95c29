# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests and answers as virtflow-scheduler has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..._capacity.lease import moment
from ..._model.errors import shortened
from ..queue.task import Task

ORIGIN = "virtflow"
# It tries three times more, after about so many seconds in all.
_WAIT_SECONDS = 10
_MIB = 1024**2
_YES, _NO = frozenset({"1", "on", "t", "true", "y", "yes"}), frozenset({"0", "off", "f", "false", "n", "no"})
_STATUS = {"completed": "success", "failed": "failed"}


class Invalid(Exception):
    """What is wrong with a body: one entry a field."""

    def __init__(self, *detail: Mapping[str, Any]) -> None:
        super().__init__()
        self.detail = detail


def place_request(body: object, name: str, kind: str) -> dict[str, Any]:
    """The request of that id and kind (`place` or `spare`) for a scheduling request. Raises Invalid."""
    if not isinstance(body, Mapping):
        raise Invalid(entry("model_attributes_type", (), "Input should be a valid object", body))
    found: dict[str, Any] = {}
    wrong = []
    for field, read, expected in _FIELDS:
        if field not in body:
            wrong.append(entry("missing", (field,), "Field required", dict(body)))
            continue
        found[field] = read(body[field])
        if found[field] is None:
            wrong.append(
                entry(f"{expected}_type", (field,), f"Input should be a valid {expected}", body[field])
            )
    if wrong:
        raise Invalid(*wrong)
    vm = {
        "name": f"{kind}-{name}",
        "cpu": found["requested_cpu"],
        "memory": found["requested_memory"] * _MIB,
        "pool": found["requested_pool"],
        "dedicated": found["dedicated"],
    }
    common = {"kind": kind, "id": name, "strategy": "least_loaded", "wait": _WAIT_SECONDS}
    # Whoever schedules creates the VM: the answer is no more than where.
    return {**common, "vm": vm} if kind == "spare" else {**common, "vms": [vm], "create": False}


def entry(kind: str, path: tuple[str, ...], message: str, value: object) -> Mapping[str, Any]:
    """One thing that is wrong."""
    return {"type": kind, "loc": ["body", *path], "msg": message, "input": shortened(value)}


def result(task: Task) -> dict[str, Any]:
    """The answer to whoever asks for the result of a task."""
    if task.status == "processing":
        return {"status": "processing"}
    if task.status == "completed":
        return {"status": "completed", "result": _host(task)}
    reason = _reason(task)
    if (task.error or {}).get("type") == "NoRoom":
        return {"status": "failed", "error": "No available nodes", "reason": reason}
    return {"status": "failed", "error": reason}


def status(task: Task) -> dict[str, Any]:
    """The answer to whoever asks for the status of a task."""
    ended = task.status != "processing"
    return {
        "task_id": task.id,
        "status": _STATUS.get(task.status, "queued" if task.begun_at is None else "running"),
        "timestamp": moment(task.ended_at if ended else task.begun_at or task.received_at),
        "error": _reason(task) if task.status == "failed" else None,
    }


def _host(task: Task) -> dict[str, Any]:
    vm = task.result["vms"][0]
    return {"name": vm["host"], "ip": vm["address"], "vm": vm["name"]}


def _reason(task: Task) -> str:
    return str((task.error or {}).get("message", ""))


def _integer(value: object) -> int | None:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal():
        return int(value) if len(value) < 19 else None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return int(value) if isinstance(value, int) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _truth(value: object) -> bool | None:
    word = str(value).lower() if isinstance(value, (str, bool, int)) else ""
    return True if word in _YES else False if word in _NO else None


_FIELDS: tuple[tuple[str, Callable[[object], Any], str], ...] = (
    ("requested_cpu", _integer, "integer"),
    ("requested_memory", _integer, "integer"),
    ("requested_pool", _text, "string"),
    ("dedicated", _truth, "boolean"),
)
