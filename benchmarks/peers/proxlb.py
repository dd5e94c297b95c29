# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans ProxLB's solver scenarios with Even Keel and compares the results with the expected ones:

    git clone https://github.com/credativ/proxlb-solver
    .venv/bin/python benchmarks/peers/proxlb.py proxlb-solver

A scenario is read from the checkout and converted to a snapshot and a policy. ProxLB weights its guests by
priority, which is 2 by default, so a gap of 15 points there is one of 7.5 here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from ansible_collections.evenkeel.cluster.benchmarks.peers import report
from ansible_collections.evenkeel.cluster.benchmarks.peers.proxlb_reasons import REASONS
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan

GIB: Final = 1024**3
PRIORITY: Final = 2
# The gap from which each balanciness acts, in points of their weighted load; 1 never does.
GAPS: Final = {2: 25.0, 3: 15.0, 4: 5.0, 5: 0.0}
METRICS: Final[Mapping[str, tuple[str, ...]]] = {
    "memory": ("memory",),
    "cpu": ("cpu",),
    "disk": ("storage",),
    "memory_psi": ("pressure_memory",),
    "cpu_psi": ("pressure_cpu",),
    "io_psi": ("pressure_io",),
    "memory_smart": ("memory", "pressure_memory"),
    "cpu_smart": ("cpu", "pressure_cpu"),
    "io_smart": ("storage", "pressure_io"),
    "global_smart": ("memory", "cpu", "storage"),
}
STALLS: Final = {"cpu": "cpu_pressure", "memory": "memory_pressure", "io": "io_pressure"}
THRESHOLDS: Final = {"cpu_threshold": "cpu", "memory_threshold": "memory", "disk_threshold": "storage"}

Part = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scenario:
    """The snapshot and policy to plan, and the expected result of the scenario."""

    name: str
    snapshot: Snapshot
    policy: Policy
    expect: Part


def read(path: Path, name: str) -> Scenario:
    """Returns one scenario. Raises Unreadable if the file contains none."""
    text = yaml.safe_load(path.read_text())
    if not isinstance(text, dict) or "nodes" not in text:
        raise report.Unreadable(f"{path} has no nodes: it is not a scenario of proxlb-solver")
    return Scenario(name, _snapshot(name, text), _policy(text), text.get("expect") or {})


def scenarios(checkout: Path, only: str = "") -> Iterator[Scenario]:
    """Returns all scenarios of a checkout by name. Raises Unreadable if there are none."""
    folder = checkout / "scenarios"
    files = sorted(folder.rglob("*.yaml"))
    if not files:
        raise report.Unreadable(f"{folder} holds no scenario: name a checkout of proxlb-solver")
    for path in files:
        name = path.relative_to(folder).with_suffix("").as_posix()
        if only in name:
            yield read(path, name)


def _snapshot(name: str, text: Part) -> Snapshot:
    guests: Mapping[str, Part] = text.get("vms") or {}
    constraints: Part = text.get("constraints") or {}
    ignored = {entry["vm"] if isinstance(entry, dict) else entry for entry in constraints.get("ignore") or []}
    return Snapshot.from_json(
        {
            "schema": "evenkeel.cluster/snapshot/1",
            "platform": "proxmox",
            "cluster": {"id": name, "name": name},
            "taken_at": "2026-01-01T00:00:00Z",
            "window_seconds": 3600,
            "hosts": [_host(node, part, guests.values()) for node, part in text["nodes"].items()],
            "guests": [_guest(guest, part, guest in ignored) for guest, part in guests.items()],
            "rules": list(_rules(constraints)),
        }
    )


def _host(name: str, node: Part, guests: Any) -> Part:
    here = [guest for guest in guests if guest["node"] == name]
    reserve: Part = node.get("reserve") or {}
    places = {}
    for place, size in (node.get("storage_free") or {}).items():
        taken = sum((guest.get("disks") or {}).get(place, 0) for guest in here)
        kept = (reserve.get("storage_gb") or {}).get(place, 0)
        places[place] = {
            "shared": False,
            "capacity": int(size * GIB),
            "free": max(0, int((size - taken - kept) * GIB)),
        }
    return {
        "id": name,
        "name": name,
        "status": "online",
        "maintenance": bool(node.get("maintenance")),
        "schedulable": True,
        "capacity": {"cpu": node["cpu_total"], "memory": int(node["memory_total_gb"] * GIB)},
        "used": {
            "cpu": sum(_cpu(guest) for guest in here),
            "memory": int(sum(guest["memory_gb"] for guest in here) * GIB),
        },
        "reserved": {
            "cpu": reserve.get("cpu", 0),
            "memory": int(reserve.get("memory_gb", 0) * GIB),
        },
        # Some scenarios say what the node stalls, some only what its guests do.
        "pressure": {
            stall: min(100.0, max(node.get(field, 0.0), sum(guest.get(field, 0.0) for guest in here)))
            for stall, field in STALLS.items()
        },
        "datastores": places,
    }


