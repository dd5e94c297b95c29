# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""/nodes/{node}/qemu and /nodes/{node}/lxc: lists, status, configuration, history, snapshots."""

from __future__ import annotations

from collections.abc import Callable

from ..config import guest_config
from ..crm import manages, state_of
from ..disk_move import machine_version, qemu_version
from ..errors import died
from ..params import BOOL, COUNT, Param
from ..routes import Call, Need, method
from ..rrd import guest_points
from ..state import Guest
from .views import Row, guest_figures, guest_marks

AUDIT = Need("/vms/{vmid}", ("VM.Audit",))
FRAMES = Param("string", enum=("hour", "day", "week", "month", "year")).required


def _row(call: Call, guest: Guest, *, full: bool) -> Row:
    """A guest in its node's list. Keys that are false are left out."""
    world = call.world
    figures = guest_figures(world, guest, call.now)
    cpus = figures.pop("maxcpu", guest.maxcpu)
    row: Row = {
        "vmid": guest.vmid,
        "name": guest.name,
        "status": "running" if guest.running else "stopped",
        "cpus": cpus,
        **figures,
    }
    if guest.kind == "qemu" and not full:
        row["diskread"] = row["diskwrite"] = 0
    if guest.kind == "lxc":
        row.update({"type": "lxc", "maxswap": 536870912, "swap": 0})
        row.pop("memhost", None)
    if guest.template:
        row["template"] = 1
    if guest.running:
        row["pid"] = 10000 + guest.vmid % 50000
        if guest.kind == "qemu" and full:
            row["qmpstatus"] = guest.run_state or "running"
        if world.major >= 9 and world.switches.pressure:
            for name, value in guest.pressure.items():
                row[f"pressure{name}some"] = value
                if name != "cpu" or guest.kind == "qemu":
                    row[f"pressure{name}full"] = round(value / 2, 2)
    return {**row, **guest_marks(guest)}


def _list(call: Call, kind: str, *, full: bool) -> list[Row]:
    return [
        _row(call, guest, full=full)
        for guest in call.world.guests.values()
        if guest.kind == kind
        and guest.node == call.node.name
        and call.rights.has(f"/vms/{guest.vmid}", "VM.Audit")
    ]


@method("GET", "/nodes/{node}/qemu", params={"full": BOOL})
def list_qemu(call: Call) -> object:
    return _list(call, "qemu", full=call.flag("full"))


@method("GET", "/nodes/{node}/lxc")
def list_lxc(call: Call) -> object:
    return _list(call, "lxc", full=True)


def _current(call: Call, kind: str) -> object:
    guest = call.guest(kind)
    row = _row(call, guest, full=True)
    resource = call.world.ha.resources.get(guest.sid)
    ha: Row = {"managed": 0}
    if resource is not None:
        ha = {"managed": 1, "state": state_of(call.world, resource)}
        if resource.group:
            ha["group"] = resource.group
    row["ha"] = ha
    if kind == "qemu" and guest.running:
        qemu = qemu_version(call.world)
        machine = machine_version(call.world, guest)
        row.update({"running-machine": f"pc-i440fx-{machine}+pve1", "running-qemu": f"{qemu}.0", "agent": 1})
        row.update({"balloon": guest.maxmem, "freemem": max(guest.maxmem - (guest.load.memory or 0), 0)})
    return row


def _config(call: Call, kind: str) -> object:
    """With pending changes applied, unless the present one is asked for (fact 44)."""
    guest = call.guest(kind)
    config = guest_config(guest)
    if call.flag("current"):
        return config
    return {key: value for key, value in {**config, **guest.pending}.items() if value is not None}


def _history(call: Call, kind: str) -> object:
    return guest_points(call.world, call.guest(kind), call.text("timeframe"), call.now)


