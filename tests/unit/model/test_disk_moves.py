# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a move of disks does to a snapshot."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.disk_moves import (
    MovedDisks,
    snapshot_after_disk_moves,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.moves import snapshot_after_moves
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Datastore,
    Disk,
    Guest,
    Host,
    HostDatastore,
    Snapshot,
)


def snapshot(disk: Disk, *places: Datastore) -> Snapshot:
    hosts = tuple(
        Host(
            id=name,
            name=name,
            status="online",
            maintenance=False,
            schedulable=True,
            capacity={"cpu": 8, "memory": 100},
            used={"cpu": 1, "memory": 10},
            datastores={
                place.name: HostDatastore(shared=place.shared, capacity=place.capacity, free=place.free)
                for place in places
                if name in place.hosts
            },
        )
        for name in ("h1", "h2")
    )
    guest = Guest(
        id="1",
        name="vm1",
        kind="vm",
        host="h1",
        power="running",
        assigned={"memory": 1},
        used={"memory": 1},
        disks=(disk, Disk(datastore="a", size=7, id="other", used=7)),
        migratable=True,
    )
    return Snapshot(
        platform="proxmox",
        cluster=ClusterRef(id="c", name="c"),
        taken_at="2026-11-20T22:00:00Z",
        window_seconds=0,
        hosts=hosts,
        guests=(guest,),
        rules=(),
        datastores=places,
    )


def shared(name: str, **more: object) -> Datastore:
    return Datastore(
        id=name,
        name=name,
        shared=True,
        hosts=("h1", "h2"),
        capacity=1000,
        free=500,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("disk", "thin", "freed", "taken"),
    [
        (Disk(datastore="a", id="d", size=100, used=40, thin=True), True, 40, 40),
        (Disk(datastore="a", id="d", size=100, used=40, thin=True), False, 40, 100),
        (Disk(datastore="a", id="d", size=100, used=40, thin=True), None, 40, 100),
        (Disk(datastore="a", id="d", size=100, used=40, thin=True, copied_whole=True), True, 40, 100),
        (Disk(datastore="a", id="d", size=100, used=40, thin=True, migrated_whole=True), True, 40, 40),
        (Disk(datastore="a", id="d", size=100, thin=False), True, 100, 100),
        # 500 are in use: 7 by the other disk, so this one takes all that it can.
        (Disk(datastore="a", id="d", size=100), True, 100, 100),
    ],
)
def test_space_goes_from_one_to_the_other(disk: Disk, thin: bool | None, freed: int, taken: int) -> None:
    before = snapshot(disk, shared("a", latency=9.0, disk_io=50.0), shared("b", thin=thin, latency=2.0))
    after = snapshot_after_disk_moves(before, [MovedDisks(guest="1", disks=("d",), target="b")])
    source, target = after.datastores
    assert (source.free, target.free) == (500 + freed, 500 - taken)
    assert (source.latency, target.latency) == (None, None)
    assert [disk.datastore for disk in after.guests[0].disks] == ["b", "a"]
    for host in after.hosts:
        assert (host.datastores["a"].free, host.datastores["b"].free) == (source.free, target.free)


def test_nothing_moves_without_moves() -> None:
    before = snapshot(Disk(datastore="a", id="d", size=100, used=40), shared("a"), shared("b"))
    assert snapshot_after_disk_moves(before, []) is before
    stays = snapshot_after_disk_moves(before, [MovedDisks(guest="1", disks=("d",), target="a")])
    assert stays == before


def test_a_migration_takes_the_disks_on_local_datastores_along() -> None:
    places = [
        Datastore(id=f"l@{host}", name="l", shared=False, hosts=(host,), capacity=1000, free=500)
        for host in ("h1", "h2")
    ]
    before = snapshot(Disk(datastore="l", id="d", size=100, used=40), *places, shared("a"))
    after = snapshot_after_moves(before, {"1": "h2"})
    assert [place.free for place in after.datastores] == [600, 400, 500]


@pytest.mark.parametrize(("whole", "taken"), [(False, 40), (True, 100)])
def test_a_disk_that_goes_along_takes_what_a_migration_writes(whole: bool, taken: int) -> None:
    places = [
        Datastore(id=f"l@{host}", name="l", shared=False, hosts=(host,), capacity=1000, free=500, thin=True)
        for host in ("h1", "h2")
    ]
    disk = Disk(datastore="l", id="d", size=100, used=40, thin=True, migrated_whole=whole)
    after = snapshot_after_moves(snapshot(disk, *places, shared("a")), {"1": "h2"}, {"1": {"l": "l"}})
    assert [place.free for place in after.datastores] == [540, 500 - taken, 500]
    assert after.guests[0].disks[0].used == taken
