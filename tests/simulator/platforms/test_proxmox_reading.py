# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that the simulated Proxmox VE serves is read back as it is, in few calls."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import GuestNow, HostNow
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.api.values import moment
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.platform import (
    ProxmoxPlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.proxmox_clusters import GIB, RELEASES
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

LONG_AGO = 86_400.0


def read(platform: ProxmoxPlatform) -> Snapshot:
    """What is read, checked as a snapshot file would be."""
    snapshot = platform.read()
    platform.close()
    return Snapshot.from_json(snapshot.to_json())


@pytest.mark.parametrize("release", RELEASES)
def test_reads_what_there_is(release: str, simulator: Simulate) -> None:
    expected = clusters.mixed(release)
    served = simulator("proxmox", expected, options=("--version", release, "--no-rules-as-ha"))
    connection = clusters.connection(served, window_seconds=3600)
    before = time.time()
    found = read(ProxmoxPlatform(connection, clock=lambda: LONG_AGO))
    for host, wanted in zip(found.hosts, expected.hosts, strict=True):
        assert host == wanted
    for guest, wanted_guest in zip(found.guests, expected.guests, strict=True):
        assert guest == wanted_guest
    # By the platform's clock, with which its tasks are dated too, not by that of the machine that reads.
    assert moment(before) <= found.taken_at <= moment(time.time())
    assert found.cluster.instance is not None
    alike = replace(found, taken_at=expected.taken_at, cluster=expected.cluster, native_balancer=None)
    assert alike == expected


def test_a_generated_cluster_is_the_same_as_far_as_proxmox_tells(simulator: Simulate) -> None:
    expected = generate(Shape(hosts=6, guests=120, mixed=True))
    served = simulator("proxmox", expected)
    found = read(clusters.connect(served, window_seconds=600))
    hosts, guests = {host.id: host for host in found.hosts}, {guest.id: guest for guest in found.guests}
    assert hosts.keys() == {host.id for host in expected.hosts}
    assert guests.keys() == {guest.id for guest in expected.guests}
    for host in expected.hosts:
        for resource in ("cpu", "memory", "network_io"):
            assert hosts[host.id].used[resource] == pytest.approx(host.used[resource], abs=1)
    for guest in expected.guests:
        assert (guests[guest.id].host, guests[guest.id].blockers) == (guest.host, guest.blockers)
        for resource in ("cpu", "memory", "network_io", "disk_io"):
            assert guests[guest.id].used[resource] == pytest.approx(guest.used[resource], abs=1)
    assert [(rule.name, rule.kind, rule.guests, rule.hosts) for rule in found.rules] == [
        (rule.name, rule.kind, rule.guests, rule.hosts)
        for rule in expected.rules
        if rule.kind != "even_spread"
    ]


TOKEN = "run"
SECRET = "01234567-89ab-4cde-8f01-23456789abcd"
BY_TOKEN = {"api_password": None, "api_token_id": TOKEN, "api_token_secret": SECRET}


def test_one_call_a_guest_five_a_node_and_some_besides(simulator: Simulate) -> None:
    expected = clusters.mixed("9.2")
    served = simulator("proxmox", expected, options=("--token", f"root@pam!{TOKEN}={SECRET}"))
    read(clusters.connect(served, **BY_TOKEN))
    made = clusters.calls(served)
    running = sum(guest.power == "running" for guest in expected.guests)
    online = sum(host.status == "online" for host in expected.hosts)
    configs = sum(count for call, count in made.items() if call.endswith("/config"))
    of_nodes = sum(count for call, count in made.items() if call.startswith("GET /nodes/")) - configs
    # Status, bridges, history, and migrations of machines and of containers; the certificates of one.
    assert (configs, of_nodes) == (running, 5 * online + 1)
    assert sum(made.values()) - configs - of_nodes <= 14


@pytest.mark.parametrize("window", [0, 3600])
def test_root_reads_all_of_a_node_in_two_calls_and_the_same(window: int, simulator: Simulate) -> None:
    expected = clusters.mixed("9.2")
    token = ("--token", f"root@pam!{TOKEN}={SECRET}")
    served = simulator("proxmox", expected, options=token)
    one_by_one = read(clusters.connect(served, window_seconds=window, **BY_TOKEN))
    before = sum(clusters.calls(served).values())
    by_root = read(clusters.connect(served, window_seconds=window))
    online = sum(host.status == "online" for host in expected.hosts)
    assert sum(clusters.calls(served).values()) - before <= 2 * online + 16
    assert replace(by_root, taken_at=one_by_one.taken_at) == one_by_one


def test_what_a_batch_of_readings_is_refused_is_read_one_by_one(simulator: Simulate) -> None:
    refused = {"call": "POST /nodes/{node}/execute", "error": 403, "message": "Permission check failed"}
    served = simulator("proxmox", clusters.small())
    whole = read(clusters.connect(served))
    served.switches(fail_calls=[refused])
    assert replace(read(clusters.connect(served)), taken_at=whole.taken_at) == whole


def test_without_a_window_rates_and_pressure_of_guests_are_unknown_not_nothing(simulator: Simulate) -> None:
    found = read(clusters.connect(simulator("proxmox", clusters.small())))
    guest = found.guests[0]
    assert guest.used == {"cpu": 0.25, "memory": 4 * GIB, "network_io": None, "disk_io": None}
    assert guest.pressure == {}
    assert found.hosts[0].used["network_io"] == 1_000_000
    assert found.hosts[0].pressure == {"cpu": 3.5, "memory": 0.0, "io": 1.25}


def test_a_node_of_9_without_pressure_figures_reports_none(simulator: Simulate) -> None:
    found = read(clusters.connect(simulator("proxmox", clusters.small(), pressure=False)))
    assert found.hosts[0].pressure == clusters.NO_PRESSURE


def test_the_first_sample_after_a_start_is_no_measurement(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    served.change_guest("100", power="stopped")
    served.change_guest("100", power="running")
    found = read(clusters.connect(served))
    assert found.guests[0].used["cpu"] is None
    assert found.guests[0].sources == {"cpu": "not_yet_measured"}
    assert found.guests[0].used["memory"] == 4 * GIB
    assert found.guests[1].sources == {}
    assert found.guests[1].used["cpu"] == 0.25


def test_the_first_sample_after_an_arrival_is_no_measurement(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), sample_seconds=3600)
    served.change_guest("100", host="pve2")
    found = read(clusters.connect(served))
    assert (found.guests[0].host, found.guests[0].used["cpu"]) == ("pve2", None)


def test_another_balancer_is_named(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), options={})
    assert read(clusters.connect(served)).other_balancers == ()
    served.switches(options={"crs": {"ha": "dynamic", "ha-auto-rebalance": 1}})
    assert read(clusters.connect(served)).other_balancers == ("Proxmox VE crs ha-auto-rebalance",)
    served.switches(options={"crs": {"ha": "basic", "ha-auto-rebalance": 1}})
    assert read(clusters.connect(served)).other_balancers == ()


