# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room that leases hold on hosts, so that whoever places next sees it."""

from __future__ import annotations

import os
import random
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.errors import HoldsChanged
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.lease import Lease
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.leases import Requester
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.reservations import placement_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.store.transaction import (
    read_transaction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._capacity.wait_for_lease import (
    WaitOptions,
    wait_for_lease,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.reservation import (
    Reservation,
    cluster_name,
    cluster_names,
    with_reservations,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Disk, HostDatastore
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import (
    Database,
    Retry,
    open_database,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.owner import this_process
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.system.capacity.shared import (
    GIB,
    describe,
    get,
    give_back,
    pass_time,
    pool,
    request,
)


def reserve(guest: str, host: str = "h1", cpu: float = 2, memory: int = 4, storage: int = 10) -> Reservation:
    disks = (Disk(datastore="san", size=storage * GIB),)
    return Reservation(guest=guest, host=host, cpu=cpu, memory=memory * GIB, disks=disks)


def hold(
    database: Database, name: str, *reservations: Reservation, seen: int | None = None, pools: int = 0
) -> Lease:
    placement = placement_of(
        [("proxmox:prod", one) for one in reservations], None if seen is None else {"proxmox:prod": seen}
    )
    asked = request(pools=0) if pools == 0 else request(pools=pools, vcpus=4, memory=8, storage=20)
    return wait_for_lease(
        database, name, asked, Requester(waiter=this_process()), WaitOptions(), placement=placement
    ).after


@dataclass(frozen=True)
class HeldRoom:
    """What all leases hold in a cluster, and how often holds were added to it so far."""

    reservations: tuple[Reservation, ...]
    count: int


def held(database: Database, cluster: str = "proxmox:prod") -> HeldRoom:
    return read_transaction(
        database,
        lambda books: HeldRoom(
            tuple(books.reservations.of_cluster(cluster)), books.reservations.counts().get(cluster, 0)
        ),
    )


def test_what_a_lease_holds_is_seen_until_it_ends(database: Database) -> None:
    assert held(database) == HeldRoom(reservations=(), count=0)
    hold(database, "one", reserve("web1"), reserve("web2", "h2"))
    hold(database, "two", reserve("db"))
    seen = held(database)
    assert [(one.guest, one.host) for one in seen.reservations] == [
        ("db", "h1"), ("web1", "h1"), ("web2", "h2"),
    ]  # fmt: skip
    assert seen.count == 2
    assert held(database, "proxmox:other").reservations == ()
    give_back(database, "one")
    assert [one.guest for one in held(database).reservations] == ["db"]
    # It is over before anybody has ended it.
    pass_time(database, 86_401)
    assert held(database) == HeldRoom(reservations=(), count=2)


def test_held_again_it_is_the_same(database: Database) -> None:
    before = hold(database, "one", reserve("web2"), reserve("web1"))
    assert hold(database, "one", reserve("web1"), reserve("web2"), seen=0) == before
    assert held(database).count == 1


def test_what_was_held_before_clusters_had_instances_still_is(database: Database) -> None:
    def hold_in(cluster: str, name: str) -> Lease:
        placement = placement_of([(cluster, reserve("web1"))])
        asker = Requester(waiter=this_process())
        return wait_for_lease(
            database, name, request(pools=0), asker, WaitOptions(), placement=placement
        ).after

    hold_in("vsphere:domain-c8", "one")
    with pytest.raises(HoldsChanged, match="Another lease has a reservation for a guest web1"):
        hold_in("vsphere:0f-1a:domain-c8", "two")
    again = hold_in("vsphere:0f-1a:domain-c8", "one")
    assert [one.cluster for one in again.reservations] == ["vsphere:0f-1a:domain-c8"]
    assert held(database, "vsphere:domain-c8").reservations == ()


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("vsphere:0f-1a:domain-c8", ("vsphere:0f-1a:domain-c8", "vsphere:domain-c8")),
        ("proxmox:ab:cd:prod", ("proxmox:ab:cd:prod", "proxmox:prod")),
        ("proxmox:prod", ("proxmox:prod",)),
        ("prod", ("prod",)),
    ],
)
def test_a_cluster_has_an_older_name(name: str, names: tuple[str, ...]) -> None:
    assert cluster_names(name) == names


def test_other_placements_take_the_place_of_the_first(database: Database) -> None:
    hold(database, "one", reserve("web1"))
    hold(database, "one", reserve("web2"))
    assert [one.guest for one in held(database).reservations] == ["web2"]


def test_a_lease_of_a_pool_holds_what_it_has_and_no_more(database: Database) -> None:
    describe(database, pool("a"), pool("b"))
    hold(database, "one", reserve("web1"), reserve("web2"), pools=1)
    with pytest.raises(InputError, match="placements: 6 is not within what is leased: 4 vcpus"):
        hold(database, "one", *(reserve(f"web{number}") for number in range(3)), pools=1)
    with pytest.raises(InputError, match="within what is leased: 42949672960 storage"):
        hold(database, "two", reserve("db", storage=50), pools=2)
    assert len(held(database).reservations) == 2
    # Asked for again without placements it keeps them.
    assert get(database, "one", vcpus=4, memory=8, storage=20).reservations[0].cluster == "proxmox:prod"


def test_whoever_did_not_see_the_newest_is_told_and_gets_nothing(database: Database) -> None:
    hold(database, "one", reserve("web1"), seen=0)
    with pytest.raises(
        HoldsChanged, match="Other reservations were added since the placement was made: 1 in all, 0 were"
    ):
        hold(database, "two", reserve("db"), seen=0)
    assert [one.guest for one in held(database).reservations] == ["web1"]
    # The name is free: nothing was left half done.
    hold(database, "two", reserve("db"), seen=1)


def test_a_cluster_that_was_not_seen_had_none(database: Database) -> None:
    asker = Requester(waiter=this_process())
    hold(database, "one", reserve("web1"))
    unseen = placement_of([("proxmox:prod", reserve("db"))], {})
    with pytest.raises(HoldsChanged):
        wait_for_lease(database, "two", request(pools=0), asker, WaitOptions(), placement=unseen)
    new = placement_of([("proxmox:new", reserve("db"))], {})
    assert (
        wait_for_lease(
            database, "two", request(pools=0), asker, WaitOptions(), placement=new
        ).after.reservations
        == new.reservations
    )


def test_a_guest_has_one_place(database: Database) -> None:
    hold(database, "one", reserve("web1"))
    with pytest.raises(HoldsChanged, match="Another lease has a reservation for a guest web1"):
        hold(database, "two", reserve("web1", "h2"))
    with pytest.raises(InputError, match="placements: 'web1' is not named once in cluster proxmox:prod"):
        placement_of([("proxmox:prod", reserve("web1")), ("proxmox:prod", reserve("web1", "h2"))])


def test_a_hundred_that_place_at_once_never_overfill_a_host(url: str, tmp_path: Path) -> None:
    """Each takes the emptiest host of six that has room for it, as it has seen them, and tries again when
    somebody was faster. Together they want more than there is.
    """
    hosts, room, processes = [f"h{number}" for number in range(6)], 8, 24

    def place(number: int) -> None:
        rng = random.Random(number)
        with open_database(url, Retry(attempts=100)) as database:
            while True:
                seen = held(database)
                used = dict.fromkeys(hosts, 0.0)
                for one in seen.reservations:
                    used[one.host] += one.cpu
                cpu = rng.choice([1, 2, 3])
                host = min(hosts, key=lambda name: used[name])
                if used[host] + cpu > room:
                    return
                try:
                    hold(database, f"l{number}", reserve(f"g{number}", host, cpu=cpu), seen=seen.count)
                except HoldsChanged:
                    continue
                return

    open_database(url).close()
    for number in range(processes):
        if os.fork() == 0:
            code = 1
            try:
                place(number)
                code = 0
            finally:
                sys.stdout.flush()
                os._exit(code)
    assert {os.wait()[1] for _ in range(processes)} == {0}
    with open_database(url) as database:
        reservations = held(database).reservations
    used = {host: sum(one.cpu for one in reservations if one.host == host) for host in hosts}
    assert max(used.values()) <= room
    # Nobody gave up although there was room for the largest.
    assert len(reservations) == processes or min(used.values()) > room - 3


def test_a_snapshot_with_what_is_promised() -> None:
    snapshot = generate(Shape(hosts=3, guests=6))
    san = {"san": HostDatastore(shared=True, capacity=100 * GIB, free=50 * GIB)}
    snapshot = replace(snapshot, hosts=tuple(replace(host, datastores=san) for host in snapshot.hosts))
    host = snapshot.hosts[0]
    one = reserve("new", host.id, cpu=2, memory=4)
    there = reserve(snapshot.guests[0].name, host.id)
    gone = reserve("lost", "nowhere")
    told = with_reservations(snapshot, [one, there, gone])
    assert [guest.name for guest in told.guests[len(snapshot.guests) :]] == ["new"]
    coming = told.guests[-1]
    assert (coming.host, coming.used, coming.migratable) == (host.id, {"cpu": 2, "memory": 4 * GIB}, False)
    for resource, amount in (("cpu", 2), ("memory", 4 * GIB)):
        before, after = host.used[resource], told.hosts[0].used[resource]
        assert before is not None
        assert after == before + amount
    # A shared datastore has less room wherever it is seen.
    assert {each.datastores["san"].free for each in told.hosts} == {40 * GIB}
    assert with_reservations(snapshot, [there, gone]).guests == snapshot.guests


def test_a_host_s_own_datastore_has_less_room_only_there() -> None:
    snapshot = generate(Shape(hosts=2, guests=2))
    local = {"local": HostDatastore(shared=False, capacity=100 * GIB, free=15 * GIB)}
    snapshot = replace(snapshot, hosts=tuple(replace(host, datastores=local) for host in snapshot.hosts))
    first = snapshot.hosts[0].id
    disks = (Disk(datastore="local", size=10 * GIB),)
    told = with_reservations(
        snapshot, [replace(reserve(name, first), disks=disks) for name in ("new", "newer")]
    )
    assert [host.datastores["local"].free for host in told.hosts] == [0, 15 * GIB]


def test_the_name_of_a_cluster() -> None:
    snapshot = generate(Shape(hosts=2, guests=2))
    cluster = replace(snapshot.cluster, id="domain-c8", instance="0f3c")
    assert cluster_name(replace(snapshot, platform="vsphere", cluster=cluster)) == "vsphere:0f3c:domain-c8"
    assert cluster_name(replace(snapshot, platform="proxmox", cluster=replace(cluster, instance=None))) == (
        "proxmox:domain-c8"
    )
