# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verifier's replay finds the worst that any order of the steps can lead to, for each limit and rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from random import Random
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Migration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Disk, HostDatastore
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify.interleavings import Replay

from .paper_plans import defects, step
from .test_scenarios import GIB, cluster

ONE = cluster({"hosts": {"h1": {}, "h2": {}}, "guests": {"a": {"host": "h1"}}})


def by_trying(replay: Replay, gains: Mapping[int, float], reliefs: Mapping[int, float]) -> float:
    """The same as Replay.worst: over every set of steps that may have begun."""
    most = 0.0
    for many in range(len(gains) + 1):
        for begun in combinations(gains, many):
            ended = 0
            for index in begun:
                ended |= replay.ancestors[index]
            lost = sum(relief for index, relief in reliefs.items() if ended >> index & 1)
            most = max(most, sum(gains[index] for index in begun) - lost)
    return most


def test_the_worst_of_all_orders_is_what_trying_every_set_of_begun_steps_finds() -> None:
    rng = Random(20260101)
    for _round in range(600):
        size = rng.randrange(2, 13)
        steps = [
            step(n, "a", "h1", "h2", *(o for o in range(1, n) if rng.random() < 0.3))
            for n in range(1, size + 1)
        ]
        replay = Replay(ONE, Policy(), (), steps)
        amounts = {index: float(rng.randrange(1, 6)) for index in range(size)}
        arrives = {index: rng.random() < 0.5 for index in range(size)}
        gains = {index: amount for index, amount in amounts.items() if arrives[index]}
        reliefs = {index: amount for index, amount in amounts.items() if not arrives[index]}
        assert replay.worst(gains, reliefs) == pytest.approx(by_trying(replay, gains, reliefs))


def arrivals(kind: Any = "rule", host: Mapping[str, Any] | None = None, **policy: Any) -> tuple[str, ...]:
    """One guest of 2 cores and 10 GiB comes to a host of 10 cores and 100 GiB that uses 5 and 60."""
    snapshot = cluster(
        {
            "hosts": {
                "h1": {},
                "h2": {"cpu": 10, "memory": 100, "own": {"cpu": 4, "memory": 55}, **(host or {})},
            },
            "guests": {
                "a": {"host": "h1", "cpu": 2, "memory": 10},
                "b": {"host": "h2", "cpu": 1, "memory": 5},
                "off": {"host": "h2", "cpu": 0, "memory": 0, "power": "stopped"},
            },
        }
    )
    return defects(snapshot, step(1, "a", "h1", "h2", kind=kind), **policy)


@pytest.mark.parametrize(
    ("at_limit", "below", "what"),
    [
        ({"limits": {"memory": 70}}, {"limits": {"memory": 69}}, "memory"),
        ({"limits": {"cpu": 70}}, {"limits": {"cpu": 69}}, "cpu"),
        (
            {"limits": {"memory": 90, "memory_reserve": 20 * GIB}},
            {"limits": {"memory": 90, "memory_reserve": 20 * GIB + 2**21}},
            "memory",
        ),
        (
            {"limits": {"memory_overcommit": 0.15}},
            {"limits": {"memory_overcommit": 0.149}},
            "assigned memory",
        ),
        ({"limits": {"cpu_overcommit": 0.3}}, {"limits": {"cpu_overcommit": 0.29}}, "assigned cpu"),
        ({"limits": {"max_guests": 2}}, {"limits": {"max_guests": 1}}, "guests"),
    ],
)
def test_a_host_is_filled_up_to_each_limit_and_no_further(
    at_limit: dict[str, Any], below: dict[str, Any], what: str
) -> None:
    assert arrivals("balance", **at_limit) == ()
    assert [f"of {what}, " in text for text in arrivals("balance", **below)] == [True]


@pytest.mark.parametrize(
    ("at_limit", "below", "what"),
    [
        ({"reserved": {"memory": 22 * GIB}}, {"reserved": {"memory": 23 * GIB}}, "memory"),
        ({"reserved": {"cpu": 2.2}}, {"reserved": {"cpu": 2.3}}, "cpu"),
        ({"max_guests": 2}, {"max_guests": 1}, "guests"),
    ],
)
def test_what_a_host_keeps_for_itself_is_not_filled(
    at_limit: dict[str, Any], below: dict[str, Any], what: str
) -> None:
    limits = {"memory": 90, "cpu": 90}
    assert arrivals("balance", at_limit, limits=limits) == ()
    assert [f"of {what}, " in text for text in arrivals("balance", below, limits=limits)] == [True]


