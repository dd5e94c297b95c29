# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Proxmox VE's source says and the adapter's reading relies on: the simulated one does the same.

Each test names the number of the fact: 12 to 15 are about permissions, 16 to 24 about /cluster/resources, 25
to 28 about the cluster's status, options and tasks, 33 to 35 about nodes, 40 about storages, 44 and 45 about
guests.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.tests.simulator.servers.conftest import StartProxmox
from ansible_collections.evenkeel.cluster.tests.simulator.servers.proxmox_client import (
    finished,
    log_in,
    log_in_by_token,
    refusal,
    until,
)
from ansible_collections.evenkeel.cluster.tests.simulator.servers.small_cluster import guest, host, snapshot

GIB = 1024**3
TOKEN = "balancer@pve!run"
SECRET = "01234567-89ab-4cde-8f01-23456789abcd"
ALWAYS_NAMED = {"/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms"}


def rows_of(api: Any, kind: str) -> dict[str, Any]:
    return {row["id"]: row for row in api.cluster.resources.get(type=kind)}


def granted(paths: dict[str, list[str]]) -> dict[str, dict[str, list[str]]]:
    return {"root@pam": paths}


def test_permissions_name_fixed_paths_and_those_of_entries_and_leave_out_empty_ones(
    start_proxmox: StartProxmox,
) -> None:
    """Fact 12."""
    simulator = start_proxmox(grants=granted({"/": ["VM.Audit"], "/vms/113": [], "/vms/111": ["VM.Backup"]}))
    api = log_in(simulator)
    found = api.access.permissions.get()
    assert found.keys() >= ALWAYS_NAMED | {"/vms/111"}
    assert "/vms/113" not in found
    assert api.access.permissions.get(path="/vms/113") == {"/vms/113": {}}
    simulator.switches(grants=granted({"/vms": ["VM.Audit"]}))
    assert api.access.permissions.get().keys() & ALWAYS_NAMED == {"/vms"}


def test_a_nearer_entry_replaces_what_is_inherited_and_a_pool_adds_without_propagating(
    start_proxmox: StartProxmox,
) -> None:
    """Fact 13."""
    simulator = start_proxmox(
        grants=granted({"/": ["VM.Audit"], "/vms/111": ["VM.Backup"], "/pool/shop": ["VM.Migrate"]})
    )
    found = log_in(simulator).access.permissions.get()
    assert found["/vms/111"] == {"VM.Backup": 1}
    assert found["/vms/110"] == {"VM.Audit": 1, "VM.Migrate": 0}


def test_an_entry_without_privileges_hides_its_guest_from_every_list(start_proxmox: StartProxmox) -> None:
    """Facts 12 and 13."""
    simulator = start_proxmox(grants=granted({"/": ["VM.Audit", "Sys.Audit"], "/vms/113": []}))
    api = log_in(simulator)
    assert "qemu/113" not in rows_of(api, "vm")
    assert refusal(lambda: api.cluster.nextid.get(vmid=113))[0] == 400
    assert {"path": "/vms/113", "roleid": "NoAccess"}.items() <= next(
        row for row in api.access.acl.get() if row["path"] == "/vms/113"
    ).items()


def test_root_may_do_everything(start_proxmox: StartProxmox) -> None:
    """Fact 14."""
    found = log_in(start_proxmox()).access.permissions.get()
    assert {"Sys.Audit", "VM.Migrate", "Datastore.AllocateSpace", "Pool.Audit"} <= found["/"].keys()


def test_the_last_figures_of_a_node_that_went_stay_for_a_while(start_proxmox: StartProxmox) -> None:
    """Facts 16, 18, 19 and 24: then its guests are unknown, without a name, and its storages too."""
    simulator = start_proxmox()
    api = log_in(simulator)
    simulator.change_host("pve1", status="offline")
    there = rows_of(api, "vm")["qemu/110"]
    assert (there["status"], there["name"], there["maxmem"]) == ("running", "guest110", 8 * GIB)
    assert rows_of(api, "storage")["storage/pve1/ceph"]["status"] == "available"
    simulator.switches(stale_seconds=0)
    there = rows_of(api, "vm")["qemu/110"]
    assert (there["status"], there.keys() & {"name", "template", "maxmem", "cpu"}) == ("unknown", set())
    storage = rows_of(api, "storage")["storage/pve1/ceph"]
    assert (storage["status"], "maxdisk" in storage) == ("unknown", False)


