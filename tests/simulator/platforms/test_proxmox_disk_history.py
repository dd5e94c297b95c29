# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Proxmox VE itself remembers of moves of disks that failed, whoever asked for them."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.api.values import moment
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.read.disk_history import (
    DiskMoveHistory,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_stores as stores
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.proxmox_stores import carry_out, move
from ansible_collections.evenkeel.cluster.tests.simulators import launch


def read(served: launch.Simulator) -> Snapshot:
    return clusters.connect(served, storage=True).read()


def failed(snapshot: Snapshot) -> Mapping[str, str]:
    """When moves last failed, by guest and disk; no guest itself has failed."""
    assert {guest.last_failed_at for guest in snapshot.guests} == {None}
    return {
        f"{guest.id} {disk.id}": disk.last_failed_at
        for guest in snapshot.guests
        for disk in guest.disks
        if disk.last_failed_at is not None
    }


def next_second() -> None:
    """Ends of tasks are whole seconds."""
    now = time.time()
    time.sleep(1.01 - now % 1)


def test_a_failed_move_is_that_of_the_disk_that_the_log_names(simulator: Simulate) -> None:
    served = simulator("proxmox", stores.cluster(), fail_disk_moves=[{"guest": "100", "disk": "scsi0"}])
    platform = clusters.connect(served)
    began = time.time()
    assert failed(read(served)) == {}
    assert carry_out(platform, move(100, "scsi0")).state == "failed"
    found = failed(read(served))
    assert found.keys() == {"100 scsi0"}
    assert moment(began) <= found["100 scsi0"] <= moment(time.time())
    # The success of another disk says nothing of this one.
    next_second()
    assert carry_out(platform, move(100, "scsi1", source="nfs", target="ceph")).state == "migrated"
    assert failed(read(served)) == found
    served.switches(fail_disk_moves=[])
    assert carry_out(platform, move(100, "scsi0")).state == "migrated"
    assert failed(read(served)) == {}


def test_a_failed_move_of_which_the_log_does_not_name_the_disk_may_be_that_of_any(
    simulator: Simulate,
) -> None:
    served = simulator("proxmox", stores.cluster(), fail_disk_moves=[{"guest": "104"}])
    platform = clusters.connect(served)
    assert carry_out(platform, move(104, "rootfs", host="pve2")).state == "failed"
    served.switches(held_configs=["100"], held_seconds=0.1)
    assert carry_out(platform, move(100, "scsi0")).state == "failed"
    assert failed(read(served)).keys() == {"100 scsi0", "100 scsi1", "104 rootfs", "104 mp0"}


def test_a_move_that_somebody_stopped_has_not_failed(simulator: Simulate) -> None:
    served = simulator("proxmox", stores.cluster(), disk_move_seconds=60)
    platform = clusters.connect(served)
    request = move(100, "scsi0")
    task = platform.start_disk_move(platform.prepare_disk_move(request))
    clusters.connect(served).cancel_disk_move(task)
    assert stores.follow(platform, {task: request})[task].state == "cancelled"
    assert failed(read(served)) == {}


def test_a_failed_migration_is_none_of_its_disks(simulator: Simulate) -> None:
    served = simulator("proxmox", stores.cluster(), migration_seconds=0, fail_migrations=[{"guest": "100"}])
    platform = clusters.connect(served)
    platform.start(platform.prepare(clusters.request(100, "pve1", "pve2")))
    snapshot = read(served)
    (guest,) = (guest for guest in snapshot.guests if guest.id == "100")
    assert guest.last_failed_at is not None
    assert {disk.last_failed_at for disk in guest.disks} == {None}


@pytest.mark.parametrize("storage", [False, True])
def test_moves_of_disks_are_asked_for_where_datastores_are(storage: bool, simulator: Simulate) -> None:
    error = {"call": "GET /nodes/pve2/tasks", "error": 500, "message": "broken"}
    served = simulator("proxmox", stores.cluster(), fail_calls=[error])
    snapshot = clusters.connect(served, storage=storage).read()
    hidden = [notice.text for notice in snapshot.notices if "older moves of disks" in notice.text]
    assert len(hidden) == storage


def test_only_a_success_that_names_the_disk_ends_a_failure() -> None:
    history = DiskMoveHistory(
        failed_at={("1", "a"): 10, ("1", None): 20, ("2", "a"): 10, ("3", None): 10, ("4", "a"): 10},
        moved_at={("1", "a"): 15, ("2", "a"): 11, ("2", None): 30, ("3", None): 30, ("4", "a"): 10},
    )
    assert [history.last_failed_at(guest, "a") for guest in "12345"] == [
        moment(20),
        None,
        moment(10),
        # Of the same second: rather wait.
        moment(10),
        None,
    ]
    assert history.last_failed_at("1", "b") == moment(20)
    assert history.last_failed_at("1", None) == moment(20)
