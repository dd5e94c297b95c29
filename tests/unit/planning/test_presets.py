# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file in scenarios/presets/: a story, a cluster, the preset of another system, and what must come out.

`rounds` carries plans out one after the other, as a schedule would, and looks at the last; `settles_in`
counts them until there is nothing left to do. With datastores, `moves` counts moves, `gib` is what they
copy, `places` says where all disks of a guest are then, and `percent` how full datastores may be at most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.disk_moves import (
    MovedDisks,
    snapshot_after_disk_moves,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan, StoragePlan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.presets import PRESETS, Preset
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)

from .preset_clusters import GIB, cluster

FOLDER = Path(__file__).parent / "scenarios" / "presets"
FILES = sorted(FOLDER.glob("*/*.yml"))
FEWEST = 12
MAX_ROUNDS = 20
# What is expected is found at once; more effort only looks longer for what is not there.
EFFORT = 4
WINDOW = {"hosts": {"names": ["a"]}, "start": "2:00", "hours": 1}
EXPECTED = {
    "apart",
    "bound",
    "broken",
    "emptied",
    "disks",
    "first",
    "gib",
    "immovable",
    "kinds",
    "migrations",
    "moves",
    "notices",
    "percent",
    "places",
    "policy",
    "settles_in",
    "spread",
    "status",
    "unresolved",
    "waves",
    "why",
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_scenario(file: Path) -> None:
    scenario = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert set(scenario) <= {"story", "cluster", "policy", "rounds", "expect"}
    assert scenario["story"]
    snapshot = cluster(scenario["cluster"])
    policy = Policy.from_json(
        {"preset": file.parent.name, "effort": EFFORT, **(scenario.get("policy") or {})}
    )
    for _round in range(scenario.get("rounds", 1) - 1):
        snapshot = snapshot_after(snapshot, plan(snapshot, policy))
    result = plan(snapshot, policy)
    if policy.goal == "storage":
        check_storage(result, snapshot, policy, scenario["expect"])
        return
    check(result, snapshot, scenario["expect"])
    if "settles_in" in scenario["expect"]:
        assert rounds_until_settled(snapshot, policy) == scenario["expect"]["settles_in"]
    elif policy.max_migrations is None:
        assert plan(snapshot_after(snapshot, result), policy).migrations == ()


def rounds_until_settled(snapshot: Snapshot, policy: Policy) -> int:
    for number in range(MAX_ROUNDS):
        result = plan(snapshot, policy)
        if not result.migrations:
            return number
        snapshot = snapshot_after(snapshot, result)
    raise AssertionError(f"still at it after {MAX_ROUNDS} rounds")


def check(result: Plan, snapshot: Snapshot, expect: Mapping[str, Any]) -> None:
    assert expect
    assert set(expect) <= EXPECTED
    told = [f"{item.what}: {item.why}" for item in result.unresolved]
    assert result.status == expect.get("status", result.status), told
    assert len(result.migrations) == expect.get("migrations", len(result.migrations)), result.migrations
    assert bool(told) == bool(expect.get("unresolved", told)), told
    for text in expect.get("unresolved", []):
        assert any(text in line for line in told), told
    check_migrations(result, snapshot, expect)
    check_state(result, expect)


def check_storage(result: Plan, snapshot: Snapshot, policy: Policy, expect: Mapping[str, Any]) -> None:
    assert expect
    assert set(expect) <= EXPECTED
    found = result.storage
    assert found is not None
    assert not result.migrations
    told = [f"{item.what}: {item.why}" for item in found.unresolved]
    assert result.status == expect.get("status", result.status), told
    assert len(found.moves) == expect["moves"], found.moves
    assert bool(told) == bool(expect.get("unresolved")), told
    for text in expect.get("unresolved", []):
        assert any(text in line for line in told), told
    for text in expect.get("notices", []):
        assert any(text in line for line in found.notices), found.notices
    if "gib" in expect:
        assert found.proof.bytes == expect["gib"] * GIB
    if "bound" in expect:
        assert found.proof.bytes_lower_bound == expect["bound"] * GIB
    check_disks(found, snapshot, expect)
    if "broken" in expect:
        assert [violation.rule for violation in found.after.violations] == expect["broken"]
    for name, most in expect.get("percent", {}).items():
        assert (found.after.datastores[name].percent or 0.0) <= most + 1e-3, found.after.datastores[name]
    check_policy(result, expect)
    again = plan(after_disk_moves(snapshot, found), policy).storage
    assert again is not None
    assert again.moves == ()


def check_disks(found: StoragePlan, snapshot: Snapshot, expect: Mapping[str, Any]) -> None:
    guests = after_disk_moves(snapshot, found).guests
    places = {guest.name: {disk.datastore for disk in guest.disks} for guest in guests}
    assert {name: places[name] for name in expect.get("places", {})} == {
        name: {where} for name, where in expect.get("places", {}).items()
    }
    disks = {f"{guest.name} {disk.id}": disk.datastore for guest in guests for disk in guest.disks}
    assert {name: disks[name] for name in expect.get("disks", {})} == expect.get("disks", {})
    for group in expect.get("apart", []):
        assert len(set().union(*(places[name] for name in group))) == len(group), places
    kinds = {move.guest.name: move.kind for move in found.moves}
    assert {guest: kinds.get(guest) for guest in expect.get("kinds", {})} == expect.get("kinds", {})
    for guest, text in expect.get("why", {}).items():
        assert any(text in move.why for move in found.moves if move.guest.name == guest), found.moves
    immovable = {item.guest.name: item.why for item in found.immovable}
    for guest, text in expect.get("immovable", {}).items():
        assert text in immovable.get(guest, ""), found.immovable


def after_disk_moves(snapshot: Snapshot, found: StoragePlan) -> Snapshot:
    moves = [MovedDisks(guest=move.guest.id, disks=move.disks, target=move.target) for move in found.moves]
    return snapshot_after_disk_moves(snapshot, moves)


def check_migrations(result: Plan, snapshot: Snapshot, expect: Mapping[str, Any]) -> None:
    places = {guest.name: guest.host for guest in snapshot_after(snapshot, result).guests}
    assert {guest: places[guest] for guest in expect.get("places", {})} == expect.get("places", {})
    for group in expect.get("apart", []):
        assert len({places[guest] for guest in group}) == len(group)
    kinds = {move.guest.name: move.kind for move in result.migrations}
    assert {guest: kinds.get(guest) for guest in expect.get("kinds", {})} == expect.get("kinds", {})
    if "first" in expect:
        assert result.migrations[0].guest.name == expect["first"]
    if "waves" in expect:
        assert max((move.wave for move in result.migrations), default=0) == expect["waves"]
    for guest, text in expect.get("why", {}).items():
        reasons = [move.why for move in result.migrations if move.guest.name == guest]
        assert any(text in why for why in reasons), result.migrations


def check_state(result: Plan, expect: Mapping[str, Any]) -> None:
    if "broken" in expect:
        assert [violation.rule for violation in result.after.violations] == expect["broken"]
    if "emptied" in expect:
        assert list(result.emptied) == expect["emptied"]
    if "bound" in expect:
        assert result.proof.migrations_lower_bound == expect["bound"]
    for metric, most in expect.get("spread", {}).items():
        spread = result.after.spread[metric]
        assert spread is not None
        assert spread <= most + 1e-3
    immovable = {item.guest.name: item.why for item in result.immovable}
    for guest, text in expect.get("immovable", {}).items():
        assert text in immovable.get(guest, ""), result.immovable
    check_policy(result, expect)


def check_policy(result: Plan, expect: Mapping[str, Any]) -> None:
    for path, value in expect.get("policy", {}).items():
        found: Any = result.policy.to_json()
        for part in path.split("."):
            found = found[part]
        assert found == value, path


def test_every_preset_has_its_scenarios() -> None:
    counts = Counter(file.parent.name for file in FILES)
    assert set(get_args(Preset)) == set(PRESETS) == set(counts)
    assert min(counts.values()) >= FEWEST, counts


@pytest.mark.parametrize("preset", get_args(Preset))
def test_what_a_preset_makes_of_a_policy_is_read_back_alike(preset: str) -> None:
    policy = Policy.from_json({"preset": preset})
    assert Policy.from_json(policy.to_json()) == policy


def test_what_is_given_wins() -> None:
    policy = Policy.from_json(
        {"preset": "vmmanager", "max_migrations": 3, "relieve": {"overload": {"memory": 85}}, "cool_down": 0}
    )
    assert policy.max_migrations == 3
    assert policy.cool_down == 0
    assert policy.relieve is not None
    assert policy.relieve.overload.memory == 85
    assert policy.relieve.overload.vcpus_per_core == 7.0
    assert policy.relieve.first == "smallest"
    assert Policy.from_json({"preset": "fdrs", "max_migrations": None}).max_migrations is None
    assert Policy.from_json({"preset": "fdrs", "rules": []}).rules == ()


def test_aggressiveness_wins_over_the_points_of_a_preset() -> None:
    assert Policy.from_json({"preset": "proxlb"}).spread_limit("memory") == 10
    assert Policy.from_json({"preset": "proxlb", "aggressiveness": 5}).spread_limit("memory") == 5
    both = {"preset": "proxlb", "aggressiveness": 5, "max_spread": 7}
    assert Policy.from_json(both).spread_limit("memory") == 7


def test_the_cap_of_a_schedule_does_not_keep_hosts_from_being_emptied() -> None:
    evacuating = {"goal": "evacuate", "evacuate": {"names": ["h1"]}}
    assert Policy.from_json({"preset": "vmmanager", **evacuating}).max_migrations is None
    assert Policy.from_json({"preset": "vmmanager", **evacuating, "max_migrations": 2}).max_migrations == 2
    assert Policy.from_json({"preset": "vmmanager", "goal": "consolidate"}).max_migrations is None


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        ({"preset": "drs2"}, "policy.preset"),
        ({"preset": ["drs"]}, "policy.preset"),
        ({"preset": "vmmanager", "relieve": {"overload": {"memory": -1}}}, "policy.relieve.overload.memory"),
        ({"preset": "vmmanager", "relieve": 7}, "policy.relieve"),
        ({"preset": "vmmanager", "engine": "exact"}, "policy.engine"),
        ({"preset": "vmmanager", "metrics": ["memory"]}, "policy.relieve.overload"),
        ({"goal": "relieve"}, "policy.relieve.overload"),
        ({"goal": "relieve", "relieve": {"overload": {}}}, "policy.relieve.overload"),
        ({"preset": "proxlb", "demand": "pressure", "metrics": ["network_io"]}, "policy.metrics"),
        ({"preset": "proxlb", "level_above": {"cpu": 75}}, "policy.level_above.cpu"),
        ({"preset": "proxlb", "reserves": [{"hosts": {}, "memory": 1}]}, r"policy.reserves\[0\].hosts"),
        (
            {"maintenance_windows": [{**WINDOW, "start": "8 pm"}]},
            r"policy.maintenance_windows\[0\].start",
        ),
        (
            {"maintenance_windows": [{**WINDOW, "timezone": "?"}]},
            r"policy.maintenance_windows\[0\].timezone",
        ),
        ({"goal": "consolidate", "consolidate": {"min_hosts": 0}}, "policy.consolidate.min_hosts"),
    ],
)
def test_nonsense_is_named(policy: dict[str, Any], path: str) -> None:
    with pytest.raises(InputError, match=rf"^{path}"):
        Policy.from_json(policy)


def test_stopped_vms_count_on_vmmanager_as_the_platform_counts_them() -> None:
    snapshot = replace(
        cluster(
            {
                "hosts": {"n1": {"cpu": 10}, "n2": {"cpu": 10}},
                "guests": {
                    "a": {"host": "n1", "vcpus": 40},
                    "idle": {"host": "n1", "vcpus": 60, "power": "stopped"},
                },
            }
        ),
        platform="vmmanager",
    )
    found = plan(snapshot, Policy.from_json({"preset": "vmmanager"}))
    assert [(step.guest.id, step.source, step.target) for step in found.migrations] == [("a", "n1", "n2")]


def test_reserved_cores_run_no_vcpus() -> None:
    short = {"hosts": {"n1": {"cpu": 10}, "n2": {"cpu": 10}}, "guests": {"a": {"host": "n1", "vcpus": 60}}}
    asked = {"preset": "vmmanager", "reserves": [{"hosts": {"names": ["n1"]}, "cpu": 2}]}
    assert not plan(cluster(short), Policy.from_json({"preset": "vmmanager"})).migrations
    assert len(plan(cluster(short), Policy.from_json(asked)).migrations) == 1
