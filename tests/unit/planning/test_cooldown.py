# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which guests rest at the moment of a snapshot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Guest, Rule, RuleKind
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.capacity import host_roles
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.cooldown import cooldown_reason
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.snapshot_index import (
    SnapshotIndex,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

NOON = "2026-01-31T12:00:00Z"
FRESH = "2026-01-31T11:59:00Z"
H1, H2, H3 = (host.id for host in generate(Shape(hosts=3, guests=4)).hosts)


def resting(
    *guests: Guest, policy: Policy | None = None, rules: tuple[Rule, ...] = (), taken_at: str = NOON
) -> list[bool]:
    snapshot = replace(generate(Shape(hosts=3, guests=4)), guests=guests, rules=rules, taken_at=taken_at)
    policy = policy or Policy(cool_down=3600)
    roles = host_roles(snapshot, policy, [])
    found = cooldown_reason(SnapshotIndex(snapshot), policy, roles, rules)
    return [why is not None for why in found]


def guest(number: int, host: str, *, migrated: str | None = None, failed: str | None = None) -> Guest:
    like = generate(Shape(hosts=3, guests=4)).guests[0]
    return replace(like, id=f"g{number}", host=host, last_migrated_at=migrated, last_failed_at=failed)


@pytest.mark.parametrize(
    ("migrated", "failed", "rests"),
    [
        (None, None, False),
        (FRESH, None, True),
        ("2026-01-31T11:00:01Z", None, True),
        ("2026-01-31T11:00:00Z", None, False),
        ("2026-01-31T12:00:30Z", None, True),
        (None, FRESH, True),
        (None, "2026-01-31T11:00:00Z", False),
        # It has been migrated since, and only the other option counts.
        ("2026-01-31T11:00:00Z", "2026-01-31T10:59:59Z", False),
    ],
)
def test_by_time(migrated: str | None, failed: str | None, rests: bool) -> None:
    assert resting(guest(1, H1, migrated=migrated, failed=failed)) == [rests]


def test_a_success_after_a_failure_ends_the_wait() -> None:
    tried = guest(1, H1, failed="2026-01-31T11:30:00Z", migrated="2026-01-31T11:40:00Z")
    assert resting(tried, policy=Policy(retry_after=86_400)) == [False]


def test_each_option_by_itself_and_neither() -> None:
    both = guest(1, H1, migrated=FRESH), guest(2, H1, failed=FRESH)
    assert resting(*both, policy=Policy(cool_down=0, retry_after=3600)) == [False, True]
    assert resting(*both, policy=Policy(cool_down=3600, retry_after=0)) == [True, False]
    assert resting(*both, policy=Policy(cool_down=0, retry_after=0)) == [False, False]


@pytest.mark.parametrize(
    ("kind", "hosts", "places", "broken"),
    [
        ("affinity", (), (H1, H1), False),
        ("affinity", (), (H1, H2), True),
        ("anti_affinity", (), (H1, H2), False),
        ("anti_affinity", (), (H1, H1), True),
        ("even_spread", (), (H1, H2), False),
        ("even_spread", (), (H1, H1), True),
        ("host_affinity", (H1,), (H1, H1), False),
        ("host_affinity", (H1,), (H1, H2), True),
        ("host_anti_affinity", (H3,), (H1, H2), False),
        ("host_anti_affinity", (H2,), (H1, H2), True),
    ],
)
def test_a_broken_rule_wakes_those_that_cool_down_but_not_those_that_failed(
    kind: RuleKind, hosts: tuple[str, ...], places: tuple[str, str], broken: bool
) -> None:
    rule = Rule(name="r", kind=kind, guests=("g1", "g2"), hosts=hosts, strict=True, source="test")
    cooling = guest(1, places[0], migrated=FRESH), guest(2, places[1], migrated=FRESH)
    assert resting(*cooling, rules=(rule,)) == [not broken, not broken]
    assert resting(*cooling, rules=(replace(rule, strict=False),)) == [True, True]
    failed = guest(1, places[0], failed=FRESH), guest(2, places[1], failed=FRESH)
    assert resting(*failed, rules=(rule,)) == [True, True]


def test_a_snapshot_of_a_day_that_is_none() -> None:
    with pytest.raises(InputError, match=r"snapshot\.taken_at: '2026-02-30T00:00:00Z' is not a moment"):
        resting(guest(1, H1, migrated=FRESH), taken_at="2026-02-30T00:00:00Z")
