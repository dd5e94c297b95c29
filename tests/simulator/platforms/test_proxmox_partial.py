# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one call, object or privilege hides of a Proxmox VE: the rest is read, and the gap is named."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Guest, Host, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.platform import (
    ProxmoxPlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.proxmox_clusters import GIB

EVERYTHING = [
    *("Sys.Audit", "VM.Audit", "Datastore.Audit", "SDN.Audit", "Pool.Audit", "VM.Migrate"),
]


def read(platform: ProxmoxPlatform) -> Snapshot:
    """What is read, checked as a snapshot file would be."""
    snapshot = platform.read()
    platform.close()
    return Snapshot.from_json(snapshot.to_json())


def host(snapshot: Snapshot, name: str) -> Host:
    return next(host for host in snapshot.hosts if host.id == name)


def guest(snapshot: Snapshot, number: int) -> Guest:
    return next(guest for guest in snapshot.guests if guest.id == str(number))


def failing(
    call: str, name: str, message: str = "RRD error: no such file", error: int = 500
) -> dict[str, Any]:
    return {"call": call, "object": name, "error": error, "message": message}


def test_a_whole_reading_has_no_notice(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.mixed("9.2"), options=("--no-rules-as-ha",))
    for window in (0, 3600):
        assert read(clusters.connect(served, window_seconds=window)).notices == ()


@pytest.mark.parametrize("window", [0, 3600])
def test_the_history_of_one_node_may_fail(window: int, simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), fail_calls=[failing("GET /nodes/{node}/rrddata", "pve2")])
    found = read(clusters.connect(served, window_seconds=window))
    (notice,) = found.notices
    assert notice.text == ("The measured history of node pve2 could not be read: RRD error: no such file.")
    assert (notice.hides, notice.hosts, notice.guests) == (("loads",), ("pve2",), ())
    assert [entry.status for entry in found.hosts] == ["online"] * 3
    assert host(found, "pve2").pressure == clusters.NO_PRESSURE
    assert host(found, "pve2").used["network_io"] is None
    assert host(found, "pve1").used["network_io"] == 1_000_000
    assert found.window_seconds == window


def test_the_history_of_one_guest_may_fail_and_what_stands_in_for_it_is_said(simulator: Simulate) -> None:
    fault = failing("GET /nodes/{node}/qemu/{vmid}/rrddata", "101")
    served = simulator("proxmox", clusters.small(), fail_calls=[fault])
    found = read(clusters.connect(served, window_seconds=3600))
    (notice,) = found.notices
    assert (notice.hides, notice.guests) == (("loads",), ("101",))
    there = guest(found, 101)
    assert there.blockers == ()
    assert there.used == {"cpu": 0.25, "memory": 4 * GIB, "network_io": None, "disk_io": None}
    assert there.sources == {"cpu": "present", "memory": "present"}
    assert guest(found, 100).sources == {}
    assert guest(found, 100).used["network_io"] == 1000


def test_where_no_history_can_be_read_the_snapshot_is_one_of_present_values(simulator: Simulate) -> None:
    faults = [failing(f"GET /nodes/{{node}}/{kind}/{{vmid}}/rrddata", "pve1") for kind in ("qemu", "lxc")]
    everywhere = [{**fault, "object": None} for fault in faults]
    served = simulator("proxmox", clusters.small(), fail_calls=everywhere)
    found = read(clusters.connect(served, window_seconds=3600))
    assert found.window_seconds == 0
    assert all(entry.sources == {} for entry in (*found.hosts, *found.guests))
    assert any("present values, not averages over 3600 s" in notice.text for notice in found.notices)


def test_a_status_that_fails_leaves_out_what_only_the_node_knows(simulator: Simulate) -> None:
    fault = failing("GET /nodes/{node}/status", "pve2", "can't read /proc/cpuinfo")
    found = read(clusters.connect(simulator("proxmox", clusters.small(), fail_calls=[fault])))
    there = host(found, "pve2")
    assert (there.status, there.version, there.cpu_model) == ("online", None, None)
    assert there.used["cpu"] == 6.5
    (notice,) = found.notices
    assert "The version and CPU of node pve2" in notice.text
    assert guest(found, 102).blockers == ()


def test_bridges_that_can_t_be_read_hide_the_networks_of_that_node(simulator: Simulate) -> None:
    fault = failing("GET /nodes/{node}/network", "pve3", "error parsing /etc/network/interfaces")
    found = read(clusters.connect(simulator("proxmox", clusters.small(), fail_calls=[fault])))
    assert [host(found, name).networks for name in ("pve1", "pve3")] == [("vmbr0", "vmbr1"), ()]
    (notice,) = found.notices
    assert (notice.hides, notice.hosts) == (("networks",), ("pve3",))


def test_a_configuration_that_can_t_be_read_is_named_and_its_guest_stays(simulator: Simulate) -> None:
    fault = failing("GET /nodes/{node}/qemu/{vmid}/config", "101", "unable to parse value of 'scsi0'")
    found = read(clusters.connect(simulator("proxmox", clusters.small(), fail_calls=[fault])))
    assert guest(found, 101).blockers == ("not_readable",)
    assert guest(found, 101).used["memory"] == 4 * GIB
    (notice,) = found.notices
    assert (notice.guests, "unable to parse value" in notice.text) == (("101",), True)


def test_many_that_fail_for_one_reason_are_one_notice(simulator: Simulate) -> None:
    fault = {
        "call": "GET /nodes/{node}/tasks",
        "error": 500,
        "message": "can't open /nodes/pve1/index",
    }
    found = read(clusters.connect(simulator("proxmox", clusters.small(), fail_calls=[fault])))
    (notice,) = found.notices
    assert notice.text.startswith("The older migrations of nodes pve1, pve2, pve3 could not be read: ")
    assert notice.hosts == ("pve1", "pve2", "pve3")