def _guest(name: str, guest: Part, ignored: bool) -> Part:
    disks = guest.get("disks") or {}
    blockers = ["local_disk"] if disks else []
    if guest.get("type") == "ct":
        blockers.append("container_restart")
    if ignored:
        blockers.append("balancing_disabled")
    memory = int(guest["memory_gb"] * GIB)
    return {
        "id": name,
        "name": name,
        "kind": "container" if guest.get("type") == "ct" else "vm",
        "host": guest["node"],
        "power": "running",
        "assigned": {"cpu": guest["cpu"], "memory": memory},
        "used": {"cpu": _cpu(guest), "memory": memory},
        "pressure": {stall: guest.get(field, 0.0) for stall, field in STALLS.items()},
        "disks": [{"datastore": place, "size": int(size * GIB)} for place, size in disks.items()],
        "tags": list(guest.get("tags") or []),
        "priority": guest.get("priority", PRIORITY),
        "migratable": not blockers,
        "blockers": blockers,
    }


def _cpu(guest: Part) -> float:
    return float(guest.get("cpu_usage", guest["cpu"]))


def _rules(constraints: Part) -> Iterator[Part]:
    for kind in ("affinity", "anti_affinity"):
        for rule in constraints.get(kind) or []:
            # HA of Proxmox VE itself takes the others of such a group along; ProxLB's own rules do not.
            source = "ha-rule" if rule.get("origin") == "pve" else "tag"
            yield {
                "name": f"{kind} {rule['name']}",
                "kind": kind,
                "guests": list(rule["vms"]),
                "strict": bool(rule.get("hard", True)),
                "source": f"{source}:{rule['name']}",
            }
    for number, pin in enumerate(constraints.get("pin") or [], 1):
        yield {
            "name": f"pin {number} {pin['vm']}",
            "kind": "host_affinity",
            "guests": [pin["vm"]],
            "hosts": list(pin["nodes"]),
            "strict": True,
            "source": f"tag:plb_pin_{number}",
        }


def _policy(text: Part) -> Policy:
    balancing: Part = text.get("balancing") or {}
    method = balancing.get("method", "memory")
    if balancing.get("mode") == "psi" and not method.endswith("_psi"):
        method = f"{method}_psi"
    level = balancing.get("balanciness", 3)
    metrics = METRICS[method]
    above = {
        metric: balancing[name]
        for name, metric in THRESHOLDS.items()
        if balancing.get(name) is not None and metric in metrics
    }
    policy: dict[str, object] = {
        "metrics": list(metrics),
        "goal": "spread" if level in GAPS else "rules",
        "demand": "assigned" if balancing.get("mode") == "assigned" else "used",
        # Nothing there keeps a node from being filled to the brim, and CPU only counts in assigned cores.
        "limits": {
            "cpu": 100,
            "memory": 100,
            "cpu_for_rules": 100,
            "memory_for_rules": 100,
            "cpu_overcommit": balancing.get("cpu_overcommit", 2.0),
        },
        "allow_blockers": ["local_disk", "container_restart"],
        "rules": [
            {"by": "tag", "pattern": "plb_affinity_*", "kind": "affinity"},
            {"by": "tag", "pattern": "plb_anti_affinity_*", "kind": "anti_affinity"},
        ],
        "max_in_per_host": balancing.get("max_node_inflow", 1),
        "max_per_host": 2,
    }
    if level in GAPS:
        policy["max_spread"] = GAPS[level] / PRIORITY
    if above:
        policy["level_above"] = above
    emptied = _emptied(text)
    if emptied:
        policy |= {"goal": "evacuate", "evacuate": {"names": emptied}}
    return Policy.from_json(policy)


def _emptied(text: Part) -> list[str]:
    """Returns the nodes that guests must leave."""
    in_use = {guest["node"] for guest in (text.get("vms") or {}).values()}
    named = {text["evacuate_node"]} if text.get("evacuate_node") else set()
    return sorted(
        node
        for node, part in text["nodes"].items()
        if node in in_use and (part.get("maintenance") or node in named)
    )


