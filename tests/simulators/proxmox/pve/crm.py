# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster resource manager at work: it migrates HA guests in its own time, or silently does not."""

from __future__ import annotations

from .migration import Request, start
from .world import World


def request_migration(world: World, sid: str, target: str, now: float) -> None:
    """Put a request before the CRM, which looks at it in its next round."""
    world.at(now + world.switches.ha_delay_seconds, lambda moment: _round(world, sid, target, moment))


def places(world: World) -> dict[str, str]:
    """The node of each HA resource."""
    return {sid: world.guests[resource.vmid].node for sid, resource in world.ha.resources.items()}


def max_workers(world: World) -> int:
    return int(world.switches.options.get("max_workers", 4))


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
        resource = ha.resources[mover]
        if world.guests[resource.vmid].node != target and resource.crm_state != "migrate":
            resource.crm_state = "migrate"
            resource.target = target
            _start_when_free(world, mover, target, now)


def _refusal(world: World, sid: str, target: str) -> str | None:
    resource = world.ha.resources.get(sid)
    if resource is None:
        return "no such resource"
    node = world.nodes[target]
    if {"*", sid, str(resource.vmid)} & {str(item) for item in world.switches.ha_refuse}:
        return "refused by the simulation"
    if not node.online or node.maintenance:
        return f"target node '{target}' is not online"
    if resource.crm_state not in ("started", "stopped", "request_stop"):
        return f"service is in state '{resource.crm_state}'"
    blocking = world.ha.blocking(sid, target, places(world))
    return f"blocked by {blocking[0]['sid']} ({blocking[0]['cause']})" if blocking else None


def _start_when_free(world: World, sid: str, target: str, now: float) -> None:
    """Let the node's local resource manager start the move, which has so many workers and no more."""
    resource = world.ha.resources[sid]
    guest = world.guests[resource.vmid]
    busy = sum(
        move.source == guest.node and move.guest.sid in world.ha.resources for move in world.moves.values()
    )
    if guest.lock is not None or busy >= max_workers(world):
        world.at(now + 0.1, lambda moment: _start_when_free(world, sid, target, moment))
        return

    def settled(moment: float, success: bool) -> None:
        resource.crm_state = resource.state
        resource.target = None
        if not success:
            world.ha.log.append(f"migration of service '{sid}' to node '{target}' failed")

    request = Request(target, online=True, restart=True)
    start(world, guest, request, "root@pam", now, settled)
