# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages and disks of a simulated Proxmox VE are read as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils import evenkeel
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.datastores import disk_places
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Datastore,
    Disk,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_stores as stores
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.proxmox_clusters import GIB
from ansible_collections.evenkeel.cluster.tests.simulators import launch

BY_TOKEN = {"api_password": None, "api_token_id": "run", "api_token_secret": "s"}


def read(served: launch.Simulator, *, storage: bool = True) -> Snapshot:
    platform = clusters.connect(served, storage=storage)
    snapshot = platform.read()
    platform.close()
    return Snapshot.from_json(snapshot.to_json())


def by_id(snapshot: Snapshot) -> Mapping[str, Datastore]:
    return {place.id: place for place in snapshot.datastores}


def disks_of(snapshot: Snapshot, guest: int) -> Mapping[str | None, Disk]:
    return {disk.id: disk for found in snapshot.guests if found.id == str(guest) for disk in found.disks}


def test_reads_storages_and_disks_as_they_are(simulator: Simulate) -> None:
    served = simulator("proxmox", stores.cluster())
    found = read(served)
    places = by_id(found)
    provisioned = {place.id: place.provisioned for place in found.datastores}
    assert provisioned == {
        # Four disks of 32 GiB with 8 GiB written, and a template with one.
        "ceph": 500 * GIB + 6 * 24 * GIB,
        "nfs": 500 * GIB + 3 * GIB + 3 * GIB,
        "local-lvm@pve1": 50 * GIB,
        "local-lvm@pve2": 50 * GIB,
        "thick@pve1": None,
        "thick@pve2": None,
    }
    assert {name: replace(place, provisioned=None) for name, place in places.items()} == {
        place.id: place for place in stores.datastores()
    }
    block = {"used": 8 * GIB, "thin": True, "format": "raw"}
    assert disks_of(found, 100) == {
        "scsi0": Disk(datastore="ceph", size=32 * GIB, id="scsi0", **block),
        "scsi1": Disk(datastore="nfs", size=4 * GIB, id="scsi1", used=GIB, thin=True, format="qcow2"),
    }
    assert disk_places(found, found.guests[1]) == ("local-lvm@pve1",)
    unknown = {"thin": True, "format": "raw"}
    assert disks_of(found, 101)["scsi0"] == Disk(datastore="local-lvm", size=32 * GIB, id="scsi0", **unknown)
    assert [notice.text for notice in found.notices if "LVM-thin" in notice.text] == [
        "Proxmox VE does not report what each disk takes on storage local-lvm (LVM-thin)."
    ]
    thick = disks_of(found, 105)["scsi0"]
    assert (thick.used, thick.thin, thick.blockers) == (32 * GIB, False, ())


def test_what_stays_says_why(simulator: Simulate) -> None:
    served = simulator(
        "proxmox",
        stores.cluster(),
        replication=[{"id": "101-0", "guest": 101, "target": "pve2", "jobnum": 0, "type": "local"}],
    )
    more = {
        "ide2": "nfs:iso/debian.iso,media=cdrom,size=700M",
        "ide3": "ceph:vm-100-cloudinit,media=cdrom",
        "tpmstate0": "ceph:vm-100-disk-7,size=4M,version=v2.0",
        "efidisk0": "ceph:vm-100-disk-8,size=528K",
        "unused0": "ceph:vm-100-disk-9",
        "virtio1": "ceph:vm-101-disk-9,size=8G",
        "virtio2": "ceph:vm-100-disk-6",
    }
    served.change_guest("100", config=more)
    served.change_guest("105", lock="backup", config={"scsi1": "ceph:vm-105-disk-1,size=8G,replicate=0"})
    found = read(served)
    blockers = {f"{guest.id} {disk.id}": disk.blockers for guest in found.guests for disk in guest.disks}
    assert blockers == {
        "100 scsi0": (),
        "100 scsi1": (),
        "100 ide2": ("cdrom",),
        "100 ide3": ("cloud_init",),
        "100 tpmstate0": ("tpm_state",),
        "100 efidisk0": (),
        "100 unused0": ("unused",),
        "100 virtio1": ("shared_disk",),
        "100 virtio2": ("unknown_size",),
        "101 scsi0": ("replicated",),
        "102 scsi0": ("snapshot_chain",),
        "103 rootfs": ("running_container",),
        "104 rootfs": (),
        "104 mp0": (),
        "105 scsi0": ("locked",),
        "105 scsi1": ("locked",),
        "106 scsi0": ("linked_clone",),
        "9000 scsi0": ("base_image",),
    }
    served.change_guest("100", power="stopped")
    stopped = disks_of(read(served), 100)
    assert (stopped["ide3"].blockers, stopped["tpmstate0"].blockers) == ((), ())


