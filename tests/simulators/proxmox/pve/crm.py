# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster resource manager at work: it migrates HA guests in its own time, or silently does not."""

from __future__ import annotations

from .ha import HaResource
from .migration import Request, start
from .state import Guest
from .world import World


def manages(world: World, guest: Guest) -> bool:
    """Whether HA has this guest in its hands: not while it is disarmed and ignores all of them."""
    return guest.sid in world.ha.resources and world.switches.ha_disarmed != "ignore"


def state_of(world: World, resource: HaResource) -> str:
    """What the CRM has a resource in; disarmed it freezes all of them (fact 64)."""
    return "freeze" if world.switches.ha_disarmed == "freeze" else resource.crm_state


def blocking_resources(world: World, sid: str, target: str) -> list[dict[str, str]]:
    """What keeps a resource off a node. Until 9.1 node affinity is not asked: the CRM moves the guest, and
    moves it back afterwards.
    """
    return world.ha.blocking(
        sid, target, places(world), (lambda mover: _wanted(world, mover)) if _newer(world) else None
    )


def request_migration(world: World, sid: str, target: str, now: float) -> None:
    """Put a request before the CRM, which looks at it in its next round."""
    world.at(now + world.switches.ha_delay_seconds, lambda moment: _round(world, sid, target, moment))


def places(world: World) -> dict[str, str]:
    """The node of each HA resource."""
    return {sid: world.guests[resource.vmid].node for sid, resource in world.ha.resources.items()}


def max_workers(world: World) -> int:
    return int(world.switches.options.get("max_workers", 4))


def _newer(world: World) -> bool:
    return world.release >= "9.2"


def _wanted(world: World, sid: str) -> set[str] | None:
    online = [node.name for node in world.nodes.values() if node.online and not node.maintenance]
    return world.ha.wanted_nodes(sid, online, failback=sid not in world.switches.ha_no_failback)


def _round(world: World, sid: str, target: str, now: float) -> None:
    ha = world.ha
    if not world.quorate:
        world.at(
            now + world.switches.ha_delay_seconds + 0.1, lambda moment: _round(world, sid, target, moment)
        )
        return
    reason = _refusal(world, sid, target)
    if reason is not None:
        ha.log.append(f"crm command 'migrate {sid} {target}' ignored - {reason}")
        return
    for mover in [sid, *ha.together_with(sid)]:
        _move(world, mover, target, now)


def _move(world: World, sid: str, target: str, now: float) -> None:
    resource = world.ha.resources[sid]
    if world.guests[resource.vmid].node != target and resource.crm_state != "migrate":
        resource.crm_state = "migrate"
        resource.target = target
        _start_when_free(world, sid, target, now)


def _refusal(world: World, sid: str, target: str) -> str | None:
    resource = world.ha.resources.get(sid)
    if resource is None:
        return "no such resource"
    node = world.nodes[target]
    if {"*", sid, str(resource.vmid)} & {str(item) for item in world.switches.ha_refuse}:
        return "refused by the simulation"
    if not node.online or node.maintenance:
        return f"target node '{target}' is not online"
    state = state_of(world, resource)
    if state not in ("started", "stopped"):
        return f"service is in state '{state}'"
    blocking = blocking_resources(world, sid, target)
    return f"blocked by {blocking[0]['sid']} ({blocking[0]['cause']})" if blocking else None


def _start_when_free(world: World, sid: str, target: str, now: float) -> None:
    """Let the node's local resource manager start the move, which has so many workers and no more.

    It forces the migration, local disks and all; a container is shut down first, and started again by the
    manager some time after the move (facts 57, 65, 67).
    """
    resource = world.ha.resources[sid]
    guest = world.guests[resource.vmid]
    busy = sum(
        move.source == guest.node and move.guest.sid in world.ha.resources for move in world.moves.values()
    )
    if guest.lock is not None or busy >= max_workers(world):
        world.at(now + 0.1, lambda moment: _start_when_free(world, sid, target, moment))
        return
    restart = guest.kind == "lxc" and guest.running
    if restart:
        guest.power = "stopped"

    def settled(moment: float, success: bool) -> None:
        if guest.node == target and not success:
            # The manager takes it for being where it was, and finds it elsewhere.
            resource.crm_state = "error"
        else:
            resource.crm_state = resource.state
        resource.target = None
        if not success:
            world.ha.log.append(f"migration of service '{sid}' to node '{target}' failed")
        if restart:
            world.at(moment + world.switches.ha_start_seconds, switch_on)
        elif success:
            _perhaps_back(world, sid, moment)

    def switch_on(moment: float) -> None:
        guest.power = "running"
        guest.started = moment
        guest.restart_counters(moment)
        world.remember(moment)
        _perhaps_back(world, sid, moment)

    request = Request(target, online=True, with_local_disks=True, force=True)
    start(world, guest, request, "root@pam", now, settled)


def _perhaps_back(world: World, sid: str, now: float) -> None:
    """In its next round the CRM moves a guest to where its rules want it, whoever moved it away (fact 60)."""

    def look(moment: float) -> None:
        resource = world.ha.resources[sid]
        wanted = _wanted(world, sid)
        if wanted and resource.crm_state == "started" and world.guests[resource.vmid].node not in wanted:
            _move(world, sid, min(wanted), moment)

    world.at(now + world.switches.ha_delay_seconds, look)
