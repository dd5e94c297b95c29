# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of answers finds what is wrong with them: each case is one way to place wrongly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import WantedVm
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Rule
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify.placement import (
    Seated,
    verify_placement,
)

from .test_placements import asked
from .test_scenarios import GIB, cluster

CLUSTER: Mapping[str, Any] = {
    "hosts": {
        "h1": {"memory": 64, "max_guests": 2, "devices": {"gpu": {"total": 2, "free": 1}}},
        "h2": {
            "memory": 64,
            "pool": "gold",
            "datastores": {
                "own": {"shared": False, "free": 50 * 2**30, "class": "ssd"},
                "san": {"shared": True, "free": 10 * 2**30},
            },
        },
        "h3": {"memory": 64, "dedicated": True},
        "h4": {"maintenance": True},
    },
    "guests": {
        "a": {"host": "h1", "memory": 20},
        "b": {
            "host": "h2",
            "power": "stopped",
            "disks": [
                {"id": "0", "datastore": "own", "size": 1, "storage_policy": "gold", "targets": ["own@h2"]},
                {"id": "1", "datastore": "san", "size": 1, "storage_policy": "any"},
            ],
        },
    },
}


def vm(**values: Any) -> WantedVm:
    return asked({"vms": [{"name": "n", **values}]}).vms[0]


def seat(host: str, wanted: WantedVm, *datastores: str, name: str = "new:n") -> Seated:
    return Seated(id=name, wanted=wanted, host=host, datastores=datastores)


def rule(kind: Any, *guests: str, hosts: tuple[str, ...] = ()) -> Rule:
    return Rule(name="r", kind=kind, guests=guests, hosts=hosts, strict=True, source="test")


OWN = vm(disks=[{"size": 30, "datastore": "o*"}])
GOLD = vm(disks=[{"size": 1, "storage_policy": "gold"}])
CASES: list[tuple[str, list[Seated], dict[str, Any]]] = [
    ("", [seat("h1", vm(memory=16)), seat("h2", OWN, "own", name="new:m")], {}),
    ("", [seat("h2", GOLD, "own")], {}),
    ("", [seat("h2", vm(disks=[{"size": 1, "storage_policy": "any"}]), "san")], {}),
    ("san is not known to comply with storage policy gold", [seat("h2", GOLD, "san")], {}),
    ("policy glod", [seat("h2", vm(disks=[{"size": 1, "storage_policy": "glod"}]), "own")], {}),
    ("no such host", [seat("h9", vm())], {}),
    ("takes no guests", [seat("h4", vm())], {}),
    ("takes no guests", [seat("h1", vm())], {"barred": frozenset({"h1"})}),
    ("pool is None", [seat("h1", vm(pool="gold"))], {}),
    ("dedicated", [seat("h3", vm())], {}),
    ("dedicated", [seat("h1", vm(dedicated=True))], {}),
    ("lacks a label", [seat("h1", vm(labels={"zone": "a"}))], {}),
    ("lacks a network", [seat("h1", vm(networks=["dmz"]))], {}),
    ("no datastore", [seat("h2", OWN)], {}),
    ("lacks datastore own", [seat("h1", OWN, "own")], {}),
    ("was not asked for", [seat("h2", OWN, "san")], {}),
    ("another class", [seat("h2", vm(disks=[{"size": 1, "class": "ssd"}]), "san")], {}),
    ("one host only", [seat("h2", vm(disks=[{"size": 1, "shared": True}]), "own")], {}),
    ("bytes free", [seat("h2", OWN, "own"), seat("h2", OWN, "own", name="new:m")], {}),
    ("of memory", [seat("h1", vm(memory=40))], {}),
    ("of memory", [seat("h1", vm(memory=20)), seat("h1", vm(memory=20), name="new:m")], {}),
    ("of cpu", [seat("h1", vm(cpu=31))], {}),
    ("of assigned cpu", [seat("h1", vm(cpu=4, used={"cpu": 0}))], {"limits": {"cpu_overcommit": 0.1}}),
    ("of guests", [seat("h1", vm()), seat("h1", vm(), name="new:m")], {}),
    ("free devices", [seat("h1", vm(devices=[{"kind": "g*"}, {"kind": "gpu"}]))], {}),
    ("is not alone", [seat("h1", vm())], {"rules": [rule("anti_affinity", "a", "new:n")]}),
    ("further apart", [seat("h2", vm())], {"rules": [rule("affinity", "a", "new:n")]}),
    ("is on h1", [seat("h1", vm())], {"rules": [rule("host_affinity", "new:n", hosts=("h2",))]}),
    ("is on h1", [seat("h1", vm())], {"rules": [rule("host_anti_affinity", "new:n", hosts=("h1",))]}),
    (
        "differ by 2",
        [seat("h1", vm()), seat("h1", vm(), name="new:m"), seat("h2", vm(), name="new:o")],
        {"rules": [rule("even_spread", "new:n", "new:m", "new:o", "a")]},
    ),
    ("both on h1", [seat("h1", vm())], {"apart": {"new:n": frozenset({"a"})}}),
    ("hosts fail", [seat("h1", vm(memory=30)), seat("h2", vm(memory=30), name="new:m")], {"spare": 1}),
]


