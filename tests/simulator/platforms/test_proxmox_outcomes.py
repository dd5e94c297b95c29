# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has ended is judged by what is there: place, power and lock, not the task's word alone."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Disk
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import (
    MigrationState,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.platform import (
    ProxmoxPlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.following import (
    Hands,
    follow,
    migrate,
    wait_until,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.proxmox_clusters import GIB, request
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS


def by_hand(served: launch.Simulator, **changes: Any) -> tuple[ProxmoxPlatform, Hands]:
    hands = Hands()
    return ProxmoxPlatform(clusters.connection(served, **changes), monotonic=hands), hands


@pytest.mark.parametrize(("number", "power"), [(103, "stopped"), (100, "paused"), (100, "stopped")])
def test_a_guest_that_is_down_on_its_target_was_not_migrated(
    number: int, power: str, simulator: Simulate
) -> None:
    served = simulator("proxmox", clusters.small(), break_migrations=[{"guest": str(number), "power": power}])
    platform = clusters.connect(served, restart_containers=True)
    state = migrate(platform, request(number, "pve1", "pve2"))
    assert clusters.place(served, number) == "pve2"
    assert state.state == "failed"
    assert state.why.startswith("it is on pve2, but the task ended with: migration problems: ")
    assert state.why.endswith(f"; there it is {power}")


def test_a_bad_end_of_a_guest_that_runs_on_its_target_is_named_too(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), break_migrations=[{"guest": "100"}])
    state = migrate(clusters.connect(served), request(100, "pve1", "pve2"))
    assert (state.state, state.why) == (
        "failed",
        "it is on pve2, but the task ended with: migration problems:"
        " removing the local copy of a disk failed; there it is running",
    )


def test_a_good_end_with_warnings_is_a_good_end_with_a_remark(simulator: Simulate) -> None:
    served = simulator(
        "proxmox", clusters.small(), break_migrations=[{"guest": "100", "error": "WARNINGS: 2"}]
    )
    assert migrate(clusters.connect(served), request(100, "pve1", "pve2")) == MigrationState(
        state="migrated", percent=100, why="the task ended with WARNINGS: 2: see its log"
    )


def test_a_paused_machine_stays_paused_and_is_migrated(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    served.change_guest("100", run_state="paused")
    platform = clusters.connect(served)
    assert platform.look(["100"]).guests["100"].power == "running"
    assert migrate(platform, request(100, "pve1", "pve2")) == MigrationState(state="migrated", percent=100)


def test_a_lock_counts_as_left_behind_some_seconds_after_the_end(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), break_migrations=[{"guest": "100", "lock": True}])
    platform, hands = by_hand(served)
    wanted = request(100, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    wait_until(lambda: clusters.place(served, 100) != "pve1")
    assert platform.poll({task: wanted})[task].state == "running"
    hands.seconds = 4
    assert platform.poll({task: wanted})[task].state == "running"
    hands.seconds = 6
    state = platform.poll({task: wanted})[task]
    assert state.state == "failed"
    assert "it is on pve2, but the task ended with: migration problems" in state.why
    assert "it is still locked (migrate): check it on pve2, then unlock it (`qm unlock 100`)" in state.why


def test_a_good_end_is_none_where_the_lock_stays(simulator: Simulate) -> None:
    broken = [{"guest": "100", "error": "WARNINGS: 1", "lock": True}]
    served = simulator("proxmox", clusters.small(), break_migrations=broken)
    platform, hands = by_hand(served)
    wanted = request(100, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    wait_until(lambda: clusters.place(served, 100) != "pve1")
    assert platform.poll({task: wanted})[task].state == "running"
    # The moment at which a lock counts as left behind.
    hands.seconds = 5
    state = platform.poll({task: wanted})[task]
    assert state.state == "failed"
    assert "it is still locked (migrate): check it on pve2" in state.why


def test_a_source_that_dies_ends_the_migration_though_its_task_stays_in_the_list(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=300)
    platform, hands = by_hand(served)
    wanted = request(100, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    assert platform.poll({task: wanted})[task].state == "running"
    served.change_host("pve1", status="offline")
    hands.seconds = 11
    assert platform.poll({task: wanted})[task].state == "running", "a lock may be a moment behind"
    hands.seconds = 17
    state = platform.poll({task: wanted})[task]
    assert state.state == "failed"
    assert state.why.startswith("the node that ran it (pve1) does not answer")
    # HA has recovered it elsewhere; the dead node's task is still in the list.
    served.change_guest("100", host="pve2", lock=None)
    assert platform.look(["100"]).guests["100"].busy is None
    assert platform.poll({task: wanted})[task] == MigrationState(
        state="migrated",
        percent=100,
        why="its end was not seen: the node that ran it (pve1) does not answer",
    )


@pytest.mark.parametrize(("number", "managed"), [(100, False), (103, False), (100, True)])
def test_what_a_person_stops_is_no_failure_of_the_guest(
    number: int, managed: bool, simulator: Simulate
) -> None:
    options = ("--ha-guest", str(number)) if managed else ()
    served = simulator(
        "proxmox", clusters.small(), options=options, migration_seconds=300, ha_delay_seconds=0.05
    )
    platform = clusters.connect(served, restart_containers=True)
    wanted = request(number, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    wait_until(lambda: bool(served.state()["migrations"]))
    another = clusters.connect(served)
    another.cancel(another.find(wanted) or "")
    state = follow(platform, {task: wanted})[task]
    assert state.state == "cancelled"
    assert "interrupted by signal" in state.why
    assert clusters.place(served, number) == "pve1"


def test_a_container_that_is_left_stopped_is_named(simulator: Simulate) -> None:
    served = simulator(
        "proxmox", clusters.small(), break_migrations=[{"guest": "103", "phase": "prepare", "count": 1}]
    )
    platform = clusters.connect(served, restart_containers=True)
    wanted = request(103, "pve1", "pve2")
    state = migrate(platform, wanted)
    assert state.state == "failed"
    assert "migration aborted: command 'umount' failed" in state.why
    assert "it is stopped on pve1, where it ran before" in state.why


def test_a_container_that_is_stopped_by_a_late_cancel_is_named(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=300)
    platform = clusters.connect(served, restart_containers=True)
    wanted = request(103, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    platform.cancel(task)
    state = follow(platform, {task: wanted})[task]
    assert state.state == "cancelled"
    assert "it is stopped on pve1, where it ran before" in state.why


def test_a_migration_that_had_to_be_killed_leaves_its_lock_and_says_so(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=300, abort_seconds=60)
    platform, hands = by_hand(served)
    wanted = request(100, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    platform.cancel(task)
    alarm = time.monotonic() + PATIENCE_SECONDS
    while (state := platform.poll({task: wanted})[task]).state == "running":
        assert time.monotonic() < alarm
        hands.seconds += 1
        time.sleep(0.1)
    assert (state.state, clusters.place(served, 100)) == ("cancelled", "pve1")
    assert "unexpected status" in state.why
    assert "it is still locked (migrate)" in state.why


def test_the_log_knows_of_the_end_before_the_list_does(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=0, task_list_seconds=3600)
    platform = clusters.connect(served)
    wanted = request(100, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    assert platform.poll({task: wanted})[task] == MigrationState(state="migrated", percent=100)


def test_a_configuration_that_something_else_holds_is_the_reason(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), held_configs=["100"], held_seconds=0.2)
    state = migrate(clusters.connect(served), request(100, "pve1", "pve2"))
    assert (state.state, state.why) == (
        "failed",
        "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout",
    )


def test_a_container_under_ha_is_migrated_when_it_runs_again(simulator: Simulate) -> None:
    served = simulator(
        "proxmox",
        clusters.small(),
        options=("--ha-guest", "103"),
        ha_delay_seconds=0.05,
        migration_seconds=0.1,
        ha_start_seconds=1.5,
    )
    platform = clusters.connect(served, restart_containers=True)
    wanted = request(103, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    alarm = time.monotonic() + PATIENCE_SECONDS
    while clusters.place(served, 103) == "pve1":
        assert platform.poll({task: wanted})[task].state == "running"
        assert time.monotonic() < alarm
    assert follow(platform, {task: wanted})[task].state == "migrated"
    assert served.state()["guests"]["103"]["power"] == "running"


def test_a_container_that_ha_does_not_start_again_was_not_migrated(simulator: Simulate) -> None:
    served = simulator(
        "proxmox",
        clusters.small(),
        options=("--ha-guest", "103"),
        ha_delay_seconds=0.05,
        migration_seconds=0.1,
        ha_start_seconds=3600,
    )
    platform, hands = by_hand(served, restart_containers=True)
    wanted = request(103, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    wait_until(lambda: clusters.place(served, 103) != "pve1")
    assert platform.poll({task: wanted})[task].state == "running"
    hands.seconds = 119
    assert platform.poll({task: wanted})[task].state == "running"
    hands.seconds = 121
    assert platform.poll({task: wanted})[task] == MigrationState(
        state="failed", why="it is on pve2, but the task ended with: OK; there it is stopped"
    )


def test_what_ha_does_not_apply_is_said(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), options=("--ha-guest", "100"), ha_delay_seconds=0.05)
    platform = clusters.connect(served, bandwidth_limit=100_000)
    state = migrate(platform, request(100, "pve1", "pve2"))
    assert (state.state, state.why) == ("migrated", "HA does not apply bandwidth_limit")


def test_a_failure_of_ha_after_the_move_ends_in_its_state_error(simulator: Simulate) -> None:
    served = simulator(
        "proxmox",
        clusters.small(),
        options=("--ha-guest", "100"),
        ha_delay_seconds=0.05,
        break_migrations=[{"guest": "100", "power": "paused", "count": 1}],
    )
    platform, hands = by_hand(served)
    wanted = request(100, "pve1", "pve2")
    task = platform.start(platform.prepare(wanted))
    alarm = time.monotonic() + PATIENCE_SECONDS
    while (state := platform.poll({task: wanted})[task]).state == "running":
        assert time.monotonic() < alarm
        hands.seconds += 1
        time.sleep(0.02)
    assert state.state == "failed"
    assert "it is on pve2, but the task ended with: migration problems" in state.why
    hands.seconds += 60
    assert str(platform.prepare(request(100, "pve2", "pve3")).objection) == (
        "HA has it in state error, and takes requests only for started or stopped guests"
    )


def test_ha_copies_local_disks_without_being_told(simulator: Simulate) -> None:
    local = (Disk(datastore="local-lvm", size=GIB),)
    cluster = clusters.cluster(
        (clusters.host("pve1"), clusters.host("pve2")), (clusters.guest(100, "pve1", disks=local),)
    )
    served = simulator("proxmox", cluster, options=("--ha-guest", "100"), ha_delay_seconds=0.05)
    state = migrate(clusters.connect(served, with_local_disks=True), request(100, "pve1", "pve2"))
    assert state.state == "migrated"