def test_a_single_node_goes_by_its_own_name(simulator: Simulate) -> None:
    alone = clusters.cluster((clusters.host("pve1"),), (clusters.guest(100, "pve1"),))
    found = read(clusters.connect(simulator("proxmox", alone)))
    assert (found.cluster.name, len(found.hosts), len(found.guests)) == ("pve1", 1, 1)


def test_a_cluster_without_guests(simulator: Simulate) -> None:
    empty = clusters.cluster((clusters.host("pve1"), clusters.host("pve2")), ())
    assert read(clusters.connect(simulator("proxmox", empty))).guests == ()


def test_a_guest_that_goes_away_while_we_read_is_left_alone(simulator: Simulate) -> None:
    gone = {"call": "GET /nodes/{node}/qemu/{vmid}/config", "object": "101", "error": 500}
    message = "Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist"
    served = simulator("proxmox", clusters.small(), fail_calls=[{**gone, "message": message}])
    found = read(clusters.connect(served))
    assert [guest.blockers for guest in found.guests[:2]] == [(), ("not_readable",)]


def test_a_node_that_hangs_is_unknown_and_so_are_its_guests(simulator: Simulate) -> None:
    silent = {"call": "GET /nodes/{node}/status", "object": "pve2", "error": 596, "message": "Broken pipe"}
    served = simulator("proxmox", clusters.small(), fail_calls=[silent])
    found = read(clusters.connect(served))
    assert [host.status for host in found.hosts] == ["online", "unknown", "online"]
    assert found.guests[2].blockers == ("not_readable",)


def test_looking_sees_places_locks_tasks_and_maintenance(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=5)
    platform = clusters.connect(served)
    served.change_guest("101", lock="backup")
    served.change_host("pve2", maintenance=True)
    served.change_host("pve3", status="offline")
    platform.start(platform.prepare(clusters.request(100, "pve1", "pve2")))
    before = sum(clusters.calls(served).values())
    now = platform.look(["100", "101", "102", "999"])
    # One more says where the migration goes.
    assert sum(clusters.calls(served).values()) - before == 5
    assert now.cluster == "prod"
    assert now.guests == {
        "100": GuestNow(host="pve1", power="running", busy="a migration to pve2 is under way"),
        "101": GuestNow(host="pve1", power="running", busy="it is locked (backup)"),
        "102": GuestNow(host="pve2", power="running"),
    }
    assert now.hosts["pve1"] == HostNow(active=True, memory_capacity=128 * GIB, memory_used=60 * GIB)
    assert [now.hosts[name].active for name in ("pve2", "pve3")] == [False, False]


def test_a_finished_migration_is_remembered(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=0)
    platform = clusters.connect(served)
    platform.start(platform.prepare(clusters.request(100, "pve1", "pve2")))
    moved = platform.read().guests[0]
    assert moved.host == "pve2"
    assert moved.last_migrated_at is not None
    assert replace(moved, last_migrated_at=None, used={}, sources={}) == replace(
        clusters.guest(100, "pve2"), used={}, pressure={}
    )


@pytest.mark.parametrize("window", [0, 3600])
def test_after_a_migration_hosts_use_what_is_on_them_now_whatever_their_history_holds(
    window: int, simulator: Simulate
) -> None:
    served = simulator("proxmox", clusters.small(), migration_seconds=0, history_remembers=True)
    platform = clusters.connect(served, window_seconds=window)
    before = {host.id: host.used for host in platform.read().hosts}
    platform.start(platform.prepare(clusters.request(100, "pve1", "pve2")))
    after = platform.read()
    for host in after.hosts:
        change = {"pve1": -1, "pve2": 1, "pve3": 0}[host.id]
        assert host.used["cpu"] == pytest.approx((before[host.id]["cpu"] or 0) + 0.25 * change)
        assert host.used["memory"] == (before[host.id]["memory"] or 0) + 4 * GIB * change
        if change:
            # What it was while others were there says nothing of now.
            assert host.pressure == clusters.NO_PRESSURE