@pytest.mark.parametrize(("says", "seated", "more"), CASES, ids=lambda value: str(value)[:20])
def test_what_is_wrong_is_found(says: str, seated: list[Seated], more: dict[str, Any]) -> None:
    found = verify_placement(
        cluster(CLUSTER),
        Policy.from_json({"limits": more.get("limits", {})}),
        seated,
        more.get("rules", []),
        more.get("apart", {}),
        more.get("barred", frozenset()),
        more.get("spare", 0),
    )
    if says:
        assert any(says in text for text in found), found
    else:
        assert found == ()


# 5 of 10 cores and 60 of 100 GiB in use, 2 guests; the new one of 2 cores and 10 GiB comes to 70 % of each.
HALF: Mapping[str, Any] = {
    "hosts": {
        "h1": {"cpu": 10, "memory": 100, "own": {"cpu": 3, "memory": 40}},
        "h2": {"cpu": 10, "memory": 100},
    },
    "guests": {
        "a": {"host": "h1", "cpu": 1, "memory": 10},
        "b": {"host": "h1", "cpu": 1, "memory": 10, "power": "unknown"},
        "off": {"host": "h1", "cpu": 0, "memory": 0, "power": "stopped"},
    },
}
NEW = vm(cpu=2, memory=10)


def answered(
    *seated: Seated,
    host: dict[str, Any] | None = None,
    guests: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
    rules: Sequence[Rule] = (),
    apart: Mapping[str, frozenset[str]] | None = None,
    spare: int = 0,
    short: Mapping[str, Any] = HALF,
) -> tuple[str, ...]:
    hosts = {**short["hosts"], "h1": {**short["hosts"]["h1"], **(host or {})}}
    snapshot = cluster({"hosts": hosts, "guests": {**short["guests"], **(guests or {})}})
    policy = Policy.from_json({"limits": {"cpu": 90, "memory": 90, **(limits or {})}})
    return verify_placement(snapshot, policy, seated, rules, apart or {}, frozenset(), spare)


@pytest.mark.parametrize(
    ("at_limit", "below", "what"),
    [
        ({"limits": {"cpu": 70}}, {"limits": {"cpu": 69}}, "7 of cpu"),
        ({"limits": {"memory": 70}}, {"limits": {"memory": 69}}, "of memory"),
        (
            {"limits": {"memory_reserve": 20 * GIB}},
            {"limits": {"memory_reserve": 21 * GIB}},
            "of memory",
        ),
        (
            {"host": {"reserved": {"memory": 22 * GIB}}},
            {"host": {"reserved": {"memory": 23 * GIB}}},
            "of memory",
        ),
        ({"host": {"reserved": {"cpu": 2.2}}}, {"host": {"reserved": {"cpu": 2.3}}}, "7 of cpu"),
        ({"limits": {"cpu_overcommit": 0.4}}, {"limits": {"cpu_overcommit": 0.3}}, "4 of assigned cpu"),
        (
            {"limits": {"memory_overcommit": 0.3}},
            {"limits": {"memory_overcommit": 0.29}},
            "of assigned memory",
        ),
        ({"limits": {"max_guests": 3}}, {"limits": {"max_guests": 2}}, "3 of guests"),
        ({"host": {"max_guests": 3}}, {"host": {"max_guests": 2}}, "3 of guests"),
        (
            {"limits": {"max_guests": 3}},
            {"limits": {"max_guests": 3}, "host": {"max_guests": 2}},
            "3 of guests",
        ),
    ],
)
def test_a_host_is_filled_up_to_each_limit_and_no_further(
    at_limit: dict[str, Any], below: dict[str, Any], what: str
) -> None:
    assert answered(seat("h1", NEW), **at_limit) == ()
    assert [what in text for text in answered(seat("h1", NEW), **below)] == [True]


def test_what_is_expected_of_a_new_guest_counts_instead_of_what_it_is_given() -> None:
    small = vm(cpu=6, memory=10, used={"cpu": 4})
    assert answered(seat("h1", small)) == ()
    large = answered(seat("h1", vm(cpu=6, memory=10)))
    assert [text.partition(" can")[0] for text in large] == ["h1 comes to 11 of cpu, and 9 is its limit"]


