# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison of plans sees what differs, and has cases of every kind."""

from __future__ import annotations

from typing import get_args

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Goal, Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.presets import PRESETS
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import RuleKind
from ansible_collections.evenkeel.cluster.tools.compare_plans import cases, differences


def test_it_finds_another_step_and_another_order() -> None:
    before = {"migrations": [{"guest": "a", "reason": "one"}, {"guest": "b", "reason": "two"}]}
    after = {"migrations": [{"guest": "b", "reason": "two"}, {"guest": "a", "reason": "one"}]}
    assert list(differences(before, after, texts=False)) == [
        '.migrations[0].guest: "a" before, "b" now',
        '.migrations[1].guest: "b" before, "a" now',
    ]


def test_it_ignores_texts_only_where_it_is_asked_to() -> None:
    before = {"migrations": [{"guest": "a", "reason": "one"}]}
    after = {"migrations": [{"guest": "a", "reason": "another"}]}
    assert not list(differences(before, after, texts=False))
    assert list(differences(before, after, texts=True)) == [
        '.migrations[0].reason: "one" before, "another" now'
    ]


def test_its_cases_have_every_goal_every_preset_and_every_kind_of_rule() -> None:
    policies = [Policy.from_json(case.policy) for case in cases().values() if case.request is None]
    assert {policy.goal for policy in policies} == set(get_args(Goal))
    assert {policy.preset for policy in policies} >= set(PRESETS)
    own = {rule.kind for policy in policies for rule in policy.rules}
    assert own == set(get_args(RuleKind))
    assert len(cases()) == 43
