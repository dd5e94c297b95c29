# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks are moved on a simulated Proxmox VE, and what became of them is reported as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import (
    PermissionMissing,
    StartRefused,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import Objection
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.platform import (
    ProxmoxPlatform,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.storage_protocol import (
    DatastoreNow,
    DiskMoveState,
    DisksNow,
    StoragePlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_stores as stores
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.following import Hands, wait_until
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.proxmox_clusters import GIB
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.proxmox_stores import (
    carry_out,
    follow,
    move,
)
from ansible_collections.evenkeel.cluster.tests.simulators import launch


def two_on_ceph(simulator: Simulate, **switches: Any) -> launch.Simulator:
    """Guest 100 with scsi0 and scsi1, both on Ceph."""
    cluster = stores.cluster()
    first = cluster.guests[0]
    both = (stores.DISK, replace(stores.DISK, size=8 * GIB, used=2 * GIB, id="scsi1"))
    guests = (replace(first, disks=both), *cluster.guests[1:])
    return simulator("proxmox", replace(cluster, guests=guests), **switches)


def disks(served: launch.Simulator, guest: int = 100) -> Mapping[str, str]:
    found: dict[str, str] = served.state()["disks"][str(guest)]
    return {slot: volume.partition(":")[0] for slot, volume in found.items()}


def free(served: launch.Simulator, storage: str) -> int:
    space: int = served.state()["storages"][storage]["spaces"]["pve1"]["free"]
    return space


def test_looking_sees_disks_storages_and_what_holds_a_guest(simulator: Simulate) -> None:
    served = two_on_ceph(simulator, disk_move_seconds=300)
    platform: StoragePlatform = clusters.connect(served)
    served.change_guest("105", config={"unused0": "ceph:vm-105-disk-7"})
    served.change_storage("local-lvm", disabled=True)
    platform.start_disk_move(platform.prepare_disk_move(move(100, "scsi0")))
    before = sum(clusters.calls(served).values())
    now = platform.look_at_storage(["100", "101", "105", "999"])
    # One for the storages and one a guest, besides those for all guests and hosts.
    assert sum(clusters.calls(served).values()) - before == 4 + 1 + 3
    assert now.cluster == "prod"
    assert now.guests == {
        "100": DisksNow(
            host="pve1",
            disks={"scsi0": "ceph", "scsi1": "ceph"},
            busy="a task is under way (qmmove)",
        ),
        "101": DisksNow(host="pve1", disks={"scsi0": "local-lvm@pve1"}),
        "105": DisksNow(host="pve2", disks={"scsi0": "thick@pve2"}, unused=("unused0: ceph:vm-105-disk-7",)),
    }
    assert now.datastores["thick@pve1"] == DatastoreNow(capacity=200 * GIB, free=150 * GIB)
    assert now.datastores["local-lvm@pve2"] == DatastoreNow(
        capacity=None, free=None, closed_because="it is disabled"
    )


def test_the_disks_of_a_guest_move_one_after_the_other_and_nothing_is_left(simulator: Simulate) -> None:
    served = two_on_ceph(simulator)
    served.change_guest("100", config={"unused0": "ceph:vm-100-disk-9"})
    platform = clusters.connect(served, bandwidth_limit=102400)
    end = carry_out(platform, move(100, "scsi0", "scsi1"))
    assert end == DiskMoveState(state="migrated", percent=100, copied=40 * GIB, moved=("scsi0", "scsi1")), (
        "an unused volume that was there before is not left behind by the move"
    )
    assert disks(served) == {"scsi0": "nfs", "scsi1": "nfs", "unused0": "ceph"}
    assert (free(served, "ceph"), free(served, "nfs")) == (510 * GIB, 490 * GIB)
    assert [change["state"] for change in served.state()["disk_moves"]] == ["done", "done"]
    again = platform.prepare_disk_move(move(100, "scsi0", "scsi1"))
    assert again.objection == Objection("its disks are on nfs already", passing=True)


def test_to_a_thick_local_storage_and_back_and_a_container_that_is_off(simulator: Simulate) -> None:
    served = two_on_ceph(simulator)
    platform = clusters.connect(served)
    there = move(100, "scsi1", target="thick@pve1")
    assert carry_out(platform, there).state == "migrated"
    assert free(served, "thick") == 142 * GIB
    back = move(100, "scsi1", source="thick@pve1", target="ceph")
    assert carry_out(platform, back).state == "migrated"
    assert free(served, "thick") == 150 * GIB
    container = move(104, "rootfs", host="pve2", target="nfs")
    assert carry_out(platform, container) == DiskMoveState(
        state="migrated", percent=100, copied=32 * GIB, moved=("rootfs",)
    )
    assert disks(served, 104) == {"rootfs": "nfs", "mp0": "nfs"}


def lock(served: launch.Simulator) -> None:
    served.change_guest("100", lock="backup")


def take_snapshot(served: launch.Simulator) -> None:
    served.change_guest("100", snapshots=["before"])


def start_task(served: launch.Simulator) -> None:
    served.add_task(node="pve1", type="qmsnapshot", id="100")


def replicate(served: launch.Simulator) -> None:
    job = {"id": "100-0", "guest": 100, "target": "pve2", "jobnum": 0, "type": "local"}
    served.switches(replication=[job])


def of_another(served: launch.Simulator) -> None:
    served.change_guest("100", config={"scsi0": "ceph:vm-101-disk-4,size=8G"})


def alias(served: launch.Simulator) -> None:
    served.change_storage("ceph", settings={"path": "/mnt/pve/nfs"})


@pytest.mark.parametrize(
    ("change", "wanted", "why", "passing"),
    [
        (lock, {}, "it is locked (backup)", True),
        (start_task, {}, "a task is under way (qmsnapshot)", True),
        (take_snapshot, {}, "scsi0: snapshot_chain (it has snapshots, which stay where they are", False),
        (replicate, {}, "scsi0: replicated (a replication job copies it", False),
        (of_another, {}, "scsi0: shared_disk (another guest has it too", False),
        (alias, {}, "nfs and ceph are the same place", False),
        (None, {"disks": ("scsi9",)}, "it has no disk scsi9", True),
        (None, {"host": "pve2"}, "the guest is on pve1, not on pve2", True),
        (None, {"source": "thick@pve1"}, "scsi0 is on ceph, not on thick", True),
        (None, {"target": "thick@pve2"}, "thick@pve2 is a storage of pve2, and the guest is on pve1", False),
        (None, {"target": "gone"}, "there is no storage gone", False),
        (None, {"guest": "103", "disks": ("rootfs",)}, "rootfs: running_container (volumes of a", False),
        (
            lambda served: served.change_storage("nfs", disabled=True),
            {},
            "nfs is disabled, or not for pve1",
            False,
        ),
        (
            lambda served: served.change_storage("nfs", inactive=["pve1"]),
            {},
            "nfs is not active on pve1",
            True,
        ),
        (
            lambda served: served.change_storage("nfs", content="iso,rootdir"),
            {},
            "the content types of nfs do not include images",
            False,
        ),
        (
            lambda served: served.change_storage("nfs", free=4 * GIB),
            {},
            "nfs has 4.0 GiB free, and the copy needs 8.0 GiB",
            True,
        ),
        (
            lambda served: served.change_storage("thick", free=9 * GIB),
            {"target": "thick@pve1"},
            "thick has 9.0 GiB free, and the copy needs 32.0 GiB",
            True,
        ),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:24]),
)
def test_what_would_be_refused_is_named_before(
    change: Callable[[launch.Simulator], None] | None,
    wanted: dict[str, Any],
    why: str,
    passing: bool,
    simulator: Simulate,
) -> None:
    served = two_on_ceph(simulator)
    if change is not None:
        change(served)
    platform = clusters.connect(served)
    prepared = platform.prepare_disk_move(replace(move(100, "scsi0"), **wanted))
    assert prepared.objection is not None
    assert prepared.objection.why.startswith(why)
    assert prepared.objection.passing is passing
    with pytest.raises(StartRefused):
        platform.start_disk_move(prepared)
    assert served.state()["disk_moves"] == []


@pytest.mark.parametrize(("release", "aio"), [("8.4", ""), ("9.2", ",aio=io_uring")])
def test_a_disk_whose_requests_the_target_does_not_go_with_is_not_moved_while_it_runs(
    release: str, aio: str, simulator: Simulate
) -> None:
    """Without the check the task would fail."""
    served = two_on_ceph(simulator, options=("--version", release))
    served.change_guest("100", config={"scsi0": f"ceph:vm-100-disk-0,size=32G{aio}"})
    platform = clusters.connect(served)
    to_lvm = move(100, "scsi0", target="thick@pve1")
    prepared = platform.prepare_disk_move(to_lvm)
    assert prepared.objection is not None
    assert prepared.objection.why.startswith("scsi0 uses io_uring, which thick (lvm) does not go with")
    task = platform.start_disk_move(replace(prepared, objection=None))
    assert "known to cause issues with aio=io_uring" in follow(platform, {task: to_lvm})[task].why
    assert carry_out(platform, move(100, "scsi0")).state == "migrated"
    served.change_guest("100", power="stopped")
    stopped = clusters.connect(served)
    assert carry_out(stopped, move(100, "scsi0", source="nfs", target="thick@pve1")).state == "migrated"


def test_rights_are_asked_for_before_anything_is_started(simulator: Simulate) -> None:
    rights = ["Sys.Audit", "VM.Audit", "Datastore.Audit", "SDN.Audit", "Pool.Audit"]
    served = two_on_ceph(simulator, grants={"root@pam": {"/": rights}})
    with pytest.raises(PermissionMissing, match=r"VM\.Config\.Disk on /vms/100"):
        clusters.connect(served).prepare_disk_move(move(100, "scsi0"))
    served.switches(grants={"root@pam": {"/": [*rights, "VM.Config.Disk"]}})
    with pytest.raises(PermissionMissing, match=r"Datastore\.AllocateSpace on /storage/nfs"):
        clusters.connect(served).prepare_disk_move(move(100, "scsi0"))


def test_what_changes_between_the_check_and_the_start_is_refused(simulator: Simulate) -> None:
    served = two_on_ceph(simulator)
    platform = clusters.connect(served)
    prepared = platform.prepare_disk_move(move(100, "scsi0"))
    served.change_guest("100", config={"description": "changed"})
    with pytest.raises(StartRefused, match="detected modified configuration") as refused:
        platform.start_disk_move(prepared)
    assert refused.value.passing
    prepared = platform.prepare_disk_move(move(100, "scsi0"))
    served.change_guest("100", snapshots=["before"])
    with pytest.raises(StartRefused):
        platform.start_disk_move(prepared)
    assert served.state()["disk_moves"] == []


def test_progress_is_told_by_bytes_over_all_disks(simulator: Simulate) -> None:
    clock = Hands()
    served = two_on_ceph(simulator, disk_move_seconds=2)
    platform = ProxmoxPlatform(clusters.connection(served), monotonic=clock)
    wanted = move(100, "scsi0", "scsi1")
    task = platform.start_disk_move(platform.prepare_disk_move(wanted))

    def later(states: Mapping[str, DiskMoveState]) -> bool:
        clock.seconds += 6
        return (states[task].copied or 0) >= 16 * GIB

    half = follow(platform, {task: wanted}, later)[task]
    # 16 GiB of 32 and 8 that follow.
    assert half.state == "running"
    assert half.percent is not None
    assert 40 <= half.percent < 100
    assert half.copied is not None
    assert half.percent == pytest.approx(100 * half.copied / (40 * GIB))


@pytest.mark.parametrize("at", [0, 1])
def test_a_disk_that_fails_ends_the_move_and_says_what_has_moved(at: int, simulator: Simulate) -> None:
    fault = {"disk": f"scsi{at}", "at_percent": 30}
    served = two_on_ceph(simulator, fail_disk_moves=[fault])
    end = carry_out(clusters.connect(served), move(100, "scsi0", "scsi1"))
    assert (end.state, end.moved, end.left_behind) == ("failed", ("scsi0",)[:at], ())
    assert end.why == "storage migration failed: aborting at 30 %"
    assert free(served, "nfs") == (500 - 8 * at) * GIB


def test_a_storage_that_fills_up_meanwhile_fails_the_move_and_the_copy_is_freed(simulator: Simulate) -> None:
    served = two_on_ceph(simulator, disk_move_seconds=0.5)
    platform = clusters.connect(served)
    wanted = move(100, "scsi0")
    task = platform.start_disk_move(platform.prepare_disk_move(wanted))
    served.change_storage("nfs", free=GIB)
    end = follow(platform, {task: wanted})[task]
    assert end.state == "failed"
    assert "No space left on device" in end.why
    assert (end.moved, end.left_behind, disks(served)["scsi0"]) == ((), (), "ceph")
    assert served.state()["storages"]["nfs"]["spaces"]["pve1"]["least"] >= 0


def test_an_old_volume_that_is_not_removed_is_named(simulator: Simulate) -> None:
    served = two_on_ceph(simulator, keep_sources=["*"])
    platform = clusters.connect(served)
    end = carry_out(platform, move(100, "scsi0"))
    assert (end.state, end.left_behind) == ("migrated", ("ceph:vm-100-disk-0",))
    container = carry_out(platform, move(104, "rootfs", host="pve2"))
    assert (container.state, container.left_behind) == (
        "migrated",
        ("unused0: ceph:vm-104-disk-0",),
    )


@pytest.mark.parametrize("count", [1, None], ids=["once", "always"])
def test_without_a_look_at_the_content_it_is_said_that_copies_may_be_left(
    count: int | None, simulator: Simulate
) -> None:
    clock = Hands()
    call = "GET /nodes/{node}/storage/{storage}/content"
    listing = {"call": call, "object": "ceph", "error": 596, "count": count}
    served = two_on_ceph(simulator, fail_calls=[listing], keep_sources=["*"])
    platform = ProxmoxPlatform(clusters.connection(served), monotonic=clock)
    wanted = move(100, "scsi0")
    task = platform.start_disk_move(platform.prepare_disk_move(wanted))

    def later(_states: Mapping[str, DiskMoveState]) -> bool:
        clock.seconds += 6
        return False

    end = follow(platform, {task: wanted}, later)[task]
    assert end.state == "migrated"
    if count is None:
        assert end.left_behind == ()
        assert end.why == "the content of ceph could not be read, so that copies there may be left"
    else:
        assert (end.left_behind, end.why) == (("ceph:vm-100-disk-0",), "")


def test_a_task_that_says_ok_is_not_believed(simulator: Simulate) -> None:
    served = two_on_ceph(simulator, fail_disk_moves=[{"at_percent": 50, "error": "OK"}])
    end = carry_out(clusters.connect(served), move(100, "scsi0", "scsi1"))
    assert (end.state, end.why) == (
        "failed",
        "the task says OK, but scsi0 is on ceph, scsi1 is on ceph",
    )
    assert len(served.state()["disk_moves"]) == 1


def test_a_move_that_is_stopped_frees_its_copy_and_starts_no_other_disk(simulator: Simulate) -> None:
    served = two_on_ceph(simulator, disk_move_seconds=300)
    platform = clusters.connect(served)
    wanted = move(100, "scsi0", "scsi1")
    task = platform.start_disk_move(platform.prepare_disk_move(wanted))
    platform.cancel_disk_move(task)
    end = follow(platform, {task: wanted})[task]
    assert (end.state, end.moved, end.left_behind) == ("cancelled", (), ())
    assert "interrupted by signal" in end.why
    assert free(served, "nfs") == 500 * GIB
    assert len(served.state()["disk_moves"]) == 1


def test_a_task_that_is_killed_leaves_its_copy_which_is_named_and_a_second_move_ends_well(
    simulator: Simulate,
) -> None:
    served = two_on_ceph(simulator, disk_move_seconds=300, abort_seconds=60)
    platform = clusters.connect(served)
    wanted = move(100, "scsi0")
    task = platform.start_disk_move(platform.prepare_disk_move(wanted))
    platform.cancel_disk_move(task)
    end = follow(platform, {task: wanted})[task]
    assert (end.state, end.left_behind) == ("cancelled", ("nfs:100/vm-100-disk-0.raw",))
    container = move(104, "rootfs", host="pve2")
    task = platform.start_disk_move(platform.prepare_disk_move(container))
    platform.cancel_disk_move(task)
    end = follow(platform, {task: container})[task]
    assert "it is still locked (disk): check it, then unlock it (`pct unlock 104`)" in end.why
    served.switches(disk_move_seconds=0.1)
    again = carry_out(platform, wanted)
    assert (again.state, again.left_behind) == ("migrated", ("nfs:100/vm-100-disk-0.raw",))


def test_another_process_finds_the_move_that_runs_and_finishes_it(simulator: Simulate) -> None:
    served = two_on_ceph(simulator, disk_move_seconds=1)
    first = clusters.connect(served)
    wanted = move(100, "scsi0", "scsi1")
    first.start_disk_move(first.prepare_disk_move(wanted))
    second = clusters.connect(served)
    assert second.find_disk_move(move(100, "scsi1")) is None
    task = second.find_disk_move(wanted)
    assert task is not None
    end = follow(second, {task: wanted})[task]
    assert (end.state, end.moved) == ("migrated", ("scsi0", "scsi1"))
    assert second.find_disk_move(wanted) is None
    third = clusters.connect(served)
    # It knows only the name of the first task, which has long ended.
    assert third.poll_disk_moves({task: wanted})[task].state == "migrated"


def test_the_task_of_the_first_disk_is_enough_to_go_on_with_the_second(simulator: Simulate) -> None:
    served = two_on_ceph(simulator)
    first = clusters.connect(served)
    wanted = move(100, "scsi0", "scsi1")
    task = first.start_disk_move(first.prepare_disk_move(wanted))
    wait_until(lambda: disks(served)["scsi0"] == "nfs")
    second = clusters.connect(served)
    end = follow(second, {task: wanted})[task]
    assert (end.state, end.moved) == ("migrated", ("scsi0", "scsi1"))
    assert [change["disk"] for change in served.state()["disk_moves"]] == ["scsi0", "scsi1"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("seconds", [0, 1])
def test_without_an_answer_it_is_looked_for_and_nothing_is_started_twice(
    when: str, seconds: float, simulator: Simulate
) -> None:
    drop = {"call": "POST /nodes/{node}/qemu/{vmid}/move_disk", "when": when}
    served = two_on_ceph(simulator, drop_connection=[drop], disk_move_seconds=seconds)
    end = carry_out(clusters.connect(served), move(100, "scsi0"))
    assert (end.state, end.moved) == ("migrated", ("scsi0",))
    assert len(served.state()["disk_moves"]) == 1


def test_a_node_that_goes_meanwhile_is_named_and_what_it_left_too(simulator: Simulate) -> None:
    clock = Hands()
    served = two_on_ceph(simulator, disk_move_seconds=300)
    platform = ProxmoxPlatform(clusters.connection(served), monotonic=clock)
    wanted = move(102, "scsi0", host="pve2")
    served.change_guest("102", snapshots=[])
    task = platform.start_disk_move(platform.prepare_disk_move(wanted))
    served.change_host("pve2", status="offline")

    def later(_states: Mapping[str, DiskMoveState]) -> bool:
        clock.seconds += 20
        return False

    end = follow(platform, {task: wanted}, later)[task]
    assert end.state == "failed"
    assert end.why.startswith("the node that ran it (pve2) does not answer; where its disks are could not")
    served.change_host("pve2", status="online")
    again = ProxmoxPlatform(clusters.connection(served), monotonic=clock)
    back = follow(again, {task: wanted}, later)[task]
    assert (back.state, back.moved) == ("failed", ())
    assert back.left_behind == ("nfs:102/vm-102-disk-0.raw",)


def test_a_call_that_fails_once_ends_no_move_and_leaves_no_container_off(simulator: Simulate) -> None:
    served = two_on_ceph(simulator)
    platform = clusters.connect(served, restart_containers=True)
    wanted = move(103, "rootfs")
    task = platform.start_disk_move(platform.prepare_disk_move(wanted))
    broken = {"error": 500, "message": "got timeout", "count": 2}
    paths = ("GET /nodes/{node}/lxc/{vmid}/config", "GET /nodes/{node}/lxc/{vmid}/status/current")
    served.switches(fail_calls=[{"call": path, **broken} for path in paths])
    end = follow(platform, {task: wanted})[task]
    assert (end.state, end.moved) == ("migrated", ("rootfs",))
    assert served.state()["guests"]["103"]["power"] == "running"


def test_a_task_list_that_is_late_delays_nothing_but_the_end(simulator: Simulate) -> None:
    """The next disk waits for what the lists still show of the first one."""
    served = two_on_ceph(simulator, task_list_seconds=0.5)
    end = carry_out(clusters.connect(served), move(100, "scsi0", "scsi1"))
    assert (end.state, end.moved) == ("migrated", ("scsi0", "scsi1"))


def test_a_migration_is_held_meanwhile(simulator: Simulate) -> None:
    served = two_on_ceph(simulator, disk_move_seconds=300)
    platform = clusters.connect(served)
    platform.start_disk_move(platform.prepare_disk_move(move(100, "scsi0")))
    assert platform.look(["100"]).guests["100"].busy == "a task is under way (qmmove)"
    again = platform.prepare_disk_move(move(100, "scsi1"))
    assert again.objection == Objection("a task is under way (qmmove)", passing=True)


def test_a_running_container_is_shut_down_for_it_only_where_that_is_allowed(simulator: Simulate) -> None:
    served = two_on_ceph(simulator)
    wanted = move(103, "rootfs")
    refused = clusters.connect(served).prepare_disk_move(wanted).objection
    assert refused is not None
    assert refused.why.endswith("restart_containers allows to shut it down meanwhile")
    platform = clusters.connect(served, restart_containers=True)
    assert carry_out(platform, wanted) == DiskMoveState(
        state="migrated", percent=100, copied=32 * GIB, moved=("rootfs",)
    )
    assert served.state()["guests"]["103"]["power"] == "running"


@pytest.mark.parametrize(
    ("switches", "why", "power"),
    [
        ({"fail_disk_moves": [{"at_percent": 50}]}, "storage migration failed: aborting at 50 %", "running"),
        (
            {"ignore_start": ["103"]},
            "the container was shut down for the move and did not start again: startup for container '103' "
            "failed; start it by hand",
            "stopped",
        ),
    ],
    ids=["copy", "start"],
)
def test_a_container_is_started_again_whatever_became_of_its_volumes(
    switches: dict[str, Any], why: str, power: str, simulator: Simulate
) -> None:
    served = two_on_ceph(simulator, **switches)
    end = carry_out(clusters.connect(served, restart_containers=True), move(103, "rootfs"))
    assert (end.state, end.why) == ("failed", why)
    assert served.state()["guests"]["103"]["power"] == power


def test_a_container_that_does_not_shut_down_keeps_its_volumes_where_they_are(simulator: Simulate) -> None:
    served = two_on_ceph(simulator, ignore_shutdown=["103"], disk_move_seconds=300)
    platform = clusters.connect(served, restart_containers=True)
    wanted = move(103, "rootfs")
    task = platform.start_disk_move(platform.prepare_disk_move(wanted))
    assert platform.poll_disk_moves({task: wanted})[task].state == "running"
    served.switches(ignore_shutdown=[])
    served.change_guest("103", power="stopped")
    served.change_guest("103", power="running")
    rights = clusters.connect(served, restart_containers=True).prepare_disk_move(wanted).objection
    assert rights == Objection("a task is under way (vzshutdown)", passing=True)


def test_a_run_that_was_killed_while_a_container_was_off_goes_on_and_starts_it(simulator: Simulate) -> None:
    served = two_on_ceph(simulator)
    first = clusters.connect(served, restart_containers=True)
    wanted = move(103, "rootfs")
    task = first.start_disk_move(first.prepare_disk_move(wanted))
    wait_until(lambda: served.state()["guests"]["103"]["power"] == "stopped")
    second = clusters.connect(served, restart_containers=True)
    assert follow(second, {task: wanted})[task].state == "migrated"
    assert served.state()["guests"]["103"]["power"] == "running"
    # Killed once more, after the volumes had been moved.
    served.change_guest("103", power="stopped")
    third = clusters.connect(served, restart_containers=True)
    assert follow(third, {task: wanted})[task].state == "migrated"
    assert served.state()["guests"]["103"]["power"] == "running"


def test_a_move_that_is_stopped_while_its_container_goes_down_starts_it_again(simulator: Simulate) -> None:
    served = two_on_ceph(simulator, shutdown_seconds=0.5)
    platform = clusters.connect(served, restart_containers=True)
    wanted = move(103, "rootfs")
    task = platform.start_disk_move(platform.prepare_disk_move(wanted))
    platform.cancel_disk_move(task)
    end = follow(platform, {task: wanted})[task]
    assert (end.state, end.why) == ("cancelled", "it was stopped")
    assert served.state()["guests"]["103"]["power"] == "running"
    assert served.state()["disk_moves"] == []


def test_of_a_container_that_ha_manages_or_may_not_be_shut_down_nothing_is_moved(simulator: Simulate) -> None:
    rights = ["Sys.Audit", "VM.Audit", "Datastore.Audit", "Datastore.AllocateSpace", "VM.Config.Disk"]
    cluster = stores.cluster()
    served = simulator("proxmox", cluster, options=("--ha-guest", "103"), grants={"root@pam": {"/": rights}})
    platform = clusters.connect(served, restart_containers=True)
    with pytest.raises(PermissionMissing, match=r"VM\.PowerMgmt on /vms/103"):
        platform.prepare_disk_move(move(103, "rootfs"))
    served.switches(grants={})
    objection = (
        clusters.connect(served, restart_containers=True).prepare_disk_move(move(103, "rootfs")).objection
    )
    assert objection == Objection("HA manages it, and would start it again while its volumes are moved")
