# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the reading of a simulated Proxmox VE to a plan, its run, and a second plan without moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils import evenkeel
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Disk,
    HostDatastore,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.proxmox_clusters import GIB
from ansible_collections.evenkeel.cluster.tests.simulators import launch

STORES = {
    "ceph": HostDatastore(shared=True, capacity=200 * GIB, free=10 * GIB),
    "nfs": HostDatastore(shared=True, capacity=400 * GIB, free=350 * GIB),
    "local-lvm": HostDatastore(shared=False, capacity=100 * GIB, free=80 * GIB),
}


def full_ceph() -> Snapshot:
    """A full pool, and on it machines that run or not, one with snapshots, and a container that runs."""
    hosts = tuple(clusters.host(name, datastores=STORES) for name in ("pve1", "pve2"))
    disk = Disk(datastore="ceph", size=40 * GIB, used=20 * GIB)
    guests = (
        *(
            clusters.guest(100 + number, f"pve{number % 2 + 1}", disks=(disk, replace(disk, used=5 * GIB)))
            for number in range(4)
        ),
        clusters.idle(110, "pve1", disks=(disk,)),
        clusters.guest(111, "pve2", disks=(disk,), blockers=("snapshot",)),
        clusters.container(112, "pve1", disks=(disk,)),
    )
    return clusters.cluster(hosts, guests)


@pytest.fixture(name="home", autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)


def connection(served: launch.Simulator) -> evenkeel.Connection:
    return evenkeel.Connection(
        platform="proxmox",
        api_host=[f"{served.host}:{served.port}"],
        api_user=served.user,
        api_password=served.password,
        ca_path=served.ca_path,
    )


def storage_of(plan: evenkeel.Plan) -> Any:
    assert plan.storage is not None
    return plan.storage


def places(served: launch.Simulator) -> Mapping[str, set[str]]:
    """The storages of each guest's disks."""
    found: Mapping[str, Mapping[str, str]] = served.state()["disks"]
    return {guest: {volume.partition(":")[0] for volume in disks.values()} for guest, disks in found.items()}


def test_a_full_storage_is_relieved_and_nothing_is_left_to_do(simulator: Simulate) -> None:
    served = simulator("proxmox", full_ceph())
    to = connection(served)
    policy = {"goal": "storage", "storage": {"utilisation": 80}}
    before = evenkeel.read(to, storage=True)
    plan = evenkeel.plan(before, policy)
    assert storage_of(plan).status == "balanced"
    rehearsed = evenkeel.apply(to, plan, dry_run=True)
    assert {move.result for move in rehearsed.disk_moves} == {"planned"}
    assert served.state()["disk_moves"] == []
    outcome = evenkeel.apply(to, plan)
    assert (outcome.status, {move.result for move in outcome.disk_moves}) == ("done", {"migrated"})
    after = evenkeel.read(to, storage=True)
    [ceph] = [place for place in after.datastores if place.id == "ceph"]
    assert ceph.free is not None
    assert ceph.free >= 40 * GIB
    assert storage_of(evenkeel.plan(after, policy)).moves == ()
    assert {move.result for move in evenkeel.apply(to, plan).disk_moves} == {"already_there"}


def test_a_live_copy_that_is_not_thin_does_not_fill_its_target(simulator: Simulate) -> None:
    """An older machine writes zeros as data where its disk goes. A plan that knows it keeps the target within
    its limit; one that does not fills it.
    """
    seen = {
        "ceph": HostDatastore(shared=True, capacity=200 * GIB, free=30 * GIB),
        "nfs": HostDatastore(shared=True, capacity=150 * GIB, free=100 * GIB),
    }
    guests = tuple(
        clusters.guest(
            100 + number, "pve1", disks=(Disk(datastore="ceph", size=size * GIB, used=used * GIB),)
        )
        for number, (size, used) in enumerate(((100, 20), (45, 25)))
    )
    site = clusters.cluster((clusters.host("pve1", datastores=seen),), guests)
    policy = {"goal": "storage", "storage": {"utilisation": 80}}
    free, moved = [], []
    for known in (False, True):
        served = simulator("proxmox", site)
        for guest in ("100", "101"):
            served.change_guest(guest, config={"machine": "pc-i440fx-9.2+pve1"})
        to = connection(served)
        found = evenkeel.read(to, storage=True)
        assert all(disk.copied_whole for guest in found.guests for disk in guest.disks)
        if not known:
            plain = tuple(
                replace(guest, disks=tuple(replace(disk, copied_whole=False) for disk in guest.disks))
                for guest in found.guests
            )
            found = replace(found, guests=plain)
        plan = evenkeel.plan(found, policy)
        assert evenkeel.apply(to, plan).status == "done"
        [nfs] = [place for place in evenkeel.read(to, storage=True).datastores if place.id == "nfs"]
        free.append(nfs.free)
        moved.append([(move.guest.id, move.room) for move in storage_of(plan).moves])
    assert moved == [[("100", 20 * GIB)], [("101", 45 * GIB)]]
    assert free == [0, 55 * GIB]


def test_a_storage_is_emptied_and_what_stays_is_named(simulator: Simulate) -> None:
    served = simulator("proxmox", full_ceph(), keep_sources=["100"])
    to = connection(served)
    policy: dict[str, Any] = {
        "goal": "storage",
        "storage": {"evacuate": {"names": ["ceph"]}, "keep_together": True},
    }
    plan = evenkeel.plan(evenkeel.read(to, storage=True), policy)
    stays = {item.guest.id: item.why for item in storage_of(plan).immovable}
    assert stays.keys() == {"111", "112"}
    assert stays["111"].startswith("snapshot_chain (it has snapshots")
    assert stays["112"].startswith("running_container (")
    outcome = evenkeel.apply(to, plan)
    assert outcome.status == "done"
    left = {move.guest.id: move.left_behind for move in outcome.disk_moves if move.left_behind}
    assert left == {"100": ("ceph:vm-100-disk-0", "ceph:vm-100-disk-1")}
    assert {guest for guest, where in places(served).items() if "ceph" in where} == {"111", "112"}
    # The container too, where it may be shut down meanwhile.
    policy["storage"]["allow_blockers"] = ["running_container"]
    plan = evenkeel.plan(evenkeel.read(to, storage=True), policy)
    outcome = evenkeel.apply(to, plan, execution=evenkeel.Execution(restart_containers=True))
    assert [(move.guest.id, move.result) for move in outcome.disk_moves] == [("112", "migrated")]
    assert served.state()["guests"]["112"]["power"] == "running"
