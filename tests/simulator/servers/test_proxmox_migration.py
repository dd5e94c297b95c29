# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that move, and those that don't, in the simulated Proxmox VE."""

from __future__ import annotations

import pytest
import requests

from ansible_collections.evenkeel.cluster.tests.simulator.servers.conftest import StartProxmox
from ansible_collections.evenkeel.cluster.tests.simulator.servers.proxmox_client import (
    finished,
    log_in,
    place,
    refusal,
    until,
)
from ansible_collections.evenkeel.cluster.tests.simulator.servers.small_cluster import guest, host, snapshot

GIB = 1024**3


def test_a_running_guest_moves_online_and_its_load_with_it(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox()
    api = log_in(simulator)
    move = api.nodes("pve1").qemu(110).migrate
    assert refusal(lambda: move.post(target="pve3")) == (500, "can't migrate running VM without --online")
    upid = move.post(target="pve3", online=1)
    assert upid.startswith("UPID:pve1:")
    assert upid.endswith(":qmigrate:110:root@pam:")
    assert len(upid.split(":")) == 9
    assert refusal(lambda: move.post(target="pve3", online=1)) == (500, "VM is locked (migrate)")
    assert finished(api, upid)["exitstatus"] == "OK"
    log = [line["t"] for line in api.nodes("pve1").tasks(upid).log.get(limit=500)]
    assert any("migration active, transferred" in line for line in log)
    assert log[-1] == "TASK OK"
    assert refusal(api.nodes("pve1").qemu(110).config.get) == (
        500,
        "Configuration file 'nodes/pve1/qemu-server/110.conf' does not exist",
    )
    used = {row["node"]: row["mem"] for row in api.nodes.get()}
    assert used == {"pve1": 56 * GIB, "pve2": 60 * GIB, "pve3": 64 * GIB}
    moved = next(row for row in api.cluster.resources.get(type="vm") if row["vmid"] == 110)
    assert (moved["node"], "lock" in moved) == ("pve3", False)
    assert moved["netin"] < 10_000, "counters start again in the new process"
    assert moved["uptime"] < 1000, "so does its uptime: fact 22"
    state = simulator.state()
    assert state["guests"]["110"]["host"] == "pve3"
    assert [(item["guest"], item["from"], item["to"], item["state"]) for item in state["migrations"]] == [
        ("110", "pve1", "pve3", "done")
    ]
    assert state["peak"] == {
        "pve1": {"memory": 60 * GIB},
        "pve2": {"memory": 60 * GIB},
        "pve3": {"memory": 64 * GIB},
    }


def test_a_stopped_guest_moves_whether_online_or_not(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox())
    assert (
        finished(api, api.nodes("pve1").qemu(111).migrate.post(target="pve2", online=1))["exitstatus"] == "OK"
    )
    assert place(api, 111) == "pve2"


def test_a_bridge_that_the_target_lacks_is_found_out_on_the_way(start_proxmox: StartProxmox) -> None:
    there = [host("pve1", networks=["vmbr0", "vmbr9"]), host("pve2")]
    cluster = snapshot(hosts=there, guests=[guest(110, "pve1", networks=["vmbr9"])], rules=[])
    api = log_in(start_proxmox(cluster=cluster))
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    assert finished(api, upid)["exitstatus"] == "migration aborted"
    log = [line["t"] for line in api.nodes("pve1").tasks(upid).log.get()]
    assert any("[pve2] bridge 'vmbr9' does not exist" in line for line in log)
    assert place(api, 110) == "pve1"


def test_requests_that_make_no_sense_are_refused(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox())
    move = api.nodes("pve1").qemu(110).migrate
    assert refusal(lambda: move.post(target="pve1", online=1))[0] == 400
    assert refusal(lambda: move.post(target="pve9", online=1)) == (500, "no such cluster node 'pve9'")
    assert refusal(lambda: api.nodes("pve2").qemu(110).migrate.post(target="pve3", online=1))[0] == 500
    assert refusal(lambda: api.nodes("pve1").qemu(117).migrate.post(target="pve2", online=1)) == (
        500,
        "VM is locked (backup)",
    )
    assert refusal(lambda: api.nodes("pve1").qemu(119).migrate.post(target="pve3", online=1)) == (
        500,
        "storage 'san' is not available on node 'pve3'",
    )
    assert refusal(api.nodes("pve9").status.get)[0] == 500


@pytest.mark.parametrize(
    ("vmid", "reason"),
    [
        (113, "local cdrom image"),
        (114, "local devices: hostpci0"),
        (116, "without with-local-disks option"),
    ],
)
def test_a_guest_that_is_bound_to_its_node_fails_in_its_task(
    start_proxmox: StartProxmox, vmid: int, reason: str
) -> None:
    api = log_in(start_proxmox())
    upid = api.nodes("pve1").qemu(vmid).migrate.post(target="pve2", online=1)
    assert finished(api, upid)["exitstatus"] == "migration aborted"
    log = [line["t"] for line in api.nodes("pve1").tasks(upid).log.get()]
    assert any(reason in line for line in log)
    assert place(api, vmid) == "pve1"


def test_local_disks_move_along_when_asked(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox())
    facts = api.nodes("pve1").qemu(116).migrate.get()
    assert [disk["volid"] for disk in facts["local_disks"]] == ["local-lvm:vm-116-disk-0"]
    options = {"with-local-disks": 1, "targetstorage": "local-lvm:ceph"}
    upid = api.nodes("pve1").qemu(116).migrate.post(target="pve2", online=1, **options)
    assert finished(api, upid)["exitstatus"] == "OK"
    assert api.nodes("pve2").qemu(116).config.get()["scsi0"] == "ceph:vm-116-disk-0,iothread=1,size=10G"


@pytest.mark.parametrize(("power", "taken"), [("running", 32), ("stopped", 8)])
def test_a_live_migration_writes_zeros_of_local_disks_as_data(
    power: str, taken: int, start_proxmox: StartProxmox
) -> None:
    disks = [{"datastore": "files", "size": 32 * GIB, "used": 8 * GIB}]
    space = {"files": {"shared": False, "capacity": 100 * GIB, "free": 50 * GIB}}
    names = ("pve1", "pve2")
    cluster = snapshot(
        hosts=[host(name, datastores=space) for name in names],
        guests=[guest(100, "pve1", disks=disks, power=power)],
        datastores=[
            {"id": f"files@{name}", "name": "files", "type": "dir", "shared": False, "hosts": [name]}
            for name in names
        ],
        rules=[],
    )
    simulator = start_proxmox(cluster=cluster)
    api = log_in(simulator)
    options = {"with-local-disks": 1, "targetstorage": "files"}
    upid = api.nodes("pve1").qemu(100).migrate.post(target="pve2", online=1, **options)
    assert finished(api, upid)["exitstatus"] == "OK"
    spaces = simulator.state()["storages"]["files"]["spaces"]
    assert [spaces[name]["free"] // GIB for name in names] == [58, 50 - taken]


def test_a_migration_fails_where_it_is_told_to(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(fail_migrations=[{"guest": "110", "at_percent": 50, "count": 1}])
    api = log_in(simulator)
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    assert finished(api, upid)["exitstatus"] == "migration problems"
    log = [line["t"] for line in api.nodes("pve1").tasks(upid).log.get(limit=500)]
    assert sum("migration active" in line for line in log) in (4, 5)
    guest = next(row for row in api.cluster.resources.get(type="vm") if row["vmid"] == 110)
    assert (guest["node"], "lock" in guest) == ("pve1", False)
    again = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    assert finished(api, again)["exitstatus"] == "OK"
    assert [item["state"] for item in simulator.state()["migrations"]] == ["failed", "done"]


def test_a_migration_can_be_stopped(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(migration_seconds=30)
    api = log_in(simulator)
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    assert [task["upid"] for task in api.nodes("pve1").tasks.get(source="active")] == [upid]
    assert api.nodes("pve1").tasks.get() == []
    api.nodes("pve1").tasks(upid).delete()
    assert finished(api, upid)["exitstatus"] == "migration problems"
    log = [line["t"] for line in api.nodes("pve1").tasks(upid).log.get(limit=0)]
    assert any("online migrate failure - interrupted by signal" in line for line in log)
    assert place(api, 110) == "pve1"
    assert [
        task["upid"] for task in api.nodes("pve1").tasks.get(typefilter="qmigrate", vmid=110, errors=1)
    ] == [upid]


def test_without_quorum_nothing_moves(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(quorate=False)
    api = log_in(simulator)
    assert next(row for row in api.cluster.status.get() if row["type"] == "cluster")["quorate"] == 0
    assert refusal(lambda: api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)) == (
        500,
        "cluster not ready - no quorum?",
    )


def test_a_node_that_goes_away(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(migration_seconds=30)
    api = log_in(simulator)
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    simulator.change_host("pve2", status="offline")
    assert finished(api, upid)["exitstatus"] == "migration problems"
    assert refusal(api.nodes("pve2").status.get) == (595, "No route to host")
    simulator.switches(stale_seconds=0)
    there = [row for row in api.cluster.resources.get(type="vm") if row["node"] == "pve2"]
    assert {row["status"] for row in there} == {"unknown"}
    assert not any("mem" in row for row in there)
    late = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    assert finished(api, late)["exitstatus"] == "migration aborted"
    simulator.change_host("pve2", status="online")
    assert api.nodes("pve2").status.get()["pveversion"].startswith("pve-manager/9.2.1/")
    there = [row for row in api.cluster.resources.get(type="vm") if row["node"] == "pve2"]
    assert {row["status"] for row in there if row["vmid"] != 118} == {"running"}


def test_a_container_moves_by_a_restart(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox())
    container = api.nodes("pve2").lxc(112)
    assert container.migrate.get()["allowed-nodes"] == ["pve1", "pve3"]
    assert refusal(lambda: container.migrate.post(target="pve1")) == (
        500,
        "can't migrate running container without --online or --restart",
    )
    assert finished(api, container.migrate.post(target="pve1", online=1))["exitstatus"] == "migration aborted"
    upid = container.migrate.post(target="pve1", restart=1)
    assert ":vzmigrate:112:" in upid
    assert finished(api, upid)["exitstatus"] == "OK"
    assert api.nodes("pve1").lxc(112).status.current.get()["status"] == "running"


def test_a_call_can_fail_once_and_a_connection_break(start_proxmox: StartProxmox) -> None:
    fault = {"call": "GET /cluster/resources", "error": 500, "message": "got timeout", "skip": 1, "count": 1}
    simulator = start_proxmox(fail_calls=[fault])
    api = log_in(simulator)
    api.cluster.resources.get()
    assert refusal(api.cluster.resources.get) == (500, "got timeout")
    api.cluster.resources.get()
    simulator.switches(drop_connection=[{"call": "GET /nodes", "count": 1}])
    with pytest.raises(requests.ConnectionError):
        api.nodes.get()
    assert len(api.nodes.get()) == 3


def test_someone_else_changes_the_cluster(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox()
    api = log_in(simulator)
    simulator.change_guest("110", used={"memory": 6 * GIB, "cpu": 2.0}, host="pve2")
    simulator.change_guest("116", power="stopped")
    rows = {row["vmid"]: row for row in api.cluster.resources.get(type="vm")}
    assert (rows[110]["node"], rows[110]["mem"], rows[110]["cpu"]) == ("pve2", 6 * GIB, 0.5)
    assert (rows[116]["status"], rows[116]["mem"]) == ("stopped", 0)
    until(lambda: simulator.state()["hosts"]["pve2"]["used"]["memory"] == 66 * GIB)