@pytest.mark.parametrize(("memory", "legal"), [(20, True), (21, False)])
def test_a_migration_under_way_takes_its_room_where_it_goes(memory: int, legal: bool) -> None:
    coming = {"c": {"host": "h2", "cpu": 1, "memory": memory, "migrating_to": "h1"}}
    assert (answered(seat("h1", NEW), guests=coming) == ()) is legal
    assert answered(seat("h1", NEW), guests={"c": {**coming["c"], "migrating_to": None}}) == ()


def test_what_needs_nothing_comes_to_a_host_above_its_limit() -> None:
    full = {"own": {"cpu": 3, "memory": 75}}
    assert answered(seat("h1", vm(cpu=1, memory=1, used={"memory": 0})), host=full) == ()
    assert len(answered(seat("h1", vm(cpu=1, memory=1)), host=full)) == 1


STORES: Mapping[str, Any] = {
    "hosts": {
        "h1": {
            "datastores": {
                "san": {"shared": True, "free": 50 * GIB},
                "own": {"shared": False, "free": 20 * GIB},
            }
        },
        "h2": {
            "datastores": {
                "san": {"shared": True, "free": 40 * GIB},
                "own": {"shared": False, "free": 30 * GIB},
            }
        },
    },
    "guests": {},
}


@pytest.mark.parametrize(
    ("disks", "says"),
    [
        ([("h1", "san", 20), ("h2", "san", 20)], ""),
        ([("h1", "san", 20), ("h2", "san", 21)], "datastore san has"),
        ([("h1", "own", 20), ("h2", "own", 30)], ""),
        ([("h1", "own", 21)], "datastore own has"),
        ([("h1", "own", 11), ("h1", "own", 11)], "datastore own has"),
    ],
)
def test_disks_find_what_is_free_on_a_shared_datastore_or_on_the_hosts_own(
    disks: list[tuple[str, str, int]], says: str
) -> None:
    seated = [
        seat(host, vm(disks=[{"size": size}]), name, name=f"new:{number}")
        for number, (host, name, size) in enumerate(disks)
    ]
    found = answered(*seated, short=STORES)
    assert [says in text for text in found] == ([True] if says else [])


def test_a_store_that_does_not_say_what_is_free_or_is_closed() -> None:
    stores = {"san": {"shared": True}, "own": {"shared": False, "closed_because": "read-only"}}
    for name, says in (("san", ""), ("own", "takes no new disks")):
        found = answered(
            seat("h1", vm(disks=[{"size": 99999}]), name),
            host={"datastores": stores},
            short=STORES | {"hosts": {"h1": {}}},
        )
        assert [says in text for text in found] == ([True] if says else [])


@pytest.mark.parametrize(
    ("wanted", "legal"),
    [
        ([("gpu-a", 2), ("gpu-*", 1)], True),
        ([("gpu-a", 3)], False),
        ([("gpu-*", 3)], True),
        ([("gpu-*", 4)], False),
        ([("gpu-a", 2), ("gpu-b", 1), ("nic", 1)], True),
        ([("gpu-a", 2), ("gpu-*", 2)], False),
        ([("gpu-b", 2)], False),
        ([("nic", 2)], False),
    ],
)
def test_devices_are_promised_once(wanted: list[tuple[str, int]], legal: bool) -> None:
    free = {kind: {"total": 9, "free": many} for kind, many in (("gpu-a", 2), ("gpu-b", 1), ("nic", 1))}
    whole = [seat("h1", vm(devices=[{"kind": kind, "count": many} for kind, many in wanted]))]
    single = [
        seat("h1", vm(devices=[{"kind": kind, "count": many}]), name=f"new:{kind}") for kind, many in wanted
    ]
    for seated in (whole, single):
        assert (answered(*seated, host={"devices": free}) == ()) is legal


GROUP: Mapping[str, Any] = {
    "hosts": {"h1": {}, "h2": {}, "h3": {}, "h4": {"maintenance": True}},
    "guests": {"a": {"host": "h1"}, "b": {"host": "h1"}, "c": {"host": "h2"}, "x": {"host": "h4"}},
}


