# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters guests, hosts and migrations, as templates call them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.template import trust_as_template

from ansible_collections.evenkeel.cluster.plugins.filter import guests, hosts, migrations
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import (
    MigrationOutcome,
    Outcome,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

CLUSTER = generate(Shape(hosts=3, guests=12, seed=4))
SNAPSHOT = CLUSTER.to_json()
GUEST: dict[str, Any] = next(
    one
    for one in CLUSTER.to_json()["guests"]
    if one["name"].startswith("s")  # type: ignore[attr-defined]
)
PLAN: Plan = plan(CLUSTER, Policy.from_json({"engine": "search", "max_spread": 5}))
OUTCOME = Outcome(
    cluster=CLUSTER.cluster,
    status="partial",
    started_at="2026-01-01T00:00:00Z",
    seconds=1,
    migrations=tuple(
        MigrationOutcome(
            step=step.step,
            guest=step.guest,
            source=step.source,
            target=step.target,
            result="failed" if step.step == 1 else "migrated",
            seconds=float(step.step),
        )
        for step in PLAN.migrations
    ),
)


def names(found: list[Any]) -> list[str]:
    return [item["name"] for item in found]


def test_guests_are_returned_as_they_are_in_the_snapshot() -> None:
    large = [guest for guest in CLUSTER.guests if (guest.used["memory"] or 0) > 2 * 1024**3]
    assert 0 < len(large) < len(CLUSTER.guests)
    found = guests.guests(SNAPSHOT, where="used.memory > bytes('2G')")
    assert found == [item for item in SNAPSHOT["guests"] if item["id"] in {guest.id for guest in large}]  # type: ignore[attr-defined]
    # In what cluster_facts sets, what other modules return, a file, or a list that a filter returned.
    for value in ({"evenkeel_snapshot": SNAPSHOT}, {"snapshot": SNAPSHOT}, json.dumps(SNAPSHOT), found):
        assert guests.guests(value, where="used.memory > bytes('2G')") == found
    assert len(guests.guests(SNAPSHOT)) == 12


def test_options_add_up_and_filters_in_a_row_narrow_down() -> None:
    by_name = guests.guests(SNAPSHOT, names="*web*")
    least = by_name[0]["used"]["memory"]
    small = guests.guests(SNAPSHOT, where=f"used.memory <= `{least}`")
    both = guests.guests(by_name, where=f"used.memory <= `{least}`")
    assert set(names(both)) == set(names(by_name)) & set(names(small)) != set()
    either = guests.guests(SNAPSHOT, names=["*web*"], where=f"used.memory <= `{least}`")
    assert set(names(either)) == set(names(by_name)) | set(names(small))


def test_hosts() -> None:
    first = CLUSTER.hosts[0].name
    assert names(hosts.hosts(SNAPSHOT, names=[first])) == [first]
    assert names(hosts.hosts(SNAPSHOT, where=f"name != '{first}'")) == [one.name for one in CLUSTER.hosts[1:]]
    assert hosts.hosts(SNAPSHOT, labels={"rack": "a"}) == []


def test_migrations_of_plans_and_outcomes() -> None:
    assert len(PLAN.migrations) > 1
    step = PLAN.migrations[0]
    where = f"from == '{step.source}' && cost.seconds < seconds('10h')"
    value = PLAN.to_json()
    found = migrations.migrations(value, where=where)
    assert found == [one for one in value["migrations"] if one["from"] == step.source]  # type: ignore[attr-defined]
    assert migrations.migrations({"plan": value}, kinds=["balance"]) == value["migrations"]
    assert migrations.migrations(value, names=[step.guest.id])[0]["step"] == 1
    run = {"changed": True, "outcome": OUTCOME.to_json()}
    assert [one["step"] for one in migrations.migrations(run, results=["failed"])] == [1]
    late = migrations.migrations(run, where="result == 'migrated' && seconds > `1`")
    assert [one["step"] for one in late] == [one.step for one in PLAN.migrations[1:]]
    assert migrations.migrations(late, results="migrated") == late


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: guests.guests(SNAPSHOT, where="tgas"),
            "guests.where: 'tgas' is not an expression that can select a guest: column 1: there is no field "
            "tgas. Did you mean tags?",
        ),
        (lambda: guests.guests(SNAPSHOT, were="x"), "guests: 'were' is not an option; known are names"),
        (lambda: guests.guests(SNAPSHOT, regex="("), "guests.regex: '(' is not a regular expression"),
        (
            lambda: guests.guests({}),
            "guests is required: a document with guests, or a list of guests",
        ),
        (lambda: guests.guests("{"), "guests: '{' is not JSON: Expecting property name"),
        (lambda: guests.guests(3), "guests: 3 is not a document with guests, or a list of guests"),
        (lambda: guests.guests([{}]), "guests[0].assigned is required"),
        (lambda: hosts.hosts(SNAPSHOT, names=["x9"]), "hosts: no host has the name or id 'x9'"),
        (
            lambda: migrations.migrations(PLAN.to_json(), results=["failed"]),
            "migrations.results does not support a plan. Use kinds, or pass the outcome",
        ),
        (
            lambda: migrations.migrations(OUTCOME.to_json(), results=["fialed"]),
            "migrations.results: 'fialed' is not one of migrated, already_there, ",
        ),
        (
            lambda: migrations.migrations(PLAN.to_json(), where="seconds > `1`"),
            "is not an expression that can select a migration: column 1: there is no field seconds",
        ),
    ],
)
def test_a_wrong_option_is_named(call: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        call()
    assert message in str(caught.value)


def test_texts_that_ansible_has_marked_are_texts_for_jmespath() -> None:
    guest = {
        key: trust_as_template(value) if isinstance(value, str) else value for key, value in GUEST.items()
    }
    assert type(guest["name"]) is not str
    where = trust_as_template("starts_with(name, 's') && kind == 'vm'")
    assert guests.guests([guest], where=where) == [GUEST]


def test_the_examples_are_yaml() -> None:
    for module in (guests, hosts, migrations):
        assert yaml.safe_load(module.EXAMPLES)
