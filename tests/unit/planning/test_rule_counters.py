# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where members of a rule may go, against what that does to the rule, for all counts there are."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.problem import Group
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.rule_counters import (
    RuleCounter,
)

HOSTS, MOST = 4, 4


def even(skew: int, on: tuple[int, ...]) -> RuleCounter:
    guests = tuple(range(sum(on)))
    group = Group(
        name="even", kind="even", guests=guests, strict=True, skew=skew, domain=frozenset(range(HOSTS))
    )
    return RuleCounter(group, {host: many for host, many in enumerate(on) if many})


@pytest.mark.parametrize("skew", [1, 2, 3])
@pytest.mark.parametrize("many", [1, 2])
def test_whoever_may_go_makes_an_even_spread_no_worse(skew: int, many: int) -> None:
    for on in itertools.product(range(MOST + 1), repeat=HOSTS):
        for source, target in itertools.permutations(range(HOSTS), 2):
            if on[source] < many:
                continue
            counts = even(skew, on)
            before = counts.amount
            counts.add(source, -many)
            allowed = counts.allows(target, many)
            counts.add(target, many)
            assert not allowed or counts.amount <= before, (on, source, target)
            assert allowed or counts.amount, (on, source, target)
