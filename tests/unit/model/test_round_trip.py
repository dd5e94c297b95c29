# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON in and out is exact, and what is wrong is refused with the path of the field."""

from __future__ import annotations

import copy
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import Outcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

STATE = {
    "spread": {"cpu": 31.5, "memory": None},
    "violations": [{"rule": "web", "detail": "2 on pve1"}],
    "hosts": {
        "a": {"name": "pve1", "used": {"cpu": 80.25, "memory": None}, "guests": 4},
    },
}
PLAN = {
    "schema": "evenkeel.cluster/plan/1",
    "cluster": {"id": "c", "name": "prod"},
    "platform": "proxmox",
    "snapshot_digest": "sha256:00",
    "policy": Policy().to_json(),
    "status": "improved",
    "migrations": [
        {
            "step": 1,
            "wave": 1,
            "guest": {"id": "101", "name": "web01"},
            "from": "a",
            "to": "b",
            "kind": "balance",
            "why": "takes a from 91 % to 78 % memory",
            "after": [],
            "cost": {"memory": 5, "seconds": 0.5},
        },
        {
            "step": 2,
            "wave": 2,
            "guest": {"id": "102", "name": "web02"},
            "from": "b",
            "to": "a",
            "kind": "rule",
            "why": "web",
            "after": [1],
            "cost": {"memory": 7, "seconds": 1},
            "storage": {"local": "fast"},
        },
    ],
    "before": STATE,
    "after": STATE,
    "proof": {
        "migrations_lower_bound": 1,
        "optimal": False,
        "spread_lower_bound": {"memory": 3.1},
        "method": "none",
        "seconds": 1.5,
        "seconds_lower_bound": 1.5,
    },
    "unresolved": [{"what": "rule db", "why": "too few hosts", "code": "rule_broken", "subject": "db"}],
    "immovable": [{"guest": {"id": "7", "name": "nas"}, "host": "a", "why": "passthrough_device"}],
}
OUTCOME = {
    "schema": "evenkeel.cluster/outcome/1",
    "cluster": {"id": "c", "name": "prod"},
    "status": "partial",
    "started_at": "2026-01-31T22:00:00Z",
    "seconds": 2.5,
    "migrations": [
        {
            "step": 1,
            "guest": {"id": "101", "name": "web01"},
            "from": "a",
            "to": "b",
            "result": "failed",
            "why": "it broke",
            "task": "t1",
            "started_at": "2026-01-31T22:00:00Z",
            "ended_at": "2026-01-31T22:00:22Z",
            "seconds": 1.5,
        }
    ],
}


@given(
    st.builds(
        Shape,
        hosts=st.integers(1, 6),
        guests=st.integers(0, 25),
        seed=st.integers(0, 10**6),
        mixed=st.booleans(),
        maintenance=st.integers(0, 1),
    )
)
def test_snapshot_round_trip(shape: Shape) -> None:
    snapshot = generate(shape)
    document = json.loads(json.dumps(snapshot.to_json()))
    assert Snapshot.from_json(document) == snapshot
    assert Snapshot.from_json(document).to_json() == document
    assert Snapshot.from_json(document).digest() == snapshot.digest()


@pytest.mark.parametrize(("cls", "document"), [(Plan, PLAN), (Outcome, OUTCOME), (Policy, PLAN["policy"])])
def test_other_round_trips(cls: type[Plan], document: dict[str, object]) -> None:
    value = cls.from_json(document)
    assert value.to_json() == document
    assert cls.from_json(json.loads(json.dumps(value.to_json()))) == value


