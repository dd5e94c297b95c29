# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guests and nodes of a Proxmox VE are doing while they are read, and what they have done."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Guest, Host, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.api.values import moment
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.platform import (
    ProxmoxPlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.proxmox_clusters import GIB
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS


def read(platform: ProxmoxPlatform) -> Snapshot:
    """What is read, checked as a snapshot file would be."""
    snapshot = platform.read()
    platform.close()
    return Snapshot.from_json(snapshot.to_json())


def host(snapshot: Snapshot, name: str) -> Host:
    return next(host for host in snapshot.hosts if host.id == name)


def guest(snapshot: Snapshot, number: int) -> Guest:
    return next(guest for guest in snapshot.guests if guest.id == str(number))


@pytest.mark.parametrize(
    ("state", "blockers"),
    [
        *((state, ()) for state in ("paused", "io-error", "internal-error", "guest-panicked", "suspended")),
        *((state, ()) for state in ("prelaunch", "watchdog", "shutdown", "debug", "colo")),
        *((state, ("locked",)) for state in ("inmigrate", "finish-migrate", "save-vm", "restore-vm")),
    ],
)
@pytest.mark.parametrize("window", [0, 3600])
def test_a_machine_in_any_run_state_holds_its_memory_and_is_measured(
    window: int, state: str, blockers: tuple[str, ...], simulator: Simulate
) -> None:
    served = simulator("proxmox", clusters.small())
    served.change_guest("100", run_state=state)
    there = guest(read(clusters.connect(served, window_seconds=window)), 100)
    assert (there.power, there.run_state, there.is_on_host) == ("running", state, True)
    assert there.used["memory"] == 4 * GIB
    assert there.used["cpu"] is not None
    assert there.blockers == blockers
    assert there.disks


def test_a_stopped_machine_that_is_backed_up_does_not_run(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    served.change_guest("100", run_state="prelaunch", lock="backup")
    there = guest(read(clusters.connect(served)), 100)
    assert (there.power, there.run_state, there.used["memory"]) == ("stopped", None, 0)


def test_a_machine_that_is_saved_to_disk_holds_no_memory(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    served.change_guest("100", power="suspended")
    there = guest(read(clusters.connect(served)), 100)
    assert (there.power, there.is_on_host, there.used["memory"]) == ("suspended", False, 0)


@pytest.mark.parametrize("stale_seconds", [300, 0])
def test_what_a_node_reported_before_it_went_is_not_what_is_there(
    stale_seconds: float, simulator: Simulate
) -> None:
    served = simulator("proxmox", clusters.small(), stale_seconds=stale_seconds)
    served.change_host("pve2", status="offline")
    found = read(clusters.connect(served))
    there = guest(found, 102)
    assert (host(found, "pve2").status, there.power, there.used["memory"]) == ("offline", "unknown", None)
    assert there.blockers == ("not_readable",)


def test_after_a_restart_of_the_status_daemon_no_guest_of_its_node_is_measured(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), daemon_restarted=["pve1"])
    found = read(clusters.connect(served))
    for number in (100, 101, 103, 104):
        assert guest(found, number).used["cpu"] is None
        assert guest(found, number).sources == {"cpu": "not_yet_measured"}
        assert guest(found, number).used["memory"] == 4 * GIB
    assert guest(found, 102).used["cpu"] == 0.25
    # Averages do not depend on the last sample.
    averaged = read(clusters.connect(served, window_seconds=3600))
    assert (guest(averaged, 100).used["cpu"], guest(averaged, 100).sources) == (0.25, {})


def test_a_machine_that_arrived_live_is_not_measured_yet(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=0, sample_seconds=3600)
    platform = clusters.connect(served)
    platform.start(platform.prepare(clusters.request(100, "pve1", "pve2")))
    there = guest(read(platform), 100)
    assert (there.host, there.used["cpu"], there.sources) == ("pve2", None, {"cpu": "not_yet_measured"})


def test_an_idle_ha_manager_s_old_state_of_a_node_does_not_close_it(simulator: Simulate) -> None:
    idle = {"seconds": 900, "node_status": {"pve1": "online", "pve2": "unknown", "pve3": "online"}}
    served = simulator("proxmox", clusters.small(), ha_idle=idle)
    assert host(read(clusters.connect(served)), "pve2").active
    assert clusters.connect(served).look([]).hosts["pve2"].active
    served.switches(ha_idle={**idle, "seconds": 10})
    closed = host(read(clusters.connect(served)), "pve2")
    assert (closed.active, closed.closed_because) == (False, "the HA manager has it in the state unknown")


def test_disarmed_ha_holds_its_guests_or_leaves_them_alone(simulator: Simulate) -> None:
    pair = clusters.rule("pair", "affinity", 100, 101)
    served = simulator("proxmox", replace(clusters.small(), rules=(pair,)), ha_disarmed="freeze")
    found = read(clusters.connect(served))
    assert [notice.text.partition(":")[0] for notice in found.notices] == ["HA is disarmed (mode freeze)"]
    assert [rule.name for rule in found.rules] == ["pair"]
    served.switches(ha_disarmed="ignore")
    found = read(clusters.connect(served))
    assert [notice.text.partition(":")[0] for notice in found.notices] == ["HA is disarmed (mode ignore)"]
    assert found.rules == ()
    assert guest(found, 100).blockers == ()


@pytest.mark.parametrize(
    ("state", "blockers", "busy"),
    [
        ("started", (), None),
        ("stopped", (), None),
        # Its node's own HA manager restarts, which is no disarming.
        ("freeze", ("locked",), "HA has it in state freeze"),
        ("request_stop", ("locked",), "HA has it in state request_stop"),
        ("migrate", ("locked",), "a migration of it is under way"),
        ("relocate", ("locked",), "a migration of it is under way"),
        ("error", ("ha_error",), "HA has it in state error"),
        ("fence", ("ha_error",), "HA has it in state fence"),
        ("recovery", ("ha_error",), "HA has it in state recovery"),
    ],
)
def test_a_guest_is_as_free_as_the_state_that_ha_has_it_in(
    state: str, blockers: tuple[str, ...], busy: str | None, simulator: Simulate
) -> None:
    served = simulator("proxmox", clusters.small(), options=("--ha-guest", "100"))
    served.change_guest("100", ha_state=state)
    platform = clusters.connect(served)
    assert guest(platform.read(), 100).blockers == blockers
    assert guest(platform.read(), 101).blockers == ()
    seen = platform.look(["100", "101"]).guests
    assert (seen["100"].busy, seen["101"].busy) == (busy, None)
    objection = platform.prepare(clusters.request(100, "pve1", "pve2")).objection
    assert ("" if objection is None else objection.why.partition(",")[0]) == (
        "" if busy is None else f"HA has it in state {state}"
    )


def test_guests_are_in_the_order_of_their_numbers_whatever_the_list_s_order(simulator: Simulate) -> None:
    guests = tuple(clusters.guest(number, "pve1") for number in (1000, 100, 999))
    served = simulator("proxmox", clusters.cluster((clusters.host("pve1"), clusters.host("pve2")), guests))
    listed = clusters.connect(served).read().guests
    assert [each.id for each in listed] == ["100", "999", "1000"]


def test_a_migration_under_way_is_known_with_its_target(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=60)
    platform = clusters.connect(served)
    platform.start(platform.prepare(clusters.request(100, "pve1", "pve2")))
    found = read(platform)
    there = guest(found, 100)
    assert (there.host, there.migrating_to, there.blockers) == ("pve1", "pve2", ("locked",))
    assert (there.last_migrated_at, there.last_failed_at) == (None, None)
    assert guest(found, 101).migrating_to is None


def test_a_migration_that_ha_is_to_run_is_known_with_its_target(simulator: Simulate) -> None:
    served = simulator(
        "proxmox", clusters.small(), options=("--ha-guest", "100"), migration_seconds=60, ha_delay_seconds=0
    )
    platform = clusters.connect(served)
    platform.start(platform.prepare(clusters.request(100, "pve1", "pve3")))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := guest(platform.read(), 100)).migrating_to is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert (found.host, found.migrating_to) == ("pve1", "pve3")
    assert "locked" in found.blockers


def test_a_task_that_has_ended_does_not_hold_its_guest_though_the_list_still_shows_it(
    simulator: Simulate,
) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=0, task_list_seconds=3600)
    platform = clusters.connect(served)
    platform.start(platform.prepare(clusters.request(100, "pve1", "pve2")))
    there = guest(read(platform), 100)
    assert (there.host, there.migrating_to, there.blockers) == ("pve2", None, ())


