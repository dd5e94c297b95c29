# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file in scenarios/: a story, a cluster, a policy, and what must come out. Sizes are cores and GiB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)

GIB = 1024**3
FILES = sorted((Path(__file__).parent / "scenarios").glob("*.yml"))
# What is expected is found at once; more effort only looks longer for what is not there.
EFFORT = 4
EXPECTED = {
    "status",
    "migrations",
    "most_migrations",
    "broken",
    "places",
    "apart",
    "even",
    "unresolved",
    "why",
    "empty",
    "immovable",
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.stem))
def test_scenario(file: Path) -> None:
    scenario = yaml.safe_load(file.read_text(encoding="utf-8"))
    snapshot = cluster(scenario["cluster"])
    policy = Policy.from_json({"effort": EFFORT, **scenario.get("policy", {})})
    result = plan(snapshot, policy)
    check(result, snapshot, scenario["expect"])
    if policy.max_migrations is None:
        assert plan(snapshot_after(snapshot, result), policy).migrations == ()


def check(result: Plan, snapshot: Snapshot, expect: Mapping[str, Any]) -> None:
    assert set(expect) <= EXPECTED
    names = {guest.id: guest.name for guest in snapshot.guests}
    places = {names[guest.id]: guest.host for guest in snapshot_after(snapshot, result).guests}
    assert result.status == expect.get("status", result.status), result.unresolved
    assert len(result.migrations) == expect.get("migrations", len(result.migrations))
    assert len(result.migrations) <= expect.get("most_migrations", len(result.migrations))
    if "broken" in expect:
        assert [violation.rule for violation in result.after.violations] == expect["broken"]
    for guest, hosts in expect.get("places", {}).items():
        assert places[guest] in hosts
    for group in expect.get("apart", []):
        assert len({places[guest] for guest in group}) == len(group)
    for group in expect.get("even", []):
        counts = Counter(places[guest] for guest in group).values()
        assert max(counts) - min(counts) <= 1
    for host in expect.get("empty", []):
        assert host not in places.values()
    for text in expect.get("unresolved", []):
        assert any(text in f"{item.what}: {item.why}" for item in result.unresolved), result.unresolved
    immovable = {item.guest.name: item.why for item in result.immovable}
    for guest, text in expect.get("immovable", {}).items():
        assert text in immovable.get(guest, ""), result.immovable
    for guest, text in expect.get("why", {}).items():
        assert any(text in m.why for m in result.migrations if m.guest.name == guest), result.migrations


def cluster(short: Mapping[str, Any]) -> Snapshot:
    """A snapshot from a scenario's short form; a host uses what its guests use and what `own` adds."""
    guests = [guest(name, values) for name, values in short.get("guests", {}).items()]
    return Snapshot.from_json(
        {
            "schema": "evenkeel.cluster/snapshot/1",
            "platform": "scenario",
            "cluster": {"id": "scenario", "name": "scenario"},
            "taken_at": "2026-01-01T00:00:00Z",
            "window_seconds": 0,
            "hosts": [host(name, values or {}, guests) for name, values in short["hosts"].items()],
            "guests": guests,
            "rules": [
                {"name": name, "guests": [], "strict": True, "source": "scenario", **values}
                for name, values in short.get("rules", {}).items()
            ],
        }
    )


def host(name: str, values: Mapping[str, Any], guests: list[dict[str, Any]]) -> dict[str, Any]:
    more = {key: value for key, value in values.items() if key not in ("cpu", "memory", "own", "io")}
    here = [item["used"] for item in guests if item["host"] == name]
    own = values.get("own", {})
    io = values.get("io")
    return {
        "id": name,
        "name": name,
        "status": "online",
        "maintenance": False,
        "schedulable": True,
        "capacity": {
            "cpu": values.get("cpu", 32),
            "memory": values.get("memory", 128) * GIB,
            "disk_io": io,
        },
        "used": {
            "cpu": own.get("cpu", 0) + sum(used["cpu"] for used in here),
            "memory": own.get("memory", 0) * GIB + sum(used["memory"] for used in here),
            "disk_io": None if io is None else sum(used.get("disk_io") or 0 for used in here),
        },
        "datastores": {"san": {"shared": True}},
        "networks": ["lan"],
        **more,
    }


def guest(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    sizes = ("cpu", "memory", "io")
    amounts = {"cpu": values.get("cpu", 1), "memory": values.get("memory", 4) * GIB}
    return {
        "id": values.get("id", name),
        "name": name,
        "kind": "vm",
        "power": "running",
        "assigned": amounts,
        "used": {**amounts, "disk_io": values.get("io")},
        "disks": [{"datastore": "san", "size": GIB}],
        "networks": ["lan"],
        "migratable": not values.get("blockers"),
        **{key: value for key, value in values.items() if key not in sizes},
    }