def test_a_whole_number_stays_one() -> None:
    document = generate(Shape(hosts=2, guests=2)).to_json()
    memory = Snapshot.from_json(document).guests[0].used["memory"]
    assert isinstance(memory, int)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "evenkeel.cluster/plan/1"}, r"snapshot\.schema: 'evenkeel\.cluster/plan/1' is not"),
        ({"schema": None}, r"snapshot\.schema is required"),
        ({"hosts": {}}, r"snapshot\.hosts: \{\} is not a list"),
        ({"window_seconds": 1.5}, r"snapshot\.window_seconds: 1\.5 is not a whole number"),
        ({"window_seconds": True}, r"snapshot\.window_seconds: True is not a whole number"),
        ({"window_seconds": -1}, r"snapshot\.window_seconds: -1 is not a number of at least 0"),
        (
            {"colour": "red"},
            r"snapshot\.colour: 'colour' is not a known field; known are cluster, datastores, disk_refusals",
        ),
    ],
)
def test_wrong_top_level(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Snapshot.from_json({**generate(Shape(hosts=2, guests=3)).to_json(), **change})


@pytest.mark.parametrize(
    ("collection", "field", "value", "message"),
    [
        (
            "hosts",
            "capacity",
            {"cpu": math.nan},
            r"snapshot\.hosts\[1\]\.capacity\.cpu: nan is not a finite number",
        ),
        ("hosts", "capacity", {"cpu": -4}, r"hosts\[1\]\.capacity\.cpu: -4 is not a number of at least 0"),
        ("hosts", "used", {"cpi": 4}, r"hosts\[1\]\.used\.cpi: 'cpi' is not a resource"),
        ("hosts", "status", "up", r"hosts\[1\]\.status: 'up' is not one of online, offline, unknown"),
        ("guests", "host", "nowhere", r"snapshot\.guests\[1\]\.host: 'nowhere' is not the id of a host"),
        ("guests", "used", {"memory": "8"}, r"guests\[1\]\.used\.memory: '8' is not a finite number"),
        ("guests", "disks", [{"size": 1}], r"\.disks\[0\]\.datastore is required"),
        ("hosts", "capacity", {"cpu": 10**400}, r"capacity\.cpu: 10+… is not a number between -1e\+24 and"),
        ("hosts", "used", {"cpu": 1e300}, r"used\.cpu: 1e\+300 is not a number between -1e\+24 and 1e\+24"),
        ("hosts", "max_guests", 10**400, r"hosts\[1\]\.max_guests: 10+… is not a number between"),
        (
            "guests",
            "last_migrated_at",
            "2026-13-01T00:00:00Z",
            r"guests\[1\]\.last_migrated_at: '2026-13.*' is not a moment",
        ),
        ("guests", "name", "", r"guests\[1\]\.name: '' is not a text of at least one character"),
    ],
)
def test_wrong_inside(collection: str, field: str, value: object, message: str) -> None:
    document = copy.deepcopy(generate(Shape(hosts=2, guests=3)).to_json())
    document[collection][1][field] = value  # type: ignore[index]
    with pytest.raises(InputError, match=message):
        Snapshot.from_json(document)


def test_a_value_that_is_too_deep_to_be_shown() -> None:
    deep: list[object] = []
    for _level in range(5000):
        deep = [deep]
    with pytest.raises(InputError, match=r"snapshot\.taken_at: a deeply nested list is not a text"):
        Snapshot.from_json({**generate(Shape(hosts=2, guests=3)).to_json(), "taken_at": deep})


def test_two_of_one_id() -> None:
    document = generate(Shape(hosts=2, guests=3)).to_json()
    document["guests"][2]["id"] = document["guests"][0]["id"]  # type: ignore[index]
    with pytest.raises(
        InputError, match=r"snapshot\.guests\[2\]\.id: .* is not unique among snapshot\.guests"
    ):
        Snapshot.from_json(document)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": []}, r"policy\.metrics is required: at least one"),
        ({"metrics": ["cpu", "cpu"]}, r"policy\.metrics: .* is not a list without duplicates"),
        ({"metrics": ["ram"]}, r"policy\.metrics\[0\]: 'ram' is not one of cpu, memory"),
        ({"aggressiveness": 6}, r"policy\.aggressiveness: 6 is not a number from 1 to 5"),
        (
            {"max_spread": {"disk_io": 5}},
            r"policy\.max_spread\.disk_io: 'disk_io' is not one of the metrics",
        ),
        ({"max_spread": "tight"}, r"policy\.max_spread: 'tight' is not"),
        (
            {"limits": {"memory": 96}},
            r"policy\.limits\.memory \(96\) must not exceed limits\.memory_for_rules \(95, the default\)",
        ),
        ({"rules": [{"by": "regex", "kind": "affinity"}]}, r"policy\.rules\[0\]\.pattern is required when"),
        (
            {"rules": [{"by": "regex", "kind": "affinity", "pattern": "("}]},
            r"rules\[0\]\.pattern: '\(' is not a regular",
        ),
        (
            {"rules": [{"by": "tag", "kind": "host_affinity"}]},
            r"rules\[0\]\.hosts is required when kind is host_affinity",
        ),
        (
            {"rules": [{"by": "tag", "kind": "affinity", "hosts": {}}]},
            r"rules\[0\]\.hosts does not support kind: ",
        ),
        (
            {"rules": [{"by": "guests", "kind": "affinity"}]},
            r"rules\[0\]\.guests is required when by is",
        ),
        ({"exclude": {"guests": {"regex": "["}}}, r"policy\.exclude\.guests\.regex: '\[' is not a regular"),
        ({"max_migrations": -1}, r"policy\.max_migrations: -1 is not a number of at least 0"),
        ({"cool_down": -1}, r"policy\.cool_down: -1 is not a number from 0 to 31622400$"),
    ],
)
def test_a_policy_that_makes_no_sense(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Policy.from_json(change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": 1}, r"plan\.migrations\[1\]\.step: 1 is not unique"),
        ({"after": [3]}, r"plan\.migrations\[1\]\.after: 3 is not a step that stands earlier"),
        ({"wave": 1}, r"plan\.migrations\[1\]\.wave: 1 is not later than the wave of step 1"),
        ({"to": 5}, r"plan\.migrations\[1\]\.to: 5 is not a text"),
    ],
)
def test_a_plan_that_makes_no_sense(change: dict[str, object], message: str) -> None:
    document = copy.deepcopy(PLAN)
    document["migrations"][1].update(change)  # type: ignore[index]
    with pytest.raises(InputError, match=message):
        Plan.from_json(document)
