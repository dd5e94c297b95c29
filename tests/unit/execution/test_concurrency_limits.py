# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much may be under way at the same time, and the way home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.concurrency_limits import (
    ConcurrencyLimits,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.critical_path import (
    by_critical_path,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.rollback_plan import (
    rollback_migrations,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import MigrationOutcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Cost, GuestRef, Migration


def migration(
    step: int,
    source: str,
    target: str,
    after: Sequence[int] = (),
    memory: int = 1,
    storage: Mapping[str, str] | None = None,
) -> Migration:
    return Migration(
        step=step,
        wave=1 + len(after),
        guest=GuestRef(id=str(step), name=str(step)),
        source=source,
        target=target,
        kind="balance",
        why="",
        after=tuple(after),
        cost=Cost(memory=memory, seconds=1),
        storage=storage or {},
    )


@pytest.mark.parametrize(
    ("slots", "underway", "free"),
    [
        (ConcurrencyLimits(cluster=1, per_host=9, per_datastore=9), [], True),
        (ConcurrencyLimits(cluster=1, per_host=9, per_datastore=9), [migration(2, "c", "d")], False),
        (ConcurrencyLimits(cluster=9, per_host=1, per_datastore=9), [migration(2, "c", "d")], True),
        (ConcurrencyLimits(cluster=9, per_host=1, per_datastore=9), [migration(2, "a", "d")], False),
        (ConcurrencyLimits(cluster=9, per_host=1, per_datastore=9), [migration(2, "c", "a")], False),
        (ConcurrencyLimits(cluster=9, per_host=1, per_datastore=9), [migration(2, "b", "d")], False),
        (
            ConcurrencyLimits(cluster=9, per_host=9, per_datastore=9, into_host=1),
            [migration(2, "c", "b")],
            False,
        ),
        (
            ConcurrencyLimits(cluster=9, per_host=9, per_datastore=9, into_host=1),
            [migration(2, "b", "c")],
            True,
        ),
        (
            ConcurrencyLimits(cluster=9, per_host=9, per_datastore=9, into_host=1),
            [migration(2, "a", "c")],
            True,
        ),
        (
            ConcurrencyLimits(cluster=9, per_host=9, per_datastore=9, out_of_host=1),
            [migration(2, "a", "c")],
            False,
        ),
        (
            ConcurrencyLimits(cluster=9, per_host=9, per_datastore=9, out_of_host=1),
            [migration(2, "c", "a")],
            True,
        ),
        (
            ConcurrencyLimits(cluster=9, per_host=9, per_datastore=9, out_of_host=1),
            [migration(2, "b", "c")],
            True,
        ),
        (
            ConcurrencyLimits(cluster=9, per_host=1, per_datastore=9, into_host=9),
            [migration(2, "c", "b")],
            False,
        ),
        (
            ConcurrencyLimits(cluster=9, per_host=9, per_datastore=1),
            [migration(2, "c", "d", storage={"x": "s"})],
            False,
        ),
        (
            ConcurrencyLimits(cluster=9, per_host=9, per_datastore=1),
            [migration(2, "c", "d", storage={"x": "y"})],
            True,
        ),
        (
            ConcurrencyLimits(cluster=9, per_host=9, per_datastore=9, memory=8),
            [migration(2, "c", "d", memory=3)],
            True,
        ),
        (
            ConcurrencyLimits(cluster=9, per_host=9, per_datastore=9, memory=7),
            [migration(2, "c", "d", memory=3)],
            False,
        ),
        (ConcurrencyLimits(cluster=9, per_host=9, per_datastore=9, memory=1), [], True),
    ],
)
def test_slots(slots: ConcurrencyLimits, underway: Sequence[Migration], free: bool) -> None:
    assert slots.allows(migration(1, "a", "b", memory=5, storage={"s": "t"}), underway) is free


LOCAL = frozenset({("a", "s"), ("b", "s"), ("c", "s"), ("d", "s")})


@pytest.mark.parametrize(
    ("source", "target", "storage", "free"),
    [
        # Disks go from s on a to t, which all hosts share.
        ("c", "d", {"s": "s"}, True),
        ("a", "d", {"s": "u"}, False),
        ("c", "a", {"u": "s"}, False),
        ("b", "d", {"s": "u"}, True),
        ("c", "b", {"u": "s"}, True),
        ("c", "d", {"u": "t"}, False),
        ("c", "d", {"t": "u"}, False),
        ("c", "d", {}, True),
    ],
)
def test_a_local_datastore_is_another_on_every_host_and_counts_at_the_end_where_it_is(
    source: str, target: str, storage: Mapping[str, str], free: bool
) -> None:
    slots = ConcurrencyLimits(cluster=9, per_host=9, per_datastore=1, local=LOCAL)
    other = migration(2, source, target, storage=storage)
    assert slots.allows(migration(1, "a", "b", storage={"s": "t"}), [other]) is free


def test_two_datastores_are_free_only_when_both_are() -> None:
    slots = ConcurrencyLimits(cluster=9, per_host=9, per_datastore=2)
    one = migration(2, "c", "d", storage={"x": "s"})
    two = migration(3, "e", "f", storage={"t": "y"})
    moving = migration(1, "a", "b", storage={"s": "t"})
    assert slots.allows(moving, [one, two])
    assert not slots.allows(moving, [one, two, replace(one, step=4)])
    assert not slots.allows(moving, [one, two, replace(two, step=4)])


def test_what_comes_in_and_goes_out_has_the_limit_of_the_host_where_it_has_none_of_its_own() -> None:
    slots = ConcurrencyLimits(cluster=9, per_host=3, per_datastore=9)
    assert (slots.max_into, slots.max_out_of) == (3, 3)
    slots = replace(slots, into_host=1, out_of_host=2)
    assert (slots.max_into, slots.max_out_of) == (1, 2)


def done(step: int, result: str = "migrated") -> MigrationOutcome:
    return MigrationOutcome(
        step=step,
        guest=GuestRef(id=str(step), name=str(step)),
        source="",
        target="",
        result=result,  # type: ignore[arg-type]
    )


def test_the_way_home_is_the_way_out_backwards() -> None:
    plan = [
        migration(1, "a", "b", storage={"s": "t"}),
        migration(2, "c", "a", after=[1]),
        migration(3, "b", "c"),
        migration(4, "d", "c", after=[2, 3]),
    ]
    back = rollback_migrations(plan, [done(1), done(2), done(3, "failed"), done(4)])
    assert [(way.step, way.source, way.target, way.after, way.wave) for way in back] == [
        (5, "c", "d", (), 1),
        (6, "a", "c", (5,), 2),
        (7, "b", "a", (6,), 3),
    ]
    assert back[-1].storage == {"t": "s"}
    assert rollback_migrations(plan, [done(1, "already_there")]) == []


def test_what_holds_up_the_most_comes_first() -> None:
    chain = [migration(1, "a", "b"), migration(2, "c", "d"), migration(3, "d", "e", after=[2])]
    one = ConcurrencyLimits(cluster=9, per_host=1, per_datastore=9)
    assert [way.step for way in by_critical_path(chain, [], one)] == [2, 3, 1]
    busy = [migration(1, "a", "b"), *(migration(step, "c", f"t{step}") for step in range(2, 5))]
    assert [way.step for way in by_critical_path(busy, [], one)] == [2, 3, 4, 1]


def test_what_goes_through_the_narrower_way_comes_first() -> None:
    plan = [
        migration(1, "a", "x"), migration(2, "b", "x"),
        migration(3, "y", "c"), migration(4, "y", "d"),
    ]  # fmt: skip
    two = ConcurrencyLimits(cluster=9, per_host=2, per_datastore=9)
    order = {
        limit: [way.step for way in by_critical_path(plan, [], replace(two, **limits))]
        for limit, limits in {"in": {"into_host": 1}, "out": {"out_of_host": 1}}.items()
    }
    assert order == {"in": [1, 2, 3, 4], "out": [3, 4, 1, 2]}


def test_rules_come_before_balance_and_so_does_what_they_wait_for() -> None:
    plan = [
        migration(1, "a", "x"),
        migration(2, "a", "y"),
        migration(3, "b", "c"),
        replace(migration(4, "d", "b", after=[3]), kind="rule"),
        replace(migration(5, "e", "f"), kind="evacuate"),
    ]
    one = ConcurrencyLimits(cluster=1, per_host=1, per_datastore=9)
    assert {way.step for way in by_critical_path(plan, [], one)[:3]} == {3, 4, 5}


def weighed(step: int, source: str, target: str, seconds: float, after: Sequence[int] = ()) -> Migration:
    return replace(migration(step, source, target, after), cost=Cost(memory=1, seconds=seconds))


@pytest.mark.parametrize(
    ("pending", "order"),
    [
        # The longer comes first.
        ([weighed(1, "a", "b", 5), weighed(2, "c", "d", 6)], [2, 1]),
        # A chain counts with all that waits, along its longest way.
        (
            [
                weighed(1, "a", "b", 9),
                weighed(2, "c", "d", 2),
                weighed(3, "e", "f", 8, [2]),
                weighed(4, "g", "h", 1, [2]),
            ],
            [2, 1, 3, 4],
        ),
        ([weighed(1, "a", "b", 0.9), weighed(2, "c", "d", 0.3), weighed(3, "e", "f", 0.4, [2])], [1, 2, 3]),
        # Of equals, that which comes first in the plan.
        ([weighed(1, "a", "b", 5), weighed(2, "c", "d", 5)], [1, 2]),
        # A host's time is that of what comes and what goes, by how much it does at once.
        ([weighed(1, "a", "b", 5), weighed(2, "c", "d", 3), weighed(3, "d", "e", 3)], [2, 3, 1]),
        # Where the hosts need as long, the chain decides.
        (
            [weighed(1, "a", "b", 2), weighed(2, "a", "c", 4), weighed(3, "a", "d", 3)],
            [2, 3, 1],
        ),
    ],
)
def test_the_order_of_urgency(pending: Sequence[Migration], order: Sequence[int]) -> None:
    one = ConcurrencyLimits(cluster=9, per_host=1, per_datastore=9)
    assert [way.step for way in by_critical_path(pending, [], one)] == order


def test_what_is_under_way_keeps_its_hosts_busy() -> None:
    pending = [weighed(1, "a", "b", 5), weighed(2, "c", "d", 4)]
    one = ConcurrencyLimits(cluster=9, per_host=1, per_datastore=9)
    for way in (weighed(3, "e", "c", 3), weighed(3, "d", "e", 3)):
        assert [each.step for each in by_critical_path(pending, [way], one)] == [2, 1]


def test_what_a_step_waits_for_goes_home_after_it() -> None:
    """All followers are home before: the way home of a tree."""
    plan = [migration(1, "a", "b"), migration(2, "b", "c", after=[1]), migration(3, "b", "d", after=[1])]
    back = {way.step: way for way in rollback_migrations(plan, [done(1), done(2), done(3)])}
    assert [(step, way.guest.id, way.after, way.wave) for step, way in back.items()] == [
        (4, "3", (), 1),
        (5, "2", (), 1),
        (6, "1", (4, 5), 2),
    ]
    assert {way.kind for way in back.values()} == {"rollback"}
    assert [way.why for way in back.values()] == ["undoes step 3", "undoes step 2", "undoes step 1"]
