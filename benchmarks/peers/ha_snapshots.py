# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts a moment of a test of Proxmox' HA manager to a snapshot and the policy that corresponds to HA, and
measures the spread of the nodes.

If HA counts assigned resources (its static mode) or only the number of guests (its basic mode), nothing is
measured, and Even Keel plans with assigned resources, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ansible_collections.evenkeel.cluster.benchmarks.peers import ha_files
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Rule, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.read.ha import (
    HighAvailability,
)

# HA itself fills nodes without a limit.
LIMITS: Final = {"cpu": 100, "memory": 100, "cpu_for_rules": 100, "memory_for_rules": 100}


def snapshot_of(test: ha_files.Case, cluster: ha_files.Cluster, kind: str = "") -> Snapshot:
    """Returns the cluster at one moment, with rules as the adapter for Proxmox VE reads them."""
    states = cluster.nodes
    places = cluster.places()
    used = {node: [0.0, 0.0] for node in states}
    for sid, node in places.items():
        weight = used_by(cluster.usage.get(sid, ha_files.Usage()))
        used[node] = [used[node][0] + weight[0], used[node][1] + weight[1]]
    active = [node for node, state in states.items() if state == "online"]
    resources = [{"sid": sid, **test.resources.get(sid, {})} for sid in cluster.services]
    read = HighAvailability(tuple(resources), test.rules, test.groups)
    known = {guest_id(sid) for sid in cluster.services}
    return Snapshot.from_json(
        {
            "schema": "evenkeel.cluster/snapshot/1",
            "platform": "proxmox",
            "cluster": {"id": test.name, "name": f"{test.name} {kind}".strip()},
            "taken_at": "2026-01-01T00:00:00Z",
            "window_seconds": 3600,
            "hosts": [
                {
                    "id": node,
                    "name": node,
                    "status": "online" if states[node] in ("online", "maintenance") else "offline",
                    "maintenance": states[node] == "maintenance",
                    "schedulable": True,
                    "capacity": {
                        "cpu": test.hardware[node].get("maxcpu", ha_files.NODE_CPU),
                        "memory": test.hardware[node].get("maxmem", ha_files.NODE_MEMORY),
                    },
                    "used": {"cpu": used[node][0], "memory": used[node][1]},
                }
                for node in states
            ],
            "guests": [
                _guest(sid, node, sid in places, cluster.usage.get(sid, ha_files.Usage()))
                for sid, (node, _state) in cluster.services.items()
                if node in states
            ],
            "rules": [rule_json for rule in read.as_rules(active) if (rule_json := _known(rule, known))],
        }
    )


def _known(rule: Rule, guests: set[str]) -> Mapping[str, object] | None:
    """Returns the rule with the guests that exist."""
    members = [guest for guest in rule.guests if guest in guests]
    if not members:
        return None
    return {
        "name": rule.name,
        "kind": rule.kind,
        "guests": members,
        "hosts": list(rule.hosts),
        "strict": rule.strict,
        "source": rule.source,
    }


def _guest(sid: str, node: str, runs: bool, usage: ha_files.Usage) -> Mapping[str, object]:
    cpu, memory = used_by(usage)
    return {
        "id": guest_id(sid),
        "name": sid,
        "kind": "container" if sid.startswith("ct:") else "vm",
        "host": node,
        "power": "running" if runs else "stopped",
        "assigned": {"cpu": usage.cpu, "memory": usage.memory},
        "used": {"cpu": cpu, "memory": memory} if runs else {"cpu": 0.0, "memory": 0.0},
        "migratable": not sid.startswith("ct:"),
        "blockers": ["container_restart"] if sid.startswith("ct:") else [],
    }


def used_by(usage: ha_files.Usage) -> tuple[float, float]:
    """Returns CPU and memory in use, if the test has them."""
    return usage.used_cpu or 0.0, usage.used_memory or 0.0


def demand_of(test: ha_files.Case) -> str:
    """Returns the load of a guest for HA, and therefore for the plan."""
    return "used" if test.crs.get("ha") == "dynamic" else "assigned"


def guest_id(sid: str) -> str:
    """Returns the id that the adapter for Proxmox VE uses for the guest of a service."""
    return sid.partition(":")[2]


def policy_of(test: ha_files.Case, goal: str, **more: object) -> Policy:
    """Returns a policy for CPU and memory, without limits."""
    return Policy.from_json(
        {
            "goal": goal,
            "metrics": ["cpu", "memory"],
            "demand": demand_of(test),
            "limits": LIMITS,
            "allow_blockers": ["container_restart"],
            **more,
        }
    )


def level(test: ha_files.Case, snapshot: Snapshot, places: Mapping[str, str]) -> float:
    """Returns the spread in points among the hosts that may take guests, of CPU or memory, whichever is
    larger.
    """
    return max(levels(test, snapshot, places))


def levels(test: ha_files.Case, snapshot: Snapshot, places: Mapping[str, str]) -> tuple[float, float]:
    """Returns the spread of CPU and that of memory, in points."""
    taking = tuple(host for host in snapshot.hosts if host.active)
    if not taking:
        return 0.0, 0.0
    inside = {host.id for host in taking}
    used = {host.id: dict.fromkeys(("cpu", "memory"), 0.0) for host in taking}
    for guest in snapshot.guests:
        host = places.get(guest.id, guest.host)
        if guest.power == "running" and host in inside:
            for resource in ("cpu", "memory"):
                weighs = guest.used if demand_of(test) == "used" else guest.assigned
                used[host][resource] += weighs.get(resource) or 0.0
    cpu, memory = (
        [100 * used[host.id][resource] / (host.capacity[resource] or 1) for host in taking]
        for resource in ("cpu", "memory")
    )
    return max(cpu) - min(cpu), max(memory) - min(memory)