@pytest.mark.parametrize(
    ("kind", "guests", "host", "more", "legal"),
    [
        ("anti_affinity", "c", "h1", {}, True),
        ("anti_affinity", "c", "h2", {}, False),
        ("anti_affinity", "ab", "h2", {}, True),
        ("affinity", "ab", "h1", {}, True),
        ("affinity", "ab", "h2", {}, False),
        ("affinity", "abc", "h1", {}, True),
        ("affinity", "abc", "h2", {}, False),
        ("affinity", "ac", "h2", {}, True),
        ("affinity", "", "h3", {}, True),
        ("host_affinity", "", "h1", {"hosts": ("h1", "h2")}, True),
        ("host_affinity", "", "h3", {"hosts": ("h1", "h2")}, False),
        ("host_anti_affinity", "", "h3", {"hosts": ("h1", "h2")}, True),
        ("host_anti_affinity", "", "h2", {"hosts": ("h1", "h2")}, False),
        ("even_spread", "ac", "h2", {}, True),
        ("even_spread", "abc", "h2", {}, True),
        ("even_spread", "abc", "h1", {}, False),
        ("even_spread", "abc", "h1", {"max_skew": 2}, True),
        ("even_spread", "ax", "h1", {}, True),
    ],
)
def test_a_strict_rule_holds_with_the_new_guest(
    kind: Any, guests: str, host: str, more: dict[str, Any], legal: bool
) -> None:
    bound = replace(rule(kind, *guests, "new:n"), **more)
    assert (answered(seat(host, NEW), rules=[bound], short=GROUP) == ()) is legal
    assert answered(seat(host, NEW), rules=[replace(bound, strict=False)], short=GROUP) == ()
    others = replace(rule(kind, "a", "b"), hosts=("h3",))
    assert answered(seat(host, NEW), rules=[others], short=GROUP) == ()


def test_whom_it_must_not_meet_is_where_it_is_and_where_it_is_going() -> None:
    apart = {"new:n": frozenset({"c", "ghost"})}
    going = {"c": {"host": "h2", "migrating_to": "h3"}}
    for host, here, there in (("h1", 0, 0), ("h2", 1, 1), ("h3", 0, 1)):
        assert len(answered(seat(host, NEW), apart=apart, short=GROUP)) == here
        assert len(answered(seat(host, NEW), apart=apart, short=GROUP, guests=going)) == there


UNEQUAL: Mapping[str, Any] = {
    "hosts": {
        "h1": {"memory": 200, "cpu": 100},
        "h2": {"memory": 100, "cpu": 100},
        "h3": {"memory": 100, "cpu": 100, "own": {"memory": 10}},
        "h4": {"memory": 900, "dedicated": True},
        "h5": {"memory": 900, "maintenance": True},
    },
    "guests": {"a": {"host": "h1", "memory": 20}, "b": {"host": "h2", "memory": 50}},
}


@pytest.mark.parametrize(
    ("memory", "spare", "legal"),
    [
        # Free: 180 - 20 of the 200, 90 - 50, 90 - 10. The largest host carries 180, or the 180 and a 90.
        (100, 1, True),
        (101, 1, False),
        (10, 2, True),
        (11, 2, False),
        (1, 3, False),
    ],
)
def test_what_the_largest_hosts_could_carry_is_free_elsewhere(memory: int, spare: int, legal: bool) -> None:
    found = answered(seat("h1", vm(cpu=1, memory=memory)), spare=spare, short=UNEQUAL)
    assert [text.partition(" hosts fail")[0] for text in found if "memory" in text] == (
        [] if legal else [f"memory does not suffice when {spare} of 3"]
    )


@pytest.mark.parametrize(
    ("wanted", "host", "says"),
    [
        ({"pool": "gold"}, {"pool": "gold"}, ""),
        ({"pool": None}, {"pool": "gold"}, ""),
        ({"labels": {"zone": "a"}}, {"labels": {"zone": "a", "row": "1"}}, ""),
        ({"labels": {"zone": "a", "row": "2"}}, {"labels": {"zone": "a", "row": "1"}}, "lacks a label"),
        ({"networks": ["lan"]}, {"networks": ["lan", "dmz"]}, ""),
        ({"dedicated": True}, {"dedicated": True}, ""),
        ({"cpu_models": ["new"]}, {"cpu_model": "old"}, "another CPU model"),
        ({"cpu_models": ["new"]}, {"cpu_model": "new"}, ""),
        ({"cpu_models": ["new"]}, {"cpu_model": None}, ""),
    ],
)
def test_a_host_is_as_it_was_asked_for(wanted: dict[str, Any], host: dict[str, Any], says: str) -> None:
    found = answered(seat("h1", vm(cpu=1, memory=1, **wanted)), host=host)
    assert [says in text for text in found] == ([True] if says else [])


@pytest.mark.parametrize(
    ("disk", "says"),
    [
        ({"datastore": "ow?"}, ""),
        ({"datastore": "own"}, ""),
        ({"datastore": "san"}, "was not asked for"),
        ({"class": "ssd"}, ""),
        ({"class": "hdd"}, "another class"),
        ({"shared": False}, ""),
        ({"shared": True}, "one host only"),
    ],
)
def test_a_datastore_is_as_it_was_asked_for(disk: dict[str, Any], says: str) -> None:
    stores = {"own": {"shared": False, "free": 5 * GIB, "class": "ssd"}, "san": {"shared": True}}
    found = answered(
        seat("h1", vm(cpu=1, memory=1, disks=[{"size": 1, **disk}]), "own"), host={"datastores": stores}
    )
    assert [says in text for text in found] == ([True] if says else [])