@pytest.mark.parametrize(
    ("kind", "legal"),
    [("rule", True), ("evacuate", True), ("balance", False), ("parking", False), ("consolidate", False)],
)
@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_only_rules_and_evacuations_fill_up_to_the_higher_limit(
    kind: str, legal: bool, resource: str
) -> None:
    found = arrivals(kind, limits={resource: 69, f"{resource}_for_rules": 70})
    assert [f"of {resource}, " in text for text in found] == ([] if legal else [True])


@pytest.mark.parametrize(
    ("kind", "fill", "legal"),
    [
        ("consolidate", 70, True),
        ("consolidate", 69, False),
        ("balance", 69, True),
        ("rule", 69, True),
        ("consolidate", None, True),
    ],
)
def test_only_consolidating_stops_at_the_fill(kind: str, fill: int | None, legal: bool) -> None:
    found = arrivals(kind, goal="consolidate", consolidate={} if fill is None else {"fill": fill})
    assert (found == ()) is legal


def test_a_host_above_its_limit_takes_what_needs_nothing() -> None:
    """It is above its limit of memory, and stays so: only what makes that worse is refused."""
    snapshot = cluster(
        {
            "hosts": {"h1": {}, "h2": {"memory": 100, "own": {"memory": 95}}},
            "guests": {"a": {"host": "h1", "memory": 0}, "b": {"host": "h1", "memory": 1}},
        }
    )
    assert defects(snapshot, step(1, "a", "h1", "h2")) == ()
    assert [text[:16] for text in defects(snapshot, step(1, "b", "h1", "h2"))] == ["h2 can come to 1"]


@pytest.mark.parametrize(
    ("after", "legal"), [((), False), ((1,), False), ((2,), False), ((1, 2), True), ((1, 3), True)]
)
def test_arrivals_at_a_host_above_its_limit_wait_until_it_is_below(
    after: tuple[int, ...], legal: bool
) -> None:
    """110 of 90: both 20s, or a 20 and the 30, have to leave before 15 more may come."""
    snapshot = cluster(
        {
            "hosts": {"h1": {"memory": 100, "own": {"memory": 40}}, "h2": {"memory": 400}},
            "guests": {
                "x": {"host": "h1", "memory": 20},
                "y": {"host": "h1", "memory": 20},
                "z": {"host": "h1", "memory": 30},
                "in": {"host": "h2", "memory": 15},
            },
        }
    )
    steps = [step(n, guest, "h1", "h2") for n, guest in enumerate(("x", "y", "z"), 1)]
    found = defects(
        snapshot, *steps, step(4, "in", "h2", "h1", *after), limits={"memory": 90, "memory_for_rules": 90}
    )
    assert [text.partition(" can come to ")[0] for text in found] == ([] if legal else ["h1"])


@pytest.mark.parametrize(("memory", "legal"), [(15, True), (16, False)])
def test_two_arrivals_at_a_host_above_its_limit_need_room_together(memory: int, legal: bool) -> None:
    """110 of 90, and 50 leave: there is room for 30."""
    snapshot = cluster(
        {
            "hosts": {"h1": {"memory": 100, "own": {"memory": 60}}, "h2": {"memory": 400}},
            "guests": {
                "x": {"host": "h1", "memory": 50},
                "a": {"host": "h2", "memory": memory},
                "b": {"host": "h2", "memory": memory},
            },
        }
    )
    steps = [step(1, "x", "h1", "h2"), step(2, "a", "h2", "h1", 1), step(3, "b", "h2", "h1", 1)]
    found = defects(snapshot, *steps, limits={"memory": 90, "memory_for_rules": 90})
    assert (found == ()) is legal


def test_a_guest_of_which_nothing_is_known_takes_nothing() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": {}, "h2": {"cpu": 10}},
            "guests": {"a": {"host": "h1", "cpu": 9.5}, "b": {"host": "h1"}},
        }
    )
    unknown = replace(snapshot.guests[1], used={"cpu": None, "memory": None}, assigned={})
    snapshot = replace(snapshot, guests=(snapshot.guests[0], unknown))
    steps = [step(1, "a", "h1", "h2"), step(2, "b", "h1", "h2")]
    over, fits = ({"cpu": 90, "cpu_for_rules": percent} for percent in (94, 95))
    assert len(defects(snapshot, *steps, limits=over)) == 1
    assert defects(snapshot, *steps, limits=fits) == ()


