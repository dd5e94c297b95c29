# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated Proxmox VE has storages and moves disks as the real one does (facts 24 and 40 to 43)."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.tests.simulator.servers.conftest import StartProxmox
from ansible_collections.evenkeel.cluster.tests.simulator.servers.proxmox_client import (
    finished,
    log_in,
    refusal,
    until,
)
from ansible_collections.evenkeel.cluster.tests.simulator.servers.small_cluster import guest, host, snapshot
from ansible_collections.evenkeel.cluster.tests.simulators.launch import Simulator

GIB = 1024**3
THICK = "thick"
MODIFIED = "detected modified configuration - file changed by other user? Try again."


def stores() -> dict[str, Any]:
    """Guests on thin ceph and nfs storages, with a thick one beside them."""
    datastores = {
        "ceph": {"shared": True, "capacity": 1000 * GIB, "free": 500 * GIB},
        "nfs": {"shared": True, "capacity": 1000 * GIB, "free": 100 * GIB},
        THICK: {"shared": False, "capacity": 100 * GIB, "free": 40 * GIB},
    }
    thin = [{"datastore": "ceph", "size": 32 * GIB, "used": 8 * GIB}]
    return snapshot(
        hosts=[host(name, datastores=datastores) for name in ("pve1", "pve2")],
        guests=[
            guest(100, "pve1", disks=[*thin, {"datastore": "nfs", "size": 4 * GIB, "format": "qcow2"}]),
            guest(101, "pve1", disks=thin, blockers=["snapshot"]),
            guest(102, "pve1", kind="container", disks=thin),
            guest(103, "pve1", kind="container", disks=thin, power="stopped", used={}),
        ],
        datastores=[
            {"id": f"{THICK}@{name}", "name": THICK, "type": "lvm", "shared": False, "hosts": [name]}
            for name in ("pve1", "pve2")
        ],
        rules=[],
    )


def free(simulator: Simulator, storage: str, node: str = "pve1") -> int:
    space: int = simulator.state()["storages"][storage]["spaces"][node]["free"]
    return space


def lines(api: Any, upid: str) -> list[str]:
    return [line["t"] for line in api.nodes(upid.split(":")[1]).tasks(upid).log.get(limit=0)]


def move(api: Any, number: int = 100, **options: object) -> str:
    given = {"disk": "scsi0", "storage": "nfs", "delete": 1, **options}
    return str(api.nodes("pve1").qemu(number).move_disk.post(**given))


def test_fact_42_a_copy_takes_space_and_the_source_gives_its_back_when_it_is_deleted(
    start_proxmox: StartProxmox,
) -> None:
    simulator = start_proxmox(cluster=stores(), disk_move_seconds=300)
    api = log_in(simulator)
    upid = move(api, storage=THICK)
    assert free(simulator, THICK) == 8 * GIB, "thick storage takes all at the start"
    assert free(simulator, THICK, "pve2") == 40 * GIB
    assert free(simulator, "ceph") == 500 * GIB
    running = api.cluster.resources.get(type="vm")
    assert [row.get("lock") for row in running if row["vmid"] == 100] == [None], "only the task is shown"
    api.nodes("pve1").tasks(upid).delete()
    end = finished(api, upid)["exitstatus"]
    assert end == "storage migration failed: interrupted by signal"
    assert free(simulator, THICK) == 40 * GIB
    simulator.switches(disk_move_seconds=0.1)
    upid = move(api)
    assert finished(api, upid)["exitstatus"] == "OK"
    assert free(simulator, "ceph") == 508 * GIB
    assert free(simulator, "nfs") == free(simulator, "nfs", "pve2") == 92 * GIB
    config = api.nodes("pve1").qemu(100).config.get()
    assert config["scsi0"] == "nfs:100/vm-100-disk-0.raw,iothread=1,size=32G"
    said = lines(api, upid)
    assert said[0].startswith("copying volume 'ceph:vm-100-disk-0' from current storage 'ceph' to target ")
    assert said[1] == "create full clone of drive scsi0 (ceph:vm-100-disk-0)"
    # As machines from version 10.0 on call the job of the block device.
    assert any(line.startswith("mirror-scsi0: transferred 16.0 GiB of 32.0 GiB (50.00%)") for line in said)