def test_a_node_is_offline_by_corosync_and_unknown_by_its_daemon_s_silence(
    start_proxmox: StartProxmox,
) -> None:
    """Fact 17: figures need Sys.Audit on the node; what its own architecture is, x86_64 does not say."""
    simulator = start_proxmox()
    api = log_in(simulator)
    simulator.change_host("pve2", status="offline")
    simulator.switches(daemon_silent=["pve3"])
    nodes = rows_of(api, "node")
    assert [nodes[f"node/{name}"]["status"] for name in ("pve1", "pve2", "pve3")] == [
        "online",
        "offline",
        "unknown",
    ]
    assert ("maxmem" in nodes["node/pve2"], "cpu" in nodes["node/pve2"]) == (True, False)
    assert not any("host-arch" in node for node in nodes.values())
    simulator.switches(grants=granted({"/vms": ["VM.Audit"]}))
    assert "cpu" not in rows_of(api, "node")["node/pve1"]


def test_the_cache_of_zfs_counts_as_used_and_is_in_the_history_of_9(start_proxmox: StartProxmox) -> None:
    """Facts 17 and 34."""
    simulator = start_proxmox()
    api = log_in(simulator)
    simulator.change_host("pve1", arc=20 * GIB)
    assert rows_of(api, "node")["node/pve1"]["mem"] == 80 * GIB
    points = api.nodes("pve1").rrddata.get(timeframe="hour")
    assert {point["arcsize"] for point in points} == {20 * GIB}


def test_a_pool_is_shown_to_its_auditors_only(start_proxmox: StartProxmox) -> None:
    """Fact 18."""
    simulator = start_proxmox(grants=granted({"/": ["VM.Audit"]}))
    api = log_in(simulator)
    assert "pool" not in rows_of(api, "vm")["qemu/110"]
    simulator.switches(grants=granted({"/": ["VM.Audit", "Pool.Audit"]}))
    assert rows_of(api, "vm")["qemu/110"]["pool"] == "shop"


@pytest.mark.parametrize("state", ["paused", "io-error", "prelaunch", "suspended", "inmigrate"])
def test_the_status_of_a_machine_is_its_run_state(state: str, start_proxmox: StartProxmox) -> None:
    """Facts 19 and 45: and its memory is held."""
    simulator = start_proxmox()
    api = log_in(simulator)
    simulator.change_guest("110", run_state=state)
    there = rows_of(api, "vm")["qemu/110"]
    assert (there["status"], there["memhost"]) == (state, 4 * GIB)
    current = api.nodes("pve1").qemu(110).status.current.get()
    assert (current["status"], current["qmpstatus"]) == ("running", state)


def test_a_machine_that_is_saved_to_disk_is_stopped_and_locked(start_proxmox: StartProxmox) -> None:
    """Fact 19."""
    simulator = start_proxmox()
    simulator.change_guest("110", power="suspended")
    there = rows_of(log_in(simulator), "vm")["qemu/110"]
    assert (there["status"], there["lock"], there["mem"]) == ("stopped", "suspended", 0)


def test_the_first_sample_is_zero(start_proxmox: StartProxmox) -> None:
    """Facts 20 and 22: after an arrival, with the counters and the uptime, and after the daemon's restart."""
    simulator = start_proxmox(sample_seconds=3600, migration_seconds=0)
    api = log_in(simulator)
    finished(api, api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1))
    there = until(lambda: rows_of(api, "vm")["qemu/110"])
    assert (there["node"], there["cpu"], there["netin"]) == ("pve2", 0, 0)
    assert there["uptime"] < 60
    simulator.switches(sample_seconds=0)
    assert rows_of(api, "vm")["qemu/110"]["cpu"] == 0.25
    simulator.switches(daemon_restarted=["pve2"])
    there = rows_of(api, "vm")["qemu/110"]
    assert (there["cpu"], there["mem"]) == (0, 4 * GIB)


def test_a_container_has_no_memory_of_the_host_s(start_proxmox: StartProxmox) -> None:
    """Fact 21."""
    container = guest(112, "pve1", kind="container")
    api = log_in(start_proxmox(cluster=snapshot(guests=[container, guest(110, "pve1")], rules=[])))
    rows = rows_of(api, "vm")
    assert (rows["lxc/112"]["memhost"], rows["lxc/112"]["mem"]) == (0, 4 * GIB)
    assert rows["qemu/110"]["memhost"] == 4 * GIB
    points = api.nodes("pve1").lxc(112).rrddata.get(timeframe="hour")
    assert {(point["memhost"], point["mem"]) for point in points} == {(0, 4 * GIB)}


def test_the_ha_state_of_a_guest_is_the_manager_s(start_proxmox: StartProxmox) -> None:
    """Fact 23."""
    api = log_in(start_proxmox("--ha-guest", "110"))
    rows = rows_of(api, "vm")
    assert rows["qemu/110"]["hastate"] == "started"
    assert "hastate" not in rows["qemu/113"]