def test_two_that_come_after_one_departure_need_room_together() -> None:
    snapshot = cluster(
        {
            "hosts": {"h1": {"memory": 100}, "h2": {"memory": 400}},
            "guests": {
                "out": {"host": "h1", "memory": 85},
                "a": {"host": "h2", "memory": 50},
                "b": {"host": "h2", "memory": 45},
                "c": {"host": "h2", "memory": 40},
            },
        }
    )
    limits = {"memory": 90, "memory_for_rules": 90}
    first = step(1, "out", "h1", "h2")
    for others, legal in ((("a", "b"), False), (("a", "c"), True)):
        steps = [step(n, guest, "h2", "h1", 1) for n, guest in enumerate(others, 2)]
        assert (defects(snapshot, first, *steps, limits=limits) == ()) is legal


def test_a_migration_under_way_counts_at_both_ends() -> None:
    """It uses memory of the host that it is on until it has ended, and takes as much where it goes."""
    guests = {
        "a": {"host": "h1", "memory": 50},
        "flying": {"host": "h3", "memory": 50, "migrating_to": "h2"},
        "on_h3": {"host": "h1", "memory": 45},
    }
    snapshot = cluster({"hosts": {name: {"memory": 100} for name in ("h1", "h2", "h3")}, "guests": guests})
    assert [text[:2] for text in defects(snapshot, step(1, "a", "h1", "h2"))] == ["h2"]
    assert [text[:2] for text in defects(snapshot, step(1, "a", "h1", "h3"))] == ["h3"]
    assert defects(snapshot, step(1, "on_h3", "h1", "h3")) == ()
    counted = defects(snapshot, step(1, "on_h3", "h1", "h3"), limits={"max_guests": 1})
    assert counted == ("h3 can come to 2 of guests, and 1 is its limit",)


def test_what_is_not_measured_yet_leaves_no_memory_behind() -> None:
    def found(**guest: Any) -> tuple[str, ...]:
        snapshot = cluster(
            {
                "hosts": {"h1": {"memory": 100, "own": {"memory": 50}}, "h2": {"memory": 400}},
                "guests": {
                    "out": {"host": "h1", "memory": 40},
                    "in": {"host": "h2", "memory": 40},
                },
            }
        )
        first = replace(snapshot.guests[0], **guest)
        snapshot = replace(snapshot, guests=(first, *snapshot.guests[1:]))
        return defects(snapshot, step(1, "out", "h1", "h2"), step(2, "in", "h2", "h1", 1))

    assert found() == ()
    unmeasured = {"used": {"cpu": 1.0, "memory": None}}
    assert found(**unmeasured) == ()
    assert len(found(**unmeasured, sources={"memory": "not_yet_measured"})) == 1


HOSTS = ("h1", "h2", "h3", "h4")


def ruled(kind: str, places: Mapping[str, str], *steps: Migration, **rule: Any) -> tuple[str, ...]:
    """What one rule over all guests makes of the steps."""
    snapshot = cluster(
        {
            "hosts": {name: {} for name in HOSTS},
            "guests": {guest: {"host": host} for guest, host in places.items()},
            "rules": {"r": {"kind": kind, "guests": list(places), **rule}},
        }
    )
    return defects(snapshot, *steps)