@pytest.mark.parametrize(
    ("number", "options", "why"),
    [
        (100, {"digest": "0" * 40}, (500, MODIFIED)),
        (100, {"disk": "scsi7"}, (500, "disk 'scsi7' does not exist")),
        (100, {"disk": "ide2"}, (500, "you can't move a cdrom")),
        (100, {"storage": "ceph"}, (500, "you can't move to the same storage with same format")),
        (100, {"storage": "gone"}, (500, "storage 'gone' does not exist")),
        (100, {"storage": "nfs", "disk": "scsi1", "format": "raw", "target-vmid": 101}, (501, "")),
        (101, {}, (500, "you can't move a disk with snapshots and delete the source")),
    ],
    ids=lambda value: str(value)[:30],
)
def test_fact_42_what_is_refused_at_once(
    number: int, options: dict[str, object], why: tuple[int, str], start_proxmox: StartProxmox
) -> None:
    api = log_in(start_proxmox(cluster=stores()))
    status, text = refusal(lambda: move(api, number, **options))
    assert (status, text) == why or status == 501


def test_facts_24_and_40_a_storage_without_images_disabled_or_not_there(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(cluster=stores())
    api = log_in(simulator)
    simulator.change_storage("nfs", content="iso,backup")
    assert refusal(lambda: move(api)) == (400, "Parameter verification failed.")
    simulator.change_storage("nfs", disabled=True)
    assert refusal(lambda: move(api)) == (500, "storage 'nfs' is disabled")
    listed = {row["storage"]: row for row in api.storage.get()}
    assert listed["nfs"]["disable"] == 1
    assert "nfs" not in {row["storage"] for row in api.cluster.resources.get(type="storage")}
    simulator.change_storage(THICK, inactive=["pve1"])
    rows = {row["node"]: row for row in api.cluster.resources.get(type="storage") if row["storage"] == THICK}
    assert (rows["pve1"]["status"], "maxdisk" in rows["pve1"]) == ("unknown", False)
    assert rows["pve2"]["status"] == "available"
    assert api.nodes("pve1").storage(THICK).status.get()["active"] == 0
    failed = finished(api, move(api, storage=THICK))["exitstatus"]
    assert failed == f"storage migration failed: storage '{THICK}' is not online"


def test_fact_42_without_delete_the_old_volume_is_unused_and_with_snapshots_they_stay_with_it(
    start_proxmox: StartProxmox,
) -> None:
    simulator = start_proxmox(cluster=stores())
    api = log_in(simulator)
    assert finished(api, move(api, 101, delete=0))["exitstatus"] == "OK"
    config = api.nodes("pve1").qemu(101).config.get()
    assert config["unused0"] == "ceph:vm-101-disk-0"
    assert free(simulator, "ceph") == 500 * GIB
    assert finished(api, move(api, 101, disk="unused0", storage=THICK))["exitstatus"] == "OK"


def test_fact_42_a_copy_that_fails_is_freed_and_a_storage_that_fills_up_ends_it(
    start_proxmox: StartProxmox,
) -> None:
    simulator = start_proxmox(cluster=stores(), fail_disk_moves=[{"guest": "100", "at_percent": 40}])
    api = log_in(simulator)
    assert finished(api, move(api))["exitstatus"] == "storage migration failed: aborting at 40 %"
    assert free(simulator, "nfs") == 100 * GIB
    simulator.switches(fail_disk_moves=[])
    simulator.change_storage("nfs", free=2 * GIB)
    end = finished(api, move(api))["exitstatus"]
    assert end.startswith("storage migration failed: ")
    assert "No space left on device" in end
    assert free(simulator, "nfs") == 2 * GIB
    assert simulator.state()["storages"]["nfs"]["spaces"]["pve1"]["least"] >= 0
    assert simulator.state()["disks"]["100"]["scsi0"] == "ceph:vm-100-disk-0"


def test_facts_42_and_43_an_old_volume_that_cannot_be_removed_is_no_error(
    start_proxmox: StartProxmox,
) -> None:
    """Of a machine no configuration names it any more, of a container it becomes unused."""
    simulator = start_proxmox(cluster=stores(), keep_sources=["*"])
    api = log_in(simulator)
    assert finished(api, move(api))["exitstatus"] == "OK"
    assert "unused0" not in api.nodes("pve1").qemu(100).config.get()
    content = api.nodes("pve1").storage("ceph").content.get(vmid=100, content="images")
    assert [row["volid"] for row in content] == ["ceph:vm-100-disk-0"]
    upid = api.nodes("pve1").lxc(103).move_volume.post(volume="rootfs", storage="nfs", delete=1)
    assert finished(api, upid)["exitstatus"] == "OK"
    config = api.nodes("pve1").lxc(103).config.get()
    assert (config["unused0"], config["rootfs"]) == (
        "ceph:vm-103-disk-0",
        "nfs:103/vm-103-disk-0.raw,size=32G",
    )


def test_fact_16_the_lists_show_what_was_measured_last(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(cluster=stores(), sample_seconds=100_000_000)
    api = log_in(simulator)

    def used() -> int:
        rows = api.cluster.resources.get(type="storage")
        return int(next(row["disk"] for row in rows if row["id"] == "storage/pve1/nfs"))

    assert used() == 900 * GIB
    assert finished(api, move(api))["exitstatus"] == "OK"
    assert used() == 900 * GIB
    assert api.nodes("pve1").storage("nfs").status.get()["used"] == 908 * GIB


def test_fact_42_a_migration_waits_for_the_configuration_and_gives_up(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(cluster=stores(), disk_move_seconds=300, held_seconds=0.2)
    api = log_in(simulator)
    first = move(api)
    migration = api.nodes("pve1").qemu(100).migrate.post(target="pve2", online=1)
    assert finished(api, migration)["exitstatus"].endswith("lock-100.conf' - got timeout")
    assert finished(api, move(api, disk="scsi1", storage="ceph"))["exitstatus"].endswith("got timeout")
    api.nodes("pve1").tasks(first).delete()
    simulator.switches(disk_move_seconds=0.3, held_seconds=10)
    move(api)
    migration = api.nodes("pve1").qemu(100).migrate.post(target="pve2", online=1)
    assert finished(api, migration)["exitstatus"] == "OK"


def test_fact_43_only_a_stopped_container_and_a_lock_while_it_runs(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(cluster=stores(), disk_move_seconds=300)
    api = log_in(simulator)
    post = {"volume": "rootfs", "storage": "nfs", "delete": 1}
    why = (500, "cannot move volumes of a running container")
    assert refusal(lambda: api.nodes("pve1").lxc(102).move_volume.post(**post)) == why
    upid = api.nodes("pve1").lxc(103).move_volume.post(**post)
    assert api.nodes("pve1").lxc(103).config.get()["lock"] == "disk"
    again = refusal(lambda: api.nodes("pve1").lxc(103).move_volume.post(**post))
    assert again == (500, "CT is locked (disk)")
    api.nodes("pve1").tasks(upid).delete()
    assert finished(api, upid)["exitstatus"] == "received interrupt"
    assert "lock" not in api.nodes("pve1").lxc(103).config.get()
    simulator.switches(disk_move_seconds=0.1)
    simulator.change_storage("nfs", content="images")
    end = finished(api, api.nodes("pve1").lxc(103).move_volume.post(**post))["exitstatus"]
    assert end == "content type 'rootdir' is not available or configured on storage 'nfs'"
    unused = refusal(lambda: api.nodes("pve1").lxc(103).move_volume.post(**{**post, "volume": "unused0"}))
    assert unused[1].startswith("cannot move volume 'unused0', only configured volumes")


def test_fact_32_what_is_killed_leaves_its_copy(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(cluster=stores(), disk_move_seconds=300, abort_seconds=60)
    api = log_in(simulator)
    upid = move(api, storage=THICK)
    api.nodes("pve1").tasks(upid).delete()
    assert finished(api, upid)["exitstatus"] == "unexpected status"
    assert simulator.state()["storages"][THICK]["orphans"] == [f"{THICK}:vm-100-disk-0"]
    assert free(simulator, THICK) == 8 * GIB


def test_a_node_that_goes_takes_its_copies_with_it(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(cluster=stores(), disk_move_seconds=300)
    api = log_in(simulator)
    upid = move(api)
    simulator.change_host("pve1", status="offline")
    assert simulator.state()["storages"]["nfs"]["orphans"] == ["nfs:100/vm-100-disk-0.raw"]
    simulator.change_host("pve1", status="online")
    assert until(lambda: finished(api, upid))["exitstatus"] == "unexpected status"


def test_the_content_of_a_storage_is_only_shown_to_who_may_change_disks(start_proxmox: StartProxmox) -> None:
    rights = ["Sys.Audit", "VM.Audit", "Datastore.Audit"]
    simulator = start_proxmox(cluster=stores(), grants={"root@pam": {"/": rights}})
    api = log_in(simulator)
    assert api.nodes("pve1").storage("nfs").content.get() == []
    assert refusal(lambda: move(api)) == (403, "Permission check failed (/vms/100, VM.Config.Disk)")
    simulator.switches(grants={"root@pam": {"/": [*rights, "VM.Config.Disk"]}})
    [row] = api.nodes("pve1").storage("nfs").content.get()
    assert (row["volid"], row["format"], row["used"]) == ("nfs:100/vm-100-disk-1.qcow2", "qcow2", 4 * GIB)
    assert "used" not in api.nodes("pve1").storage("ceph").content.get()[0]
    assert refusal(lambda: move(api)) == (
        403,
        "Permission check failed (/storage/nfs, Datastore.AllocateSpace)",
    )
