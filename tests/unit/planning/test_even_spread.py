# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that are spread evenly go one after another where their counts could come apart otherwise."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from random import Random

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Migration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.problem import Group
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.schedule.even_spread import (
    EvenSpreadTracker,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.schedule.moves import Move
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate


def hop(guest: int, source: int, target: int) -> Move:
    return Move(guest=guest, source=source, target=target)


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
    first: Mapping[int, int], hops: Sequence[Move], skew: int, needed: bool
) -> None:
    assert EvenSpreadTracker(group(skew), first, hops).needed is needed


def test_a_host_outside_the_domain_does_not_count() -> None:
    assert not EvenSpreadTracker(group(hosts=2), {0: 1, 1: 1, 2: 9}, [hop(0, 2, 0)]).needed
    assert EvenSpreadTracker(group(hosts=3), {0: 1, 1: 1, 2: 9}, [hop(0, 2, 0), hop(1, 0, 2)]).needed


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
    counts: Mapping[int, int], going: Sequence[Move], legal: bool
) -> None:
    turns = EvenSpreadTracker(group(), {0: 2, 1: 2, 2: 1}, [hop(0, 0, 2), hop(1, 1, 0)])
    assert turns.allows(counts, going) is legal


def test_a_host_more_is_looked_at_only_where_no_other_was_too_full_before() -> None:
    """Host 3 had nobody: with it the counts may differ by 2, as they did at first."""
    first = {0: 2, 1: 2, 2: 1}
    hops = [hop(0, 0, 2), hop(1, 1, 0)]
    assert EvenSpreadTracker(group(), first, hops).allows(first, [hop(0, 0, 3)])
    full = EvenSpreadTracker(group(), first, hops)
    full.record({0: 2, 1: 2, 2: 1}, [hop(0, 0, 2), hop(1, 1, 2)])
    assert not full.allows(first, [hop(0, 0, 3)])
    other = EvenSpreadTracker(group(), first, hops)
    other.record({0: 2, 1: 2, 2: 1}, [hop(0, 0, 2)])
    assert other.allows(first, [hop(0, 0, 3)])
    other.record(first, [hop(0, 0, 3)])
    # From now on host 3 is looked at, and its emptiness counts.
    assert other.allows({0: 2, 1: 2, 2: 1, 3: 1}, [hop(1, 1, 3)])
    assert not other.allows({0: 2, 1: 2, 2: 1, 3: 0}, [hop(1, 2, 0)])


def test_a_host_that_had_nobody_counts_the_first_to_come_as_one() -> None:
    """The peak of the others stays at 1, so that a third host may be looked at."""
    turns = EvenSpreadTracker(group(), {0: 1}, [hop(0, 0, 1)])
    turns.record({0: 1}, [hop(0, 0, 1)])
    assert turns.allows({1: 1}, [hop(0, 1, 2)])


@pytest.mark.parametrize(
    ("counts", "going", "legal"),
    [
        # As vCenter counts: the others on the target against the others beside the guest.
        ({0: 3, 1: 1, 2: 1}, hop(0, 0, 1), True),
        ({0: 2, 1: 1, 2: 1}, hop(0, 0, 1), False),
        ({0: 2, 1: 0, 2: 1}, hop(0, 0, 1), True),
    ],
)
def test_a_platform_that_wants_them_apart_takes_one_only_from_a_host_with_more_of_them(
    counts: Mapping[int, int], going: Move, legal: bool
) -> None:
    enforced = replace(group(), torn=True, enforced=True, first=counts)
    turns = EvenSpreadTracker(enforced, counts, [going])
    assert turns.needed
    assert turns.allows(counts, [going]) is legal
    assert EvenSpreadTracker(group(), counts, [going]).allows(counts, [going])


# Of these clusters, plans had steps that vCenter refused, in the order of the plan or in another one.
@pytest.mark.parametrize("seed", [3, 4, 5, 85, 102])
def test_no_order_of_a_plan_meets_a_rule_of_the_platform(seed: int) -> None:
    snapshot = generate(Shape(hosts=4, guests=20, seed=seed, fill=0.5, broken=0.6, fixed=0))
    rules = tuple(replace(rule, enforced=True) for rule in snapshot.rules)
    snapshot = replace(snapshot, rules=rules)
    migrations = plan(snapshot, Policy(aggressiveness=4)).migrations
    apart = [set(rule.guests) for rule in rules if rule.kind == "anti_affinity" and rule.strict]
    homes = {guest.id: guest.host for guest in snapshot.guests}
    for turn in range(20):
        assert refused(migrations, homes, apart, Random(turn)) is None


def refused(
    migrations: Sequence[Migration],
    homes: Mapping[str, str],
    apart: Sequence[Collection[str]],
    rng: Random,
) -> tuple[int, str] | None:
    """The first step that vCenter would refuse, begun in one of the orders that the plan allows."""
    at, under_way, ended, waiting = dict(homes), {}, set(), list(migrations)
    while waiting or under_way:
        ready = [
            step for step in waiting if ended.issuperset(step.after) and at[step.guest.id] == step.source
        ]
        if ready and (not under_way or rng.random() < 0.5):
            step = rng.choice(ready)
            waiting.remove(step)
            for guests in apart:
                others = [guest for guest in guests if guest != step.guest.id]
                there = sum(step.target in (at[other], under_way.get(other, "")) for other in others)
                here = sum(at[other] == step.source for other in others)
                if step.guest.id in guests and 0 < there >= here:
                    return step.step, step.guest.name
            under_way[step.guest.id] = step.target
        else:
            guest = rng.choice(sorted(under_way))
            (done,) = (
                step
                for step in migrations
                if step.guest.id == guest and step.step not in ended and step not in waiting
            )
            at[guest] = under_way.pop(guest)
            ended.add(done.step)
    return None
