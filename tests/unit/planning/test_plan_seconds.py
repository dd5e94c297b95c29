# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a plan takes with at most so many migrations at a time, beside the bound that it reports."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy, Selector
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Rule
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.support.tight_cluster import GIB, planned_run

from .test_scenarios import cluster


@pytest.mark.parametrize(
    ("limits", "rounds"),
    [
        ({"max_per_host": 6}, 1),
        ({"max_per_host": 2}, 3),
        ({"max_per_host": 6, "max_out_per_host": 1}, 6),
        ({"max_per_host": 6, "max_out_per_host": 2}, 3),
        ({"max_per_host": 6, "max_in_per_host": 1}, 2),
        ({"max_per_host": 2, "max_in_per_host": 6, "max_out_per_host": 6}, 3),
    ],
)
def test_six_guests_of_one_host_go_to_three(limits: dict[str, int], rounds: int) -> None:
    full = planned_run().snapshot
    bare = {"cpu": 1.0, "memory": 2 * GIB}
    hosts = tuple(host if host.id == "h1" else replace(host, used=bare) for host in full.hosts)
    guests = tuple(guest for guest in full.guests if guest.host == "h1")
    snapshot = replace(full, hosts=hosts, guests=guests, rules=())
    policy = Policy(goal="evacuate", evacuate=Selector(names=("h1",)), migration_bandwidth=GIB, **limits)
    result = plan(snapshot, policy)
    assert len(result.migrations) == 6
    assert (result.proof.seconds, result.proof.seconds_lower_bound) == (9 * rounds, 9 * rounds)


def test_partners_under_an_even_spread_leave_one_at_a_time() -> None:
    full = planned_run().snapshot
    bare = {"cpu": 1.0, "memory": 2 * GIB}
    hosts = (full.hosts[0], *(replace(host, used=bare) for host in full.hosts[1:3]))
    first, second, third = full.guests[:3]
    there = replace(first, id="there", name="there", host="h2")
    partners, even = (there.id, first.id, second.id), (there.id, second.id, third.id)
    rules = (
        Rule(name="partners", kind="affinity", guests=partners, strict=True, source="test"),
        Rule(name="even", kind="even_spread", guests=even, strict=True, source="test"),
    )
    snapshot = replace(full, hosts=hosts, guests=(first, second, third, there), rules=rules)
    policy = Policy(
        goal="evacuate", evacuate=Selector(names=("h1",)), migration_bandwidth=GIB, max_per_host=1
    )
    result = plan(snapshot, policy)
    places = {migration.guest.id: migration.target for migration in result.migrations}
    assert places == {first.id: "h2", second.id: "h2", third.id: "h3"}
    assert (result.proof.seconds, result.proof.seconds_lower_bound) == (27, 27)


def test_of_three_two_at_a_time_two_go_one_after_another() -> None:
    full = planned_run().snapshot
    bare = {"cpu": 1.0, "memory": 2 * GIB}
    hosts = (full.hosts[0], *(replace(host, used=bare) for host in full.hosts[1:]))
    snapshot = replace(full, hosts=hosts, guests=full.guests[:3], rules=())
    policy = Policy(
        goal="evacuate", evacuate=Selector(names=("h1",)), migration_bandwidth=GIB, max_per_host=2
    )
    result = plan(snapshot, policy)
    assert len(result.migrations) == 3
    assert (result.proof.seconds, result.proof.seconds_lower_bound) == (18, 18)


def test_where_not_all_have_room_one_of_them_waits_for_a_departure() -> None:
    """h1 has room for either guest of h2, but not for both before its own guest has left."""
    pins = {"107": "h1", "108": "h1", "101": "h4"}
    rules = tuple(
        Rule(name=guest, kind="host_affinity", guests=(guest,), hosts=(host,), strict=True, source="test")
        for guest, host in pins.items()
    )
    policy = Policy.from_json(
        {
            "goal": "rules",
            "limits": {"memory": 95, "memory_for_rules": 95},
            "migration_bandwidth": GIB,
            "max_per_host": 6,
        }
    )
    result = plan(replace(planned_run().snapshot, rules=rules), policy)
    assert {migration.guest.id: migration.target for migration in result.migrations} == pins
    assert (result.proof.seconds, result.proof.seconds_lower_bound) == (18, 18)


def test_rules_begin_before_balance_where_slots_are_few() -> None:
    """Two guests of the full host are apart from nobody; the third is, and begins with the first."""
    snapshot = cluster(
        {
            "hosts": {"h1": {"memory": 100}, "h2": {"memory": 100}, "h3": {"memory": 100}},
            "guests": {
                **{f"large{number}": {"host": "h1", "memory": 25} for number in range(3)},
                "a": {"host": "h1", "memory": 2},
                "b": {"host": "h1", "memory": 2},
            },
            "rules": {"apart": {"kind": "anti_affinity", "guests": ["a", "b"]}},
        }
    )
    found = plan(snapshot, Policy.from_json({"metrics": ["memory"], "max_spread": 30, "max_per_host": 1}))
    assert found.migrations[0].kind == "rule"
    assert {step.kind for step in found.migrations} == {"rule", "balance"}
