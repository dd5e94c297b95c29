# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order migrations start: as soon as slots, memory and rules let them, after what they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Migration
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.problem import Problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.schedule import order as orders
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.schedule.list_scheduler import (
    ListScheduler,
    Schedule,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.schedule.moves import Move
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify.plan import (
    Exclusions,
    verify_plan,
)

from .paper_plans import plan_of, step
from .test_moves import problem_of

Line = tuple[str, int, int, float, tuple[int, ...]]


def lines(problem: Problem, found: Schedule) -> list[Line]:
    """Guest, source, target, when it starts, and after which (by position)."""
    return [
        (problem.guests[p.move.guest].id, p.move.source, p.move.target, p.starts, tuple(p.after))
        for p in found.placed
    ]


def run(
    sizes: Mapping[str, int],
    moves: Mapping[str, tuple[int, int]],
    *together: str,
    **more: Any,
) -> tuple[list[Line], list[str]]:
    """What the scheduler does with these hops in this priority; `together` are one job."""
    problem, hops = problem_of(sizes, moves, **more)
    names = {problem.guests[hop.guest].id: hop for hop in hops}
    jobs = [(hop,) for name, hop in names.items() if name not in together]
    if together:
        jobs.append(tuple(names[name] for name in together))
    found = ListScheduler(problem, jobs, problem.needs.ceiling_for_rules).run()
    return lines(problem, found), [problem.guests[hop.guest].id for hop in found.left]


FOUR = (1000, 1000, 1000, 1000)
SLOT_CASES: list[tuple[dict[str, Any], dict[str, tuple[int, int]], list[float]]] = [
    ({}, {"a": (0, 1), "b": (0, 2)}, [0, 10]),
    ({}, {"a": (0, 1), "b": (1, 2)}, [0, 10]),
    ({}, {"a": (0, 2), "b": (1, 2)}, [0, 10]),
    ({}, {"a": (0, 1), "b": (2, 3)}, [0, 0]),
    ({"max_per_host": 2}, {"a": (0, 1), "b": (0, 2), "c": (0, 3)}, [0, 0, 10]),
    ({"max_per_host": 2, "max_out_per_host": 1}, {"a": (0, 1), "b": (0, 2)}, [0, 10]),
    ({"max_per_host": 2, "max_out_per_host": 1}, {"a": (0, 1), "b": (1, 2)}, [0, 0]),
    ({"max_per_host": 2, "max_out_per_host": 1}, {"a": (0, 2), "b": (1, 2)}, [0, 0]),
    ({"max_per_host": 2, "max_in_per_host": 1}, {"a": (0, 2), "b": (1, 2)}, [0, 10]),
    ({"max_per_host": 2, "max_in_per_host": 1}, {"a": (0, 1), "b": (0, 2)}, [0, 0]),
    ({"max_per_host": 2, "max_in_per_host": 1}, {"a": (0, 1), "b": (1, 2)}, [0, 0]),
]


@pytest.mark.parametrize(("policy", "moves", "starts"), SLOT_CASES)
def test_no_more_start_than_there_are_slots(
    policy: dict[str, Any], moves: dict[str, tuple[int, int]], starts: list[float]
) -> None:
    found, left = run(dict.fromkeys(moves, 9), moves, rooms=FOUR, **policy)
    assert [(line[0], line[3], line[4]) for line in found] == [
        (guest, start, ()) for guest, start in zip(moves, starts, strict=True)
    ]
    assert left == []


def test_an_arrival_waits_for_the_departure_that_makes_its_room() -> None:
    found, left = run(
        {"in": 9, "out": 9}, {"in": (1, 0), "out": (0, 2)}, rooms=(10, 1000, 1000), max_per_host=9
    )
    assert (found, left) == ([("out", 0, 2, 0.0, ()), ("in", 1, 0, 10.0, (0,))], [])


def test_who_finds_room_without_it_does_not_come_after_a_departure() -> None:
    found, left = run(
        {"out": 9, "in": 9}, {"out": (0, 2), "in": (1, 0)}, rooms=(18, 1000, 1000), max_per_host=1
    )
    assert (found, left) == ([("out", 0, 2, 0.0, ()), ("in", 1, 0, 10.0, ())], [])


def test_a_ring_is_opened_by_a_detour_over_the_host_with_the_most_free_memory() -> None:
    """Of what a comes after only the last is named: its own first half is implied."""
    sizes, moves = {"a": 9, "b": 9}, {"a": (0, 1), "b": (1, 0)}
    found, left = run(sizes, moves, rooms=(10, 10, 20, 30), max_per_host=9)
    assert left == []
    assert found == [("a", 0, 3, 0.0, ()), ("b", 1, 0, 10.0, (0,)), ("a", 3, 1, 20.0, (1,))]


def test_the_next_one_makes_the_detour_where_the_first_can_not() -> None:
    sizes, moves = {"a": 9, "b": 4, "x": 5}, {"a": (0, 1), "b": (1, 0), "x": (2, 2)}
    found, left = run(sizes, moves, rooms=(10, 10, 9), max_per_host=9)
    assert [line[:3] for line in found] == [("b", 1, 2), ("a", 0, 1), ("b", 2, 0)]
    assert left == []


@pytest.mark.parametrize(("room", "over"), [(20, 2), (8, 3)])
def test_a_guest_waits_on_a_host_that_is_to_be_empty_only_where_no_other_has_room(
    room: int, over: int
) -> None:
    sizes, moves = {"a": 9, "b": 9}, {"a": (0, 1), "b": (1, 0)}
    problem, hops = problem_of(sizes, moves, rooms=(10, 10, room, 30), max_per_host=9)
    shut = ~(1 << 3)
    problem = replace(
        problem,
        unit_mask=tuple(mask & shut for mask in problem.unit_mask),
        shelters=dict.fromkeys(range(2), 1 << 3),
    )
    found = ListScheduler(problem, [(hop,) for hop in hops], problem.needs.ceiling_for_rules).run()
    assert [placed.move.target for placed in found.placed] == [over, 0, 1]
    assert [placed.move.parking for placed in found.placed] == [True, False, False]


@pytest.mark.parametrize(
    ("rules", "over"),
    [
        ({}, 3),
        ({"r": {"kind": "anti_affinity", "guests": ["a", "x"]}}, 3),
        ({"r": {"kind": "even_spread", "guests": ["a", "x"], "max_skew": 2}}, None),
    ],
)
def test_a_guest_whose_rule_counts_hosts_does_not_wait_on_a_host_that_is_to_be_empty(
    rules: dict[str, Any], over: int | None
) -> None:
    """Host 2 is full, and host 3 is the only one where the first guest of the ring could wait."""
    moves = {"a": (0, 1), "b": (1, 0), "x": (2, 2)}
    problem, hops = problem_of(
        {"a": 9, "b": 9, "x": 5}, moves, rooms=(10, 10, 8, 30), rules=rules, max_per_host=9
    )
    problem = replace(
        problem,
        unit_mask=tuple(mask & ~(1 << 3) for mask in problem.unit_mask),
        shelters={problem.unit_of[0]: 1 << 3},
    )
    found = ListScheduler(problem, [(hop,) for hop in hops], problem.needs.ceiling_for_rules).run()
    assert [placed.move.target for placed in found.placed] == ([] if over is None else [over, 0, 1])
    # The other guest of the ring has no such rule.
    problem = replace(problem, shelters=dict.fromkeys(range(2), 1 << 3))
    found = ListScheduler(problem, [(hop,) for hop in hops], problem.needs.ceiling_for_rules).run()
    assert [placed.move.target for placed in found.placed] == ([3, 1, 0] if over is None else [over, 0, 1])


def test_nobody_waits_on_a_host_that_may_not_run_it() -> None:
    """Host 3 has the most free memory, but is allowed for neither of the two."""
    problem, hops = problem_of(
        {"a": 9, "b": 9}, {"a": (0, 1), "b": (1, 0)}, rooms=(10, 10, 20, 30), max_per_host=9
    )
    problem = replace(problem, unit_mask=tuple(mask & ~(1 << 3) for mask in problem.unit_mask))
    found = ListScheduler(problem, [(hop,) for hop in hops], problem.needs.ceiling_for_rules).run()
    assert [placed.move.target for placed in found.placed] == [2, 0, 1]


def test_where_nobody_can_wait_what_is_in_a_ring_is_left() -> None:
    sizes, moves = {"a": 9, "b": 9, "c": 3}, {"a": (0, 1), "b": (1, 0), "c": (2, 3)}
    found, left = run(sizes, moves, rooms=(10, 10, 5, 5), max_per_host=9)
    assert [line[0] for line in found] == ["c"]
    assert left == ["a", "b"]


def test_only_a_guest_in_the_way_makes_a_detour() -> None:
    """a is too large for its target: nobody waits for its place, so that it stays where it is."""
    found, left = run({"a": 9, "z": 9}, {"a": (0, 1), "z": (1, 1)}, rooms=(10, 10, 30), max_per_host=9)
    assert (found, left) == ([], ["a"])


@pytest.mark.parametrize(
    ("rule", "starts"),
    [
        ({"kind": "anti_affinity", "guests": ["a", "b"]}, {"b": (0.0, ()), "a": (10.0, (0,))}),
        ({"kind": "anti_affinity", "guests": ["a", "b"], "strict": False}, {"a": (0.0, ()), "b": (0.0, ())}),
        ({"kind": "anti_affinity", "guests": ["a", "c"]}, {"a": (0.0, ()), "b": (0.0, ())}),
    ],
)
def test_siblings_follow_each_other(rule: dict[str, Any], starts: dict[str, Any]) -> None:
    sizes, moves = {"a": 9, "b": 9, "c": 1}, {"a": (0, 1), "b": (1, 2), "c": (3, 3)}
    found, left = run(sizes, moves, rooms=FOUR, rules={"r": rule}, max_per_host=9)
    assert {line[0]: line[3:] for line in found} == starts
    assert left == []


def test_a_chain_of_siblings_goes_from_its_end() -> None:
    rule = {"kind": "anti_affinity", "guests": ["a", "b", "c"]}
    sizes, moves = {"a": 9, "b": 9, "c": 9}, {"a": (0, 1), "b": (1, 2), "c": (2, 3)}
    found, left = run(sizes, moves, rooms=FOUR, rules={"r": rule}, max_per_host=9)
    assert found == [("c", 2, 3, 0.0, ()), ("b", 1, 2, 10.0, (0,)), ("a", 0, 1, 20.0, (1,))]
    assert left == []


def test_who_comes_to_a_host_without_siblings_counts_there_as_one() -> None:
    rule = {"kind": "anti_affinity", "guests": ["a", "b"]}
    problem, hops = problem_of({"a": 10, "b": 10}, {"a": (0, 1), "b": (2, 0)}, rules={"apart": rule})
    scheduler = ListScheduler(problem, [(hop,) for hop in hops], problem.needs.ceiling_for_rules)
    assert not scheduler.run().left
    assert scheduler.at[0][1] == 1


def test_evenly_spread_guests_go_one_after_another_where_counts_could_come_apart() -> None:
    rule = {"kind": "even_spread", "guests": ["a", "b", "c"]}
    sizes, moves = {"a": 9, "b": 9, "c": 9}, {"a": (0, 1), "b": (0, 0), "c": (1, 0)}
    found, left = run(sizes, moves, rooms=(1000, 1000), rules={"r": rule}, max_per_host=9)
    assert (found, left) == ([("a", 0, 1, 0.0, ()), ("c", 1, 0, 10.0, (0,))], [])
    wide = {"r": {**rule, "max_skew": 3}}
    found, left = run(sizes, moves, rooms=(1000, 1000), rules=wide, max_per_host=9)
    assert (found, left) == ([("a", 0, 1, 0.0, ()), ("c", 1, 0, 0.0, ())], [])


def test_a_job_starts_as_a_whole_as_slots_come_free_once_there_is_room_for_all() -> None:
    rules = {"r": {"kind": "affinity", "guests": ["a", "b"]}}
    moves = {"out": (1, 2), "a": (0, 1), "b": (0, 1)}
    sizes = {"out": 9, "a": 9, "b": 9}
    found, left = run(sizes, moves, "a", "b", rooms=(100, 20, 100), rules=rules, max_per_host=1)
    assert left == []
    assert found == [("out", 1, 2, 0.0, ()), ("a", 0, 1, 10.0, (0,)), ("b", 0, 1, 20.0, (0,))]
    found, left = run(sizes, moves, "a", "b", rooms=(100, 28, 100), rules=rules, max_per_host=2)
    assert {line[0]: line[3:] for line in found} == {"out": (0.0, ()), "a": (0.0, ()), "b": (10.0, ())}
    assert left == []


def test_first_guests_begin_first_and_every_order_has_its_bound() -> None:
    moves = {"a": (0, 1), "b": (0, 2), "c": (0, 3)}
    problem, hops = problem_of({"a": 19, "b": 9, "c": 4}, moves, rooms=FOUR)
    jobs = [(hop,) for hop in hops]
    ceilings = problem.needs.ceiling_for_rules
    found = orders.schedule_moves(problem, jobs, ceilings)
    assert (found.seconds, found.bound, found.left) == (35.0, 35.0, [])
    for guest in range(3):
        first = orders.schedule_moves(problem, jobs, ceilings, {guest})
        assert first.placed[0].move.guest == guest
    nothing = orders.schedule_moves(problem, [], ceilings)
    assert (nothing.placed, nothing.left, nothing.seconds, nothing.bound) == ([], [], 0.0, 0.0)


def priorities(policy: dict[str, Any], first: Sequence[int] = ()) -> list[list[str]]:
    """The orders that are tried, each as the names of its guests."""
    sizes = {"a": 2, "b": 4, "c": 8, "d": 6}
    moves = {"a": (0, 1), "b": (2, 0), "c": (1, 2), "d": (3, 0)}
    problem, hops = problem_of(sizes, moves, rooms=FOUR, **policy)
    found = orders._priorities(problem, [(hop,) for hop in hops], first)
    return [[problem.guests[hop.guest].id for (hop,) in jobs] for jobs in found]


def test_the_first_three_orders_owe_nothing_to_chance() -> None:
    """Those that leave hosts to which many come, then those of busy hosts, then the longest first."""
    chances = [priorities({"seed": seed}) for seed in (1, 2, 3)]
    for found in chances:
        assert found[:3] == [list("abcd"), list("cbad"), list("cdba")]
        assert len(found) == orders.MAX_TRIES
        assert all(sorted(names) == list("abcd") for names in found)
    assert chances[0] != chances[1] != chances[2]
    assert len(priorities({}, first=[0])) == orders.FEWER_TRIES


@pytest.mark.parametrize(("sizes", "many"), [({"a": 9, "b": 9}, 1), ({"a": 2, "b": 2, "c": 3, "d": 8}, 45)])
def test_no_further_order_is_tried_once_one_is_as_fast_as_can_be(
    sizes: dict[str, int], many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    class Counted(ListScheduler):
        def run(self) -> Schedule:
            tried.append(super().run())
            return tried[-1]

    monkeypatch.setattr(orders, "ListScheduler", Counted)
    problem, hops = problem_of(sizes, dict.fromkeys(sizes, (0, 1)), max_per_host=2)
    found = orders.schedule_moves(problem, [(hop,) for hop in hops], problem.needs.ceiling_for_rules)
    assert len(tried) == many
    assert found.rank == min(one.rank for one in tried)


def test_two_orders_are_tried_however_many_migrate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "MAX_STARTS", 3)
    assert len(priorities({})) == 2


def test_longest_first_ends_soonest_on_two_slots() -> None:
    """3, 3, 4, 5 and 9 seconds on two slots: 12 is the least, reached only when the long ones begin."""
    sizes = {"a": 2, "b": 2, "c": 3, "d": 4, "e": 8}
    problem, hops = problem_of(sizes, dict.fromkeys(sizes, (0, 1)), max_per_host=2)
    found = orders.schedule_moves(problem, [(hop,) for hop in hops], problem.needs.ceiling_for_rules)
    assert (found.seconds, found.bound, found.rank) == (12.0, 12.0, (0, 5, 12.0))


def random_case(rng: Random) -> tuple[Problem, list[Move]]:
    names = "abcdef"[: rng.randrange(2, 7)]
    sizes = {name: rng.randrange(1, 12) for name in names}
    moves = {name: tuple(rng.sample(range(4), 2)) for name in names}
    rooms = [sum(sizes[n] for n in names if moves[n][0] == h) + rng.randrange(-3, 20) for h in range(4)]
    kinds = ("anti_affinity", "even_spread")
    rules = {
        f"r{n}": {"kind": rng.choice(kinds), "guests": rng.sample(names, rng.randrange(2, len(names) + 1))}
        for n in range(rng.choice((0, 0, 1, 2)))
    }
    return problem_of(
        sizes,
        {name: (source, target) for name, (source, target) in moves.items()},
        rooms=[max(1, room) for room in rooms],
        rules=rules,
        max_per_host=rng.randrange(1, 4),
        max_in_per_host=rng.choice([None, 1]),
    )


def steps_of(problem: Problem, found: Schedule) -> list[Migration]:
    hosts = problem.hosts
    return [
        step(
            number,
            problem.guests[placed.move.guest].id,
            hosts[placed.move.source].id,
            hosts[placed.move.target].id,
            *(position + 1 for position in placed.after),
        )
        for number, placed in enumerate(found.placed, 1)
    ]


def busy(found: Schedule, host: int, moment: float, ends: Sequence[str]) -> int:
    return sum(
        placed.starts <= moment < placed.ends and host in [getattr(placed.move, end) for end in ends]
        for placed in found.placed
    )


def test_every_order_is_safe_however_its_steps_interleave_and_keeps_to_its_slots() -> None:
    rng = Random(11)
    complete = 0
    for _round in range(300):
        problem, hops = random_case(rng)
        found = ListScheduler(problem, [(hop,) for hop in hops], problem.needs.ceiling_for_rules).run()
        if found.left:
            continue
        complete += 1
        assert [text for text in _unsafe(problem, steps_of(problem, found)) if "end up" not in text] == []
        ends = {placed.move.guest: placed.move.target for placed in found.placed}
        assert ends == {hop.guest: hop.target for hop in hops}
        policy = problem.policy
        for placed in found.placed:
            assert all(found.placed[position].ends <= placed.starts for position in placed.after)
            hop, moment = placed.move, placed.starts
            for host in (hop.source, hop.target):
                assert busy(found, host, moment, ("source", "target")) <= policy.max_per_host
            most = policy.max_in_per_host or policy.max_per_host
            assert busy(found, hop.target, moment, ("target",)) <= most
    assert complete > 60


def _unsafe(problem: Problem, steps: Sequence[Migration]) -> tuple[str, ...]:
    policy = problem.policy
    return verify_plan(
        problem.snapshot, policy, problem.rules, plan_of(problem.snapshot, policy, steps), Exclusions()
    )