def test_older_migrations_are_known_though_the_cluster_s_list_is_full_of_others(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=0)
    platform = clusters.connect(served)
    platform.start(platform.prepare(clusters.request(100, "pve1", "pve2")))
    first = guest(platform.read(), 100).last_migrated_at
    assert first is not None
    for _ in range(15):
        platform.start(platform.prepare(clusters.request(101, "pve1", "pve3")))
        platform.look(["101"])
        platform.start(platform.prepare(clusters.request(101, "pve3", "pve1")))
        platform.look(["101"])
    for _ in range(15):
        platform.start(platform.prepare(clusters.request(101, "pve1", "pve2")))
        platform.look(["101"])
        platform.start(platform.prepare(clusters.request(101, "pve2", "pve1")))
        platform.look(["101"])
    assert guest(read(platform), 100).last_migrated_at == first


def test_a_migration_that_somebody_stopped_is_no_failure_of_its_guest(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=60)
    platform = clusters.connect(served)
    began = time.time()
    task = platform.start(platform.prepare(clusters.request(100, "pve1", "pve2")))
    clusters.connect(served).cancel(task)
    served.switches(migration_seconds=0, fail_migrations=[{"guest": "101"}])
    platform.start(platform.prepare(clusters.request(101, "pve1", "pve2")))
    found = read(platform)
    assert guest(found, 100).last_failed_at is None
    failed = guest(found, 101).last_failed_at
    assert failed is not None
    assert failed >= moment(began)


