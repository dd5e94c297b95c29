# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""/nodes and what a node tells of itself."""

from __future__ import annotations

import hashlib
import json

from ..errors import ApiError, bad_parameters, died
from ..params import VMID, Param
from ..routes import Call, Need, Page, carry_out, find, method
from ..rrd import node_points
from .views import Row, node_figures, whole

AUDIT = Need("/nodes/{node}", ("Sys.Audit",))
KERNELS = {8: "6.8.12-15-pve", 9: "6.17.2-1-pve"}


@method("GET", "/nodes")
def nodes(call: Call) -> object:
    loads = call.world.node_loads(call.now)
    rows = []
    for node in call.world.nodes.values():
        row: Row = {
            "id": f"node/{node.name}",
            "type": "node",
            "node": node.name,
            "status": node.status,
            "level": "",
            "ssl_fingerprint": ":".join(["AB"] * 32),
        }
        if node.online and call.rights.has(f"/nodes/{node.name}", "Sys.Audit"):
            row.update(node_figures(node, loads[node.name], call.now))
        rows.append(row)
    return rows


@method("GET", "/nodes/{node}/version")
def version(call: Call) -> object:
    number = call.node.version
    return {"version": number, "release": ".".join(number.split(".")[:2]), "repoid": "5e1ca7ed0f31a4b2"}


@method("GET", "/nodes/{node}/status", AUDIT)
def status(call: Call) -> object:
    """No pressure here, in any version."""
    node, world = call.node, call.world
    load = world.node_loads(call.now)[node.name]
    used = min((load.memory or 0) + node.arc, node.maxmem)
    kernel = KERNELS[world.major]
    cpus = whole(round(node.maxcpu))
    memory: Row = {"total": node.maxmem, "used": used, "free": max(node.maxmem - used, 0)}
    if world.major >= 9:
        memory["available"] = max(node.maxmem - used, 0)
    average = f"{load.cpu or 0:.2f}"
    return {
        "uptime": int(call.now - node.started),
        "idle": 0,
        "wait": 0,
        "cpu": (load.cpu or 0) / node.maxcpu,
        "loadavg": [average, average, average],
        "memory": memory,
        "swap": {"total": 8589934592, "used": 0, "free": 8589934592},
        "rootfs": {"total": 103079215104, "used": 12884901888, "avail": 90194313216, "free": 90194313216},
        "ksm": {"shared": 0},
        "cpuinfo": {
            "cpus": cpus,
            "cores": max(int(cpus) // 2, 1),
            "sockets": 1,
            "model": node.cpu_model or "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz",
            "flags": node.cpu_flags,
            "mhz": "2000.000",
            "hvm": "1",
            "user_hz": 100,
        },
        "current-kernel": {
            "machine": "x86_64",
            "release": kernel,
            "sysname": "Linux",
            "version": f"#1 SMP PREEMPT_DYNAMIC PMX {kernel}",
        },
        "kversion": f"Linux {kernel} #1 SMP PREEMPT_DYNAMIC PMX {kernel}",
        "pveversion": f"pve-manager/{node.version}/5e1ca7ed0f31a4b2",
        "boot-info": {"mode": "efi", "secureboot": 0},
    }


@method(
    "GET",
    "/nodes/{node}/rrddata",
    AUDIT,
    params={
        "timeframe": Param("string", enum=("hour", "day", "week", "month", "year", "decade")).required,
        "cf": Param("string", enum=("AVERAGE", "MAX")),
    },
    proxied=False,
)
def rrddata(call: Call) -> object:
    """From the files of the node that was asked, whichever the path names (fact 34)."""
    return node_points(call.world, call.node, call.text("timeframe"), call.now)


@method("GET", "/nodes/{node}/replication", params={"guest": VMID})
def replication(call: Call) -> object:
    return []


@method("GET", "/nodes/{node}/certificates/info")
def certificates(call: Call) -> object:
    """The cluster's own authority first, the same on every node; open to every account."""
    world = call.world

    def fingerprint(text: str) -> str:
        return ":".join(f"{byte:02X}" for byte in hashlib.sha256(text.encode()).digest())

    return [
        {"filename": "pve-root-ca.pem", "fingerprint": fingerprint(f"{world.switches.ca_seed}/{world.name}")},
        {"filename": "pve-ssl.pem", "fingerprint": fingerprint(f"{world.name}/{call.node.name}")},
    ]


@method(
    "POST", "/nodes/{node}/execute", params={"commands": Param("string", format="pve-command-batch").required}
)
def execute(call: Call) -> object:
    """Other calls of this node, one after the other; for root@pam alone, and not with a token."""
    if call.user != "root@pam":
        raise ApiError(403, "Permission check failed (user != root@pam)")
    try:
        commands = json.loads(call.text("commands"))
    except ValueError:
        raise bad_parameters(
            commands="invalid format - value does not look like a valid command batch"
        ) from None
    return [_command(call, command) for command in commands]


def _command(call: Call, command: Row) -> Row:
    """The result of one, or its error; the others go on."""
    path = f"/nodes/{call.text('node')}/{command['path']}"
    verb = str(command["method"])
    route, names = find(verb, path, call.world.major)
    args = command.get("args")
    given = dict(args) if isinstance(args, dict) else {}
    try:
        if route is None:
            raise died(f"no handler for '{path}'")
        objects = [*names.values(), *map(str, given.values())]
        fault = call.world.switches.to_fail(f"{verb} {route.path}", f"{verb} {path}", objects)
        if fault is not None:
            raise ApiError(fault.error, fault.message)
        data = carry_out(call.world, call.access, route, call.principal, names, given)
    except ApiError as error:
        failed: Row = {"status": error.status, "message": f"{error.message}\n"}
        return {**failed, "errors": error.errors} if error.errors else failed
    return {"status": 200, "data": data.rows if isinstance(data, Page) else data}
