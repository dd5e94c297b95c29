# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which migrations break a strict rule in the cluster as it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.rule_check import RuleCheck
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Cost, GuestRef, Migration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Rule
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import (
    ClusterNow,
    GuestNow,
    HostNow,
)

NAMES = {"a": "host-a", "b": "host-b", "1": "web1", "2": "web2"}


def move(guest: str, source: str, target: str) -> Migration:
    return Migration(
        step=int(guest),
        wave=1,
        guest=GuestRef(id=guest, name=f"web{guest}"),
        source=source,
        target=target,
        kind="balance",
        why="",
        after=(),
        cost=Cost(memory=1, seconds=1),
    )


def rule(kind: Any, guests: str, hosts: str = "", *, strict: bool = True, **more: Any) -> Rule:
    return Rule(
        name="r", kind=kind, guests=tuple(guests), hosts=tuple(hosts), strict=strict, source="t", **more
    )


def now(places: Mapping[str, str], hosts: str = "abcd", closed: str = "") -> ClusterNow:
    return ClusterNow(
        cluster="c",
        guests={guest: GuestNow(host=host, power="running") for guest, host in places.items()},
        hosts={
            host: HostNow(active=host not in closed, memory_capacity=None, memory_used=None) for host in hosts
        },
    )


def why(
    rules: Sequence[Rule],
    places: Mapping[str, str],
    migration: Migration,
    *,
    underway: Sequence[Migration] = (),
    pending: Sequence[Migration] = (),
    emptied: str = "",
    closed: str = "",
) -> str | None:
    conflicts = RuleCheck(rules, frozenset(emptied), NAMES)
    state = now(places, closed=closed)
    return conflicts.with_migration(migration, state, underway, [*pending, migration])


APART = rule("anti_affinity", "123")
TOGETHER = rule("affinity", "123")
ONE_TO_B = move("1", "a", "b")


@pytest.mark.parametrize(
    ("places", "underway", "broken"),
    [
        ({"1": "a", "2": "b"}, [], "guest web2 is on host-b"),
        ({"1": "a", "2": "c"}, [], None),
        # One that is gone is nowhere.
        ({"1": "a"}, [move("2", "c", "b")], None),
        # On its way it counts on both.
        ({"1": "a", "2": "c"}, [move("2", "c", "b")], "guest web2 is on host-b"),
        ({"1": "a", "2": "b"}, [move("2", "b", "c")], "guest web2 is on host-b"),
        ({"1": "a", "2": "c"}, [move("2", "c", "d")], None),
        # It was broken before.
        ({"1": "a", "2": "b", "3": "a"}, [], None),
        ({"1": "a", "2": "b", "3": "c"}, [move("3", "c", "a")], None),
        # Others than those of the rule count for nothing.
        ({"1": "a", "9": "b"}, [], None),
    ],
)
def test_guests_that_must_be_apart(
    places: Mapping[str, str], underway: Sequence[Migration], broken: str | None
) -> None:
    said = why([APART], places, ONE_TO_B, underway=underway)
    assert said == (None if broken is None else f"it would break rule r: {broken}")


@pytest.mark.parametrize(
    ("kind", "hosts", "source", "target", "broken"),
    [
        ("host_affinity", "ac", "a", "b", "host-b is not one of its hosts"),
        ("host_affinity", "ab", "a", "b", None),
        ("host_affinity", "c", "a", "b", None),
        ("host_affinity", "b", "a", "b", None),
        ("host_anti_affinity", "bc", "a", "b", "host-b is one of its hosts"),
        ("host_anti_affinity", "c", "a", "b", None),
        ("host_anti_affinity", "ab", "a", "b", None),
        ("host_anti_affinity", "a", "a", "b", None),
    ],
)
def test_hosts_of_a_rule_count_only_for_whom_it_holds(
    kind: str, hosts: str, source: str, target: str, broken: str | None
) -> None:
    said = why([rule(kind, "1", hosts)], {"1": source}, move("1", source, target))
    assert said == (None if broken is None else f"it would break rule r: {broken}")
    assert why([rule(kind, "2", hosts)], {"1": source}, move("1", source, target)) is None
    assert why([rule(kind, "1", hosts, strict=False)], {"1": source}, move("1", source, target)) is None