def test_a_storage_that_takes_no_disks_says_why(simulator: Simulate) -> None:
    served = simulator("proxmox", stores.cluster())
    served.change_storage("nfs", disabled=True)
    served.change_storage("thick", inactive=["pve1"])
    found = read(served)
    places = by_id(found)
    assert places["nfs"].closed_because == "it is disabled"
    assert (places["nfs"].capacity, places["nfs"].hosts) == (None, stores.NODES)
    assert places["thick@pve1"].closed_because == "it is not active on pve1"
    assert places["thick@pve2"].closed_because is None
    assert disks_of(found, 100)["scsi1"].blockers == ("inaccessible",)
    served.change_storage("nfs", disabled=False, inactive=["pve2"])
    again = by_id(read(served))
    assert (again["nfs"].closed_because, again["nfs"].hosts) == (None, ("pve1",))
    served.change_storage("nfs", content="backup,iso", inactive=[])
    assert "nfs" not in by_id(read(served))


def test_one_place_under_two_names_and_pools_of_one_ceph(simulator: Simulate) -> None:
    cluster = stores.cluster()
    second = {**stores.STORES, "ceph2": stores.SHARED, "second": stores.SHARED}
    hosts = tuple(replace(host, datastores=second) for host in cluster.hosts)
    served = simulator("proxmox", replace(cluster, hosts=hosts))
    served.change_storage("second", settings={"server": "10.0.0.250", "export": "/export/nfs"})
    found = read(served, storage=False)
    assert by_id(found)["second"].closed_because == "it is the same place as nfs"
    assert by_id(found)["nfs"].closed_because is None
    texts = " ".join(each.text for each in found.notices)
    assert "Storages ceph, ceph2 are pools of one Ceph cluster" in texts
    assert "torages nfs, second are one place under several names: no disk is moved to second." in texts


def test_a_storage_marked_as_shared_that_differs_from_node_to_node_takes_no_disk(simulator: Simulate) -> None:
    cluster = stores.cluster()
    small = replace(stores.SHARED, capacity=90 * GIB, free=10 * GIB)
    second = replace(cluster.hosts[1], datastores={**stores.STORES, "nfs": small})
    found = read(simulator("proxmox", replace(cluster, hosts=(cluster.hosts[0], second))))
    nfs = by_id(found)["nfs"]
    assert (nfs.capacity, nfs.free) == (None, None)
    assert nfs.closed_because == "it is marked as shared, but its size differs from node to node"
    assert any("with different sizes, though marked as shared" in each.text for each in found.notices)


def test_disks_whose_copies_take_their_full_size(simulator: Simulate) -> None:
    served = simulator("proxmox", stores.cluster())
    served.change_guest("106", config={"machine": "pc-q35-9.2+pve1"})
    served.change_guest(
        "100", config={"scsi0": "ceph:vm-100-disk-0,size=32G,detect_zeroes=0", "machine": "pc-i440fx-10.0"}
    )

    def whole(found: Snapshot) -> list[str]:
        return [
            f"{guest.id} {disk.id}" for guest in found.guests for disk in guest.disks if disk.copied_whole
        ]

    # 101 is on LVM-thin, where nobody knows what its disk takes: it counts with its full size in any case.
    found = read(served)
    assert whole(found) == ["100 scsi0", "106 scsi0"]
    assert not any(disk.migrated_whole for guest in found.guests for disk in guest.disks)
    served.change_guest("106", power="stopped")
    assert whole(read(served)) == ["100 scsi0"]


