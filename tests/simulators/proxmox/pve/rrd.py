# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured history: one value for each step of a time frame.

By default the past is flat: every point holds the present load, as if it had never been different, so that
the mean over any window is the snapshot's value. With the switch history_remembers a node's points hold the
load that it had then.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from ansible_collections.evenkeel.cluster.tests.simulators.kit.load import Load

from .errors import bad_parameters
from .state import Guest, Node
from .world import World

Row = dict[str, object]

FRAMES_8 = {
    "hour": (60, 70),
    "day": (1800, 70),
    "week": (10800, 70),
    "month": (43200, 70),
    "year": (604800, 70),
}
FRAMES_9 = {
    "hour": (60, 60),
    "day": (60, 1440),
    "week": (1800, 336),
    "month": (1800, 1440),
    "year": (21600, 1440),
    "decade": (604800, 570),
}
"""Seconds of a step, and how many."""


def node_points(world: World, node: Node, frame: str, now: float) -> list[Row]:
    present = world.node_loads(now)[node.name]
    remembered = world.node_history[node.name] if world.switches.history_remembers else [(0.0, present)]
    since = [moment for moment, _ in remembered]
    known = [_node_values(world, node, load) for _, load in remembered]
    return _points(world, lambda moment: known[bisect_right(since, moment) - 1], frame, now)


def _node_values(world: World, node: Node, load: Load) -> Row:
    half = None if load.network_io is None else load.network_io / 2
    values: Row = {
        "loadavg": load.cpu,
        "maxcpu": node.maxcpu,
        "cpu": None if load.cpu is None else load.cpu / node.maxcpu,
        "iowait": 0.0,
        "memtotal": node.maxmem,
        "memused": None if load.memory is None else min(load.memory + node.arc, node.maxmem),
        "swaptotal": 8589934592,
        "swapused": 0,
        "roottotal": 103079215104,
        "rootused": 12884901888,
        "netin": half,
        "netout": half,
    }
    if world.major >= 9:
        values["memavailable"] = None if load.memory is None else max(node.maxmem - load.memory, 0)
        values["arcsize"] = node.arc
        values.update(_pressure(world, node.pressure, cpu_full=False))
    return _known(values)


def guest_points(world: World, guest: Guest, frame: str, now: float) -> list[Row]:
    load = guest.present_load
    values: Row = {
        "maxcpu": guest.maxcpu,
        "maxmem": guest.maxmem,
        "maxdisk": (guest.disks[0].size if guest.disks else 0) or 0,
        "disk": 0,
    }
    if guest.running:
        values["cpu"] = None if load.cpu is None else load.cpu / guest.maxcpu
        values["mem"] = load.memory
        for total, parts in (
            (load.network_io, ("netin", "netout")),
            (load.disk_io, ("diskread", "diskwrite")),
        ):
            values.update(dict.fromkeys(parts, None if total is None else total / 2))
        if world.major >= 9:
            values["memhost"] = load.memory if guest.kind == "qemu" else 0
            values.update(_pressure(world, guest.pressure, cpu_full=True))
    known = _known(values)
    return _points(world, lambda moment: known, frame, now)


def _points(world: World, values: Callable[[float], Row], frame: str, now: float) -> list[Row]:
    frames = FRAMES_9 if world.major >= 9 else FRAMES_8
    if frame not in frames:
        raise bad_parameters(
            timeframe=f"value '{frame}' does not have a value in the enumeration '{', '.join(frames)}'"
        )
    step, count = frames[frame]
    last = int(now) // step * step
    times = range(last - step * (count - 1), last, step)
    # 9.2 leaves out a last point that has no value yet (fact 34).
    end: list[Row] = [] if world.version.startswith("9.2") else [{"time": last}]
    return [*({"time": moment, **values(moment)} for moment in times), *end]


def _known(values: Row) -> Row:
    return {key: value for key, value in values.items() if value is not None}


def _pressure(world: World, pressure: dict[str, float], *, cpu_full: bool) -> Row:
    """Per cent of time stalled; what the snapshot does not know is left out, as on a fresh node."""
    if not world.switches.pressure:
        return {}
    row: Row = {}
    for name, value in pressure.items():
        row[f"pressure{name}some"] = value
        if name != "cpu" or cpu_full:
            row[f"pressure{name}full"] = round(value / 2, 2)
    return row