def test_lists_of_tasks_replication_and_options_that_fail_are_named(simulator: Simulate) -> None:
    faults = [
        {"call": "GET /cluster/tasks", "error": 500, "message": "broken"},
        {"call": "GET /cluster/replication", "error": 500, "message": "broken"},
        {"call": "GET /cluster/options", "error": 500, "message": "broken"},
    ]
    found = read(clusters.connect(simulator("proxmox", clusters.small(), fail_calls=faults)))
    balancing = "The datacenter's options, and so whether Proxmox VE itself moves guests for balance,"
    assert [(notice.text, notice.hides) for notice in found.notices] == [
        (f"{balancing} could not be read: broken.", ()),
        ("The replication jobs could not be read: broken.", ()),
        ("The tasks under way and of late could not be read: broken.", ("history",)),
    ]


def test_a_node_that_does_not_answer_is_named(simulator: Simulate) -> None:
    silent = failing("GET /nodes/{node}/status", "pve2", "Broken pipe", 596)
    found = read(clusters.connect(simulator("proxmox", clusters.small(), fail_calls=[silent])))
    assert host(found, "pve2").status == "unknown"
    assert guest(found, 102).blockers == ("not_readable",)
    assert any(
        notice.hosts == ("pve2",) and "does not answer, though the cluster has it online" in notice.text
        for notice in found.notices
    )


def test_a_node_that_hangs_is_that_node_s_silence_and_not_the_cluster_s(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), hung_nodes=["pve2"], hang_seconds=60)
    found = read(clusters.connect(served, api_timeout=2))
    assert [entry.status for entry in found.hosts] == ["online", "unknown", "online"]
    assert any(notice.hosts == ("pve2",) for notice in found.notices)


def test_a_node_whose_status_daemon_is_silent_is_named(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), daemon_silent=["pve2"])
    found = read(clusters.connect(served))
    assert (host(found, "pve2").status, guest(found, 102).power) == ("unknown", "unknown")
    (notice,) = found.notices
    assert (notice.hosts, "Restart pvestatd" in notice.text) == (("pve2",), True)


def test_guests_left_over_from_a_node_that_was_removed_are_named_and_left_out(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small())
    served.change_host("pve2", removed=True)
    found = read(clusters.connect(served))
    assert [entry.id for entry in found.hosts] == ["pve1", "pve3"]
    assert [entry.id for entry in found.guests] == ["100", "101", "103", "104"]
    (notice,) = found.notices
    assert (notice.hosts, notice.guests) == (("pve2",), ("102",))
    assert notice.text.startswith("Left over from node pve2, not in the cluster any more, and ")
    assert "not in this snapshot: guest 102. Move the files" in notice.text


def granted(paths: dict[str, list[str]]) -> dict[str, dict[str, list[str]]]:
    return {"root@pam": {"/": EVERYTHING, **paths}}


def test_without_pool_audit_pools_are_hidden_and_the_privilege_is_named(simulator: Simulate) -> None:
    without = [name for name in EVERYTHING if name != "Pool.Audit"]
    served = simulator("proxmox", clusters.mixed("9.2"), grants={"root@pam": {"/": without}})
    found = read(clusters.connect(served))
    assert guest(found, 102).pool is None
    (notice,) = found.notices
    assert notice.hides == ("pools",)
    assert "The account lacks the privilege Pool.Audit on /pool: " in notice.text
    served.switches(grants=granted({}))
    found = read(clusters.connect(served))
    assert (guest(found, 102).pool, found.notices) == ("shop", ())


def test_one_pool_that_is_hidden_is_named(simulator: Simulate) -> None:
    served = simulator(
        "proxmox", clusters.mixed("9.2"), grants=granted({"/pool/shop": ["VM.Audit", "VM.Migrate"]})
    )
    found = read(clusters.connect(served))
    (notice,) = found.notices
    assert ("Pool.Audit on /pool/shop" in notice.text, notice.hides) == (True, ("pools",))


def test_a_guest_that_an_acl_entry_hides_is_named(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), grants=granted({"/vms/101": []}))
    found = read(clusters.connect(served))
    assert [entry.id for entry in found.guests] == ["100", "102", "103", "104"]
    (notice,) = found.notices
    assert (notice.hides, notice.guests) == (("guests",), ("101",))
    assert "Give it VM.Audit on /vms/101" in notice.text


def test_an_acl_entry_for_a_guest_that_is_gone_hides_nothing(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), grants=granted({"/vms/999": []}))
    assert read(clusters.connect(served)).notices == ()


def test_a_guest_that_ha_looks_after_and_the_account_does_not_see_is_named(simulator: Simulate) -> None:
    everything_but_the_list = {
        "root@pam": {"/": EVERYTHING, "/vms/101": [], "/access": ["VM.Audit", "Datastore.Audit"]}
    }
    served = simulator(
        "proxmox", clusters.small(), options=("--ha-guest", "101"), grants=everything_but_the_list
    )
    (notice,) = read(clusters.connect(served)).notices
    assert (notice.hides, notice.guests) == (("guests",), ("101",))


def test_a_storage_that_an_acl_entry_hides_is_named(simulator: Simulate) -> None:
    served = simulator("proxmox", clusters.small(), grants=granted({"/storage/local-lvm": []}))
    found = read(clusters.connect(served))
    (notice,) = found.notices
    assert notice.hides == ("datastores",)
    assert "Datastore.Audit on /storage/local-lvm" in notice.text
