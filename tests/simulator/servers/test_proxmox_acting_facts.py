# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated Proxmox VE does what the real one does, fact by fact: HTTP, tasks, migrations, HA."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.tests.simulator.servers.conftest import StartProxmox
from ansible_collections.evenkeel.cluster.tests.simulator.servers.proxmox_client import (
    finished,
    log_in,
    log_in_by_token,
    place,
    refusal,
    until,
)
from ansible_collections.evenkeel.cluster.tests.simulator.servers.small_cluster import (
    guest,
    host,
    rule,
    snapshot,
)
from ansible_collections.evenkeel.cluster.tests.simulators.launch import Simulator
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

TOKEN = "keel@pve!balance"
SECRET = "e1c2a7b0-0000-4000-8000-5ec2e7000000"
GIB = 1024**3


def bare(simulator: Simulator) -> http.client.HTTPSConnection:
    tls = ssl.create_default_context(cafile=simulator.ca_path)
    return http.client.HTTPSConnection(simulator.host, simulator.port, context=tls, timeout=PATIENCE_SECONDS)


def ask(
    connection: http.client.HTTPSConnection, verb: str, path: str, body: str | None = None, **headers: str
) -> http.client.HTTPResponse:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(verb, f"/api2/json{path}", body=body, headers=given)
    return connection.getresponse()


def by_token(simulator: Simulator) -> dict[str, str]:
    return {"Authorization": f"PVEAPIToken={TOKEN}={SECRET}"}


def log_of(api: Any, upid: str) -> list[str]:
    node = upid.split(":")[1]
    return [line["t"] for line in api.nodes(node).tasks(upid).log.get(limit=0)]


# HTTP


def test_fact_2_a_body_where_none_belongs_is_refused(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox("--token", f"{TOKEN}={SECRET}")
    headers = by_token(simulator)
    assert ask(bare(simulator), "GET", "/version", body="a=1", **headers).status == 501
    strange = {**headers, "Content_Type": "text/plain"}
    assert ask(bare(simulator), "POST", "/nodes/pve1/qemu/110/migrate", body="x", **strange).status == 506


@pytest.mark.parametrize("word", ["1", "on", "yes", "True"])
def test_fact_3_flags_have_several_words_and_unknown_parameters_are_named(
    word: str, start_proxmox: StartProxmox
) -> None:
    api = log_in(start_proxmox())
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=word)
    assert finished(api, upid)["exitstatus"] == "OK"
    status, text = refusal(lambda: api.cluster.resources.get(kind="vm"))
    assert (status, text) == (400, "Parameter verification failed.")


def test_facts_4_and_5_a_refusal_is_in_the_reason_and_closes_the_connection(
    start_proxmox: StartProxmox,
) -> None:
    simulator = start_proxmox("--token", f"{TOKEN}={SECRET}")
    connection = bare(simulator)
    answer = ask(connection, "GET", "/nodes/pve2/qemu/110/config", **by_token(simulator))
    assert answer.status == 500
    assert answer.reason == "Configuration file 'nodes/pve2/qemu-server/110.conf' does not exist"
    assert answer.getheader("Connection") == "close"
    assert json.loads(answer.read())["message"].endswith("does not exist\n")


