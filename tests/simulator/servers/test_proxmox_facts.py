# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulated Proxmox VE tells of a snapshot, and which snapshots it refuses."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.tests.simulator.servers.conftest import StartProxmox
from ansible_collections.evenkeel.cluster.tests.simulator.servers.proxmox_client import (
    finished,
    log_in,
    until,
)
from ansible_collections.evenkeel.cluster.tests.simulator.servers.small_cluster import guest, host, snapshot
from ansible_collections.evenkeel.cluster.tests.simulators.launch import LaunchError

GIB = 1024**3


def rows_of(api: Any, kind: str) -> dict[str, Any]:
    return {row["id"]: row for row in api.cluster.resources.get(type=kind)}


def test_resources_hold_the_loads_of_the_snapshot(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox())
    node = rows_of(api, "node")["node/pve1"]
    assert (node["maxcpu"], node["cpu"] * node["maxcpu"], node["mem"]) == (16, 6.0, 60 * GIB)
    guests = rows_of(api, "vm")
    running = guests["qemu/110"]
    assert (running["maxcpu"], running["cpu"], running["mem"], running["maxmem"]) == (
        4,
        0.25,
        4 * GIB,
        8 * GIB,
    )
    assert (running["tags"], running["pool"], running["status"]) == ("prod;web", "shop", "running")
    stopped = guests["qemu/111"]
    assert (stopped["status"], stopped["cpu"], stopped["mem"], stopped["uptime"]) == ("stopped", 0, 0, 0)
    assert guests["lxc/112"]["type"] == "lxc"
    assert guests["qemu/117"]["lock"] == "backup"
    assert guests["qemu/118"]["template"] == 1
    storages = rows_of(api, "storage")
    assert storages["storage/pve1/ceph"]["shared"] == 1
    assert "storage/pve3/san" not in storages


def test_counters_grow_at_the_rate_of_the_snapshot(start_proxmox: StartProxmox) -> None:
    cluster = snapshot(
        guests=[guest(110, "pve1", used={"network_io": 10_000_000, "disk_io": 40_000_000})], rules=[]
    )
    api = log_in(start_proxmox(cluster=cluster))

    def measured() -> tuple[float, dict[str, int], float]:
        """The counters, and between which moments they were read."""
        return time.monotonic(), rows_of(api, "vm")["qemu/110"], time.monotonic()

    earliest, first, began = measured()
    time.sleep(0.3)
    ended, last, latest = measured()
    least, most = ended - began, latest - earliest
    network = last["netin"] + last["netout"] - first["netin"] - first["netout"]
    disk = last["diskread"] + last["diskwrite"] - first["diskread"] - first["diskwrite"]
    assert 10_000_000 * least * 0.99 <= network <= 10_000_000 * most * 1.01
    assert 40_000_000 * least * 0.99 <= disk <= 40_000_000 * most * 1.01


def test_history_has_the_same_means_and_pressure_only_from_9(start_proxmox: StartProxmox) -> None:
    new = log_in(start_proxmox())
    points = new.nodes("pve1").rrddata.get(timeframe="hour", cf="AVERAGE")
    assert len(points) == 59
    assert list(points[-1]) != ["time"]
    assert {point["time"] - before["time"] for before, point in pairwise(points)} == {60}
    assert points[0]["netin"] + points[0]["netout"] == 1_000_000
    assert (points[0]["pressurecpusome"], points[0]["pressureiosome"]) == (3.5, 1.25)
    assert "pressurecpufull" not in points[0]
    old = log_in(start_proxmox("--version", "8.4"))
    points = old.nodes("pve1").rrddata.get(timeframe="hour")
    assert len(points) == 70
    assert list(points[-1]) == ["time"]
    assert not any(key.startswith("pressure") for point in points for key in point)
    guest_points = old.nodes("pve1").qemu(110).rrddata.get(timeframe="hour")
    assert (guest_points[0]["cpu"], guest_points[0]["mem"], guest_points[0]["netin"]) == (0.25, 4 * GIB, 500)


def test_history_can_remember(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(history_remembers=True)
    api = log_in(simulator)
    finished(api, api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1))
    points = api.nodes("pve1").rrddata.get(timeframe="hour")
    assert {point["memused"] for point in points[:-1]} == {60 * GIB}
    assert api.nodes("pve1").status.get()["memory"]["used"] == 56 * GIB


