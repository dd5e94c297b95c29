# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Proxmox VE says of a migration is read as it means it: neither more strictly nor less."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Disk, HostDatastore
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import PermissionMissing
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import (
    MigrationState,
    Objection,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.platform import (
    ProxmoxPlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.following import migrate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.proxmox_clusters import GIB, request
from ansible_collections.evenkeel.cluster.tests.simulators import launch

MIGRATED = MigrationState(state="migrated", percent=100)
LOCAL = (Disk(datastore="local-lvm", size=GIB),)
GPU = {
    "id": "gpu",
    "live-migration-capable": 1,
    "map": ["node=pve1,path=0000:01:00.0", "node=pve2,path=0000:01:00.0"],
}


def one_guest(
    simulator: Simulate, disks: tuple[Disk, ...] | None = None, **switches: Any
) -> launch.Simulator:
    changes = {} if disks is None else {"disks": disks}
    cluster = clusters.cluster(
        (clusters.host("pve1"), clusters.host("pve2"), clusters.host("pve3")),
        (clusters.guest(100, "pve1", **changes),),
    )
    return simulator("proxmox", cluster, **switches)


@pytest.mark.parametrize(
    "config",
    [
        {"ide2": "local-lvm:vm-100-cloudinit,media=cdrom"},
        {"tpmstate0": "local-lvm:vm-100-disk-7,size=4M,version=v2.0"},
        {"unused0": "local-lvm:vm-100-disk-8"},
        {"scsi1": "/dev/disk/by-id/shared,shared=1"},
        {"hostpci0": "mapping=gpu"},
    ],
    ids=lambda config: next(iter(config)),
)
def test_what_goes_along_by_itself_is_no_obstacle(config: dict[str, str], simulator: Simulate) -> None:
    served = one_guest(simulator, pci_mappings=[GPU])
    served.change_guest("100", config=config)
    platform = clusters.connect(served)
    assert platform.prepare(request(100, "pve1", "pve2")).objection is None
    assert migrate(platform, request(100, "pve1", "pve2")) == MIGRATED


def test_memory_that_a_snapshot_holds_on_a_local_storage_goes_along(simulator: Simulate) -> None:
    served = one_guest(simulator)
    served.change_guest("100", saved_memory=["local-lvm:vm-100-state-before"])
    platform = clusters.connect(served)
    assert platform.prepare(request(100, "pve1", "pve2")).objection is None
    assert migrate(platform, request(100, "pve1", "pve2")) == MIGRATED


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"hostpci0": "mapping=nic"}, "it uses mapped devices that do not migrate live: hostpci0"),
        ({"usb0": "mapping=stick"}, "it uses mapped devices that do not migrate live: usb0"),
        ({"usb0": "host=1234:5678"}, "it uses devices of its node: usb0; detach them first"),
        ({"scsi1": "/dev/sdx"}, "it uses /dev/sdx, a device or file of its node: detach it"),
        ({"ide2": "cdrom,media=cdrom"}, "it uses the CD drive of its node: eject it"),
        (
            {"ide2": "local:iso/debian.iso,media=cdrom"},
            "the CD image local:iso/debian.iso is local to its node",
        ),
        ({"scsi1": "local-lvm:vm-100-disk-5,size=8G"}, "set with_local_disks to copy them"),
    ],
    ids=lambda config: next(iter(config)) if isinstance(config, dict) else None,
)
def test_what_ties_a_running_machine_to_its_node_is_named(
    config: dict[str, str], why: str, simulator: Simulate
) -> None:
    served = one_guest(simulator, pci_mappings=[{**GPU, "id": "nic", "live-migration-capable": 0}])
    served.change_guest("100", config=config)
    assert why in str(clusters.connect(served).prepare(request(100, "pve1", "pve2")).objection)


def test_a_stopped_machine_with_a_mapped_device_goes_where_that_is(simulator: Simulate) -> None:
    served = one_guest(simulator, pci_mappings=[{**GPU, "live-migration-capable": 0}])
    served.change_guest("100", config={"hostpci0": "mapping=gpu"}, power="stopped")
    platform = clusters.connect(served)
    assert (
        str(platform.prepare(request(100, "pve1", "pve3")).objection)
        == "pve3 lacks the mapped devices hostpci0"
    )
    assert platform.prepare(request(100, "pve1", "pve2")).objection is None
    assert migrate(platform, request(100, "pve1", "pve2")) == MIGRATED