def test_fact_5_a_connection_serves_a_hundred_requests(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox("--token", f"{TOKEN}={SECRET}")
    connection = bare(simulator)
    told = []
    for _ in range(100):
        answer = ask(connection, "GET", "/version", **by_token(simulator))
        answer.read()
        told.append(answer.getheader("Connection"))
    assert set(told[:-1]) == {"Keep-Alive"}
    assert told[-1] == "close"


def test_fact_6_credentials_come_before_everything_else(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox("--token", f"{TOKEN}={SECRET}", grants={"keel@pve": {"/": ["Sys.Audit"]}})
    assert ask(bare(simulator), "GET", "/no/such/path").status == 401
    answer = ask(bare(simulator), "GET", "/no/such/path", **by_token(simulator))
    assert (answer.status, answer.reason) == (501, "Method 'GET /no/such/path' not implemented")
    # The right is asked for before the parameters are looked at.
    answer = ask(bare(simulator), "GET", "/nodes/pve1/qemu/110/config?x=1", **by_token(simulator))
    assert answer.status == 403


def test_fact_7_a_401_takes_its_time_and_has_no_body(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(auth_delay_seconds=0.5)
    began = time.monotonic()
    answer = ask(bare(simulator), "GET", "/version")
    assert (answer.status, answer.reason, answer.read()) == (401, "No ticket", b"")
    assert time.monotonic() - began >= 0.5


def test_fact_8_a_missing_privilege_is_named_with_its_path(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox("--token", f"{TOKEN}={SECRET}", grants={"keel@pve": {"/": ["VM.Audit"]}})
    api = log_in_by_token(simulator, TOKEN, SECRET)
    assert refusal(lambda: api.nodes("pve1").qemu(110).migrate.post(target="pve2")) == (
        403,
        "Permission check failed (/vms/110, VM.Migrate)",
    )


def test_fact_9_a_node_that_does_not_answer_is_not_the_host_that_was_asked(
    start_proxmox: StartProxmox,
) -> None:
    simulator = start_proxmox(hung_nodes=["pve2"], hang_seconds=0.1)
    api = log_in(simulator)
    assert refusal(api.nodes("pve2").status.get) == (596, "Connection timed out")
    assert api.version.get()["version"].startswith("9.2")
    simulator.change_host("pve3", status="offline")
    assert refusal(api.nodes("pve3").status.get)[0] == 595
    assert refusal(api.nodes("pve9").status.get)[1].startswith("hostname lookup 'pve9' failed - ")


def test_fact_11_a_token_is_named_in_its_tasks(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox("--token", f"{TOKEN}={SECRET}")
    api = log_in_by_token(simulator, TOKEN, SECRET)
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    assert upid.split(":")[7] == TOKEN


# Tasks


def test_fact_27_the_list_of_the_cluster_hears_of_an_end_late(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(migration_seconds=0, task_list_seconds=3600)
    api = log_in(simulator)
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    assert finished(api, upid)["exitstatus"] == "OK"
    listed = next(task for task in api.cluster.tasks.get() if task["upid"] == upid)
    assert not {"endtime", "status"} & set(listed)


def test_fact_27_a_dead_node_leaves_its_running_tasks_in_the_list(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(migration_seconds=300)
    api = log_in(simulator)
    upid = api.nodes("pve2").lxc(112).migrate.post(target="pve1", restart=1)
    simulator.change_host("pve2", status="offline")
    listed = next(task for task in api.cluster.tasks.get() if task["upid"] == upid)
    assert not {"endtime", "status"} & set(listed)
    simulator.change_host("pve2", status="online")
    assert finished(api, upid)["exitstatus"] == "unexpected status"
    assert simulator.state()["guests"]["112"]["lock"] == "migrate"


def test_fact_28_a_task_that_has_ended_is_active_until_it_is_archived(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox(migration_seconds=0, task_list_seconds=3600))
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    active = api.nodes("pve1").tasks.get(source="active", vmid=110)
    assert [(task["upid"], task["status"]) for task in active] == [(upid, "OK")]
    assert active[0]["endtime"] > 0
    assert api.nodes("pve1").tasks.get(typefilter="vzmigrate", source="all") == []


def test_facts_29_and_30_a_task_by_its_name(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox(migration_seconds=0))
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    _head, node, pid, pstart, start, kind, subject, user, end = upid.split(":")
    assert (node, kind, subject, user, end) == ("pve1", "qmigrate", "110", "root@pam", "")
    assert (len(pid), len(pstart) in (8, 9), len(start)) == (8, True, 8)
    status, text = refusal(api.nodes("pve1").tasks(upid.replace("qmigrate", "qmstart")).status.get)
    assert (status, text) == (400, "Parameter verification failed.")


def test_fact_31_the_log_ends_with_the_verdict(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(migration_seconds=0.2)
    api = log_in(simulator)
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    finished(api, upid)
    everything = log_of(api, upid)
    assert everything[-1] == "TASK OK"
    assert any("migration active, transferred" in line and "VM-state" in line for line in everything)
    rest = api.nodes("pve1").tasks(upid).log.get(start=2, limit=1)
    assert rest == [{"n": 3, "t": everything[2]}]
    empty = simulator.add_task(node="pve1", type="vzdump")
    assert log_of(api, empty) == ["no content"]


def test_fact_32_to_stop_a_task_waits_for_its_clean_up(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(migration_seconds=300, abort_seconds=0.5)
    api = log_in(simulator)
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    began = time.monotonic()
    assert api.nodes("pve1").tasks(upid).delete() is None
    assert time.monotonic() - began >= 0.5
    assert finished(api, upid)["exitstatus"] == "migration problems"
    assert api.nodes("pve1").tasks(upid).delete() is None, "nothing to do for one that has ended"


def test_fact_32_what_does_not_clean_up_in_five_seconds_is_killed(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(migration_seconds=300, abort_seconds=60)
    api = log_in(simulator)
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    api.nodes("pve1").tasks(upid).delete()
    assert finished(api, upid)["exitstatus"] == "unexpected status"
    assert not log_of(api, upid)[-1].startswith("TASK")
    assert simulator.state()["guests"]["110"] == {"host": "pve1", "power": "running", "lock": "migrate"}


# Guests


def test_fact_39_and_48_connections_can_go_along(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox()
    api = log_in(simulator)
    assert api.nodes("pve1").qemu(110).migrate.get()["has-dbus-vmstate"] == 1
    assert api.nodes("pve2").get("capabilities/qemu/migration") == {"has-dbus-vmstate": 1}


def test_fact_46_offline_nodes_are_among_the_allowed_ones(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox()
    api = log_in(simulator)
    simulator.change_host("pve3", status="offline")
    assert api.nodes("pve1").qemu(110).migrate.get()["allowed_nodes"] == ["pve2", "pve3"]
    refused = api.nodes("pve1").qemu(119).migrate.get()["not_allowed_nodes"]
    assert refused == {"pve3": {"unavailable_storages": ["san"]}}
    simulator.switches(quorate=False)
    assert refusal(api.nodes("pve1").qemu(110).migrate.get) == (500, "cluster not ready - no quorum?")


def test_fact_47_local_volumes_carry_marks(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox()
    api = log_in(simulator)
    config = {
        "ide2": "local-lvm:vm-116-cloudinit,media=cdrom",
        "tpmstate0": "local-lvm:vm-116-disk-1,version=v2.0",
        "unused0": "local-lvm:vm-116-disk-2",
        "scsi3": "/dev/sdx,shared=1",
        "ide3": "cdrom,media=cdrom",
    }
    simulator.change_guest("116", config=config, saved_memory=["local-lvm:vm-116-state-a"])
    listed = {disk["volid"]: disk for disk in api.nodes("pve1").qemu(116).migrate.get()["local_disks"]}
    marks = ("is_cloudinit", "is_tpmstate", "is_unused", "is_attached", "is_vmstate", "shared")
    assert {volid: [mark for mark in marks if disk[mark]] for volid, disk in listed.items()} == {
        "local-lvm:vm-116-disk-0": ["is_attached"],
        "local-lvm:vm-116-cloudinit": ["is_cloudinit", "is_attached"],
        "local-lvm:vm-116-disk-1": ["is_tpmstate", "is_attached"],
        "local-lvm:vm-116-disk-2": ["is_unused"],
        "/dev/sdx": ["is_attached", "shared"],
        "cdrom": ["is_attached"],
        "local-lvm:vm-116-state-a": ["is_vmstate"],
    }


def test_fact_48_mapped_devices_are_told_apart(start_proxmox: StartProxmox) -> None:
    gpu = {"id": "gpu", "live-migration-capable": 1, "map": ["node=pve1,path=1", "node=pve2,path=1"]}
    simulator = start_proxmox(pci_mappings=[gpu, {**gpu, "id": "nic", "live-migration-capable": 0}])
    api = log_in(simulator)
    devices = {"hostpci0": "mapping=gpu", "hostpci1": "mapping=nic", "usb0": "mapping=key", "usb1": "spice"}
    simulator.change_guest("110", config=devices)
    facts = api.nodes("pve1").qemu(110).migrate.get()
    assert facts["local_resources"] == ["hostpci1", "usb0"]
    assert facts["mapped-resources"] == ["hostpci0", "hostpci1", "usb0"]
    assert facts["mapped-resource-info"]["hostpci0"] == {"name": "gpu", "live-migration": 1}
    assert facts["mapped-resource-info"]["hostpci1"] == {"name": "nic"}
    assert facts["not_allowed_nodes"]["pve3"]["unavailable-resources"] == ["hostpci0", "hostpci1"]
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    assert finished(api, upid)["exitstatus"] == "migration aborted"


def test_fact_49_only_of_guests_that_ha_manages_is_said_who_comes_along(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox()
    api = log_in(simulator)
    assert "dependent-ha-resources" not in api.nodes("pve1").qemu(110).migrate.get()
    assert api.nodes("pve1").qemu(102).migrate.get()["dependent-ha-resources"] == ["vm:103"]
    simulator.switches(ha_disarmed="ignore")
    assert "dependent-ha-resources" not in api.nodes("pve1").qemu(102).migrate.get()


def test_fact_49_until_9_1_node_affinity_is_not_told(start_proxmox: StartProxmox) -> None:
    older = log_in(start_proxmox("--version", "9.0"))
    assert older.nodes("pve1").qemu(100).migrate.get()["not_allowed_nodes"]["pve2"] == {
        "blocking-ha-resources": [{"sid": "vm:101", "cause": "resource-affinity"}]
    }


def test_fact_50_a_replicated_machine_goes_live_to_its_replicas_only(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(replication=[{"id": "110-0", "guest": 110, "target": "pve2", "type": "local"}])
    api = log_in(simulator)
    move = api.nodes("pve1").qemu(110).migrate
    status, text = refusal(lambda: move.post(target="pve3", online=1))
    assert status == 500
    assert text.startswith("Cannot live-migrate replicated VM to node 'pve3' - not a replication target.")
    assert refusal(lambda: move.post(target="pve1", online=1))[0] == 400
    assert finished(api, move.post(target="pve2", online=1))["exitstatus"] == "OK"


def test_fact_51_only_local_storages_are_mapped(start_proxmox: StartProxmox) -> None:
    cluster = snapshot(
        guests=[
            guest(
                116,
                "pve1",
                disks=[{"datastore": "local-lvm", "size": GIB}, {"datastore": "ceph", "size": GIB}],
                blockers=["local_disk"],
            )
        ],
        rules=[],
    )
    api = log_in(start_proxmox(cluster=cluster))
    options = {"with-local-disks": 1, "targetstorage": "san"}
    upid = api.nodes("pve1").qemu(116).migrate.post(target="pve2", online=1, **options)
    assert finished(api, upid)["exitstatus"] == "OK"
    config = api.nodes("pve2").qemu(116).config.get()
    assert [config[slot].partition(":")[0] for slot in ("scsi0", "scsi1")] == ["san", "ceph"]


def test_fact_52_a_held_configuration_ends_the_task_after_a_while(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(held_configs=["110"], held_seconds=0.2)
    api = log_in(simulator)
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    assert finished(api, upid)["exitstatus"].endswith("lock-110.conf' - got timeout")
    simulator.switches(held_seconds=300)
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    api.nodes("pve1").tasks(upid).delete()
    assert finished(api, upid)["exitstatus"] == "received interrupt", "fact 53"


@pytest.mark.parametrize(
    ("power", "status"), [("paused", "paused"), ("stopped", "stopped"), (None, "running")]
)
def test_facts_53_and_54_the_configuration_moves_before_the_end(
    power: str | None, status: str, start_proxmox: StartProxmox
) -> None:
    simulator = start_proxmox(break_migrations=[{"guest": "110", "power": power, "lock": True}])
    api = log_in(simulator)
    upid = api.nodes("pve1").qemu(110).migrate.post(target="pve2", online=1)
    assert finished(api, upid)["exitstatus"] == "migration problems"
    row = next(row for row in api.cluster.resources.get(type="vm") if row["vmid"] == 110)
    assert (row["node"], row["status"], row["lock"]) == ("pve2", status, "migrate")


def test_facts_55_and_56_a_container_is_looked_at_only_in_its_task(start_proxmox: StartProxmox) -> None:
    san = [{"datastore": "san", "size": GIB}]
    cluster = snapshot(guests=[guest(112, "pve1", kind="container", disks=san)], rules=[])
    simulator = start_proxmox(cluster=cluster)
    api = log_in(simulator)
    container = api.nodes("pve1").lxc(112)
    assert container.migrate.get() == {
        "running": 1,
        "allowed-nodes": ["pve2", "pve3"],
        "not-allowed-nodes": {},
    }
    upid = container.migrate.post(target="pve3", restart=1)
    assert finished(api, upid)["exitstatus"] == "migration aborted"
    simulator.change_guest("112", config={"mp0": "/srv/data,mp=/data", "dev0": "/dev/kvm"})
    upid = container.migrate.post(target="pve2", restart=1)
    assert any("cannot migrate local bind mount point 'mp0'" in line for line in log_of(api, upid))


def test_fact_55_a_node_of_version_8_has_no_such_call(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox()
    simulator.change_host("pve2", version="8.4.14")
    api = log_in(simulator)
    assert refusal(api.nodes("pve2").lxc(112).migrate.get)[0] == 501
    simulator.change_host("pve1", version="8.4.14")
    facts = api.nodes("pve1").qemu(110).migrate.get()
    assert not {"allowed_nodes", "mapped-resource-info", "has-dbus-vmstate"} & set(facts)


def test_fact_57_a_container_that_does_not_stop_goes_on(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(ignore_shutdown=["112"])
    api = log_in(simulator)
    upid = api.nodes("pve2").lxc(112).migrate.post(target="pve1", restart=1, timeout=1)
    assert finished(api, upid)["exitstatus"] == "migration aborted"
    assert any("container did not stop" in line for line in log_of(api, upid))
    assert simulator.state()["guests"]["112"] == {"host": "pve2", "power": "running", "lock": None}


@pytest.mark.parametrize(("phase", "power"), [("prepare", "stopped"), ("phase1", "running")])
def test_fact_57_a_container_is_started_again_only_when_phase_1_fails(
    phase: str, power: str, start_proxmox: StartProxmox
) -> None:
    faults: dict[str, object] = {"fail_migrations": [{"guest": "112"}]}
    if phase == "prepare":
        faults = {"break_migrations": [{"guest": "112", "phase": "prepare"}]}
    simulator = start_proxmox(**faults)
    api = log_in(simulator)
    upid = api.nodes("pve2").lxc(112).migrate.post(target="pve1", restart=1)
    assert finished(api, upid)["exitstatus"] == "migration aborted"
    assert simulator.state()["guests"]["112"] == {"host": "pve2", "power": power, "lock": None}


# High availability


def ha_cluster(**changes: object) -> dict[str, Any]:
    guests = [guest(100, "pve1"), guest(101, "pve2", kind="container")]
    rules = [rule("licence", "host_affinity", ["100"], hosts=["pve1"])]
    return snapshot(guests=guests, rules=rules, hosts=[host(f"pve{n}") for n in (1, 2, 3)], **changes)


def test_facts_58_and_60_failback_is_each_resources_own(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox("--ha-guest", "101", cluster=ha_cluster(), ha_no_failback=["ct:101"]))
    resources = {row["sid"]: row["failback"] for row in api.cluster.ha.resources.get()}
    assert resources == {"vm:100": 1, "ct:101": 0}


def test_fact_60_until_9_1_a_guest_is_moved_and_moved_back(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox("--version", "9.0", cluster=ha_cluster(), ha_delay_seconds=0.3)
    api = log_in(simulator)
    upid = api.nodes("pve1").qemu(100).migrate.post(target="pve2", online=1)
    assert finished(api, upid)["exitstatus"] == "OK"
    until(lambda: place(api, 100) == "pve2")
    until(lambda: place(api, 100) == "pve1")


def test_facts_61_and_64_a_disarmed_manager_says_so(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(cluster=ha_cluster(), ha_disarmed="freeze")
    api = log_in(simulator)
    manager = api.cluster.ha.status.manager_status.get()["manager_status"]
    assert manager["disarm"]["mode"] == "freeze"
    assert manager["service_status"]["vm:100"]["state"] == "freeze"
    rows = {row["vmid"]: row for row in api.cluster.resources.get(type="vm")}
    assert rows[100]["hastate"] == "freeze"


def test_facts_63_and_66_a_request_is_queued_though_something_is_in_the_way(
    start_proxmox: StartProxmox,
) -> None:
    simulator = start_proxmox(ha_delay_seconds=1)
    api = log_in(simulator)
    asked = api.cluster.ha.resources("vm:100").migrate.post(node="pve2")
    assert asked["blocking-resources"]
    # What was in the way has gone before the manager's next round; the licence allows only pve1 and pve3.
    until(lambda: simulator.state()["crm_log"])
    assert "blocked by vm:100 (node-affinity)" in simulator.state()["crm_log"][0]
    assert refusal(lambda: api.cluster.ha.resources("vm:110").migrate.post(node="pve2"))[0] == 500


def test_fact_64_ha_that_ignores_its_guests_does_not_migrate_them(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox(cluster=ha_cluster(), ha_disarmed="ignore"))
    assert ":qmigrate:100:" in api.nodes("pve1").qemu(100).migrate.post(target="pve2", online=1)


def test_fact_65_a_container_is_shut_down_moved_and_started_by_ha(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox("--ha-guest", "101", cluster=ha_cluster(), ha_start_seconds=1)
    api = log_in(simulator)
    api.nodes("pve2").lxc(101).migrate.post(target="pve3", restart=1)
    until(lambda: place(api, 101) == "pve3")
    assert simulator.state()["guests"]["101"]["power"] == "stopped"
    until(lambda: simulator.state()["guests"]["101"]["power"] == "running")


def test_facts_63_and_67_a_service_in_state_error_takes_no_request(start_proxmox: StartProxmox) -> None:
    """A failure after the move leaves it where the manager does not look for it."""
    simulator = start_proxmox("--ha-guest", "101", break_migrations=[{"guest": "101"}], cluster=ha_cluster())
    api = log_in(simulator)

    def state() -> str:
        rows = {row["vmid"]: row for row in api.cluster.resources.get(type="vm")}
        return str(rows[101]["hastate"])

    api.nodes("pve2").lxc(101).migrate.post(target="pve3", restart=1)
    until(lambda: place(api, 101) == "pve3" and state() == "error")
    until(lambda: simulator.state()["guests"]["101"]["power"] == "running")
    upid = api.nodes("pve3").lxc(101).migrate.post(target="pve2", restart=1)
    assert finished(api, upid)["exitstatus"].startswith("command 'ha-manager migrate ct:101 pve2' failed")
    assert refusal(lambda: api.cluster.ha.resources("ct:101").migrate.post(node="pve2"))[1].startswith(
        "service 'ct:101' in error state"
    )
