# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that follow from others: HA keeps apart from a guest all that it moves along with its sibling."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.rules import resolve_rules
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan

from .test_scenarios import cluster


def short(source: str, db: str) -> dict[str, Any]:
    return {
        "hosts": {"h1": {}, "h2": {}, "h3": {}},
        "guests": {"app": {"host": "h1"}, "db": {"host": db}, "web": {"host": "h2"}},
        "rules": {
            "pair": {"kind": "affinity", "guests": ["app", "db"], "source": f"{source}:pair"},
            "far": {"kind": "anti_affinity", "guests": ["app", "web"], "source": f"{source}:far"},
        },
    }


@pytest.mark.parametrize(
    ("source", "db", "names"),
    [
        ("ha-rule", "h2", ["pair", "far", "far for db, with pair"]),
        # Together with app, which is apart from web, db is so, too.
        ("ha-rule", "h1", ["pair", "far"]),
        ("tag", "h2", ["pair", "far"]),
    ],
)
def test_partners_are_apart_from_the_same_guests(source: str, db: str, names: list[str]) -> None:
    rules, _unknown = resolve_rules(cluster(short(source, db)), Policy())
    assert [rule.name for rule in rules] == names


def test_a_parted_group_is_brought_together_apart_from_the_sibling() -> None:
    found = plan(cluster(short("ha-rule", "h2")), Policy(goal="rules"))
    assert found.status == "balanced"
    assert [(step.guest.id, step.target) for step in found.migrations] == [("db", "h1")]
