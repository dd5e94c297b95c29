# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that are spread evenly go one after another where their counts could come apart otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.hops import Hop
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.problem import Group
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.turns import Turns


def hop(guest: int, source: int, target: int) -> Hop:
    return Hop(guest=guest, source=source, target=target)


def group(skew: int = 1, hosts: int = 4) -> Group:
    return Group(
        name="g",
        kind="even",
        guests=tuple(range(10)),
        strict=True,
        skew=skew,
        domain=frozenset(range(hosts)),
    )


@pytest.mark.parametrize(
    ("first", "hops", "skew", "needed"),
    [
        # 2 and 1: there and back at the same time, so that one may have 2 more while both are under way.
        ({0: 2, 1: 1}, [hop(0, 0, 1)], 1, False),
        ({0: 2, 1: 1}, [hop(0, 0, 1), hop(1, 1, 0)], 1, True),
        ({0: 2, 1: 1}, [hop(0, 0, 1), hop(1, 1, 0)], 3, False),
        ({0: 2, 1: 2}, [hop(0, 0, 1)], 1, True),
        ({0: 2, 1: 2}, [hop(0, 0, 1)], 2, False),
        # A host that had none and gets one counts as none to begin with.
        ({0: 2}, [hop(0, 0, 1)], 1, False),
        ({0: 2, 1: 2}, [hop(0, 0, 2)], 1, False),
        ({0: 2, 1: 1, 2: 1}, [hop(0, 0, 3), hop(1, 1, 3)], 1, False),
        ({0: 2, 1: 1, 2: 1}, [hop(0, 0, 1), hop(1, 0, 1)], 1, True),
        # The fullest and the emptiest host that there can be are one: then the next ones count.
        ({0: 2, 1: 2, 2: 2, 3: 2}, [hop(0, 1, 2), hop(1, 3, 2), hop(2, 2, 0), hop(3, 2, 0)], 3, True),
        ({0: 2, 1: 2, 2: 2, 3: 2}, [hop(0, 1, 0), hop(1, 1, 0), hop(2, 0, 2), hop(3, 0, 3)], 3, True),
        ({}, [], 1, False),
    ],
)
def test_turns_are_needed_where_counts_could_come_apart_at_once(
    first: Mapping[int, int], hops: Sequence[Hop], skew: int, needed: bool
) -> None:
    assert Turns(group(skew), first, hops).needed is needed


def test_a_host_outside_the_domain_does_not_count() -> None:
    assert not Turns(group(hosts=2), {0: 1, 1: 1, 2: 9}, [hop(0, 2, 0)]).needed
    assert Turns(group(hosts=3), {0: 1, 1: 1, 2: 9}, [hop(0, 2, 0), hop(1, 0, 2)]).needed


@pytest.mark.parametrize(
    ("counts", "going", "legal"),
    [
        ({0: 2, 1: 2, 2: 1}, [hop(0, 0, 2)], True),
        ({0: 2, 1: 2, 2: 1}, [hop(0, 0, 1)], False),
        ({0: 2, 1: 2, 2: 1}, [hop(0, 2, 1)], False),
        ({0: 2, 1: 2, 2: 1}, [hop(99, 0, 1)], True),
        ({0: 2, 1: 1, 2: 1}, [hop(0, 0, 1), hop(1, 0, 2)], False),
        ({0: 3, 1: 2, 2: 2}, [hop(0, 0, 1)], True),
    ],
)
def test_a_guest_goes_when_the_counts_stay_near_enough(
    counts: Mapping[int, int], going: Sequence[Hop], legal: bool
) -> None:
    turns = Turns(group(), {0: 2, 1: 2, 2: 1}, [hop(0, 0, 2), hop(1, 1, 0)])
    assert turns.may_go(counts, going) is legal


def test_a_host_more_is_looked_at_only_where_no_other_was_too_full_before() -> None:
    """Host 3 had nobody: with it the counts may differ by 2, as they did at first."""
    first = {0: 2, 1: 2, 2: 1}
    hops = [hop(0, 0, 2), hop(1, 1, 0)]
    assert Turns(group(), first, hops).may_go(first, [hop(0, 0, 3)])
    full = Turns(group(), first, hops)
    full.go({0: 2, 1: 2, 2: 1}, [hop(0, 0, 2), hop(1, 1, 2)])
    assert not full.may_go(first, [hop(0, 0, 3)])
    other = Turns(group(), first, hops)
    other.go({0: 2, 1: 2, 2: 1}, [hop(0, 0, 2)])
    assert other.may_go(first, [hop(0, 0, 3)])
    other.go(first, [hop(0, 0, 3)])
    # From now on host 3 is looked at, and its emptiness counts.
    assert other.may_go({0: 2, 1: 2, 2: 1, 3: 1}, [hop(1, 1, 3)])
    assert not other.may_go({0: 2, 1: 2, 2: 1, 3: 0}, [hop(1, 2, 0)])


def test_a_host_that_had_nobody_counts_the_first_to_come_as_one() -> None:
    """The peak of the others stays at 1, so that a third host may be looked at."""
    turns = Turns(group(), {0: 1}, [hop(0, 0, 1)])
    turns.go({0: 1}, [hop(0, 0, 1)])
    assert turns.may_go({1: 1}, [hop(0, 1, 2)])
