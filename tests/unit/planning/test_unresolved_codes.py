# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs read of what a plan leaves undone: a code, and the object that it is about."""

from __future__ import annotations

from typing import Any

import pytest

from .test_reasons import OVERCOMMITTED, planned

ONE_HOST: dict[str, Any] = {"hosts": {"h1": {"cpu": 4}}, "guests": {"a": {"host": "h1", "cpu": 3}}}
FIXED: dict[str, Any] = {
    "hosts": {"h1": {"cpu": 4}, "h2": {"cpu": 4}},
    "guests": {
        "a": {"host": "h1", "cpu": 1, "blockers": ["snapshot"]},
        "b": {"host": "h1", "cpu": 1, "blockers": ["snapshot"]},
    },
}
APART = {"r": {"kind": "anti_affinity", "guests": ["a", "b"]}}
CONSOLIDATE = {"goal": "consolidate", "consolidate": {"below": 60}}
TWO_ON: dict[str, Any] = {
    "hosts": FIXED["hosts"],
    "guests": {**FIXED["guests"], "b": {**FIXED["guests"]["b"], "host": "h2"}},
}


@pytest.mark.parametrize(
    ("short", "policy", "code", "subjects"),
    [
        (ONE_HOST, {}, "no_target_host", {""}),
        (FIXED, {"metrics": ["cpu"]}, "spread_exceeded", {"cpu"}),
        ({**FIXED, "rules": APART}, {"goal": "rules"}, "rule_broken", {"r"}),
        (FIXED, {"goal": "evacuate", "evacuate": {"names": ["h1"]}}, "host_not_empty", {"h1"}),
        (FIXED, {"goal": "relieve", "relieve": {"overload": {"cpu": 40}}}, "host_overloaded", {"h1"}),
        (TWO_ON, CONSOLIDATE, "host_stays_on", {"h1", "h2"}),
        (
            OVERCOMMITTED,
            {"limits": {"cpu": 100, "cpu_overcommit": 2, "cpu_for_rules": 100}},
            "host_above_limits",
            {"h1"},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_undone_has_its_code_and_subject(
    short: dict[str, Any], policy: dict[str, Any], code: str, subjects: set[str]
) -> None:
    assert {item.subject for item in planned(short, **policy).unresolved if item.code == code} == subjects