def _snapshots(call: Call, kind: str) -> object:
    """The last entry is the present state."""
    guest = call.guest(kind)
    rows: list[Row] = []
    for number, name in enumerate(guest.snapshots):
        row: Row = {"name": name, "description": "", "snaptime": int(guest.started), "vmstate": 0}
        if number:
            row["parent"] = guest.snapshots[number - 1]
        rows.append(row)
    present: Row = {
        "name": "current",
        "description": "You are here!",
        "digest": guest_config(guest)["digest"],
    }
    present["running"] = int(guest.running)
    if guest.snapshots:
        present["parent"] = guest.snapshots[-1]
    return [*rows, present]


def _shut_down(call: Call, kind: str) -> object:
    """Of the guest's own system, which may not react. HA is told to stop its guests (hastop)."""
    world, guest, now = call.world, call.guest(kind), call.now
    if not guest.running:
        raise died(f"{'VM' if kind == 'qemu' else 'CT'} {guest.vmid} not running")
    seconds = call.number("timeout", 180 if kind == "qemu" else 60)
    if manages(world, guest):
        task = world.tasks.start(guest.node, "hastop", str(guest.vmid), call.user, now)
        resource = world.ha.resources[guest.sid]
        resource.state = resource.crm_state = "stopped"
    else:
        task = world.tasks.start(
            guest.node, "qmshutdown" if kind == "qemu" else "vzshutdown", str(guest.vmid), call.user, now
        )
    if str(guest.vmid) in map(str, world.switches.ignore_shutdown):
        text = "VM quit/powerdown failed - got timeout" if kind == "qemu" else "container did not stop"
        world.at(now + seconds, lambda moment: task.end(moment, text))
        return task.upid

    def off(moment: float) -> None:
        guest.power = "stopped"
        guest.restart_counters(moment)
        world.remember(moment)
        task.end(moment, "OK")

    world.at(now + world.switches.shutdown_seconds, off)
    return task.upid


@method(
    "POST",
    "/nodes/{node}/lxc/{vmid}/status/start",
    Need("/vms/{vmid}", ("VM.PowerMgmt",)),
    {"debug": BOOL, "skiplock": BOOL},
)
def start_container(call: Call) -> object:
    """A lock is found in the task."""
    world, guest, now = call.world, call.guest("lxc"), call.now
    if guest.running:
        raise died(f"CT {guest.vmid} already running")
    world.demand_quorum()
    task = world.tasks.start(guest.node, "vzstart", str(guest.vmid), call.user, now)

    def on(moment: float) -> None:
        if guest.lock:
            task.end(moment, f"CT is locked ({guest.lock})")
            return
        if str(guest.vmid) in map(str, world.switches.ignore_start):
            task.end(moment, f"startup for container '{guest.vmid}' failed")
            return
        guest.power = "running"
        guest.started = moment
        guest.restart_counters(moment)
        world.note_peak(guest.node)
        world.remember(moment)
        task.end(moment, "OK")

    world.at(now + world.switches.shutdown_seconds, on)
    return task.upid


def _declare(kind: str) -> None:
    base = f"/nodes/{{node}}/{kind}/{{vmid}}"

    def bound(handler: Callable[[Call, str], object]) -> Callable[[Call], object]:
        return lambda call: handler(call, kind)

    frames = {"timeframe": FRAMES, "cf": Param("string", enum=("AVERAGE", "MAX"))}
    config = {"current": BOOL, "snapshot": Param("string", format="pve-configid", max_length=40)}
    method("GET", f"{base}/status/current", AUDIT)(bound(_current))
    method("GET", f"{base}/config", AUDIT, config)(bound(_config))
    method("GET", f"{base}/rrddata", AUDIT, frames, proxied=False)(bound(_history))
    method("GET", f"{base}/snapshot", AUDIT)(bound(_snapshots))
    power = {"timeout": COUNT, "forceStop": BOOL}
    if kind == "qemu":
        power.update({"keepActive": BOOL, "skiplock": BOOL})
    method("POST", f"{base}/status/shutdown", Need("/vms/{vmid}", ("VM.PowerMgmt",)), power)(
        bound(_shut_down)
    )


_declare("qemu")
_declare("lxc")
