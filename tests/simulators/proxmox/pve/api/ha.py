# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""/cluster/ha."""

from __future__ import annotations

import hashlib
import time

from ..crm import blocking_resources, request_migration, state_of
from ..errors import bad_parameters, died
from ..ha import HaGroup, HaResource, HaRule, manager_states
from ..params import NODE, TEXT, Param
from ..routes import Call, Need, method
from ..world import World
from .views import Row

AUDIT = Need("/", ("Sys.Audit",))
CONSOLE = Need("/", ("Sys.Console",))
DIGEST = hashlib.sha1(b"ha", usedforsecurity=False).hexdigest()


@method("GET", "/cluster/ha/resources", AUDIT, {"type": Param("string", enum=("ct", "vm"))})
def resources(call: Call) -> object:
    kind = call.params.get("type")
    found = call.world.ha.resources.values()
    return [_resource(call.world, item) for item in found if kind in (None, item.sid.partition(":")[0])]


@method("GET", "/cluster/ha/resources/{sid}", AUDIT)
def resource(call: Call) -> object:
    return _resource(call.world, _find(call))


@method("POST", "/cluster/ha/resources/{sid}/migrate", CONSOLE, {"node": NODE.required})
def migrate(call: Call) -> object:
    """Unlike a guest's own migrate call it tells at once what is in the way."""
    found = _find(call)
    target = call.text("node")
    call.world.demand_quorum()
    call.world.demand_node(target)
    if state_of(call.world, found) == "error":
        raise died(f"service '{found.sid}' in error state, must be disabled and fixed first")
    # It is queued all the same: the CRM itself drops what it can't do (facts 63, 66).
    request_migration(call.world, found.sid, target, call.now)
    if call.world.major < 9:
        return None
    result: Row = {"sid": found.sid, "requested-node": target}
    blocking = blocking_resources(call.world, found.sid, target)
    along = call.world.ha.together_with(found.sid)
    if blocking:
        result["blocking-resources"] = blocking
    if along:
        result["comigrated-resources"] = along
    return result


@method("GET", "/cluster/ha/groups", AUDIT)
def groups(call: Call) -> object:
    _demand_groups(call.world, "index")
    return [_group(group) for group in call.world.ha.groups.values()]


@method("GET", "/cluster/ha/groups/{group}", AUDIT)
def group(call: Call) -> object:
    _demand_groups(call.world, "read")
    found = call.world.ha.groups.get(call.text("group"))
    if found is None:
        raise died(f"no such ha group '{call.text('group')}'")
    return _group(found)


@method(
    "GET",
    "/cluster/ha/rules",
    AUDIT,
    {"type": Param("string", enum=("node-affinity", "resource-affinity")), "resource": TEXT},
    since=9,
)
def rules(call: Call) -> object:
    kind, sid = call.params.get("type"), call.params.get("resource")
    rows = []
    for order, rule in enumerate(call.world.ha.rules.values(), 1):
        if kind in (None, rule.type) and (sid is None or sid in rule.sids):
            rows.append(_rule(rule, order))
    return rows


@method("GET", "/cluster/ha/rules/{rule}", AUDIT, since=9)
def rule(call: Call) -> object:
    found = call.world.ha.rules.get(call.text("rule"))
    if found is None:
        raise died(f"no such ha rule '{call.text('rule')}'")
    return _rule(found, list(call.world.ha.rules).index(found.name) + 1)


@method("GET", "/cluster/ha/status/current", AUDIT)
def status(call: Call) -> object:
    world = call.world
    local, stamp = world.local_node, int(call.now)
    quorum = "OK" if world.quorate else "No quorum on node '" + local + "'!"
    rows: list[Row] = [
        {"id": "quorum", "type": "quorum", "node": local, "status": quorum, "quorate": int(world.quorate)}
    ]
    if not _ha_used(world):
        return rows
    when = _date(call.now)
    rows.append(
        {
            "id": "master",
            "type": "master",
            "node": local,
            "status": f"{local} (active, {when})",
            "timestamp": stamp,
        }
    )
    if world.version.startswith("9.2"):
        rows.append(
            {"id": "fencing", "type": "fencing", "node": local, "status": "armed", "armed-state": "armed"}
        )
    for node in world.nodes.values():
        text = f"{node.name} ({_lrm_text(world, node.name)}, {when})"
        rows.append(
            {"id": f"lrm:{node.name}", "type": "lrm", "node": node.name, "status": text, "timestamp": stamp}
        )
    for item in world.ha.resources.values():
        place = world.guests[item.vmid].node
        rows.append(
            {
                "id": f"service:{item.sid}",
                "type": "service",
                "sid": item.sid,
                "node": place,
                "status": f"{item.sid} ({place}, {state_of(world, item)})",
                "crm_state": state_of(world, item),
                "request_state": item.state,
                "state": state_of(world, item),
                "max_relocate": 1,
                "max_restart": 1,
            }
        )
    return rows