@pytest.mark.parametrize(
    ("places", "planned", "broken"),
    [
        ({"1": "a", "2": "a"}, [], "other guests of it stay on host-a"),
        ({"1": "a", "2": "a"}, [move("2", "a", "b")], None),
        ({"1": "a", "2": "a", "3": "a"}, [move("2", "a", "b")], "other guests of it stay on host-a"),
        ({"1": "a", "2": "a"}, [move("2", "a", "c")], "other guests of it stay on c"),
        # Those that were apart may be so.
        ({"1": "a", "2": "c"}, [], None),
        ({"1": "a"}, [], None),
        ({"1": "a", "9": "a"}, [], None),
    ],
)
@pytest.mark.parametrize("underway", [False, True])
def test_guests_that_must_stay_together(
    places: Mapping[str, str], planned: Sequence[Migration], broken: str | None, underway: bool
) -> None:
    """What is planned counts where it ends, whether it has begun or not."""
    when = {"underway": planned} if underway else {"pending": planned}
    said = why([TOGETHER], places, ONE_TO_B, **when)  # type: ignore[arg-type]
    assert said == (None if broken is None else f"it would break rule r: {broken}")


@pytest.mark.parametrize(
    ("places", "planned", "skew", "broken"),
    [
        # Two on b, none on a.
        ({"1": "a", "2": "b"}, [], 1, 2),
        ({"1": "a", "2": "b"}, [], 2, None),
        ({"1": "a", "2": "b"}, [move("2", "b", "a")], 1, None),
        # It was as bad before, on the other side.
        ({"1": "a", "2": "a"}, [], 1, None),
        ({"1": "a", "2": "b", "3": "b"}, [], 1, 3),
        ({"1": "a", "2": "b", "3": "b"}, [], 3, None),
        # A third host counts where a member is or comes.
        ({"1": "a", "2": "a", "3": "c"}, [], 1, None),
        # c is left by its only member, and two are on b.
        ({"1": "c", "2": "b", "3": "a"}, [], 1, 2),
    ],
)
def test_guests_that_must_be_spread(
    places: Mapping[str, str], planned: Sequence[Migration], skew: int, broken: int | None
) -> None:
    even = rule("even_spread", "123", max_skew=skew)
    said = why([even], places, move("1", places["1"], "b"), pending=planned)
    expected = f"it would break rule r: its guests on two hosts would differ by {broken}"
    assert said == (None if broken is None else expected)


@pytest.mark.parametrize("where", ["emptied", "closed"])
def test_hosts_that_can_take_nobody_do_not_count_in_a_spread(where: Any) -> None:
    even = rule("even_spread", "12", max_skew=1)
    places = {"1": "a", "2": "b"}
    assert why([even], places, ONE_TO_B) is not None
    assert why([even], places, ONE_TO_B, **{where: "a"}) is None
    assert why([even], places, ONE_TO_B, **{where: "d"}) is not None


def test_every_rule_of_a_guest_is_asked_and_the_first_that_breaks_is_named() -> None:
    rules = [TOGETHER, rule("host_affinity", "1", "a"), APART]
    assert why(rules, {"1": "a", "2": "b"}, ONE_TO_B) == (
        "it would break rule r: host-b is not one of its hosts"
    )


def test_the_members_of_all_rules_decide() -> None:
    conflicts = RuleCheck([rule("affinity", "12"), rule("anti_affinity", "13"), rule("affinity", "45")])
    assert conflicts.members([ONE_TO_B]) == {"1", "2", "3"}
    assert conflicts.members([move("9", "a", "b")]) == {"9"}
    soft = RuleCheck([rule("affinity", "12", strict=False)])
    assert soft.members([ONE_TO_B]) == {"1"}