def test_a_local_disk_with_snapshots_is_not_copied_while_the_machine_runs(simulator: Simulate) -> None:
    cluster = clusters.cluster(
        (clusters.host("pve1"), clusters.host("pve2"), clusters.host("pve3")),
        (clusters.blocked(100, "pve1", "9.2", "snapshot", disks=LOCAL),),
    )
    served = simulator("proxmox", cluster)
    platform = clusters.connect(served, with_local_disks=True)
    objection = str(platform.prepare(request(100, "pve1", "pve2")).objection)
    assert "has snapshots (before-upgrade), with which it is not copied while the guest runs" in objection
    served.switches(
        replication=[{"id": "100-0", "guest": 100, "target": "pve2", "jobnum": 0, "type": "local"}]
    )
    replicated = clusters.connect(served, with_local_disks=True)
    assert replicated.prepare(request(100, "pve1", "pve2")).objection is None
    assert str(replicated.prepare(request(100, "pve1", "pve3")).objection).startswith(
        "it is replicated, and a running guest is migrated only to where its replicas are (pve2)"
    )
    assert migrate(replicated, request(100, "pve1", "pve2")) == MIGRATED


def test_what_is_pending_does_not_count(simulator: Simulate) -> None:
    """The present configuration is asked for: here that call alone fails."""
    present = {"call": "GET /nodes/{node}/qemu/{vmid}/config", "object": "1", "message": "current"}
    served = one_guest(simulator, fail_calls=[present])
    objection = clusters.connect(served).prepare(request(100, "pve1", "pve2")).objection
    assert objection == Objection("current", passing=True)


@pytest.mark.parametrize("kind", ["vm", "container"])
def test_a_node_that_is_not_upgraded_yet_is_asked_as_one(kind: str, simulator: Simulate) -> None:
    make = clusters.guest if kind == "vm" else clusters.container
    cluster = clusters.cluster(
        (clusters.host("pve1"), clusters.host("pve2")), (make(100, "pve1"), make(101, "pve1", disks=LOCAL))
    )
    served = simulator("proxmox", cluster)
    served.change_host("pve1", version="8.4.14")
    platform = clusters.connect(served, restart_containers=True)
    assert platform.prepare(request(100, "pve1", "pve2")).objection is None
    assert "with_local_disks" in str(platform.prepare(request(101, "pve1", "pve2")).objection)
    assert migrate(platform, request(100, "pve1", "pve2")) == MIGRATED


def test_a_node_that_is_offline_or_not_there_is_no_target(simulator: Simulate) -> None:
    served = one_guest(simulator)
    served.change_host("pve3", status="offline")
    platform = clusters.connect(served)
    assert platform.prepare(request(100, "pve1", "pve3")).objection == Objection(
        "pve3 is offline", passing=True
    )
    assert platform.prepare(request(100, "pve1", "pve9")).objection == Objection(
        "there is no node pve9 in this cluster"
    )


def log_of(platform: ProxmoxPlatform, served: launch.Simulator, number: int) -> str:
    tasks = platform._session.get("cluster/tasks")
    task = next(row["upid"] for row in tasks if row["type"] == "qmigrate" and row["id"] == str(number))
    return str(platform._session.get(f"nodes/{task.split(':')[1]}/tasks/{task}/log", limit=0))


@pytest.mark.parametrize("able", [True, False])
def test_connections_go_along_where_both_nodes_can(able: bool, simulator: Simulate) -> None:
    served = one_guest(simulator, conntrack=able, migration_seconds=0)
    platform = clusters.connect(served)
    assert migrate(platform, request(100, "pve1", "pve2")) == MIGRATED
    assert ("migrating conntrack state" in log_of(platform, served, 100)) is able
    assert migrate(platform, request(100, "pve2", "pve1")) == MIGRATED
    assert clusters.calls(served).get("GET /nodes/{node}/capabilities/qemu/migration", 0) == 2 * able


def test_ha_is_never_told_of_connections(simulator: Simulate) -> None:
    served = one_guest(simulator, options=("--ha-guest", "100"), ha_delay_seconds=0.05)
    platform = clusters.connect(served)
    assert migrate(platform, request(100, "pve1", "pve2")) == MIGRATED
    assert "migrating conntrack state" not in log_of(platform, served, 100)


def test_space_is_needed_only_on_storages_that_disks_are_sent_to_by_name(simulator: Simulate) -> None:
    rights = ["Sys.Audit", "VM.Audit", "VM.Migrate", "Datastore.Audit", "SDN.Audit", "Pool.Audit"]
    cluster = clusters.cluster(
        tuple(
            clusters.host(name, datastores={"fast": clusters.LOCAL, "local-lvm": clusters.LOCAL})
            for name in ("pve1", "pve2")
        ),
        (clusters.guest(100, "pve1", disks=(*LOCAL, Disk(datastore="fast", size=GIB))),),
    )
    served = simulator("proxmox", cluster, grants={"root@pam": {"/": rights}})
    kept = clusters.connect(served, with_local_disks=True)
    sent = clusters.connect(served, with_local_disks=True, target_storage={"local-lvm": "fast"})
    with pytest.raises(PermissionMissing, match=r"VM\.Config\.Disk on /vms/100"):
        sent.prepare(request(100, "pve1", "pve2"))
    served.switches(grants={"root@pam": {"/": [*rights, "VM.Config.Disk"]}})
    sent = clusters.connect(served, with_local_disks=True, target_storage={"local-lvm": "fast"})
    with pytest.raises(PermissionMissing, match=r"Datastore\.AllocateSpace on /storage/fast"):
        sent.prepare(request(100, "pve1", "pve2"))
    assert migrate(kept, request(100, "pve1", "pve2")) == MIGRATED


