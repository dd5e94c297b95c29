# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control path /_sim/: how a test looks behind the API and lets things happen. Not part of VMmanager."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from typing import Any

from ansible_collections.evenkeel.cluster.tests.simulators.kit.errors import SnapshotError
from ansible_collections.evenkeel.cluster.tests.simulators.kit.load import Load

from .access import Access
from .state import Node, Vm
from .world import World


def handle(world: World, access: Access, verb: str, path: str, body: bytes) -> object:
    """Answer one control request. Raises SnapshotError for one that makes no sense."""
    now = world.advance()
    if verb == "GET" and path == "/_sim/state":
        return _state(world, now)
    if verb != "POST":
        raise SnapshotError(f"no such control call: {verb} {path}")
    try:
        given = json.loads(body or b"{}")
    except ValueError as error:
        raise SnapshotError(f"not JSON: {error}") from error
    if path == "/_sim/switches":
        world.switches.merge(given)
    elif path == "/_sim/sessions/expire":
        access.expire()
    elif path == "/_sim/guest":
        _change_guest(world, given, now)
    elif path == "/_sim/host":
        _change_host(world, given, now)
    else:
        raise SnapshotError(f"no such control call: {verb} {path}")
    return {"ok": True}


def _state(world: World, now: float) -> dict[str, object]:
    loads = world.node_loads(now)
    return {
        "guests": {
            str(vm.id): {
                "host": str(vm.node),
                "power": vm.power,
                "run_state": vm.run_state,
                "lock": _lock(world, vm),
            }
            for vm in world.vms.values()
        },
        "hosts": {
            str(node.id): {
                "name": node.name,
                "maintenance": node.maintenance,
                "status": node.status,
                "used": asdict(loads[node.id]),
            }
            for node in world.nodes.values()
        },
        "calls": dict(world.calls),
        "migrations": [
            {
                "guest": change.guest,
                "from": change.source,
                "to": change.target,
                "state": change.state,
                "started": change.started,
                "ended": change.ended,
            }
            for change in world.changes
        ],
        "peak": {str(number): {"memory": memory} for number, memory in world.peak_memory.items()},
    }


def _lock(world: World, vm: Vm) -> str | None:
    if vm.id in world.moves:
        return "host_migrate"
    task = world.unfinished(vm.id)
    return None if task is None or "locked" in vm.marks else task.name


def _change_guest(world: World, given: dict[str, Any], now: float) -> None:
    vm = _guest(world, given)
    unknown = set(given) - {"id", "used", "power", "run_state", "uptime", "host", "busy_seconds"}
    if unknown:
        raise SnapshotError(f"a guest has no {sorted(unknown)[0]!r} to change")
    if "used" in given:
        wrong = set(given["used"]) - {entry.name for entry in fields(Load)}
        if wrong:
            raise SnapshotError(f"a guest uses no {sorted(wrong)[0]!r}")
        vm.load = replace(vm.load, **given["used"])
    if "busy_seconds" in given:
        _keep_busy(world, vm, now, given["busy_seconds"])
    if "power" in given:
        vm.power = given["power"]
    if "run_state" in given:
        vm.run_state = given["run_state"]
    if "uptime" in given:
        vm.started = now - float(given["uptime"])
    if "host" in given:
        target = _host(world, given["host"])
        if vm.id in world.moves:
            raise SnapshotError(f"guest {vm.id} is being migrated")
        vm.node = target.id
    world.note_peak(vm.node)


def _keep_busy(world: World, vm: Vm, now: float, seconds: float) -> None:
    if world.unfinished(vm.id) is not None:
        raise SnapshotError(f"guest {vm.id} is busy already")
    task = world.add_task("host_backup", vm.id, now, now)
    task.status, task.started = "running", now

    def end(moment: float) -> None:
        task.status, task.ended = "complete", moment

    world.at(now + seconds, end)


def _change_host(world: World, given: dict[str, Any], now: float) -> None:
    node = _host(world, given.get("id"))
    if "maintenance" in given:
        node.maintenance = bool(given["maintenance"])
    if "schedulable" in given:
        node.blocked = not given["schedulable"]
    if "status" in given:
        if given["status"] not in ("online", "offline", "unknown"):
            raise SnapshotError(f"status {given['status']!r}: use online, offline or unknown")
        world.set_node_status(node.id, given["status"], now)
    if "state" in given:
        node.word = given["state"]


def _guest(world: World, given: dict[str, Any]) -> Vm:
    name = str(given.get("id"))
    if not name.isdigit() or int(name) not in world.vms:
        raise SnapshotError(f"no guest {name!r}")
    return world.vms[int(name)]


def _host(world: World, name: object) -> Node:
    """By its number or its name."""
    for node in world.nodes.values():
        if str(name) in (str(node.id), node.name):
            return node
    raise SnapshotError(f"no host {name!r}")
