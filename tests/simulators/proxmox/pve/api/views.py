# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How guests, nodes and storages look in the lists: the part that several methods share."""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.tests.simulators.kit.load import Load

from ..state import Guest, Node, Storage
from ..world import World

Row = dict[str, object]


def whole(value: float) -> int | float:
    """A count of CPUs: a whole number wherever it is one."""
    return int(value) if float(value).is_integer() else value


def guest_figures(world: World, guest: Guest, now: float) -> Row:
    """What the status daemon last measured; empty for a guest that it does not see (facts 16, 18, 20-22)."""
    if guest_status(world, guest, now) == "unknown":
        return {}
    first = guest.disks[0].size if guest.disks else 0
    row: Row = {
        "maxcpu": whole(guest.maxcpu),
        "maxmem": guest.maxmem,
        "maxdisk": first or 0,
        "disk": (first or 0) // 4 if guest.kind == "lxc" and guest.running else 0,
        "uptime": 0,
        "cpu": 0,
        "mem": 0,
        "netin": 0,
        "netout": 0,
        "diskread": 0,
        "diskwrite": 0,
    }
    if world.major >= 9:
        row["memhost"] = 0
    if not guest.running:
        return row
    interval = world.switches.sample_seconds
    sampled = now // interval * interval if interval > 0 else now
    row["uptime"] = int(now - guest.started)
    row["cpu"] = guest.load.cpu and guest.load.cpu / guest.maxcpu
    row["mem"] = guest.load.memory
    first_sample = interval > 0 and now - guest.arrived < interval
    if first_sample or guest.node in world.switches.daemon_restarted or guest.run_state is not None:
        row["cpu"] = 0
    if world.major >= 9 and guest.kind == "qemu":
        row["memhost"] = guest.load.memory
    row.update(guest.counters.at(sampled))
    return {key: value for key, value in row.items() if value is not None}


def guest_status(world: World, guest: Guest, now: float) -> str:
    """QEMU's run state, running or stopped (fact 19); unknown once its node has reported nothing for long."""
    if not world.reported(guest.node, now) or guest.power == "unknown":
        return "unknown"
    if not guest.running:
        return "stopped"
    return guest.run_state or "running"


def guest_marks(guest: Guest) -> Row:
    """Keys that are there only when they say something."""
    row: Row = {}
    if guest.tags:
        row["tags"] = ";".join(guest.tags)
    lock = guest.lock or ("suspended" if guest.power == "suspended" else None)
    if lock:
        row["lock"] = lock
    return row


def node_figures(node: Node, load: Load, now: float) -> Row:
    """ZFS's cache counts as used (fact 17)."""
    row: Row = {
        "maxcpu": whole(round(node.maxcpu)),
        "maxmem": node.maxmem,
        "cpu": load.cpu if load.cpu is None else load.cpu / node.maxcpu,
        "mem": None if load.memory is None else min(load.memory + node.arc, node.maxmem),
        "disk": 12 * 1024**3,
        "maxdisk": 96 * 1024**3,
        "uptime": int(now - node.started),
    }
    return {key: value for key, value in row.items() if value is not None}


def storage_figures(world: World, storage: Storage, node: str, now: float) -> Row:
    """What the status daemon last measured (fact 16)."""
    space = storage.spaces[node]
    row: Row = {}
    if space.total is not None:
        free = space.shown(now, world.switches.sample_seconds)
        row["maxdisk"] = space.total
        row["disk"] = space.total - (free if free is not None else space.total)
    return row


def may_see_storage(storage: str) -> tuple[str, str, str]:
    return f"/storage/{storage}", "Datastore.Audit", "Datastore.AllocateSpace"
