# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests under high availability in the simulated Proxmox VE."""

from __future__ import annotations

import time

from ansible_collections.evenkeel.cluster.tests.simulator.servers.conftest import StartProxmox
from ansible_collections.evenkeel.cluster.tests.simulator.servers.proxmox_client import (
    finished,
    log_in,
    place,
    refusal,
    until,
)
from ansible_collections.evenkeel.cluster.tests.simulator.servers.small_cluster import guest, host, snapshot
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS


def test_rules_of_the_snapshot_are_ha_rules(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox())
    rules = {row["rule"]: row for row in api.cluster.ha.rules.get()}
    assert {name: (row["type"], row["resources"]) for name, row in rules.items()} == {
        "web": ("resource-affinity", "vm:100,vm:101"),
        "pair": ("resource-affinity", "vm:102,vm:103"),
        "licence": ("node-affinity", "vm:100"),
    }
    assert (rules["web"]["affinity"], rules["pair"]["affinity"]) == ("negative", "positive")
    assert (rules["licence"]["nodes"], rules["licence"]["strict"]) == ("pve1,pve3", 1)
    assert [row["rule"] for row in api.cluster.ha.rules.get(resource="vm:102")] == ["pair"]
    assert refusal(api.cluster.ha.groups.get) == (
        500,
        "cannot index groups: ha groups have been migrated to rules",
    )


def test_in_version_8_a_pin_is_a_group_and_affinity_does_not_exist(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox("--version", "8.4"))
    groups = api.cluster.ha.groups.get()
    assert [(row["group"], row["nodes"], row["restricted"]) for row in groups] == [
        ("licence", "pve1,pve3", 1)
    ]
    assert [(row["sid"], row["group"]) for row in api.cluster.ha.resources.get()] == [("vm:100", "licence")]


def test_the_task_ends_at_once_and_the_manager_moves_the_guest_later(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(ha_delay_seconds=0.3)
    api = log_in(simulator)
    upid = api.nodes("pve1").qemu(100).migrate.post(target="pve3", online=1)
    assert ":hamigrate:100:" in upid
    assert api.nodes("pve1").tasks(upid).status.get()["exitstatus"] == "OK"
    assert place(api, 100) == "pve1"
    until(lambda: place(api, 100) == "pve3")
    tasks = api.nodes("pve1").tasks.get(vmid=100, source="all")
    assert {task["type"] for task in tasks} == {"qmigrate", "hamigrate"}
    until(lambda: _service(api, "vm:100") == ("pve3", "started"))


def _service(api: object, sid: str) -> tuple[str, str]:
    status = api.cluster.ha.status.manager_status.get()["manager_status"]["service_status"][sid]  # type: ignore[attr-defined]
    return status["node"], status["state"]


def test_while_it_moves_it_says_so(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(migration_seconds=30)
    api = log_in(simulator)
    api.nodes("pve1").qemu(100).migrate.post(target="pve3", online=1)
    rows = until(lambda: [row for row in api.cluster.resources.get() if row.get("hastate") == "migrate"])
    assert [(row["vmid"], row["lock"]) for row in rows] == [(100, "migrate")]


def test_partners_move_along(start_proxmox: StartProxmox) -> None:
    api = log_in(start_proxmox())
    assert api.nodes("pve1").qemu(102).migrate.get()["dependent-ha-resources"] == ["vm:103"]
    api.nodes("pve1").qemu(102).migrate.post(target="pve3", online=1)
    until(lambda: (place(api, 102), place(api, 103)) == ("pve3", "pve3"))


def test_a_refusal_is_silent_by_the_guest_and_plain_by_the_resource(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox()
    api = log_in(simulator)
    expected = [{"sid": "vm:100", "cause": "node-affinity"}, {"sid": "vm:101", "cause": "resource-affinity"}]
    facts = api.nodes("pve1").qemu(100).migrate.get()
    assert facts["allowed_nodes"] == ["pve3"]
    assert facts["not_allowed_nodes"]["pve2"]["blocking-ha-resources"] == expected
    upid = api.nodes("pve1").qemu(100).migrate.post(target="pve2", online=1)
    end = finished(api, upid)["exitstatus"]
    assert end == "command 'ha-manager migrate vm:100 pve2' failed: exit code 255"
    until(lambda: simulator.state()["crm_log"])
    assert place(api, 100) == "pve1"
    asked = api.cluster.ha.resources("vm:100").migrate.post(node="pve2")
    assert asked == {"sid": "vm:100", "requested-node": "pve2", "blocking-resources": expected}
    along = api.cluster.ha.resources(102).migrate.post(node="pve2")
    assert along == {"sid": "vm:102", "requested-node": "pve2", "comigrated-resources": ["vm:103"]}


def test_a_node_in_maintenance_takes_no_ha_guest_but_others(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox()
    api = log_in(simulator)
    simulator.change_host("pve3", maintenance=True)
    status = api.cluster.ha.status.manager_status.get()["manager_status"]
    assert status["node_status"] == {"pve1": "online", "pve2": "online", "pve3": "maintenance"}
    assert {row["node"]: row["hastate"] for row in api.cluster.resources.get(type="node")}["pve3"] == (
        "maintenance"
    )
    current = {row["id"]: row["status"] for row in api.cluster.ha.status.current.get()}
    assert current["lrm:pve3"].startswith("pve3 (maintenance mode, ")
    api.nodes("pve1").qemu(102).migrate.post(target="pve3", online=1)
    until(lambda: simulator.state()["crm_log"])
    assert (
        finished(api, api.nodes("pve1").qemu(110).migrate.post(target="pve3", online=1))["exitstatus"] == "OK"
    )
    assert (place(api, 102), place(api, 110)) == ("pve1", "pve3")


def test_the_manager_can_be_told_to_refuse(start_proxmox: StartProxmox) -> None:
    simulator = start_proxmox(ha_refuse=["100"])
    api = log_in(simulator)
    api.nodes("pve1").qemu(100).migrate.post(target="pve3", online=1)
    until(lambda: simulator.state()["crm_log"])
    assert place(api, 100) == "pve1"


def test_a_node_moves_no_more_ha_guests_at_once_than_its_workers(start_proxmox: StartProxmox) -> None:
    guests = [guest(number, "pve1") for number in range(100, 106)]
    options = [word for entry in guests for word in ("--ha-guest", entry["id"])]
    cluster = snapshot(guests=guests, rules=[], hosts=[host("pve1"), host("pve2")])
    simulator = start_proxmox(*options, cluster=cluster, options={"max_workers": 2}, migration_seconds=0.2)
    api = log_in(simulator)
    for entry in guests:
        api.nodes("pve1").qemu(entry["id"]).migrate.post(target="pve2", online=1)
    busiest = 0
    alarm = time.monotonic() + PATIENCE_SECONDS
    while any(place(api, int(entry["id"])) == "pve1" for entry in guests):
        moving = [item for item in simulator.state()["migrations"] if item["state"] == "running"]
        busiest = max(busiest, len(moving))
        assert time.monotonic() < alarm
        time.sleep(0.02)
    assert busiest == 2
