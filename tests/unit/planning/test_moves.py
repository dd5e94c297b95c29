# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seconds that no order of migrations goes below: a GiB takes one, and each migration one to begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from random import Random
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.builder import build_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.problem import Problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.schedule.list_scheduler import (
    ListScheduler,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.schedule.moves import (
    HostSlots,
    Move,
    _last_ends,
    free_at_first,
    makespan_lower_bound,
    seconds_of,
)

from .test_scenarios import GIB, cluster

Moves = Mapping[str, tuple[int, int]]


def problem_of(
    sizes: Mapping[str, int],
    moves: Moves,
    rooms: Sequence[int] = (1000, 1000, 1000),
    rules: Mapping[str, Any] | None = None,
    **policy: Any,
) -> tuple[Problem, list[Move]]:
    """Guests of so many GiB on hosts that have room for so many in all, and the hops of those that move."""
    snapshot = cluster(
        {
            "hosts": {f"h{n}": {"memory": room} for n, room in enumerate(rooms)},
            "guests": {
                name: {"host": f"h{moves[name][0]}", "memory": size, "cpu": 0} for name, size in sizes.items()
            },
            "rules": rules or {},
        }
    )
    asked = Policy.from_json(
        {
            "goal": "rules",
            "migration_bandwidth": GIB,
            "dirty_factor": 0,
            "limits": {"memory": 100, "memory_for_rules": 100},
            "max_per_host": 1,
            **policy,
        }
    )
    problem = build_problem(snapshot, asked)
    index = {guest.id: number for number, guest in enumerate(problem.guests)}
    hops = [Move(guest=index[n], source=s, target=t) for n, (s, t) in moves.items() if s != t]
    return problem, hops


def bound(problem: Problem, hops: Sequence[Move], *, detours: bool = False) -> float:
    return makespan_lower_bound(problem, hops, problem.needs.ceiling_for_rules, detours=detours)


@pytest.mark.parametrize(
    ("policy", "slots"),
    [
        ({"max_per_host": 3}, HostSlots(both=3, into=3, out=3)),
        ({"max_per_host": 3, "max_in_per_host": 1}, HostSlots(both=3, into=1, out=3)),
        ({"max_per_host": 3, "max_out_per_host": 2}, HostSlots(both=3, into=3, out=2)),
    ],
)
def test_slots_are_those_of_the_policy(policy: dict[str, Any], slots: HostSlots) -> None:
    assert HostSlots.of(Policy.from_json(policy)) == slots


@pytest.mark.parametrize(
    ("dirty", "bandwidth", "seconds"), [(0, GIB, 9.0), (0.5, GIB, 13.0), (0, 4 * GIB, 3.0)]
)
def test_a_migration_takes_a_second_and_its_memory_by_the_bandwidth(
    dirty: float, bandwidth: int, seconds: float
) -> None:
    problem, (hop,) = problem_of({"a": 8}, {"a": (0, 1)}, dirty_factor=dirty, migration_bandwidth=bandwidth)
    assert seconds_of(problem, hop) == seconds


def test_what_is_free_is_what_is_missing_to_the_ceiling() -> None:
    problem, _hops = problem_of({"a": 8, "b": 5}, {"a": (0, 1), "b": (0, 1)}, rooms=(10, 7))
    free = free_at_first(problem, problem.needs.ceiling_for_rules)
    assert [row[1] / GIB for row in free] == pytest.approx([-3.0, 7.0])


A, B = (0, 1), (0, 2)


@pytest.mark.parametrize(
    ("sizes", "moves", "policy", "seconds"),
    [
        ([], [], {}, 0),
        ([9], [A], {}, 10),
        # One host gives all: one after another, or two at a time, shared evenly or the longest alone.
        ([9, 9], [A, B], {}, 20),
        ([9, 9], [A, B], {"max_per_host": 2}, 10),
        ([9, 9, 9], [A, B, B], {"max_per_host": 2}, 20),
        ([4, 4, 9], [A, B, B], {"max_per_host": 2}, 10),
        ([3, 3, 3, 5, 9], [A, A, B, B, B], {"max_per_host": 2}, 14),
        # Out of a host, into a host, and both together have limits of their own.
        ([9, 9], [A, B], {"max_per_host": 2, "max_out_per_host": 1}, 20),
        ([9, 9], [A, B], {"max_per_host": 2, "max_in_per_host": 1}, 10),
        ([9, 9], [(0, 2), (1, 2)], {"max_per_host": 2, "max_in_per_host": 1}, 20),
        ([9, 9], [(0, 2), (1, 2)], {"max_per_host": 2, "max_out_per_host": 1}, 10),
        ([9, 4], [(0, 1), (1, 2)], {}, 15),
        ([9, 4], [(0, 1), (1, 2)], {"max_per_host": 2}, 10),
    ],
)
def test_a_host_works_through_what_it_gives_and_takes(
    sizes: list[int], moves: list[tuple[int, int]], policy: dict[str, Any], seconds: float
) -> None:
    names = "abcdefg"[: len(sizes)]
    problem, hops = problem_of(
        {"z": 1, **dict(zip(names, sizes, strict=True))},
        {"z": (0, 0), **dict(zip(names, moves, strict=True))},
        **policy,
    )
    assert bound(problem, hops) == pytest.approx(seconds)


def test_an_arrival_waits_for_the_departures_that_make_its_room() -> None:
    """30 have 4 free: 20 need two of the departures 9, 9 and 29, the earliest two."""
    sizes = {"x": 9, "y": 9, "z": 8, "in": 20}
    moves = {"x": (0, 1), "y": (0, 2), "z": (0, 2), "in": (1, 0)}
    problem, hops = problem_of(sizes, moves, rooms=(30, 1000, 1000), max_per_host=9)
    assert bound(problem, hops) == pytest.approx(10 + 21)
    problem, hops = problem_of(sizes, moves, rooms=(34, 1000, 1000), max_per_host=9)
    assert bound(problem, hops) == pytest.approx(10 + 21)
    problem, hops = problem_of(sizes, moves, rooms=(46, 1000, 1000), max_per_host=9)
    assert bound(problem, hops) == pytest.approx(21)


def test_of_two_that_come_one_waits_for_the_room_that_both_need() -> None:
    """10 are free, each needs 8 and 10: the shorter may be the one that waits for the departure of 9."""
    sizes = {"out": 9, "one": 8, "two": 10}
    moves = {"out": (0, 1), "one": (1, 0), "two": (2, 0)}
    problem, hops = problem_of(sizes, moves, rooms=(19, 1000, 1000), max_per_host=9)
    assert bound(problem, hops) == pytest.approx(10 + 9)


def test_who_needs_nothing_of_what_is_short_does_not_wait_for_it() -> None:
    """Of the two that come, the one without memory takes a second; the other waits 10 s and takes 11 s."""
    sizes = {"out": 9, "none": 0, "one": 10}
    moves = {"out": (0, 1), "none": (1, 0), "one": (2, 0)}
    problem, hops = problem_of(sizes, moves, rooms=(10, 1000, 1000), max_per_host=9)
    out, none, one = (problem.needs.guest[hop.guest] for hop in hops)
    free = free_at_first(problem, problem.needs.ceiling_for_rules)[0]
    assert _last_ends(free, [(out, 10.0)], [(none, 1.0), (one, 11.0)]) == pytest.approx(21)


def test_who_waits_makes_others_wait_unless_there_may_be_detours() -> None:
    """a makes room for b, and b for c: without a detour one after another."""
    sizes = {"a": 9, "b": 9, "c": 9}
    moves = {"a": (0, 2), "b": (1, 0), "c": (3, 1)}
    problem, hops = problem_of(sizes, moves, rooms=(10, 10, 1000, 1000), max_per_host=9)
    assert bound(problem, hops) == pytest.approx(30)
    assert bound(problem, hops, detours=True) == pytest.approx(20)


def test_guests_that_wait_for_each_other_in_a_ring_count_as_waiting_once() -> None:
    problem, hops = problem_of({"a": 9, "b": 9}, {"a": (0, 1), "b": (1, 0)}, rooms=(10, 10), max_per_host=9)
    assert bound(problem, hops) == pytest.approx(20)


@pytest.mark.parametrize(
    ("rule", "seconds"),
    [
        ({"kind": "anti_affinity", "guests": ["a", "b"]}, 20),
        ({"kind": "anti_affinity", "guests": ["a", "b"], "strict": False}, 10),
        ({"kind": "anti_affinity", "guests": ["b", "c"]}, 10),
        ({"kind": "even_spread", "guests": ["a", "b"]}, 10),
    ],
)
def test_a_sibling_waits_for_the_one_that_stands_on_its_target(rule: dict[str, Any], seconds: float) -> None:
    sizes = {"a": 9, "b": 9, "c": 1}
    moves = {"a": (0, 1), "b": (1, 2), "c": (3, 3)}
    problem, hops = problem_of(sizes, moves, rooms=(99,) * 4, rules={"r": rule}, max_per_host=9)
    assert bound(problem, hops) == pytest.approx(seconds)


def test_no_order_is_faster_than_the_bound() -> None:
    """Against all priorities in which up to four guests can be tried, on hosts with little room."""
    rng = Random(7)
    for _round in range(60):
        names = "abcd"[: rng.randrange(2, 5)]
        sizes = {name: rng.randrange(1, 12) for name in names}
        moves = {}
        for name in names:
            source, target = rng.sample(range(3), 2)
            moves[name] = (source, target)
        rooms = [sum(sizes[n] for n in names if moves[n][0] == h) + rng.randrange(0, 12) for h in range(3)]
        problem, hops = problem_of(sizes, moves, rooms=[max(1, room) for room in rooms], max_per_host=2)
        for order in permutations(hops):
            ceilings = problem.needs.ceiling_for_rules
            found = ListScheduler(problem, [(hop,) for hop in order], ceilings).run()
            if not found.left:
                parks = any(placed.move.parking for placed in found.placed)
                assert found.seconds >= bound(problem, hops, detours=parks) - 1e-6