def test_a_local_disk_goes_whole_to_another_host_while_its_guest_runs(simulator: Simulate) -> None:
    space = {"local": stores.LOCAL, "ceph": stores.SHARED}
    hosts = tuple(clusters.host(name, datastores=space) for name in stores.NODES)
    local = replace(stores.DISK, datastore="local", format="qcow2")
    guests = (
        clusters.guest(100, "pve1", disks=(local, stores.DISK)),
        clusters.idle(101, "pve1", disks=(local,)),
        clusters.container(102, "pve1", disks=(replace(local, format="raw"),)),
    )
    found = read(simulator("proxmox", clusters.cluster(hosts, guests)))
    whole = {
        f"{guest.id} {disk.datastore}": (disk.copied_whole, disk.migrated_whole)
        for guest in found.guests
        for disk in guest.disks
    }
    assert whole == {
        "100 local": (False, True),
        "100 ceph": (False, False),
        "101 local": (False, False),
        "102 local": (False, False),
    }


def test_a_machine_whose_version_cannot_be_read_counts_as_an_old_one(simulator: Simulate) -> None:
    call = "GET /nodes/{node}/qemu/{vmid}/status/current"
    served = simulator(
        "proxmox", stores.cluster(), fail_calls=[{"call": call, "object": "102", "error": 596}]
    )
    found = read(served)
    assert [guest.id for guest in found.guests for disk in guest.disks if disk.copied_whole] == ["102"]
    [notice] = [each for each in found.notices if "version of the running machine" in each.text]
    assert notice.guests == ("102",)


def test_only_for_plans_of_datastores_more_is_asked(simulator: Simulate) -> None:
    options = ("--token", "root@pam!run=s")
    served = simulator("proxmox", stores.cluster(), options=options)
    plain = clusters.connect(served, **BY_TOKEN)
    found = plain.read()
    before = sum(clusters.calls(served).values())
    assert all(disk.id is None for guest in found.guests for disk in guest.disks)
    clusters.connect(served, storage=True, **BY_TOKEN).read()
    more = sum(clusters.calls(served).values()) - before
    idle = sum(guest.power != "running" for guest in found.guests)
    # On Ceph and NFS, not on LVM.
    thin = 8
    # VMs that run with a disk on Ceph: their machines may copy it whole.
    machines = 3
    # Moves of disks of VMs and of containers, by node.
    tasks = 4
    assert more - before == idle + thin + machines + tasks
    again = sum(clusters.calls(served).values())
    clusters.connect(served).read()
    clusters.connect(served, storage=True).read()
    by_root = sum(clusters.calls(served).values()) - again
    assert by_root <= 2 * (2 * 2 + 17) + thin, "a batch for each node has the configurations"


def test_without_the_privilege_the_use_of_disks_is_not_known_and_that_is_said(simulator: Simulate) -> None:
    rights = ["Sys.Audit", "VM.Audit", "Datastore.Audit", "SDN.Audit", "Pool.Audit"]
    served = simulator("proxmox", stores.cluster(), grants={"root@pam": {"/": rights}})
    found = read(served)
    assert disks_of(found, 100)["scsi0"].used is None
    [notice] = [each for each in found.notices if "VM.Config.Disk" in each.text]
    assert notice.guests == ("100", "102", "103", "104", "106", "9000")
    made = clusters.calls(served)
    assert "GET /nodes/{node}/storage/{storage}/content/{volume}" not in made


@pytest.mark.parametrize("call", ["GET /nodes/{node}/storage/{storage}/content/{volume}"])
def test_a_storage_that_hangs_leaves_out_only_what_its_disks_take(call: str, simulator: Simulate) -> None:
    served = simulator(
        "proxmox", stores.cluster(), fail_calls=[{"call": call, "object": "nfs", "error": 596}]
    )
    found = read(served)
    assert disks_of(found, 100)["scsi1"].used is None
    assert disks_of(found, 100)["scsi0"].used == 8 * GIB


def test_the_option_of_the_python_module_reaches_the_platform(
    simulator: Simulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    served = simulator("proxmox", stores.cluster())
    connection = evenkeel.Connection(
        platform="proxmox",
        api_host=[f"{served.host}:{served.port}"],
        api_user=served.user,
        api_password=served.password,
        ca_path=served.ca_path,
    )
    plain = evenkeel.read(connection)
    whole = evenkeel.read(connection, storage=True)
    assert plain.guests[0].disks[0].id is None
    assert (whole.guests[0].disks[0].id, len(whole.datastores)) == ("scsi0", len(plain.datastores))
