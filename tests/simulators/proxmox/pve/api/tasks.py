# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""/nodes/{node}/tasks."""

from __future__ import annotations

from ..errors import ApiError, bad_parameters
from ..params import BOOL, COUNT, INT, TEXT, VMID, Param
from ..routes import Call, Page, Waits, method
from ..tasks import Task


@method(
    "GET",
    "/nodes/{node}/tasks",
    params={
        "start": COUNT,
        "limit": COUNT,
        "userfilter": TEXT,
        "typefilter": TEXT,
        "vmid": VMID,
        "errors": BOOL,
        "source": Param("string", enum=("archive", "active", "all")),
        "since": INT,
        "until": INT,
        "statusfilter": Param("string", format="pve-task-status-type-list"),
    },
)
def node_tasks(call: Call) -> object:
    source = call.params.get("source", "archive")
    rows = []
    delay = call.world.switches.task_list_seconds
    for task in call.world.tasks.newest_first():
        # One that has ended is active until it is archived (fact 28).
        active = task.shown_as_running(call.now, delay)
        if task.node != call.node.name or (source != "all" and active != (source == "active")):
            continue
        if not _visible(call, task) or not _wanted(call, task):
            continue
        row = task.entry()
        row["status"] = "RUNNING" if task.ended is None else task.exitstatus
        if task.ended is not None:
            row["endtime"] = int(task.ended)
        rows.append(row)
    first = call.number("start", 0)
    return Page(rows[first : first + call.number("limit", 50)], len(rows))


@method("GET", "/nodes/{node}/tasks/{upid}/status")
def task_status(call: Call) -> object:
    task = _task(call)
    row = {**task.entry(), "status": "running" if task.running else "stopped"}
    if not task.running:
        row["exitstatus"] = task.exitstatus
    return row


@method("GET", "/nodes/{node}/tasks/{upid}/log", params={"start": COUNT, "limit": COUNT, "download": BOOL})
def task_log(call: Call) -> object:
    task = _task(call)
    first = call.number("start", 0)
    lines = task.lines or ["no content"]
    limit = call.number("limit", 50) or len(lines)
    rows: list[dict[str, object]] = [{"n": number, "t": text} for number, text in enumerate(lines, 1)]
    return Page(rows[first : first + limit], len(rows))


@method("DELETE", "/nodes/{node}/tasks/{upid}")
def stop_task(call: Call) -> object:
    task = _find(call)
    if not task.owned_by(call.user):
        call.rights.demand(f"/nodes/{task.node}", "Sys.Modify")
    # The call waits for the worker to clean up, and kills it after 5 s.
    return Waits(task.on_abort(), None) if task.on_abort is not None else None


def _find(call: Call) -> Task:
    upid = call.text("upid")
    if not upid.startswith("UPID:") or upid.count(":") != 8:
        raise bad_parameters(upid="unable to parse worker upid")
    task = call.world.tasks.find(upid)
    if task is None or task.node != call.node.name:
        raise bad_parameters(upid="no such task")
    return task


def _task(call: Call) -> Task:
    task = _find(call)
    if not _visible(call, task):
        raise ApiError(403, f"Permission check failed (/nodes/{task.node}, Sys.Audit)")
    return task


def _visible(call: Call, task: Task) -> bool:
    return task.owned_by(call.user) or call.rights.has(f"/nodes/{task.node}", "Sys.Audit")


def _wanted(call: Call, task: Task) -> bool:
    params = call.params
    if "vmid" in params and task.id != str(params["vmid"]):
        return False
    if "typefilter" in params and task.type != params["typefilter"]:
        return False
    if "userfilter" in params and call.text("userfilter") not in task.user:
        return False
    if task.started < call.number("since", 0) or ("until" in params and task.started > int(params["until"])):
        return False
    if call.flag("errors") and not task.failed:
        return False
    if "statusfilter" not in params:
        return True
    status = task.exitstatus or ""
    kind = (
        "ok"
        if status == "OK"
        else "warning"
        if status.startswith("WARNINGS")
        else "error"
        if status
        else "unknown"
    )
    return kind in call.text("statusfilter").split(",")