@pytest.mark.parametrize("skew", ["10800", "-10800"])
def test_a_snapshot_is_dated_by_the_clock_that_its_events_are_dated_by(
    skew: str, simulator: Simulate
) -> None:
    served = simulator("proxmox", clusters.small(), options=(f"--clock-skew={skew}",), migration_seconds=0)
    before = time.time() + float(skew)
    platform = clusters.connect(served)
    platform.start(platform.prepare(clusters.request(100, "pve1", "pve2")))
    found = read(platform)
    migrated = guest(found, 100).last_migrated_at
    assert migrated is not None
    assert moment(before - 2) <= migrated <= found.taken_at <= moment(time.time() + float(skew) + 2)


def test_the_instance_of_a_cluster_is_the_same_from_every_host_and_not_another_s(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    first = read(clusters.connect(served)).cluster
    served.change_host("pve1", status="offline")
    assert read(clusters.connect(served)).cluster == first
    served.switches(ca_seed="another")
    other = read(clusters.connect(served)).cluster
    assert (other.name, other.instance == first.instance) == (first.name, False)
    fault = {"call": "GET /nodes/{node}/certificates/info", "error": 500}
    served.switches(fail_calls=[fault])
    unknown = read(clusters.connect(served))
    assert (unknown.cluster.instance, unknown.notices) == (None, ())


def test_the_cpu_features_that_not_every_host_has_bind_the_machines_that_use_them(
    simulator: Simulate,
) -> None:
    served = simulator("proxmox", clusters.small())
    served.change_guest("100", config={"cpu": "x86-64-v4"})
    served.change_guest("101", config={"cpu": "x86-64-v3,flags=+pdpe1gb"})
    old = "fpu pni cx16 lahf_lm popcnt ssse3 sse4_1 sse4_2 aes avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
    new = f"{old} avx512f avx512bw avx512cd avx512dq avx512vl pdpe1gb"
    for name, flags in (("pve1", new), ("pve2", old), ("pve3", f"{old} pdpe1gb")):
        served.change_host(name, cpu_flags=flags)
    found = read(clusters.connect(served))
    assert guest(found, 100).cpu_features == ("avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl")
    assert guest(found, 101).cpu_features == ("pdpe1gb",)
    assert guest(found, 102).cpu_features == ()
    assert host(found, "pve2").cpu_features == ()
    assert host(found, "pve3").cpu_features == ("pdpe1gb",)
    assert len(host(found, "pve1").cpu_features or ()) == 6


def test_a_host_that_does_not_tell_its_features_gets_no_machine_that_needs_any(simulator: Simulate) -> None:
    fault = {"call": "GET /nodes/{node}/status", "object": "pve3", "error": 500, "message": "broken"}
    served = simulator("proxmox", clusters.small(), fail_calls=[fault])
    found = read(clusters.connect(served))
    # What both others have is in need of saying then: x86-64-v2-AES needs more than any machine.
    assert "aes" in guest(found, 100).cpu_features
    assert host(found, "pve3").cpu_features is None
    assert set(guest(found, 100).cpu_features) <= set(host(found, "pve2").cpu_features or ())


def test_a_machine_with_a_replica_goes_only_where_it_is(simulator: Simulate) -> None:
    jobs = [
        {"id": f"104-{number}", "guest": 104, "target": node} for number, node in enumerate(["pve3", "pve2"])
    ]
    served = simulator("proxmox", clusters.small(), replication=jobs)
    there = guest(read(clusters.connect(served)), 104)
    assert (there.targets, there.blockers) == (("pve2", "pve3"), ("local_disk",))


def test_the_snapshots_of_replicated_disks_are_in_the_replicas(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    served.change_guest("104", config={"parent": "before-upgrade"})
    assert guest(read(clusters.connect(served)), 104).blockers == ("local_disk", "snapshot")
    served.switches(replication=[{"id": "104-0", "guest": 104, "target": "pve3"}])
    assert guest(read(clusters.connect(served)), 104).blockers == ("local_disk",)
    served.change_guest("104", config={"scsi0": "local-lvm:vm-104-disk-0,replicate=0,size=8G"})
    assert guest(read(clusters.connect(served)), 104).blockers == ("local_disk", "snapshot")


@pytest.mark.parametrize(
    ("mapping", "blockers", "targets"),
    [
        ({"live-migration-capable": 1}, (), ("pve1", "pve3")),
        ({}, ("passthrough_device",), None),
    ],
)
def test_a_mapped_device_that_migrates_live_goes_where_the_mapping_has_it(
    mapping: dict[str, Any], blockers: tuple[str, ...], targets: tuple[str, ...] | None, simulator: Simulate
) -> None:
    places = ["node=pve1,path=0000:01:00.0,id=10de:2235", "node=pve3,path=0000:02:00.0,id=10de:2235"]
    served = simulator("proxmox", clusters.small(), pci_mappings=[{"id": "vgpu", "map": places, **mapping}])
    served.change_guest("100", config={"hostpci0": "mapping=vgpu,mdev=nvidia-63"})
    there = guest(read(clusters.connect(served)), 100)
    assert (there.blockers, there.targets) == (blockers, targets)


def test_the_cache_of_zfs_is_no_load(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    plain = host(read(clusters.connect(served)), "pve1").used["memory"]
    served.change_host("pve1", arc=20 * GIB)
    for window in (0, 3600):
        there = host(read(clusters.connect(served, window_seconds=window)), "pve1")
        # All but the least that ZFS keeps, 1/32 of 128 GiB, comes back when guests want it.
        assert there.used["memory"] == (plain or 0) + 4 * GIB
        assert there.reclaimable == 16 * GIB


def test_a_machine_on_huge_pages_uses_all_that_it_was_given(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    served.change_guest("100", config={"hugepages": "1024"})
    assert guest(read(clusters.connect(served)), 100).used["memory"] == 8 * GIB


def test_what_is_to_change_at_the_next_start_says_nothing_of_what_runs(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    served.change_guest("100", config={"hostpci0": "0000:01:00.0"}, pending={"hostpci0": None})
    served.change_guest("103", config={"dev0": "/dev/dri/renderD128"}, pending={"dev0": None})
    found = read(clusters.connect(served))
    assert guest(found, 100).blockers == ("passthrough_device",)
    assert guest(found, 103).blockers == ("passthrough_device", "container_restart")