def test_the_first_sample_after_an_arrival_is_zero_on_demand(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox(sample_seconds=0.5))
    finished(api, api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1))
    assert rows_of(api, "vm")["qemu/110"]["cpu"] == 0
    until(lambda: rows_of(api, "vm")["qemu/110"]["cpu"] == 0.25)


def test_what_blocks_a_move_is_in_the_configuration(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox())
    config = {vmid: api.nodes("pve1").qemu(vmid).config.get() for vmid in (110, 113, 114, 115, 116, 117)}
    assert config[110]["scsi0"] == "ceph:vm-110-disk-0,iothread=1,size=32G"
    assert config[110]["net0"].endswith("bridge=vmbr0,firewall=1")
    assert config[110]["memory"] == "8192"
    assert config[113]["ide2"].startswith("local:iso/")
    assert config[114]["hostpci0"]
    assert config[115]["parent"] == "before-upgrade"
    assert [row["name"] for row in api.nodes("pve1").qemu(115).snapshot.get()] == [
        "before-upgrade",
        "current",
    ]
    assert config[116]["scsi0"].startswith("local-lvm:")
    assert config[117]["lock"] == "backup"
    assert api.nodes("pve2").lxc(112).config.get()["rootfs"] == "ceph:vm-112-disk-0,size=8G"


def test_storages_name_their_nodes(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox())
    storages = {row["storage"]: row for row in api.storage.get()}
    assert (storages["ceph"]["type"], storages["ceph"]["shared"], "nodes" in storages["ceph"]) == (
        "rbd",
        1,
        False,
    )
    assert (storages["san"]["nodes"], "shared" in storages["local-lvm"]) == ("pve1,pve2", False)
    on_pve1 = {row["storage"] for row in api.nodes("pve1").storage.get(content="images", target="pve3")}
    assert on_pve1 == {"ceph", "local-lvm"}


def test_running_preconditions_name_nodes_only_from_9(start_proxmox: StartProxmox) -> None:
    old = log_in(start_proxmox("--version", "8.4"))
    assert "allowed_nodes" not in old.nodes("pve1").qemu(110).migrate.get()
    assert old.nodes("pve1").qemu(111).migrate.get()["allowed_nodes"] == ["pve2", "pve3"]
    new = log_in(start_proxmox("--version", "9.0"))
    facts = new.nodes("pve1").qemu(119).migrate.get()
    assert facts["allowed_nodes"] == ["pve2"]
    assert facts["not_allowed_nodes"] == {"pve3": {"unavailable_storages": ["san"]}}
    assert new.version.get()["release"] == "9.0"


def test_the_last_migration_is_in_the_archive(start_proxmox: StartProxmox) -> None:
    moved = guest(110, "pve1", last_migrated_at="2026-11-20T21:00:00Z")
    api = log_in(start_proxmox(cluster=snapshot(guests=[moved], rules=[])))
    tasks = api.cluster.tasks.get()
    assert [(task["type"], task["id"], task["status"]) for task in tasks] == [("qmigrate", "110", "OK")]
    assert tasks[0]["endtime"] == 1795208400


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"guests": [guest(110, "pve1", id="vm-12")], "rules": []}, "guest id 'vm-12'"),
        ({"guests": [guest(110, "pve1", id="99")], "rules": []}, "use digits, 100 to 999999999"),
        ({"hosts": [host("pve1", id="pve_1")], "guests": [], "rules": []}, "host id 'pve_1'"),
        ({"schema": "evenkeel.cluster/snapshot/9"}, "evenkeel.cluster/snapshot/9"),
        ({"guests": [guest(110, "pve1", disks=[{"datastore": "x", "size": 1}])], "rules": []}, "'x'"),
        ({"hosts": [], "guests": [], "rules": []}, "no hosts"),
    ],
)
def test_a_snapshot_that_it_cannot_hold_is_refused(
    start_proxmox: StartProxmox, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(LaunchError, match="ended with code 2") as refused:
        start_proxmox(cluster=snapshot(**changes))
    assert reason in str(refused.value)
    assert "Traceback" not in str(refused.value)


def test_an_unknown_switch_is_refused(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox()
    with pytest.raises(LaunchError, match="unknown switch 'latency'"):
        simulator.switches(latency=1)
    with pytest.raises(LaunchError, match="a guest uses no 'ram'"):
        simulator.change_guest("110", used={"ram": 1})