@pytest.mark.parametrize(
    ("kind", "source", "target", "says"),
    [
        ("host_affinity", "h1", "h2", ""),
        ("host_affinity", "h1", "h3", "breaks it"),
        ("host_affinity", "h3", "h1", ""),
        ("host_affinity", "h3", "h4", ""),
        ("host_anti_affinity", "h3", "h4", ""),
        ("host_anti_affinity", "h3", "h1", "breaks it"),
        ("host_anti_affinity", "h1", "h3", ""),
        ("host_anti_affinity", "h1", "h2", ""),
    ],
)
def test_a_rule_of_hosts_that_holds_is_not_broken(kind: str, source: str, target: str, says: str) -> None:
    move = step(1, "a", source, target)
    assert [says in text for text in ruled(kind, {"a": source}, move, hosts=["h1", "h2"])] == (
        [True] if says else []
    )
    assert ruled(kind, {"a": source}, move, hosts=["h1", "h2"], strict=False) == ()


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([step(1, "a", "h1", "h3")], []),
        ([step(1, "a", "h1", "h2")], ["b and a can meet on h2"]),
        ([step(1, "b", "h2", "h3"), step(2, "a", "h1", "h2", 1)], []),
        ([step(1, "b", "h2", "h3"), step(2, "a", "h1", "h2")], ["b and a can meet on h2"]),
        ([step(1, "a", "h1", "h3"), step(2, "b", "h2", "h3")], ["b and a can meet on h3"]),
        ([step(1, "a", "h1", "h3"), step(2, "b", "h2", "h1", 1)], []),
        # A chain of siblings: each goes to where the one before it was.
        ([step(1, "a", "h1", "h3"), step(2, "b", "h2", "h1", 1), step(3, "a", "h3", "h2", 2)], []),
        (
            [step(1, "a", "h1", "h3"), step(2, "b", "h2", "h1", 1), step(3, "a", "h3", "h2", 1)],
            ["b and a can meet on h2"],
        ),
        # There and away again before the other comes.
        ([step(1, "a", "h1", "h3"), step(2, "a", "h3", "h4", 1), step(3, "b", "h2", "h3", 2)], []),
        (
            [step(1, "a", "h1", "h3"), step(2, "a", "h3", "h4", 1), step(3, "b", "h2", "h3", 1)],
            ["b and a can meet on h3"],
        ),
    ],
)
def test_siblings_meet_in_no_order_of_the_steps(steps: list[Migration], says: list[str]) -> None:
    found = ruled("anti_affinity", {"a": "h1", "b": "h2"}, *steps)
    assert [text.removeprefix("rule r: ") for text in found] == says


def test_a_sibling_under_way_is_still_where_it_was_and_where_it_goes() -> None:
    def found(target: str) -> list[str]:
        snapshot = cluster(
            {
                "hosts": {name: {} for name in HOSTS},
                "guests": {"a": {"host": "h1"}, "b": {"host": "h2", "migrating_to": "h3"}},
                "rules": {"r": {"kind": "anti_affinity", "guests": ["a", "b"]}},
            }
        )
        return [text for text in defects(snapshot, step(1, "a", "h1", target)) if "meet" in text]

    assert (len(found("h2")), len(found("h3")), len(found("h4"))) == (1, 1, 0)


TOGETHER, CROWD = "more of its guests end up together", "3 of its guests, and 2 was most"


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([step(1, "a", "h1", "h4")], set()),
        ([step(1, "a", "h1", "h2")], set()),
        ([step(1, "c", "h2", "h1")], {TOGETHER, CROWD}),
        ([step(1, "c", "h2", "h3")], {TOGETHER}),
        ([step(1, "a", "h1", "h3"), step(2, "c", "h2", "h3")], {TOGETHER, CROWD}),
        ([step(1, "d", "h3", "h4"), step(2, "a", "h1", "h3"), step(3, "c", "h2", "h3")], {CROWD}),
        ([step(1, "d", "h3", "h4"), step(2, "a", "h1", "h3", 1), step(3, "c", "h2", "h3")], set()),
    ],
)
def test_siblings_that_were_together_get_no_worse(steps: list[Migration], says: set[str]) -> None:
    """a and b are on h1, c on h2, d on h3."""
    found = ruled("anti_affinity", {"a": "h1", "b": "h1", "c": "h2", "d": "h3"}, *steps)
    assert {words for words in (TOGETHER, CROWD) if any(words in text for text in found)} == says
    assert len(found) == len(says)


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([step(1, "a", "h1", "h2")], "end up further apart"),
        ([step(1, "a", "h1", "h2"), step(2, "b", "h1", "h2")], ""),
        ([step(1, "a", "h1", "h2"), step(2, "a", "h2", "h1", 1)], "take different ways"),
        (
            [
                *(step(1, "a", "h1", "h2"), step(2, "b", "h1", "h2")),
                *(step(3, "a", "h2", "h3", 1, 2), step(4, "b", "h2", "h3", 2)),
            ],
            "before all are together again",
        ),
        (
            [
                *(step(1, "a", "h1", "h2"), step(2, "b", "h1", "h2")),
                *(step(3, "a", "h2", "h3", 1, 2), step(4, "b", "h2", "h3", 1, 2)),
            ],
            "",
        ),
    ],
)
def test_partners_that_are_together_stay_so(steps: list[Migration], says: str) -> None:
    found = ruled("affinity", {"a": "h1", "b": "h1"}, *steps)
    assert [says in text for text in found] == ([True] if says else [])


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([step(1, "c", "h2", "h1")], ""),
        ([step(1, "a", "h1", "h2")], ""),
        ([step(1, "a", "h1", "h3")], "end up further apart"),
        ([step(1, "c", "h2", "h3"), step(2, "c", "h3", "h1", 1)], ""),
    ],
)
def test_partners_that_are_apart_come_no_further_apart(steps: list[Migration], says: str) -> None:
    found = ruled("affinity", {"a": "h1", "b": "h1", "c": "h2"}, *steps)
    assert [says in text for text in found] == ([True] if says else [])


