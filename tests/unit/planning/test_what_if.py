# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking before buying: the plan of a cluster as it would be."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import EvenKeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.overrides import Overrides
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.what_if import (
    apply_overrides,
)

from .test_scenarios import cluster

GUESTS = {
    "a": {"host": "h1", "memory": 48},
    "b": {"host": "h1", "memory": 48},
    "c": {"host": "h2", "memory": 48},
    "d": {"host": "h2", "memory": 48},
}
FULL = cluster({"hosts": {"h1": {}, "h2": {}}, "guests": GUESTS})
MEMORY = Policy(metrics=("memory",), max_spread=40.0)


def test_a_new_host_takes_guests() -> None:
    result = plan(
        apply_overrides(FULL, Overrides.from_json({"hosts_added": [{"name": "h3", "like": "h1"}]})), MEMORY
    )
    assert {migration.target for migration in result.migrations} == {"h3"}


def test_a_host_that_the_others_can_not_replace() -> None:
    result = plan(apply_overrides(FULL, Overrides.from_json({"hosts_removed": ["h2"]})), MEMORY)
    assert any("h2" in item.what for item in result.unresolved)


def test_a_host_that_comes_back_takes_guests_again() -> None:
    away = cluster({"hosts": {"h1": {}, "h2": {}, "h3": {"maintenance": True}}, "guests": GUESTS})
    assert plan(away, MEMORY).migrations == ()
    result = plan(apply_overrides(away, Overrides.from_json({"hosts_returned": ["h3"]})), MEMORY)
    assert {migration.target for migration in result.migrations} == {"h3"}
    assert apply_overrides(FULL, Overrides.from_json({"hosts_returned": ["h1"]})) == FULL


def test_a_guest_that_grows_counts_on_its_host() -> None:
    grown = apply_overrides(FULL, Overrides.from_json({"guests_grown": [{"guest": "a", "factor": 1.5}]}))
    assert grown.hosts[0].used["memory"] == 120 * 2**30
    assert grown.hosts[1] == FULL.hosts[1]


def test_a_new_rule_is_mended() -> None:
    rule = {"name": "far", "kind": "anti_affinity", "guests": ["a", "b"], "strict": True, "source": "me"}
    small = cluster({"hosts": {"h1": {}, "h2": {}}, "guests": {"a": {"host": "h1"}, "b": {"host": "h1"}}})
    result = plan(apply_overrides(small, Overrides.from_json({"rules_added": [rule]})), Policy(goal="rules"))
    assert len(result.migrations) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"hosts_removed": ["h1", "h9"]},
            r"what_if.hosts_removed\[1\]: no host has the name or id 'h9'. Hosts of this cluster: h1, h2",
        ),
        ({"hosts_returned": ["h9"]}, r"what_if.hosts_returned\[0\]: no host has the name or id 'h9'"),
        ({"hosts_removed": ["h1"], "hosts_returned": ["h1"]}, "h1 is removed and returned at once"),
        (
            {"hosts_added": [{"name": "h1", "like": "h2"}]},
            r"hosts_added\[0\].name: a host has the name or id 'h1' already",
        ),
        (
            {"hosts_added": [{"name": "h3", "like": "h2"}, {"name": "h3", "like": "h1"}]},
            r"hosts_added\[1\].name: a host has the name or id 'h3' already",
        ),
        ({"hosts_added": [{"name": "h3", "like": "h4"}]}, r"hosts_added\[0\].like: no host has .* 'h4'"),
        ({"guests_grown": [{"guest": "z", "factor": 2}]}, r"guests_grown\[0\].guest: no guest has .* 'z'"),
        (
            {"guests_grown": [{"guest": "a", "factor": 2}, {"guest": "a", "factor": 3}]},
            r"guests_grown\[1\].guest: guest 'a' is named twice",
        ),
    ],
)
def test_what_does_not_exist_is_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(EvenKeelError, match=message):
        apply_overrides(FULL, Overrides.from_json(wrong))