def test_storages_are_shown_to_their_auditors_one_row_a_node(start_proxmox: StartProxmox) -> None:
    """Facts 24 and 40: AllocateSpace shows a storage in its own list alone."""
    simulator = start_proxmox(
        grants=granted({"/storage/ceph": ["Datastore.AllocateSpace"], "/storage/san": ["Datastore.Audit"]})
    )
    api = log_in(simulator)
    assert set(rows_of(api, "storage")) == {"storage/pve1/san", "storage/pve2/san"}
    assert {row["storage"] for row in api.storage.get()} == {"ceph", "san"}


def test_the_cluster_s_status_names_it_its_quorum_and_its_nodes(start_proxmox: StartProxmox) -> None:
    """Fact 25: also without quorum, and where there is one node alone."""
    simulator = start_proxmox(quorate=False)
    head, *nodes = log_in(simulator).cluster.status.get()
    assert (head["type"], head["name"], head["quorate"]) == ("cluster", "prod", 0)
    assert [node["local"] for node in nodes] == [1, 0, 0]
    alone = snapshot(hosts=[host("pve1")], guests=[], rules=[])
    (node,) = log_in(start_proxmox(cluster=alone)).cluster.status.get()
    assert (node["type"], node["nodeid"]) == ("node", 0)


def test_options_are_objects(start_proxmox: StartProxmox) -> None:
    """Fact 26."""
    simulator = start_proxmox(options={"crs": {"ha": "basic", "ha-auto-rebalance": 1}})
    assert log_in(simulator).cluster.options.get()["crs"] == {"ha": "basic", "ha-auto-rebalance": 1}


def test_the_cluster_s_list_of_tasks_is_25_a_node_and_the_node_s_own_goes_on(
    start_proxmox: StartProxmox,
) -> None:
    """Facts 27 and 28."""
    simulator = start_proxmox(migration_seconds=0)
    api = log_in(simulator)
    finished(api, api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1))
    first = api.nodes("pve1").tasks.get(typefilter="qmigrate", source="all")
    for _ in range(30):
        finished(api, api.nodes("pve2").qemu(110).migrate.post(target="pve1", online=1))
        finished(api, api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1))
    rows = [row for row in api.cluster.tasks.get() if row["node"] == "pve1"]
    assert len(rows) == 25
    assert first[0]["upid"] not in {row["upid"] for row in rows}
    own = api.nodes("pve1").tasks.get(typefilter="qmigrate", source="all", limit=500)
    assert first[0]["upid"] in {row["upid"] for row in own}
    assert len(api.nodes("pve1").tasks.get()) == 31
    late = api.nodes("pve1").tasks.get(since=int(own[0]["starttime"]) + 1, source="all")
    assert late == []


def test_a_token_sees_no_task_in_the_cluster_s_list_without_sys_audit(start_proxmox: StartProxmox) -> None:
    """Fact 27."""
    every = ["VM.Audit", "VM.Migrate", "Datastore.Audit", "SDN.Audit"]
    simulator = start_proxmox(
        "--token", f"{TOKEN}={SECRET}", grants={TOKEN: {"/": every}}, migration_seconds=0
    )
    api = log_in_by_token(simulator, TOKEN, SECRET)
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    finished(api, upid)
    assert api.cluster.tasks.get() == []
    simulator.switches(grants={TOKEN: {"/": [*every, "Sys.Audit"]}})
    assert [row["upid"] for row in api.cluster.tasks.get()] == [upid]


def test_a_node_s_status_tells_its_version_and_its_cpu_s_flags(start_proxmox: StartProxmox) -> None:
    """Fact 33."""
    status = log_in(start_proxmox()).nodes("pve1").status.get()
    assert status["pveversion"].startswith("pve-manager/9.2.1/")
    assert {"avx2", "aes", "svm"} <= set(status["cpuinfo"]["flags"].split())
    assert status["memory"].keys() >= {"total", "used", "free", "available"}


def test_history_is_answered_by_the_node_that_was_asked(start_proxmox: StartProxmox) -> None:
    """Fact 34: also that of a node which is gone. 9.2 leaves out a last point without values."""
    simulator = start_proxmox()
    api = log_in(simulator)
    simulator.change_host("pve2", status="offline")
    assert refusal(api.nodes("pve2").status.get)[0] == 595
    points = api.nodes("pve2").rrddata.get(timeframe="hour")
    assert all(len(point) > 1 for point in points)
    assert {after["time"] - before["time"] for before, after in pairwise(points)} == {60}