@pytest.mark.parametrize(
    ("places", "steps", "skew", "says"),
    [
        ("112", [step(1, "a", "h1", "h2")], 1, []),
        ("112", [step(1, "c", "h2", "h1")], 1, ["h1 can come to hold 3 more than h2"]),
        ("112", [step(1, "c", "h2", "h1")], 2, ["h1 can come to hold 3 more than h2"]),
        ("112", [step(1, "c", "h2", "h1")], 3, []),
        ("112", [step(1, "a", "h1", "h3")], 1, []),
        ("1122", [step(1, "a", "h1", "h2")], 1, ["h2 can come to hold 2 more than h1"]),
        ("1122", [step(1, "a", "h1", "h2"), step(2, "c", "h2", "h1", 1)], 1, ["h2 can come to hold 2"]),
        ("1122", [step(1, "a", "h1", "h2"), step(2, "c", "h2", "h1", 1)], 2, []),
        # A chain: each fills the place that the one before it has left.
        ("123", [step(1, "a", "h1", "h4"), step(2, "b", "h2", "h1", 1)], 1, []),
        ("1123", [step(1, "a", "h1", "h2"), step(2, "b", "h1", "h3", 1)], 1, ["h2 can come to hold 2"]),
    ],
)
def test_counts_come_no_further_apart_in_any_order(
    places: str, steps: list[Migration], skew: int, says: list[str]
) -> None:
    guests = dict(zip("abcd", (f"h{digit}" for digit in places), strict=False))
    found = ruled("even_spread", guests, *steps, max_skew=skew)
    assert [bool([text for text in found if words in text]) for words in says] == [True] * len(says), found
    assert bool(found) is bool(says), found


def test_a_host_closed_to_all_members_does_not_count_for_an_even_spread() -> None:
    """What is in maintenance, or forbidden by another rule, may be left behind."""

    def found(**h1: Any) -> list[str]:
        snapshot = cluster(
            {
                "hosts": {"h1": {}, "h2": {}, "h3": {}},
                "guests": {name: {"host": f"h{n}"} for name, n in zip("abcde", (1, 2, 2, 3, 3), strict=True)},
                "rules": {"r": {"kind": "even_spread", "guests": list("abcde")}, **h1.pop("rules", {})},
            }
        )
        hosts = (replace(snapshot.hosts[0], **h1), *snapshot.hosts[1:])
        return [
            text
            for text in defects(replace(snapshot, hosts=hosts), step(1, "a", "h1", "h2"))
            if "rule r:" in text
        ]

    assert len(found()) == 2
    assert found(maintenance=True) == []
    everyone = {"guests": list("abcde")}
    for kind, hosts in (("host_anti_affinity", ["h1"]), ("host_affinity", ["h2", "h3"])):
        assert found(rules={"pin": {"kind": kind, "hosts": hosts, **everyone}}) == []
        assert len(found(rules={"pin": {"kind": kind, "hosts": hosts, **everyone, "strict": False}})) == 2
        assert len(found(rules={"pin": {"kind": kind, "hosts": hosts, "guests": list("abcd")}})) == 2


def test_a_shared_datastore_takes_no_room_of_the_target() -> None:
    snapshot = cluster({"hosts": {"h1": {}, "h2": {}}, "guests": {"a": {"host": "h1"}}})
    full = {"san": HostDatastore(shared=True, free=0)}
    hosts = tuple(replace(host, datastores=full) for host in snapshot.hosts)
    guest = replace(snapshot.guests[0], disks=(Disk(datastore="san", size=10),))
    assert defects(replace(snapshot, hosts=hosts, guests=(guest,)), step(1, "a", "h1", "h2")) == ()
