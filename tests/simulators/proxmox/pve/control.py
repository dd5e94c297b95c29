# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control path /_sim/: how a test looks behind the API and lets things happen. Not part of Proxmox VE."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from typing import Any

from ansible_collections.evenkeel.cluster.tests.simulators.kit.errors import SnapshotError
from ansible_collections.evenkeel.cluster.tests.simulators.kit.load import Load

from .access import Access
from .disk_move import disks_of
from .state import Change, Guest
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
    elif path == "/_sim/storage":
        _change_storage(world, given)
    elif path == "/_sim/task":
        return {"upid": _add_task(world, given, now)}
    else:
        raise SnapshotError(f"no such control call: {verb} {path}")
    return {"ok": True}


def _state(world: World, now: float) -> dict[str, object]:
    loads = world.node_loads(now)
    return {
        "guests": {
            str(guest.vmid): {"host": guest.node, "power": guest.power, "lock": guest.lock}
            for guest in world.guests.values()
        },
        "hosts": {
            node.name: {
                "maintenance": node.maintenance,
                "status": node.status,
                "used": asdict(loads[node.name]),
            }
            for node in world.nodes.values()
        },
        "calls": dict(world.calls),
        "migrations": [_change(change) for change in world.changes],
        "disks": {
            str(guest.vmid): {disk.slot: disk.volid for disk in disks_of(guest)}
            for guest in world.guests.values()
        },
        "disk_moves": [{**_change(change), "disk": change.disk} for change in world.disk_changes],
        "storages": {
            storage.name: {
                "spaces": {
                    node: {"total": space.total, "free": space.free, "least": space.least}
                    for node, space in storage.spaces.items()
                },
                "orphans": [f"{storage.name}:{orphan.volume}" for orphan in storage.orphans],
            }
            for storage in world.storages.values()
        },
        "peak": {name: {"memory": memory} for name, memory in world.peak_memory.items()},
        "crm_log": list(world.ha.log),
    }


def _change(change: Change) -> dict[str, object]:
    return {
        "guest": change.guest,
        "from": change.source,
        "to": change.target,
        "state": change.state,
        "started": change.started,
        "ended": change.ended,
    }


_PLAIN = ("snapshots", "lock", "run_state", "saved_memory")
_OF_HA = ("ha_repaired", "ha_state")
_OF_GUEST = {"id", "used", "power", "host", "busy_seconds", "config", "pending", *_OF_HA, *_PLAIN}


def _change_guest(world: World, given: dict[str, Any], now: float) -> None:
    guest = _guest(world, given)
    unknown = set(given) - _OF_GUEST
    if unknown:
        raise SnapshotError(f"a guest has no {sorted(unknown)[0]!r} to change")
    if "used" in given:
        wrong = set(given["used"]) - {entry.name for entry in fields(Load)}
        if wrong:
            raise SnapshotError(f"a guest uses no {sorted(wrong)[0]!r}")
        guest.change_load(replace(guest.load, **given["used"]), now)
    for name in _PLAIN:
        if name in given:
            setattr(guest, name, given[name])
    guest.config.update(given.get("config", {}))
    guest.pending.update(given.get("pending", {}))
    resource = world.ha.resources.get(guest.sid)
    if given.get("ha_repaired") and resource is not None and resource.crm_state == "error":
        # Somebody has disabled the resource, found nothing wrong, and started it again.
        resource.crm_state, resource.target = resource.state, None
    if "ha_state" in given and resource is not None:
        resource.crm_state = given["ha_state"]
    if "busy_seconds" in given:
        _keep_busy(world, guest, now + given["busy_seconds"])
    if "power" in given and given["power"] != guest.power:
        guest.power = given["power"]
        guest.started = now
        guest.restart_counters(now)
    if "host" in given:
        _put(world, guest, given["host"], now)
    world.note_peak(guest.node)
    world.remember(now)


def _put(world: World, guest: Guest, host: str, now: float) -> None:
    if host not in world.nodes:
        raise SnapshotError(f"no host {host!r}")
    if guest.vmid in world.moves:
        raise SnapshotError(f"guest {guest.vmid} is being migrated")
    guest.node = host
    guest.restart_counters(now)


def _add_task(world: World, given: dict[str, Any], now: float) -> str:
    """A task that somebody has started, such as a backup. It runs until it is stopped."""
    user = str(given.get("user", "root@pam"))
    task = world.tasks.start(str(given["node"]), str(given["type"]), str(given.get("id", "")), user, now)
    task.lines += [str(line) for line in given.get("lines", ())]
    if "end" in given:
        task.end(now, str(given["end"]))
    return task.upid


def _keep_busy(world: World, guest: Guest, until: float) -> None:
    if guest.lock is not None:
        raise SnapshotError(f"guest {guest.vmid} is busy already ({guest.lock})")
    guest.lock = "backup"

    def release(_moment: float) -> None:
        guest.lock = None

    world.at(until, release)


def _change_host(world: World, given: dict[str, Any], now: float) -> None:
    name = str(given.get("id"))
    if name not in world.nodes:
        raise SnapshotError(f"no host {name!r}")
    unknown = set(given) - {"id", "maintenance", "status", "removed", "cpu_flags", "arc", "version"}
    if unknown:
        raise SnapshotError(f"a host has no {sorted(unknown)[0]!r} to change")
    node = world.nodes[name]
    node.cpu_flags = given.get("cpu_flags", node.cpu_flags)
    node.arc = given.get("arc", node.arc)
    node.version = given.get("version", node.version)
    if "maintenance" in given:
        world.nodes[name].maintenance = bool(given["maintenance"])
    if "status" in given:
        if given["status"] not in ("online", "offline", "unknown"):
            raise SnapshotError(f"status {given['status']!r}: use online, offline or unknown")
        world.set_node_status(name, given["status"], now)
    if given.get("removed"):
        world.remove_node(name)


def _change_storage(world: World, given: dict[str, Any]) -> None:
    """Someone else changes a storage, or writes to it: `free` are the bytes that are left, on each node."""
    storage = world.storages.get(str(given.get("id")))
    if storage is None:
        raise SnapshotError(f"no storage {given.get('id')!r}")
    unknown = set(given) - {"id", "disabled", "inactive", "content", "free", "settings"}
    if unknown:
        raise SnapshotError(f"a storage has no {sorted(unknown)[0]!r} to change")
    storage.disabled = bool(given.get("disabled", storage.disabled))
    storage.inactive = set(given.get("inactive", storage.inactive))
    storage.content = given.get("content", storage.content)
    storage.settings.update(given.get("settings", {}))
    if "free" in given:
        for space in storage.spaces.values():
            space.free = given["free"]


def _guest(world: World, given: dict[str, Any]) -> Guest:
    name = str(given.get("id"))
    if not name.isdigit() or int(name) not in world.guests:
        raise SnapshotError(f"no guest {name!r}")
    return world.guests[int(name)]