def test_a_history_that_is_broken_is_an_error_of_its_own(start_proxmox: StartProxmox) -> None:
    """Fact 34."""
    broken = {
        "call": "GET /nodes/{node}/rrddata",
        "object": "pve2",
        "error": 500,
        "message": "RRD error: no such file",
    }
    api = log_in(start_proxmox(fail_calls=[broken]))
    assert refusal(lambda: api.nodes("pve2").rrddata.get(timeframe="hour")) == (
        500,
        "RRD error: no such file",
    )
    assert api.nodes("pve1").rrddata.get(timeframe="hour")


def test_bridges_are_listed_by_their_kind(start_proxmox: StartProxmox) -> None:
    """Fact 35."""
    network = log_in(start_proxmox()).nodes("pve1").network
    assert [row["iface"] for row in network.get(type="any_bridge")] == ["vmbr0"]
    assert "eno1" in {row["iface"] for row in network.get()}


def test_the_configuration_is_the_next_one_unless_the_present_is_asked_for(
    start_proxmox: StartProxmox,
) -> None:
    """Fact 44."""
    simulator = start_proxmox()
    simulator.change_guest("110", config={"hostpci0": "0000:01:00.0"}, pending={"hostpci0": None})
    config = log_in(simulator).nodes("pve1").qemu(110).config
    assert "hostpci0" not in config.get()
    assert config.get(current=1)["hostpci0"] == "0000:01:00.0"


def test_guests_of_a_node_that_was_removed_stay_in_the_list(start_proxmox: StartProxmox) -> None:
    """Facts 17 and 18: guests are listed by their configurations, nodes by the cluster's members."""
    simulator = start_proxmox()
    api = log_in(simulator)
    simulator.change_host("pve1", removed=True)
    assert "node/pve1" not in rows_of(api, "node")
    there = rows_of(api, "vm")["qemu/110"]
    assert (there["node"], there["status"]) == ("pve1", "unknown")


def test_an_idle_ha_manager_shows_what_it_thought_last(start_proxmox: StartProxmox) -> None:
    """Fact 61."""
    idle = {"seconds": 900, "node_status": {"pve1": "online", "pve2": "unknown", "pve3": "online"}}
    simulator = start_proxmox(ha_idle=idle)
    api = log_in(simulator)
    manager = api.cluster.ha.status.manager_status.get()["manager_status"]
    assert manager["node_status"]["pve2"] == "unknown"
    assert api.cluster.status.get()[2]["online"] == 1
    assert rows_of(api, "node")["node/pve2"]["hastate"] == "unknown"


def test_disarmed_ha_says_so(start_proxmox: StartProxmox) -> None:
    """Fact 61."""
    api = log_in(start_proxmox("--ha-guest", "110", ha_disarmed="freeze"))
    manager = api.cluster.ha.status.manager_status.get()["manager_status"]
    assert manager["disarm"] == {"mode": "freeze", "state": "disarmed"}


def test_the_authority_of_a_cluster_is_the_same_on_every_node(start_proxmox: StartProxmox) -> None:
    """Every account may ask for it."""
    simulator = start_proxmox(grants=granted({"/vms/110": ["VM.Audit"]}))
    api = log_in(simulator)

    def authority(node: str) -> str:
        first: dict[str, str] = api.nodes(node).certificates.info.get()[0]
        assert first["filename"] == "pve-root-ca.pem"
        return first["fingerprint"]

    assert authority("pve1") == authority("pve3")
    before = authority("pve1")
    simulator.switches(ca_seed="another cluster of this name")
    assert authority("pve1") != before


def test_root_alone_may_have_several_calls_carried_out_at_once(start_proxmox: StartProxmox) -> None:
    """One that fails does not keep the others from being answered."""
    simulator = start_proxmox("--token", f"root@pam!run={SECRET}")
    calls = [
        {"path": "qemu/110/config", "method": "GET", "args": {"current": 1}},
        {"path": "qemu/999/config", "method": "GET"},
        {"path": "status", "method": "GET"},
    ]
    first, second, third = log_in(simulator).nodes("pve1").execute.post(commands=json.dumps(calls))
    assert (first["status"], first["data"]["cores"]) == (200, 4)
    assert (second["status"], "does not exist" in second["message"]) == (500, True)
    assert third["data"]["pveversion"].startswith("pve-manager/")
    by_token = log_in_by_token(simulator, "root@pam!run", SECRET).nodes("pve1").execute
    assert refusal(lambda: by_token.post(commands="[]")) == (
        403,
        "Permission check failed (user != root@pam)",
    )