def test_only_the_storages_that_change_are_sent(simulator: Simulate) -> None:
    disks = (Disk(datastore="local-lvm", size=GIB), Disk(datastore="other", size=GIB))
    stores = {name: HostDatastore(shared=False) for name in ("local-lvm", "other", "fast")}
    cluster = clusters.cluster(
        tuple(clusters.host(name, datastores=stores) for name in ("pve1", "pve2")),
        (clusters.guest(100, "pve1", disks=disks),),
    )
    rights = ["Sys.Audit", "VM.Audit", "VM.Migrate", "VM.Config.Disk", "Datastore.Audit", "SDN.Audit"]
    grants = {"/": rights, "/storage/fast": [*rights, "Datastore.AllocateSpace"]}
    served = simulator("proxmox", cluster, grants={"root@pam": grants})
    platform = clusters.connect(served, with_local_disks=True, target_storage={"local-lvm": "fast"})
    assert platform.prepare(request(100, "pve1", "pve2")).objection is None
    assert migrate(platform, request(100, "pve1", "pve2")) == MIGRATED
    assert [disk.datastore for disk in platform.read().guests[0].disks] == ["fast", "other"]


def test_ha_that_is_disarmed_and_ignores_its_guests_is_not_in_the_way(simulator: Simulate) -> None:
    stores = {name: HostDatastore(shared=False) for name in ("local-lvm", "fast")}
    cluster = clusters.cluster(
        tuple(clusters.host(name, datastores=stores) for name in ("pve1", "pve2")),
        (clusters.guest(100, "pve1", disks=LOCAL),),
    )
    served = simulator("proxmox", cluster, options=("--ha-guest", "100"))
    sent = {"with_local_disks": True, "target_storage": {"local-lvm": "fast"}}
    assert "HA migrates it, and cannot move its disks from local-lvm to fast" in str(
        clusters.connect(served, **sent).prepare(request(100, "pve1", "pve2"))
    )
    served.switches(ha_disarmed="ignore")
    platform = clusters.connect(served, **sent)
    assert platform.look(["100"]).guests["100"].busy is None
    assert platform.prepare(request(100, "pve1", "pve2")).objection is None
    assert migrate(platform, request(100, "pve1", "pve2")) == MIGRATED
    served.switches(ha_disarmed="freeze")
    frozen = clusters.connect(served, **sent)
    why = "HA is disarmed and holds its guests (freeze): arm it again"
    assert frozen.look(["100"]).guests["100"].busy == why
    assert frozen.prepare(request(100, "pve2", "pve1")).objection == Objection(why, passing=True)


def test_a_rule_that_binds_a_guest_to_nodes_is_named_as_such(simulator: Simulate) -> None:
    small = clusters.small()
    rules = (clusters.rule("licence", "host_affinity", 100, hosts=("pve1", "pve3")),)
    served = simulator("proxmox", clusters.cluster(small.hosts, small.guests, rules))
    platform = clusters.connect(served)
    objection = platform.prepare(request(100, "pve1", "pve2")).objection
    assert objection == Objection("an HA rule (node-affinity) keeps vm:100 off pve2")
    assert platform.prepare(request(100, "pve1", "pve3")).objection is None


def test_what_holds_a_guest_is_named(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=300)
    platform = clusters.connect(served)
    platform.start(platform.prepare(request(100, "pve1", "pve2")))
    served.add_task(
        node="pve1",
        type="vzdump",
        lines=[
            "INFO: starting new backup job: vzdump 101 103 --mode snapshot --storage backup",
            "INFO: Finished Backup of VM 101 (00:00:12)",
        ],
    )
    served.add_task(node="pve2", type="qmsnapshot", id="102")
    served.add_task(node="pve1", type="vncproxy", id="104")
    busy = {
        number: now.busy for number, now in platform.look(["100", "101", "102", "103", "104"]).guests.items()
    }
    assert busy == {
        "100": "a migration to pve2 is under way",
        "101": None,
        "102": "a task is under way (qmsnapshot)",
        "103": "a backup of its node (vzdump) is running and will include it",
        "104": None,
    }
    served.change_host("pve2", status="offline")
    assert platform.look(["102"]).guests["102"].busy is None


@pytest.mark.parametrize(
    ("words", "held"),
    [
        ("--all 1 --exclude 101,104 --mode snapshot", ["100", "103"]),
        ("--pool shop", []),
        ("100 102", ["100"]),
    ],
)
def test_a_backup_holds_the_guests_of_its_node(words: str, held: list[str], simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    line = f"INFO: starting new backup job: vzdump {words}"
    served.add_task(node="pve1", type="vzdump", lines=[line])
    guests = clusters.connect(served).look(["100", "101", "102", "103", "104"]).guests
    assert sorted(number for number, now in guests.items() if now.busy) == held