@method("GET", "/cluster/ha/status/manager_status", AUDIT)
def manager_status(call: Call) -> object:
    world = call.world
    stamp = int(call.now)
    quorum = {"node": world.local_node, "quorate": "1" if world.quorate else "0"}
    states = manager_states(world)
    if not states:
        return {"manager_status": {}, "quorum": quorum, "lrm_status": {}}
    if world.switches.ha_idle is not None:
        stamp -= int(world.switches.ha_idle["seconds"])
    disarm: Row = {}
    if world.switches.ha_disarmed is not None:
        disarm = {"disarm": {"mode": world.switches.ha_disarmed, "state": "disarmed"}}
    services: dict[str, Row] = {}
    for item in world.ha.resources.values():
        entry: Row = {
            "node": world.guests[item.vmid].node,
            "state": state_of(world, item),
            "uid": DIGEST[:22],
        }
        if item.target:
            entry["target"] = item.target
        services[item.sid] = entry
    return {
        "manager_status": {
            "master_node": world.local_node,
            "timestamp": stamp,
            "node_status": states,
            "node_request": {
                name: {"maintenance": 1} for name, node in world.nodes.items() if node.maintenance
            },
            "service_status": services,
            **disarm,
        },
        "quorum": quorum,
        "lrm_status": {
            name: {
                "mode": "maintenance" if node.maintenance else "active",
                "state": "active"
                if any(entry["node"] == name for entry in services.values())
                else "wait_for_agent_lock",
                "timestamp": stamp,
                "results": {},
            }
            for name, node in world.nodes.items()
        },
    }


def _resource(world: World, item: HaResource) -> Row:
    row: Row = {"sid": item.sid, "type": item.sid.partition(":")[0], "state": item.state, "digest": DIGEST}
    row.update({"max_relocate": 1, "max_restart": 1})
    if world.major >= 9:
        row["failback"] = int(item.sid not in world.switches.ha_no_failback)
    elif item.group:
        row["group"] = item.group
    return row


def _group(group: HaGroup) -> Row:
    return {
        "group": group.name,
        "type": "group",
        "nodes": _node_list(group.nodes),
        "restricted": int(group.restricted),
        "nofailback": 0,
        "digest": DIGEST,
    }


def _rule(rule: HaRule, order: int) -> Row:
    row: Row = {
        "rule": rule.name,
        "type": rule.type,
        "resources": ",".join(sorted(rule.sids)),
        "order": order,
    }
    row["digest"] = DIGEST
    if rule.type == "node-affinity":
        row.update({"nodes": _node_list(rule.nodes), "strict": int(rule.strict)})
    else:
        row["affinity"] = rule.affinity
    if rule.disabled:
        row["disable"] = 1
    if rule.errors:
        row["errors"] = rule.errors
    return row


def _node_list(nodes: dict[str, int]) -> str:
    return ",".join(f"{name}:{priority}" if priority else name for name, priority in nodes.items())


def _find(call: Call) -> HaResource:
    """By its id, or as a shortcut by the guest's number."""
    wanted = call.text("sid")
    candidates = (wanted, f"vm:{wanted}", f"ct:{wanted}")
    found = next((call.world.ha.resources[sid] for sid in candidates if sid in call.world.ha.resources), None)
    if found is None:
        if not wanted.rpartition(":")[2].isdigit():
            raise bad_parameters(sid=f"invalid format - invalid HA resource ID '{wanted}'")
        raise died(f"no such resource '{wanted}'")
    return found


def _demand_groups(world: World, verb: str) -> None:
    if world.major >= 9:
        raise died(
            f"cannot {verb} {'groups' if verb == 'index' else 'group'}: ha groups have been migrated to rules"
        )


def _ha_used(world: World) -> bool:
    return bool(world.ha.resources) or any(node.maintenance for node in world.nodes.values())


def _lrm_text(world: World, name: str) -> str:
    node = world.nodes[name]
    if not node.online:
        return "old timestamp - dead?"
    if node.maintenance:
        return "maintenance mode, watchdog standby"
    busy = any(world.guests[item.vmid].node == name for item in world.ha.resources.values())
    return "active" if busy else "idle"


def _date(now: float) -> str:
    return time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(now))
