# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions that a balancer asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from ansible_collections.evenkeel.cluster.tests.simulators.kit.load import Load

from . import migration
from .access import Access
from .errors import ApiError, not_found, unauthorized
from .state import Disk, Storage, Vm
from .views import (
    Row,
    bare_row,
    cluster_row,
    disk_row,
    history_row,
    node_row,
    started_row,
    target_row,
    task_row,
    vm_row,
)
from .where import parse
from .world import World


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a user who is known."""

    world: World
    access: Access
    user: str
    query: str
    body: Mapping[str, object]
    numbers: tuple[int, ...]
    now: float

    @property
    def vm(self) -> Vm:
        return self.world.vm(self.numbers[0])


Function = Callable[[Call], object]
_FUNCTIONS: list[tuple[str, re.Pattern[str], str, Function]] = []


def function(verb: str, path: str) -> Callable[[Function], Function]:
    """Declare a function; {id} stands for a number."""

    def declare(handler: Function) -> Function:
        pattern = re.compile(re.escape(path).replace(r"\{id\}", r"(\d+)"))
        _FUNCTIONS.append((verb, pattern, f"{verb} {path}", handler))
        return handler

    return declare


def find(verb: str, path: str) -> tuple[str, Function, tuple[int, ...]] | None:
    """The name of the function for a path, the function, and the numbers in the path."""
    for method, pattern, name, handler in _FUNCTIONS:
        match = pattern.fullmatch(path)
        if match is not None and method == verb:
            return name, handler, tuple(map(int, match.groups()))
    return None


@function("GET", "/auth/v4/whoami")
def _whoami(call: Call) -> Row:
    if not call.world.switches.whoami:
        raise unauthorized()
    return {"id": 1, "email": call.user, "state": "active", "roles": list(call.world.switches.roles)}


@function("POST", "/auth/v4/token")
def _token(call: Call) -> Row:
    return call.access.new_token(call.user, None)


@function("GET", "/vm/v3/cluster")
def _clusters(call: Call) -> Row:
    return _listed(call, [cluster_row(call.world, cluster) for cluster in call.world.clusters.values()])


@function("GET", "/vm/v3/node")
def _nodes(call: Call) -> Row:
    return _listed(call, [node_row(call.world, node) for node in call.world.nodes.values()])


@function("GET", "/vm/v3/host")
def _vms(call: Call) -> Row:
    return _listed(call, [vm_row(call.world, vm, call.now) for vm in call.world.vms.values()])


@function("GET", "/vm/v3/disk")
def _disks(call: Call) -> Row:
    return _listed(
        call, [disk_row(call.world, vm, disk) for vm in call.world.vms.values() for disk in vm.disks]
    )


@function("GET", "/vm/v3/task")
def _tasks(call: Call) -> Row:
    return _listed(call, [task_row(call.world, task, call.now) for task in call.world.listed_tasks(call.now)])


@function("GET", "/vm/v3/task/{id}")
def _task(call: Call) -> Row:
    task = next((task for task in call.world.tasks if task.id == call.numbers[0]), None)
    if task is None:
        raise not_found("task", call.numbers[0])
    return {"task": {"id": task.id, "status": task.status, "output": task.output}}


@function("POST", "/vm/v3/task/{id}/abort")
def _abort(call: Call) -> Row:
    task = next((task for task in call.world.tasks if task.id == call.numbers[0]), None)
    if task is None:
        raise not_found("task", call.numbers[0])
    migration.abort(call.world, task, call.now)
    return {"id": task.id}


@function("GET", "/vm/v3/host/{id}")
def _vm(call: Call) -> Row:
    return bare_row(call.vm)


@function("GET", "/vm/v3/host/{id}/snapshot")
def _snapshots(call: Call) -> Row:
    names = ["before-upgrade"] if "snapshot" in call.vm.marks else []
    return {"last_notify": 1, "list": [{"id": number, "name": name} for number, name in enumerate(names, 1)]}


@function("GET", "/vm/v3/host/{id}/history")
def _history(call: Call) -> Row:
    listed = [
        history_row(call.world, task) for task in call.world.listed_tasks(call.now) if task.vm == call.vm.id
    ]
    return {"list": listed, "max_id": max((row["id"] for row in listed), default=0)}  # type: ignore[type-var]


@function("GET", "/vm/v3/host/{id}/migrate")
def _targets(call: Call) -> Row:
    vm, world = call.vm, call.world
    others = [node for node in world.nodes.values() if node.cluster is vm.cluster and node.id != vm.node]
    return {"nodes": [target_row(world, vm, node) for node in others]}


@function("POST", "/vm/v3/host/{id}/migrate")
def _migrate(call: Call) -> Row:
    vm, number = call.vm, call.body.get("node")
    if not isinstance(number, int) or number not in call.world.nodes:
        raise ApiError(1001, "invalid value", value={"name": "node", "value": number})
    disks = [_moved(vm, entry) for entry in call.body.get("disks") or ()]  # type: ignore[attr-defined]
    task = migration.start(call.world, vm, call.world.nodes[number], disks, call.now)
    return started_row(call.world, task)


@function("GET", "/vm/v3/host/{id}/metrics")
def _vm_metrics(call: Call) -> object:
    load = call.vm.present_load
    return _series(call, load, call.vm.cores, call.vm.started)


@function("GET", "/vm/v3/node/{id}/metrics")
def _node_metrics(call: Call) -> object:
    node = call.world.nodes.get(call.numbers[0])
    if node is None:
        raise not_found("node", call.numbers[0])
    load = call.world.node_loads(call.now)[node.id]
    return _series(call, load, node.cores)


def _series(call: Call, load: Load, cores: float, since: float = 0.0) -> object:
    """The names are made up here: those of the real ones are not public. A minute lacks its value; nothing
    was measured before `since`.
    """
    values = {
        "cpu_load": None if load.cpu is None else load.cpu / cores * 100,
        "ram_used": load.memory,
        "net_io": load.network_io,
        "disk_io": load.disk_io,
    }
    switches = call.world.switches
    target = parse_qs(call.query).get("target", [""])[0]
    if not switches.metrics or target not in values:
        raise ApiError(1002, "unknown metric", value={"target": target})
    value = values[target]
    moments = [
        call.now - switches.series_age_seconds - 60 * age for age in range(switches.series_minutes, -1, -1)
    ]
    points = [
        [None if value is None or number == len(moments) - 2 else value, int(call.world.told(moment))]
        for number, moment in enumerate(moments)
        if moment >= since
    ]
    return [{"target": target, "datapoints": points}]


def _moved(vm: Vm, entry: Mapping[str, object]) -> tuple[Disk, Storage]:
    disk = next((disk for disk in vm.disks if disk.id == entry.get("id")), None)
    storages = {storage.id: storage for storage in vm.cluster.storages}
    storage = storages.get(int(str(entry.get("dst_storage"))))
    if disk is None or storage is None:
        raise ApiError(1001, "invalid value", value={"name": "disks"})
    return disk, storage


def _listed(call: Call, found: list[Row]) -> Row:
    """The list, filtered and cut as asked for; `size` counts what the filter leaves."""
    asked = parse_qs(call.query)
    if "@admin" not in call.world.switches.roles:
        found = []
    if "where" in asked:
        if not call.world.switches.filters:
            raise ApiError(2002, "filters are not supported")
        known = list(found[0]) if found else ["id", "name", "status", "consul_id", "cluster", "host"]
        test = parse(asked["where"][0], known)
        found = [row for row in found if test(row)]
    size = len(found)
    first, _, count = asked.get("limit", [f"0,{call.world.switches.page or size}"])[0].rpartition(",")
    start, most = int(first or 0), int(count)
    return {"last_notify": 1, "list": found[start : start + most], "size": size}