def failures(scenario: Scenario, found: Plan) -> list[str]:
    """Returns the expectations of the scenario that the plan does not meet."""
    expect = scenario.expect
    refused = bool(_undone(found) or _broken(found))
    if not expect.get("feasible", True):
        return [] if refused else ["is called feasible"]
    if expect.get("path_feasible") is False:
        return [] if refused else ["has a way"]
    return list(_failures(scenario, found))


def _failures(scenario: Scenario, found: Plan) -> Iterator[str]:
    expect = scenario.expect
    if found.status == "infeasible" and _undone(found):
        yield f"not possible: {', '.join(_undone(found))}"
    if expect.get("constraints_satisfied", True):
        yield from (f"{rule} is broken" for rule in _broken(found, strict_of=scenario.snapshot))
    most = expect.get("max_migrations")
    if most is not None and len(found.migrations) > most:
        yield f"{report.migrations(len(found.migrations))}, {most} expected at most"
    if expect.get("spread_improved") and _total(found.after.spread) >= _total(found.before.spread):
        yield "the spread is not lower"
    places = {guest.id: guest.host for guest in scenario.snapshot.guests}
    places |= {migration.guest.id: migration.target for migration in found.migrations}
    empty = expect.get("node_empty")
    if empty is not None and empty in places.values():
        yield f"{empty} is not empty"
    for guest, wanted in (expect.get("placements") or {}).items():
        where = places[wanted[3:]] if str(wanted).startswith("== ") else str(wanted)
        if places[guest] != where:
            yield f"{guest} is on {places[guest]}, not {where}"


def _undone(found: Plan) -> list[str]:
    """Returns the unresolved entries except the spread, which "feasible" in a scenario does not include."""
    return [entry.what for entry in found.unresolved if entry.code != "spread_exceeded"]


def _broken(found: Plan, strict_of: Snapshot | None = None) -> list[str]:
    wishes = {rule.name for rule in strict_of.rules if not rule.strict} if strict_of else set()
    return [violation.rule for violation in found.after.violations if violation.rule not in wishes]


def _total(spread: Mapping[str, float | None]) -> float:
    return round(sum(value or 0.0 for value in spread.values()), 6)


def _expected(expect: Part) -> str:
    parts = [] if expect.get("feasible", True) else ["infeasible"]
    if expect.get("path_feasible") is False:
        parts.append("no way there")
    if expect.get("max_migrations") is not None:
        parts.append(f"at most {report.migrations(expect['max_migrations'])}")
    if expect.get("spread_improved"):
        parts.append("lower spread")
    if expect.get("node_empty"):
        parts.append(f"{expect['node_empty']} empty")
    parts += [f"{guest} on {node}" for guest, node in (expect.get("placements") or {}).items()]
    return ", ".join(parts) or "rules hold"


def compare(scenario: Scenario) -> report.Row:
    """Plans a scenario and compares the plan with the expected result."""
    found = plan(scenario.snapshot, scenario.policy)
    missed = failures(scenario, found)
    before, after = report.points(found.before.spread), report.points(found.after.spread)
    ours = f"{found.status}, {report.migrations(len(found.migrations))}, spread {before} → {after}"
    if not missed:
        return report.Row(scenario.name, "same", _expected(scenario.expect), ours)
    unmet = "; ".join(missed)
    verdict, expected, reason = REASONS.get(scenario.name, ("different", unmet, ""))
    if expected != unmet:
        verdict, reason = "different", ""
    return report.Row(scenario.name, verdict, _expected(scenario.expect), f"{ours}: {unmet}", reason)


def save(scenarios_: Sequence[Scenario], folder: Path) -> None:
    """Writes the snapshot and policy, for balance_plan or inspection."""
    folder.mkdir(parents=True, exist_ok=True)
    for scenario in scenarios_:
        stem = folder / scenario.name.replace("/", "-")
        stem.with_suffix(".snapshot.json").write_text(json.dumps(scenario.snapshot.to_json(), indent=1))
        stem.with_suffix(".policy.json").write_text(json.dumps(scenario.policy.to_json(), indent=1))


def main() -> int:
    asked = report.options(__doc__, "a checkout of proxlb-solver")
    found = list(scenarios(asked.checkout, asked.only))
    if asked.save:
        save(found, asked.save)
    return report.finish([compare(scenario) for scenario in found], "proxlb", asked.markdown)


if __name__ == "__main__":
    raise SystemExit(main())
