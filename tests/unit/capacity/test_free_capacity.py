# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of a pool, which pools come first, and who may have which network: without any database."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.allocate import (
    admission_error,
    allocate,
    choose,
    current_shortfall,
    server_of,
    static_shortfall,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.free_capacity import (
    FreeCapacity,
    NetworkBook,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.pool import Network, Pool
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.request import Request
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError

from ...system.capacity.shared import GIB, pool, request

# 10 vCPUs, 100 GiB of memory and 1000 of storage.
POOL = pool("p")


@pytest.mark.parametrize(
    ("wanted", "short"),
    [
        ({"vcpus": 6, "memory": 60, "storage": 600}, ()),
        ({"vcpus": 7, "memory": 60, "storage": 600}, ("vcpus",)),
        ({"vcpus": 6, "memory": 61, "storage": 600}, ("memory",)),
        ({"vcpus": 6, "memory": 60, "storage": 601}, ("storage",)),
        ({"vcpus": 7, "memory": 61, "storage": 601}, ("vcpus", "memory", "storage")),
    ],
)
def test_what_is_short_is_what_is_wanted_beyond_what_is_left(
    wanted: dict[str, int], short: tuple[str, ...]
) -> None:
    room = FreeCapacity(POOL, 4, 40 * GIB, 400 * GIB)
    assert room.shortages(request(**wanted)) == short
    taken = FreeCapacity(POOL)
    taken.subtract(request(vcpus=4, memory=40, storage=400))
    assert (taken.vcpus, taken.memory, taken.storage) == (room.vcpus, room.memory, room.storage)
    assert taken.shortages(request(**wanted)) == short


def test_what_is_not_wanted_is_never_short_however_full_it_is() -> None:
    over = FreeCapacity(POOL, 12, 0, 0)
    assert over.vcpus == -2
    assert over.shortages(request(memory=100)) == ()
    assert over.shortages(request(vcpus=1)) == ("vcpus",)


@pytest.mark.parametrize(
    ("leased", "wanted", "missing"),
    [
        ((4, 0, 0), {"vcpus": 6, "memory": 100}, 0),
        ((4, 0, 0), {"vcpus": 8}, 0.25),
        ((4, 60, 0), {"vcpus": 8, "memory": 80}, 0.75),
        ((12, 0, 0), {"vcpus": 4}, 1.5),
        ((0, 0, 900), {"storage": 200}, 0.5),
        ((12, 0, 0), {"memory": 1}, 0),
        ((10, 0, 0), {"vcpus": 1}, 1),
    ],
)
def test_a_shortage_is_in_parts_of_what_is_wanted(
    leased: tuple[int, int, int], wanted: dict[str, int], missing: float
) -> None:
    vcpus, memory, storage = leased
    room = FreeCapacity(POOL, vcpus, memory * GIB, storage * GIB)
    assert room.shortage(request(**wanted)) == missing


def test_the_score_is_the_free_part_of_vcpus_and_memory() -> None:
    assert FreeCapacity(POOL).score == 2
    assert FreeCapacity(POOL, 5, 25 * GIB).score == 1.25
    assert FreeCapacity(POOL, 5, 25 * GIB, 999 * GIB).score == 1.25
    assert FreeCapacity(pool("p", {"vcpus": 0}), 0, 25 * GIB).score == 0.75
    assert FreeCapacity(pool("p", {"memory": 0}), 5).score == 0.5


@pytest.mark.parametrize(
    ("values", "asked", "why"),
    [
        ({}, {}, None),
        ({"exclude": True}, {}, "excluded"),
        ({"exclude": True}, {"required_pools": ["p"]}, None),
        ({}, {"required_pools": ["q"]}, "not asked for"),
        ({"labels": {"a": "1"}}, {"pool_selector": {"a": "1"}}, None),
        ({"labels": {"a": "1"}}, {"pool_selector": {"a": "2"}}, "labels"),
        ({"labels": {"a": "1"}}, {"pool_selector": {"a": "1", "b": "1"}}, "labels"),
        ({"labels": {"a": "1"}}, {"required_pools": ["p"], "pool_selector": {"a": "2"}}, "labels"),
        ({"taints": ["gpu"]}, {}, "taints"),
        ({"taints": ["gpu"]}, {"tolerations": ["gpu"]}, None),
        ({"taints": ["gpu=a100"]}, {"tolerations": ["gpu"]}, None),
        ({"taints": ["gpu"]}, {"tolerations": ["gpu=a100"]}, "taints"),
        ({"taints": ["gpu=a100"]}, {"tolerations": ["gpu=h100"]}, "taints"),
        ({"taints": ["gpu", "old"]}, {"tolerations": ["gpu"]}, "taints"),
        ({"taints": ["gpu", "old"]}, {"tolerations": ["*"]}, None),
    ],
)
def test_who_is_kept_out_of_a_pool_whatever_is_free(
    values: dict[str, Any], asked: dict[str, Any], why: str | None
) -> None:
    assert admission_error(request(vcpus=1, **asked), pool("p", values)) == why


def test_what_a_pool_never_has() -> None:
    two = pool("p", {"networks": {"n1": None, "n2": None}})
    assert static_shortfall(request(vcpus=10, networks=2), two) is None
    assert static_shortfall(request(vcpus=11, networks=2), two) == "vcpus"
    assert static_shortfall(request(vcpus=1, networks=3), two) == "networks"
    assert static_shortfall(request(vcpus=1, networks=1, network_type="disconnected"), two) == "networks"


def test_the_first_thing_in_the_way_is_named() -> None:
    book = NetworkBook()
    tainted = pool("p", {"taints": ["gpu"], "cordoned": True})
    wanted = request(vcpus=6, networks=1)
    assert current_shortfall(wanted, "me", FreeCapacity(tainted, 5), book) == "taints"
    assert current_shortfall(wanted, "me", FreeCapacity(pool("p", {"cordoned": True}), 5), book) == "cordoned"
    assert current_shortfall(wanted, "me", FreeCapacity(POOL, 5), book) == "vcpus"
    assert current_shortfall(wanted, "me", FreeCapacity(POOL, 4), book) == "networks"
    assert current_shortfall(request(vcpus=6), "me", FreeCapacity(POOL, 4), book) is None


def named(*names: str) -> list[Pool]:
    """Pools of which the first letter is the server; `-` for none."""
    return [pool(name, {} if name[0] == "-" else {"server": name[0].upper()}) for name in names]


@pytest.mark.parametrize(
    ("pools", "wanted", "chosen"),
    [
        ("a1 a2 b1", {"pools": 2}, "a1 a2"),
        ("a1 a2 b1", {"pools": 2, "min_servers": 2}, "a1 b1"),
        ("a1 a2 b1", {"pools": 3, "min_servers": 2}, "a1 a2 b1"),
        ("a1 a2 b1", {"pools": 4}, None),
        ("a1 a2 a3", {"pools": 2, "min_servers": 2}, None),
        ("a1 b1 a2", {"pools": 2, "max_servers": 1}, "a1 a2"),
        # The best is on a server that has too few.
        ("a1 b1 b2", {"pools": 2, "max_servers": 1}, "b1 b2"),
        ("a1 b1 c1 b2 c2 c3", {"pools": 3, "max_servers": 1}, "c1 c2 c3"),
        ("a1 b1 c1 b2 c2 c3", {"pools": 4, "max_servers": 2}, "b1 c1 b2 c2"),
        ("a1 b1 c1", {"pools": 2, "max_servers": 1}, None),
        ("a1 b1 c1", {"pools": 3, "max_servers": 3}, "a1 b1 c1"),
        ("a1 b1 c1 a2 b2", {"pools": 3, "min_servers": 2, "max_servers": 2}, "a1 b1 a2"),
        # A pool without a server is one of its own.
        ("-1 -2", {"pools": 2, "min_servers": 2}, "-1 -2"),
        ("-1 -2 a1 a2", {"pools": 2, "max_servers": 1}, "a1 a2"),
    ],
)
def test_the_best_pools_on_as_many_servers_as_are_allowed(
    pools: str, wanted: dict[str, int], chosen: str | None
) -> None:
    found = choose(named(*pools.split()), request(vcpus=1, **wanted))
    assert (None if found is None else " ".join(one.name for one in found)) == chosen


def test_a_server_is_the_same_however_it_is_spelt() -> None:
    assert server_of(pool("p", {"server": "Srv1"})) == server_of(pool("q", {"server": "srv1"}))
    assert server_of(pool("srv1")) != server_of(pool("q", {"server": "srv1"}))


def test_the_least_utilised_pools_come_first_and_of_equals_by_name() -> None:
    rooms = [
        FreeCapacity(pool("c"), 5),
        FreeCapacity(pool("b"), 2),
        FreeCapacity(pool("a"), 5),
        FreeCapacity(pool("d"), 9),
    ]
    got = allocate(request(vcpus=2, pools=3), "me", rooms, NetworkBook())
    assert got is not None
    assert [one.pool.name for one in got] == ["b", "a", "c"]
    assert allocate(request(vcpus=2, pools=4), "me", rooms, NetworkBook()) is None
    assert allocate(request(vcpus=0, pools=0), "me", rooms, NetworkBook()) == ()


def networks(**types: str) -> dict[str, Any]:
    return {name: {"type": kind.replace("_", "-")} for name, kind in types.items()}


def ask(**values: Any) -> Request:
    return request(vcpus=1, networks=values.pop("networks", 1), **values)


def test_networks_of_the_asked_type_come_before_those_that_stand_in_and_shared_ones_first() -> None:
    book = NetworkBook()
    one = pool("p", {"networks": networks(s1="single_tenant", m1="multi_tenant", m2="multi_tenant")})
    asked = ask(networks=9, network_type="multi-tenant")
    assert [each.name for each in book.choose(one, asked, "me")] == ["m1", "m2", "s1"]
    assert [each.name for each in book.choose(one, ask(network_type="multi-tenant"), "me")] == ["m1"]
    assert [each.name for each in book.choose(one, ask(networks=9), "me")] == ["s1"]
    m1, m2 = (each for each in one.networks if each.name.startswith("m"))
    book.take(one, [m2], "me")
    assert (book.user(one, m2), book.user(one, m1)) == ("me", None)
    assert [each.name for each in book.choose(one, asked, "me")] == ["m2", "m1", "s1"]
    assert [each.name for each in book.choose(one, asked, "you")] == ["m1", "s1"]


@pytest.mark.parametrize(
    ("mine", "yours", "free"),
    [
        ("single-tenant", "single-tenant", False),
        ("single-tenant", "multi-tenant", False),
        ("multi-tenant", "single-tenant", False),
        ("multi-tenant", "multi-tenant", True),
        ("multi-tenant", "nested-multi-tenant", True),
    ],
)
def test_a_vlan_is_shared_only_by_types_that_share(mine: str, yours: str, free: bool) -> None:
    first = Network(name="n1", type=mine, vlan=7)  # type: ignore[arg-type]
    other = Network(name="n2", type=yours, vlan=7)  # type: ignore[arg-type]
    book = NetworkBook()
    book.take(POOL, [first], "me")
    assert book.is_free(POOL, other, "you") is free
    assert book.is_free(POOL, other, "me")
    assert not book.is_free(POOL, first, "you")
    assert book.is_free(POOL, Network(name="n3", type="single-tenant", vlan=8), "you")
    assert book.is_free(POOL, Network(name="n3", type="single-tenant", vlan=None), "you")
    # A copy knows the same, and what is taken there is taken there only.
    copy = book.copy()
    assert copy.is_free(POOL, other, "you") is free
    copy.take(POOL, [Network(name="n9", type="single-tenant", vlan=9)], "me")
    assert book.is_free(POOL, Network(name="n9", type="single-tenant", vlan=9), "you")
    assert len(copy.uses()) == len(book.uses()) + 1


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ({"vcpus": 1, "required_pools": ["p", "p"]}, "required_pools: "),
        ({"vcpus": 1, "required_pools": ["p"], "pools": 2}, "pools (2) must not exceed "),
        ({"vcpus": 1, "min_servers": 2}, "min_servers (2) must not exceed pools (1)"),
        (
            {"vcpus": 1, "pools": 3, "min_servers": 3, "max_servers": 2},
            "min_servers (3) must not exceed max_servers (2)",
        ),
        ({"pools": 0, "vcpus": 1}, "vcpus and pools: 0 are mutually exclusive"),
        ({"pools": 0, "required_pools": ["p"]}, "required_pools and pools: 0 are mutually exclusive"),
        ({}, "vcpus is required when memory, storage and networks are left out"),
        ({"vcpus": -1}, "vcpus: "),
        ({"vcpus": 1, "pools": 101}, "pools: "),
        ({"vcpus": 1, "priority": 101}, "priority: "),
        ({"vcpus": 1, "priority": -101}, "priority: "),
        ({"vcpus": 1, "lifetime": 0.9}, "lifetime: "),
        ({"vcpus": 1, "lifetime": 3660 * 86_400 + 1}, "lifetime: "),
    ],
)
def test_what_nobody_can_ask_for(values: dict[str, Any], start: str) -> None:
    with pytest.raises(InputError) as refused:
        request(**values)
    assert str(refused.value).startswith(start)


@pytest.mark.parametrize(
    "values",
    [
        {"vcpus": 1, "required_pools": ["p", "q"], "pools": 2},
        {"vcpus": 1, "pools": 2, "min_servers": 2, "max_servers": 2},
        {"pools": 0},
        {"memory": 1},
        {"storage": 1},
        {"networks": 1},
        {"vcpus": 1, "pools": 100, "priority": 100},
        {"vcpus": 1, "lifetime": 1, "priority": -100},
        {"vcpus": 1, "lifetime": 3660 * 86_400},
    ],
)
def test_what_can_be_asked_for(values: dict[str, Any]) -> None:
    asked = request(**values)
    assert Request.from_json(asked.to_json()) == asked
    assert asked.differences(asked) == ()
