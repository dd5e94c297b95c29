# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold whatever the pools and the queue are."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.allocate import (
    Allocation,
    allocate,
    choose,
    current_shortfall,
    server_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.backfill_queue import (
    RESERVATION_SECONDS,
    QueuedRequest,
    backfill,
    in_order,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.errors import CapacityError
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.explain import check_possible
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.free_capacity import (
    FreeCapacity,
    NetworkBook,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.pool import (
    SHARED_VLAN,
    Network,
    NetworkType,
    Pool,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.request import Request

NOW = 1_000_000.0
TYPES: list[NetworkType] = ["single-tenant", "disconnected", "multi-tenant", "nested-multi-tenant"]

networks = st.builds(
    Network,
    name=st.sampled_from([f"n{number}" for number in range(6)]),
    type=st.sampled_from(TYPES),
    vlan=st.none() | st.integers(1, 3),
)


@st.composite
def pool_lists(draw: st.DrawFn, most: int = 5) -> list[Pool]:
    return [
        Pool(
            name=f"p{number}",
            server=draw(st.sampled_from([None, "vc1", "vc2", "vc3"])),
            vcpus=draw(st.integers(0, 12)),
            memory=draw(st.integers(0, 12)),
            storage=draw(st.integers(0, 12)),
            cpu_overcommit=draw(st.sampled_from([0.5, 1.0, 1.5])),
            cordoned=draw(st.integers(0, 5)) == 0,
            exclude=draw(st.integers(0, 5)) == 0,
            networks=tuple(draw(st.lists(networks, max_size=4, unique_by=lambda network: network.name))),
        )
        for number in range(draw(st.integers(1, most)))
    ]


@st.composite
def requests(draw: st.DrawFn) -> Request:
    pools = draw(st.sampled_from([1, 1, 1, 2, 3]))
    return Request(
        vcpus=draw(st.integers(0, 8)),
        memory=draw(st.integers(0, 8)),
        storage=draw(st.integers(0, 8)),
        pools=pools,
        networks=draw(st.sampled_from([0, 0, 1, 2])),
        network_type=draw(st.sampled_from(TYPES)),
        min_servers=draw(st.integers(1, pools)),
        max_servers=draw(st.sampled_from([None, 3])),
        group=draw(st.sampled_from([None, None, "g"])),
        priority=draw(st.sampled_from([0, 0, 1])),
    )


@st.composite
def queues(draw: st.DrawFn, most: int = 8) -> list[QueuedRequest]:
    return [
        QueuedRequest(
            lease=f"l{number}",
            number=number,
            request=draw(requests()),
            requested_at=NOW - draw(st.sampled_from([0, 10, RESERVATION_SECONDS])),
        )
        for number in range(draw(st.integers(1, most)))
    ]


def fresh(pools: list[Pool]) -> tuple[list[FreeCapacity], NetworkBook]:
    return [FreeCapacity(pool) for pool in pools], NetworkBook()


@given(pools=pool_lists(), queue=queues())
@settings(max_examples=3 * settings().max_examples)
def test_never_more_than_there_is(pools: list[Pool], queue: list[QueuedRequest]) -> None:
    rooms, book = fresh(pools)
    served = backfill(queue, rooms, book, NOW)
    by_lease = {waiting.lease: waiting for waiting in queue}
    assert {waiting.lease for waiting in served.waiting} == by_lease.keys() - served.allotments.keys()
    taken: Counter[tuple[str, str]] = Counter()
    for lease, allotments in served.allotments.items():
        request = by_lease[lease].request
        assert_as_asked(request, allotments)
        for allotment in allotments:
            for resource in ("vcpus", "memory", "storage"):
                taken[allotment.pool.name, resource] += getattr(request, resource)
    for room in rooms:
        name, pool = room.pool.name, room.pool
        assert taken[name, "vcpus"] == pool.vcpu_limit - room.vcpus <= pool.vcpu_limit
        assert taken[name, "memory"] == pool.memory - room.memory <= pool.memory
        assert taken[name, "storage"] == pool.storage - room.storage <= pool.storage
    assert_networks(by_lease, served.allotments)


def assert_as_asked(request: Request, allotments: tuple[Allocation, ...]) -> None:
    pools = [allotment.pool for allotment in allotments]
    assert len({pool.name for pool in pools}) == len(pools) == request.pools
    assert not any(pool.cordoned or pool.exclude for pool in pools)
    servers = {server_of(pool) for pool in pools}
    assert request.min_servers <= len(servers) <= (request.max_servers or len(servers))
    for allotment in allotments:
        assert len(set(allotment.networks)) == len(allotment.networks) == request.networks
        assert set(allotment.networks) <= set(allotment.pool.networks)
        assert all(network.type in request.network_types for network in allotment.networks)


def assert_networks(by_lease: dict[str, QueuedRequest], allotted: object) -> None:
    """A port group has one user, and so has a VLAN where one of its users wants it alone."""
    users: dict[tuple[str, str], set[str]] = {}
    vlans: dict[tuple[str, int], set[tuple[str, bool]]] = {}
    assert isinstance(allotted, dict)
    for lease, allotments in allotted.items():
        who = by_lease[lease].shared_by
        for allotment in allotments:
            for network in allotment.networks:
                users.setdefault((allotment.pool.place, network.port), set()).add(who)
                if network.vlan is not None:
                    kind = network.type in SHARED_VLAN
                    vlans.setdefault((allotment.pool.place, network.vlan), set()).add((who, kind))
    assert all(len(who) == 1 for who in users.values()), users
    for found in vlans.values():
        assert len({who for who, _shared in found}) == 1 or all(shared for _who, shared in found), vlans


@given(pools=pool_lists(), queue=queues())
@settings(max_examples=3 * settings().max_examples)
def test_nobody_waits_for_what_nobody_before_them_wants(
    pools: list[Pool], queue: list[QueuedRequest]
) -> None:
    rooms, book = fresh(pools)
    served = backfill(queue, rooms, book, NOW)
    if served.waiting:
        first = served.waiting[0]
        assert allocate(first.request, first.shared_by, rooms, book) is None
    again = backfill(served.waiting, rooms, book, NOW)
    assert again.allotments == {}


@given(pools=pool_lists(), queue=queues())
@settings(max_examples=3 * settings().max_examples)
def test_whoever_comes_later_never_takes_from_who_waits(
    pools: list[Pool], queue: list[QueuedRequest]
) -> None:
    """The first that waits is as near to being served as if nobody had come after it."""
    rooms, book = fresh(pools)
    served = backfill(queue, rooms, book, NOW)
    assume(served.waiting)
    first = served.waiting[0]
    before = list(itertools.takewhile(lambda one: one.lease != first.lease, in_order(queue, NOW)))
    alone, alone_book = fresh(pools)
    backfill(before, alone, alone_book, NOW)
    assert distance(first, rooms, book) <= distance(first, alone, alone_book) + 1e-9


def distance(waiting: QueuedRequest, rooms: list[FreeCapacity], book: NetworkBook) -> float:
    """How much is missing in the pools that are nearest to having room."""
    request = waiting.request
    missing = []
    for room in rooms:
        try:
            check_possible(replace(request, pools=1, min_servers=1, max_servers=None), [room.pool])
        except CapacityError:
            continue
        if room.pool.cordoned:
            continue
        networks = len(book.choose(room.pool, request, waiting.shared_by))
        missing.append(room.shortage(request) + (1 - networks / request.networks if request.networks else 0))
    return sum(sorted(missing)[: request.pools])


def test_a_large_request_is_served_however_many_small_ones_keep_coming() -> None:
    """Small leases fill two pools of 10 and stay for different times; one pool is never empty."""
    pools = [Pool(name=name, vcpus=10, memory=0, storage=0) for name in ("a", "b")]
    stays = QueuedRequest(
        lease="stays", number=0, request=Request(vcpus=1, required_pools=("a",)), requested_at=NOW
    )
    leases: list[tuple[int, QueuedRequest, tuple[Allocation, ...]]] = [
        (10**9, stays, (Allocation(pools[0], ()),))
    ]
    large = QueuedRequest(lease="large", number=40, request=Request(vcpus=10), requested_at=NOW + 300)
    waiting: list[QueuedRequest] = []
    for turn in range(100):
        now = NOW + 30 * turn
        leases = [lease for lease in leases if lease[0] > turn]
        rooms, book = rebuilt(pools, leases)
        waiting += [
            QueuedRequest(
                lease=f"s{turn}.{number}", number=4 * turn, request=Request(vcpus=2), requested_at=now
            )
            for number in range(4)
        ]
        if turn == 10:
            waiting.append(large)
        served = backfill(waiting, rooms, book, now)
        if "large" in served.allotments:
            assert served.allotments["large"][0].pool.name == "b"
            return
        by_lease = {one.lease: one for one in waiting}
        for number, (lease, allotments) in enumerate(served.allotments.items()):
            leases.append((turn + 2 + number % 3, by_lease[lease], allotments))
        waiting = list(served.waiting)
    raise AssertionError("it was never served")


@given(data=st.data())
@settings(max_examples=3 * settings().max_examples)
def test_networks_of_few_vlans(data: st.DataObject) -> None:
    """As the first, where networks are all that matters."""
    few = st.builds(
        Network,
        name=st.sampled_from("abcdef"),
        type=st.sampled_from(TYPES),
        vlan=st.sampled_from([None, 1, 1, 2]),
    )
    lists = st.lists(few, max_size=5, unique_by=lambda network: network.name)
    pools = [
        Pool(name=name, server="vc", vcpus=99, memory=0, storage=0, networks=tuple(data.draw(lists)))
        for name in ("p", "q")
    ]
    queue = [
        QueuedRequest(
            lease=f"l{number}",
            number=number,
            request=Request(
                vcpus=1,
                networks=data.draw(st.integers(1, 2)),
                network_type=data.draw(st.sampled_from(TYPES)),
                group=data.draw(st.sampled_from([None, None, "g"])),
            ),
            requested_at=NOW,
        )
        for number in range(8)
    ]
    rooms, book = fresh(pools)
    served = backfill(queue, rooms, book, NOW)
    assert_networks({waiting.lease: waiting for waiting in queue}, served.allotments)


def rebuilt(
    pools: list[Pool], leases: list[tuple[int, QueuedRequest, tuple[Allocation, ...]]]
) -> tuple[list[FreeCapacity], NetworkBook]:
    rooms, book = fresh(pools)
    by_name = {room.pool.name: room for room in rooms}
    for _end, waiting, allotments in leases:
        for allotment in allotments:
            by_name[allotment.pool.name].subtract(waiting.request)
            book.take(allotment.pool, allotment.networks, waiting.shared_by)
    return rooms, book


@given(pools=pool_lists(), queue=queues(), asked=requests())
@settings(max_examples=3 * settings().max_examples)
def test_the_least_utilised_pool_that_has_room(
    pools: list[Pool], queue: list[QueuedRequest], asked: Request
) -> None:
    asked = replace(asked, pools=1, min_servers=1, max_servers=None)
    rooms, book = fresh(pools)
    backfill(queue, rooms, book, NOW)
    allotments = allocate(asked, "lease x", rooms, book)
    fitting = [room for room in rooms if current_shortfall(asked, "lease x", room, book) is None]
    if allotments is None:
        assert fitting == []
        return
    scores = {
        room.pool.name: (room.vcpus / room.pool.vcpus if room.pool.vcpus else 0)
        + (room.memory / room.pool.memory if room.pool.memory else 0)
        for room in fitting
    }
    assert scores[allotments[0].pool.name] == max(scores.values())


@given(
    servers=st.lists(st.sampled_from("abcd"), max_size=7),
    wanted=st.integers(1, 4),
    least=st.integers(1, 4),
    most=st.none() | st.integers(1, 4),
)
@settings(max_examples=3 * settings().max_examples)
def test_pools_on_servers_are_found_wherever_there_are_any(
    servers: list[str], wanted: int, least: int, most: int | None
) -> None:
    assume(least <= wanted and (most is None or least <= most))
    pools = [
        Pool(name=f"p{number}", server=server, vcpus=1, memory=1, storage=1)
        for number, server in enumerate(servers)
    ]
    request = Request(vcpus=1, pools=wanted, min_servers=least, max_servers=most)
    found = choose(pools, request)
    ways = [
        way
        for way in itertools.combinations(pools, wanted)
        if least <= len({pool.server for pool in way}) <= (most or wanted)
    ]
    assert (found is not None) == bool(ways)
    if found is not None:
        assert tuple(found) in ways
        if least == 1 and most is None:
            assert found == pools[:wanted]
