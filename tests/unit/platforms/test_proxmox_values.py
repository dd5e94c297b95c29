# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Proxmox VE's answers mean, those too that the simulator does not give."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.tag_rules import (
    is_ignored,
    tag_rules,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Disk, Rule
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms import errors
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.api.errors import error_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.api.permissions import (
    Privileges,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.api.values import (
    Upid,
    amount,
    names,
    size,
    whole,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.read.cluster import (
    other_balancers,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.read.guest_config import (
    container_config,
    vm_config,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.read.ha import (
    HighAvailability,
    NodeStates,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.read.load_series import (
    LoadSeries,
    timeframe,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.read.loads import (
    Loads,
    guest_mean,
    guest_present,
    node_mean,
    node_present,
    recently_started,
    reclaimable,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.read.storages import (
    datastores,
    storages,
)

GIB = 1024**3
KNOWN = storages(
    [
        {"storage": "backup", "content": "backup", "shared": 1},
        {"storage": "old", "content": "images", "disable": 1},
        {"storage": "ceph", "content": "images,rootdir", "shared": 1},
        {"storage": "nfs", "content": "images,iso", "shared": 1, "nodes": "pve1,pve2"},
        {"storage": "local", "content": "iso,vztmpl"},
        {"storage": "local-lvm", "content": "images,rootdir"},
        {"storage": "odd", "content": "images", "type": "esxi"},
    ],
    [],
)


@pytest.mark.parametrize(
    ("key", "value", "blockers"),
    [
        ("hostpci0", "0000:01:00.0,pcie=1", ("passthrough_device",)),
        ("hostpci0", "mapping=gpu", ("passthrough_device",)),
        ("usb0", "host=1234:5678", ("passthrough_device",)),
        ("usb0", "mapping=key", ("passthrough_device",)),
        ("usb0", "spice", ()),
        ("usb1", "spice,usb3=1", ()),
        ("usb1", "host=spice,usb3=1", ()),
        ("serial0", "socket", ()),
        ("serial0", "/dev/ttyS0", ("passthrough_device",)),
        ("virtiofs0", "share", ("passthrough_device",)),
        ("ivshmem", "size=32", ("passthrough_device",)),
        ("scsi1", "/dev/disk/by-id/x,size=8G", ("passthrough_device",)),
        ("ide2", "none,media=cdrom", ()),
        ("ide2", "cdrom,media=cdrom", ("iso_mounted",)),
        ("ide2", "local:iso/debian.iso,media=cdrom,size=600M", ("iso_mounted",)),
        ("ide2", "nfs:iso/debian.iso,media=cdrom,size=600M", ()),
        ("ide2", "ceph:vm-100-cloudinit,media=cdrom", ()),
        ("ide2", "local-lvm:vm-100-cloudinit,media=cdrom", ()),
        ("tpmstate0", "local-lvm:vm-100-disk-2,size=4M,version=v2.0", ()),
        ("efidisk0", "local-lvm:vm-100-disk-1,efitype=4m,size=528K", ("local_disk",)),
        ("efidisk0", "ceph:vm-100-disk-1,efitype=4m,size=528K", ()),
        ("unused0", "local-lvm:vm-100-disk-9", ()),
        ("scsi1", "/dev/disk/by-id/x,size=8G,shared=1", ()),
        ("scsi1", "local-lvm:base-90-disk-0/vm-100-disk-1,size=8G", ("linked_clone", "local_disk")),
        ("scsi1", "local:90/base-90-disk-0.qcow2/100/vm-100-disk-1.qcow2", ("linked_clone", "local_disk")),
        ("scsi1", "odd:vm-100-disk-1,size=8G", ("storage_not_copied", "local_disk")),
        ("hostpci0", "mapping=vgpu", ()),
        ("usb0", "mapping=vgpu", ("passthrough_device",)),
        ("args", "-device vfio-pci,host=01:00.0", ("passthrough_device",)),
        ("args", "-cpu host", ()),
        ("amd-sev", "type=std", ("encrypted_memory",)),
        ("scsihw", "virtio-scsi-single", ()),
        ("parent", "before-upgrade", ()),
        ("net0", "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1", ()),
    ],
)
def test_what_ties_a_machine_to_its_node(key: str, value: str, blockers: tuple[str, ...]) -> None:
    devices = {"vgpu": frozenset({"pve1", "pve2"})}
    config = {"scsi0": "ceph:vm-100-disk-0,size=32G", key: value}
    assert vm_config(config, KNOWN, devices.get).blockers == blockers


@pytest.mark.parametrize(
    ("key", "value", "blockers"),
    [
        ("mp0", "ceph:vm-101-disk-1,mp=/srv,size=8G", ()),
        ("mp0", "local-lvm:vm-101-disk-1,mp=/srv,size=8G", ("local_disk",)),
        ("mp0", "/mnt/media,mp=/media", ("bind_mount",)),
        ("mp0", "/mnt/nfs,mp=/media,shared=1", ()),
        ("dev0", "/dev/dri/renderD128,gid=104", ("passthrough_device",)),
        ("devices", "none", ()),
        ("lxc", [["lxc.cgroup2.devices.allow", "c 226:0 rwm"]], ("passthrough_device",)),
        ("lxc", [["lxc.mount.entry", "/dev/dri dev/dri none bind,create=dir"]], ("passthrough_device",)),
        ("lxc", [["lxc.mount.entry", "/srv/media srv none bind"]], ("bind_mount",)),
        ("lxc", [["lxc.apparmor.profile", "unconfined"], ["lxc.mount.entry", "proc proc proc"]], ()),
        ("unused0", "local-lvm:vm-101-disk-3", ()),
        ("parent", "before-upgrade", ()),
    ],
)
def test_what_ties_a_container_to_its_node(key: str, value: object, blockers: tuple[str, ...]) -> None:
    assert container_config({"rootfs": "ceph:vm-101-disk-0,size=8G", key: value}, KNOWN).blockers == blockers


def test_a_configuration_says_where_disks_lie_and_what_a_machine_is_connected_to() -> None:
    config = {
        "scsi0": "ceph:vm-100-disk-0,iothread=1,size=32G",
        "virtio1": "ceph:vm-100-disk-1,size=1536M",
        "ide2": "nfs:iso/debian.iso,media=cdrom",
        "net10": "virtio=AA,bridge=vmbr2",
        "net2": "virtio=AA,bridge=vmbr1,tag=5",
        "net0": "virtio=AA,bridge=vmbr0",
        "net1": "virtio=AA,bridge=vmbr0",
        "cpu": "host,flags=+aes",
        "memory": "8192",
    }
    found = vm_config(config, KNOWN)
    assert found.disks == (
        Disk(datastore="ceph", size=32 * GIB),
        Disk(datastore="ceph", size=1536 * 1024**2),
        Disk(datastore="nfs", size=None),
    )
    assert found.networks == ("vmbr0", "vmbr1", "vmbr2")
    assert found.needs_host_cpu
    assert not vm_config({**config, "cpu": "x86-64-v3"}, KNOWN).needs_host_cpu
    assert vm_config({**config, "cpu": "cputype=host"}, KNOWN).needs_host_cpu


def test_snapshots_block_only_with_a_local_disk() -> None:
    local = {"scsi0": "local-lvm:vm-100-disk-0,size=8G", "parent": "before-upgrade"}
    assert vm_config(local, KNOWN).blockers == ("local_disk", "snapshot")
    tpm = {"tpmstate0": "local-lvm:vm-100-disk-2,size=4M", "parent": "before-upgrade"}
    assert vm_config(tpm, KNOWN).blockers == ("snapshot",)
    cloudinit = {"ide2": "local-lvm:vm-100-cloudinit,media=cdrom", "parent": "before-upgrade"}
    assert vm_config(cloudinit, KNOWN).blockers == ()


def test_nodes_see_the_storages_that_are_theirs_and_available() -> None:
    resources: list[dict[str, Any]] = [
        {"node": "pve1", "storage": "ceph", "status": "available", "maxdisk": 10 * GIB, "disk": 4 * GIB},
        {"node": "pve1", "storage": "nfs", "status": "unknown", "maxdisk": 10 * GIB, "disk": 4 * GIB},
        {"node": "pve1", "storage": "local", "status": "available", "maxdisk": "1000", "disk": "400"},
        {"node": "pve2", "storage": "local-lvm", "status": "available"},
        {"node": "pve3", "storage": "nfs", "status": "available"},
    ]
    assert set(KNOWN) == {"ceph", "nfs", "local", "local-lvm", "odd"}
    here = datastores("pve1", True, KNOWN, resources)
    assert {name: (store.shared, store.capacity, store.free) for name, store in here.items()} == {
        "ceph": (True, 10 * GIB, 6 * GIB),
        "local": (False, 1000, 600),
    }
    assert set(datastores("pve3", True, KNOWN, resources)) == set()
    assert set(datastores("pve3", False, KNOWN, resources)) == {"ceph", "local", "local-lvm", "odd"}
    assert here["ceph"].closed_because is None
    assert here["local"].closed_because == "its content types do not include disks"


def test_a_storage_that_is_shared_by_its_nature_says_so_in_the_resources() -> None:
    found = storages([{"storage": "rbd", "content": "images"}], [{"storage": "rbd", "shared": 1}])
    assert found["rbd"].shared


def rules_of(
    resources: list[dict[str, Any]],
    rules: list[dict[str, Any]] | None = None,
    groups: list[dict[str, Any]] | None = None,
    active: tuple[str, ...] = ("pve1", "pve2", "pve3"),
) -> list[Rule]:
    found = HighAvailability(tuple(resources), tuple(rules or ()), tuple(groups or ()))
    return list(found.as_rules(active))


ONE = [{"sid": "vm:100", "state": "started"}]
TWO = [*ONE, {"sid": "ct:101", "state": "started"}]
STAYING = [{"sid": "vm:100", "state": "started", "failback": 0}]
PIN = {"rule": "pin", "type": "node-affinity", "resources": "vm:100"}


@pytest.mark.parametrize(
    ("resources", "nodes", "strict", "active", "hosts", "is_strict"),
    [
        (ONE, "pve1,pve2", 1, ("pve1", "pve2", "pve3"), ("pve1", "pve2"), True),
        # HA would take it back at once: no wish, but as good as strict ...
        (ONE, "pve1,pve2", 0, ("pve1", "pve2", "pve3"), ("pve1", "pve2"), True),
        # ... unless none of the nodes is there, or nothing is taken back.
        (ONE, "pve1,pve2", 0, ("pve3",), ("pve1", "pve2"), False),
        (STAYING, "pve1,pve2", 0, ("pve1", "pve2", "pve3"), ("pve1", "pve2"), False),
        (STAYING, "pve1:2,pve2:1", 1, ("pve1", "pve2"), ("pve1", "pve2"), True),
        # Of priorities the highest that is there counts.
        (ONE, "pve1:2,pve2:2,pve3:1", 1, ("pve1", "pve2", "pve3"), ("pve1", "pve2"), True),
        (ONE, "pve1:2,pve3:1", 1, ("pve3",), ("pve1", "pve3"), True),
        (ONE, "pve1:2,pve2,pve3", 1, ("pve2", "pve3"), ("pve1", "pve2", "pve3"), True),
    ],
)
def test_node_affinity_is_what_ha_makes_of_it(
    resources: list[dict[str, Any]],
    nodes: str,
    strict: int,
    active: tuple[str, ...],
    hosts: tuple[str, ...],
    is_strict: bool,
) -> None:
    (rule,) = rules_of(resources, [{**PIN, "nodes": nodes, "strict": strict}], active=active)
    assert (rule.kind, rule.guests, rule.hosts, rule.strict) == ("host_affinity", ("100",), hosts, is_strict)


def test_rules_that_are_off_or_wrong_do_not_count() -> None:
    web = {"rule": "web", "type": "resource-affinity", "affinity": "negative", "resources": "vm:100,ct:101"}
    (rule,) = rules_of(TWO, [web])
    assert (rule.kind, rule.guests, rule.strict, rule.source) == (
        "anti_affinity",
        ("100", "101"),
        True,
        "ha-rule:web",
    )
    assert rules_of(TWO, [{**web, "disable": 1}]) == []
    assert rules_of(TWO, [{**web, "errors": {"resources": ["too many"]}}]) == []


def test_no_rule_binds_what_ha_does_not_manage_or_ignores() -> None:
    web = {"rule": "web", "type": "resource-affinity", "affinity": "negative", "resources": "vm:100,ct:101"}
    assert rules_of(ONE, [web]) == []
    assert rules_of([*ONE, {"sid": "ct:101", "state": "ignored"}], [web]) == []
    pin = {"rule": "pin", "type": "node-affinity", "resources": "ct:101,vm:100", "nodes": "pve1", "strict": 1}
    (rule,) = rules_of(ONE, [pin])
    assert rule.guests == ("100",)


def test_positive_rules_that_share_a_resource_are_one() -> None:
    def positive(name: str, sids: str) -> dict[str, Any]:
        return {"rule": name, "type": "resource-affinity", "affinity": "positive", "resources": sids}

    resources = [{"sid": f"vm:{number}", "state": "started"} for number in range(100, 107)]
    found = rules_of(
        resources,
        [positive("a", "vm:100,vm:101"), positive("b", "vm:103,vm:104"), positive("c", "vm:101,vm:102")],
    )
    assert [(rule.name, rule.guests, rule.co_migrates) for rule in found] == [
        ("a+c", ("100", "101", "102"), True),
        ("b", ("103", "104"), True),
    ]


def test_failback_is_each_resource_s_own() -> None:
    resources = [
        {"sid": f"vm:{number}", "state": "started", "failback": int(number != 106)}
        for number in range(100, 107)
    ]
    rule = {
        "rule": "prefer1",
        "type": "node-affinity",
        "resources": ",".join(str(resource["sid"]) for resource in resources),
        "nodes": "pve1:2,pve2:1,pve3:1",
        "strict": 0,
    }
    bound, loose = rules_of(resources, [rule])
    assert (bound.name, bound.hosts, bound.strict) == ("prefer1", ("pve1",), True)
    assert bound.guests == ("100", "101", "102", "103", "104", "105")
    assert (loose.guests, loose.hosts, loose.strict) == (("106",), ("pve1", "pve2", "pve3"), False)


MANAGER = {
    "timestamp": 1000,
    "node_status": {"pve1": "online", "pve2": "unknown"},
    "service_status": {
        "vm:100": {"state": "migrate", "node": "pve1", "target": "pve2"},
        "vm:101": {"state": "started", "node": "pve1", "target": "pve2"},
    },
}


@pytest.mark.parametrize(("now", "usable"), [(1010.0, False), (1060.0, False), (1061.0, True), (None, False)])
def test_an_idle_manager_s_opinion_of_a_node_is_not_taken_for_its_state(
    now: float | None, usable: bool
) -> None:
    states = NodeStates.of({"manager_status": MANAGER}, now)
    assert states.usable("pve2") is usable
    assert states.targets == {"100": "pve2"}
    assert states.disarmed is None


def test_a_manager_that_was_disarmed_says_in_which_mode() -> None:
    disarmed = {**MANAGER, "disarm": {"mode": "ignore", "state": "disarmed"}}
    assert NodeStates.of({"manager_status": disarmed}, 1000.0).disarmed == "ignore"
    assert NodeStates.of({"manager_status": {}}, 1000.0) == NodeStates()


def test_groups_hold_the_guests_that_name_them() -> None:
    resources = [{"sid": "vm:100", "group": "left"}, {"sid": "ct:101", "group": "left"}, {"sid": "vm:102"}]
    group = {"group": "left", "nodes": "pve1,pve2", "restricted": 1, "nofailback": 1}
    empty = {"group": "right", "nodes": "pve3"}
    (rule,) = rules_of(resources, groups=[group, empty])
    assert (rule.guests, rule.hosts, rule.strict, rule.source) == (
        ("100", "101"),
        ("pve1", "pve2"),
        True,
        "ha-group:left",
    )
    (loose,) = rules_of(resources, groups=[{**group, "restricted": 0}])
    assert not loose.strict


def test_maintenance_is_seen_from_its_request_on() -> None:
    states = NodeStates({"pve1": "online", "pve2": "maintenance", "pve3": "fence"}, frozenset({"pve1"}))
    assert [states.in_maintenance(node) for node in ("pve1", "pve2", "pve3")] == [True, True, False]
    assert [states.usable(node) for node in ("pve1", "pve2", "pve3", "pve4")] == [True, True, False, True]


def test_tags_make_rules() -> None:
    tags = {
        "100": ("plb_anti_affinity_web", "evenkeel-pin-pve1", "plb_pin_PVE2"),
        "101": ("plb_anti_affinity_web",),
        "102": ("evenkeel-affinity-db", "evenkeel-anti-affinity-x"),
        "103": ("evenkeel-affinity-db",),
        "104": ("plb_pin_pve9",),
    }
    found = list(tag_rules(tags, {"pve1": "pve1", "pve2": "pve2"}))
    assert [(rule.name, rule.kind, rule.guests, rule.hosts) for rule in found] == [
        ("plb_anti_affinity_web", "anti_affinity", ("100", "101"), ()),
        ("evenkeel-affinity-db", "affinity", ("102", "103"), ()),
        ("evenkeel-pin-pve1+plb_pin_PVE2", "host_affinity", ("100",), ("pve1", "pve2")),
        ("plb_pin_pve9", "host_affinity", ("104",), ("pve9",)),
    ]
    assert is_ignored(["prod", "plb_ignore_x"])
    assert is_ignored(["evenkeel-ignore"])
    assert not is_ignored(["prod"])


@pytest.mark.parametrize(
    ("datacenter", "found"),
    [
        ({}, ()),
        ({"crs": {"ha": "static"}}, ()),
        ({"crs": "ha=dynamic,ha-auto-rebalance=1"}, ("Proxmox VE crs ha-auto-rebalance",)),
        ({"crs": {"ha-auto-rebalance": 0}}, ()),
        ({"crs": {"ha-auto-rebalance": "1", "ha": "static"}}, ("Proxmox VE crs ha-auto-rebalance",)),
        # The basic scheduler, which is the default, does not rebalance, whatever the option says.
        ({"crs": {"ha-auto-rebalance": "1"}}, ()),
        ({"crs": "ha=basic,ha-auto-rebalance=1"}, ()),
    ],
)
def test_the_balancer_of_proxmox_itself_is_noticed(
    datacenter: dict[str, object], found: tuple[str, ...]
) -> None:
    assert other_balancers(datacenter) == found


def test_history_is_averaged_over_the_window_and_gaps_are_no_zeros() -> None:
    points: list[dict[str, Any]] = [
        {"time": 0, "cpu": 0.9},
        {"time": 3590, "cpu": 0.2, "netin": 10, "netout": 30},
        {"time": 3600},
        {"time": 3660, "cpu": "0.4", "netin": 20},
        {"time": 3720},
    ]
    window = LoadSeries(points, 600)
    assert window.mean("cpu") == pytest.approx(0.3)
    assert window.mean("netin", "netout") == 40
    assert window.mean("diskread", "diskwrite") is None
    assert window.latest("cpu") == 0.4
    assert window.latest("netin", "netout") == 40
    assert window.present_pressure() == {"cpu": None, "memory": None, "io": None}
    assert LoadSeries([], 600).mean("cpu") is None
    assert LoadSeries([{"time": 0, "cpu": 0.9}, {"time": 600}], 0).latest("cpu") is None


def test_history_from_before_a_change_does_not_count() -> None:
    points: list[dict[str, Any]] = [{"time": 60 * number, "cpu": number} for number in range(10)]
    assert LoadSeries(points, 3600, since=410).mean("cpu") == 8.5
    assert LoadSeries(points, 3600, since=410).latest("cpu") == 9
    assert LoadSeries(points, 3600, since=500).mean("cpu") is None


def test_a_node_over_a_window_is_its_own_share_and_what_its_guests_take_over_it() -> None:
    present: Loads = {"cpu": 5.0, "memory": 100, "network_io": None, "disk_io": None}
    calm: Loads = {"cpu": 1.0, "memory": 40, "network_io": 7, "disk_io": None}
    busy: Loads = {"cpu": 3.0, "memory": 50, "network_io": 9, "disk_io": None}
    unmeasured: Loads = {"cpu": None, "memory": 20, "network_io": None, "disk_io": None}
    assert node_mean(present, [(calm, busy), (unmeasured, busy)]) == {
        "cpu": 7.0,
        "memory": 40 + 50 + 50,
        "network_io": 9,
        "disk_io": None,
    }
    assert node_mean(present, []) == {"cpu": 5.0, "memory": 100, "network_io": 0, "disk_io": 0}


RUNNING = {"status": "running", "node": "pve1", "maxcpu": 4, "uptime": 5000, "netin": 10}


@pytest.mark.parametrize(
    ("changes", "cpu", "sources"),
    [
        ({"cpu": 0.25}, 1.0, {}),
        ({"cpu": 0}, 0.0, {}),
        # A live migration starts a new process: its uptime begins again.
        ({"cpu": 0, "uptime": 3}, None, {"cpu": "not_yet_measured"}),
        ({"cpu": 0.25, "uptime": 3}, None, {"cpu": "not_yet_measured"}),
        ({"cpu": 0, "netin": 0}, None, {"cpu": "not_yet_measured"}),
        ({"cpu": 0, "netin": 0, "status": "paused"}, 0.0, {}),
        # What is not there at all is not reported, which is something else.
        ({}, None, {}),
    ],
)
def test_what_is_not_measured_yet_is_neither_zero_nor_unreported(
    changes: dict[str, Any], cpu: float | None, sources: dict[str, str]
) -> None:
    found = guest_present({**RUNNING, "memhost": GIB, **changes}, None)
    assert (found.loads["cpu"], found.loads["memory"], found.sources) == (cpu, GIB, sources)


def test_a_status_daemon_that_has_just_started_has_measured_no_guest() -> None:
    idle, busy = {**RUNNING, "cpu": 0}, {**RUNNING, "cpu": 0.1}
    other = {**idle, "node": "pve2"}
    assert recently_started(
        [idle, idle, {**RUNNING, "status": "paused", "cpu": 0.1}, busy | {"node": "pve2"}]
    ) == {"pve1"}
    assert recently_started([idle, busy, other]) == frozenset()
    found = guest_present({**idle, "memhost": GIB}, None, measured=False)
    assert (found.loads["cpu"], found.sources) == (None, {"cpu": "not_yet_measured"})
    assert guest_present({**busy, "memhost": GIB}, None, measured=False).loads["cpu"] == 0.4


def test_a_container_s_memory_is_what_it_uses_inside_also_on_average() -> None:
    points = [{"time": 60 * number, "cpu": 0.5, "mem": 3 * GIB, "memhost": 0} for number in range(10)]
    entry = {**RUNNING, "cpu": 0.5, "mem": 2 * GIB, "memhost": 0}
    history = LoadSeries(points, 3600)
    mean = guest_mean(guest_present(entry, history), entry, history)
    assert (mean.loads["memory"], mean.sources) == (3 * GIB, {})


def test_an_average_that_is_missing_is_replaced_by_the_present_value_and_that_is_said() -> None:
    entry = {**RUNNING, "cpu": 0.5, "memhost": 2 * GIB}
    history = LoadSeries([{"time": 60 * number, "netin": 1, "netout": 2} for number in range(10)], 3600)
    mean = guest_mean(guest_present(entry, history), entry, history)
    assert mean.loads == {"cpu": 2.0, "memory": 2 * GIB, "network_io": 3, "disk_io": None}
    assert mean.sources == {"cpu": "present", "memory": "present"}


def test_the_cache_of_zfs_counts_as_free_but_for_its_least() -> None:
    entry = {"maxcpu": 16, "cpu": 0.1, "mem": 40 * GIB, "maxmem": 64 * GIB}
    history = LoadSeries([{"time": 60 * number, "arcsize": 12 * GIB} for number in range(3)], 0)
    assert reclaimable(entry, history) == 10 * GIB
    assert node_present(entry, history)["memory"] == 30 * GIB
    assert (reclaimable(entry, None), reclaimable(entry, LoadSeries([], 0))) == (0, 0)


def test_the_history_is_the_finest_that_reaches_back_far_enough() -> None:
    assert [timeframe(seconds) for seconds in (0, 3600, 3601, 86_400, 604_800, 3_000_000)] == [
        "hour",
        "hour",
        "day",
        "day",
        "week",
        "year",
    ]


def answer(**changes: dict[str, int]) -> dict[str, dict[str, int]]:
    plain = {
        "/": {"Sys.Audit": 1, "VM.Audit": 1, "Datastore.Audit": 1},
        "/nodes": {"Sys.Audit": 1},
        "/vms": {"VM.Audit": 1, "VM.Migrate": 1},
        "/storage": {"Datastore.Audit": 1},
    }
    return {**plain, **changes}


@pytest.mark.parametrize(
    ("permissions", "missing"),
    [
        (answer(), None),
        ({"/": {"Sys.Audit": 1, "VM.Audit": 1, "Datastore.Audit": 1}}, None),
        ({}, "Sys.Audit on /"),
        (answer(**{"/vms": {"VM.Audit": 0}}), "VM.Audit on /vms"),
        (answer(**{"/vms/100": {"VM.Audit": 0}}), None),
        (answer(**{"/vms/100": {"VM.Backup": 1}}), "VM.Audit on /vms/100"),
        (answer(**{"/nodes/pve2": {"Sys.Console": 1}}), "Sys.Audit on /nodes/pve2"),
        (answer(**{"/storage/ceph": {"Datastore.Allocate": 1}}), "Datastore.Audit on /storage/ceph"),
    ],
)
def test_rights_must_hold_for_all_that_is_read(
    permissions: dict[str, dict[str, int]], missing: str | None
) -> None:
    rights = Privileges(permissions)
    if missing is None:
        rights.require_read()
        return
    with pytest.raises(errors.PermissionMissing, match=missing):
        rights.require_read()


def test_a_path_that_is_always_named_and_is_missing_holds_nothing() -> None:
    everything = {"Sys.Audit": 1, "VM.Audit": 1, "Datastore.Audit": 1, "Pool.Audit": 1}
    given = dict.fromkeys(("/", "/nodes", "/storage", "/vms", "/access", "/sdn", "/pool"), everything)
    Privileges(given).require_read()
    hidden = {path: privileges for path, privileges in given.items() if path != "/storage"}
    with pytest.raises(errors.PermissionMissing, match=r"Datastore\.Audit on /storage"):
        Privileges(hidden).require_read()


@pytest.mark.parametrize(
    ("permissions", "paths"),
    [
        (answer(), ("/pool",)),
        (answer(**{"/pool": {"Pool.Audit": 1}}), ()),
        (answer(**{"/pool": {"Pool.Audit": 0}}), ("/pool",)),
        (answer(**{"/pool": {"Pool.Audit": 1}, "/pool/shop": {"VM.Audit": 1}}), ("/pool/shop",)),
        ({"/": {"Pool.Audit": 1}}, ()),
    ],
)
def test_pools_are_hidden_where_the_account_may_not_audit_them(
    permissions: dict[str, dict[str, int]], paths: tuple[str, ...]
) -> None:
    assert Privileges(permissions).hiding_pools() == paths


@pytest.mark.parametrize(
    ("lacking", "missing"),
    [
        (None, None),
        ("VM.Config.Disk", r"VM\.Config\.Disk on /vms/100"),
        ("Datastore.AllocateSpace", r"Datastore\.AllocateSpace on /storage/zfs"),
    ],
)
def test_sending_disks_to_a_storage_by_name_takes_two_more_privileges(
    lacking: str | None, missing: str | None
) -> None:
    everything = {"VM.Migrate": 1, "VM.Config.Disk": 1, "Datastore.AllocateSpace": 1}
    rights = Privileges({"/": {name: flag for name, flag in everything.items() if name != lacking}})
    rights.require_migrate("100")
    if missing is None:
        rights.require_migrate("100", ["zfs"])
        return
    with pytest.raises(errors.PermissionMissing, match=missing):
        rights.require_migrate("100", ["zfs"])


def test_the_right_to_migrate_comes_from_the_guest_or_from_above() -> None:
    rights = Privileges(answer(**{"/vms/100": {"VM.Audit": 1}}))
    rights.require_migrate("101")
    with pytest.raises(errors.PermissionMissing, match=r"VM\.Migrate on /vms/100"):
        rights.require_migrate("100")


@pytest.mark.parametrize(
    ("status", "reason", "details", "kind", "text"),
    [
        (
            403,
            "Permission check failed (/vms/1, VM.Migrate)",
            None,
            errors.PermissionMissing,
            "VM.Migrate on /vms/1",
        ),
        (
            403,
            "Permission check failed (user != root@pam)",
            None,
            errors.PermissionMissing,
            "user != root@pam",
        ),
        (500, "cluster not ready - no quorum?", None, errors.NotQuorate, "no quorum"),
        (500, "VM is locked (backup)", {"errors": b""}, errors.Refused, "VM is locked (backup)"),
        (500, "no such cluster node 'x'", None, errors.NotFound, "no such cluster node"),
        (500, "", None, errors.Refused, "status 500 without a reason"),
        (400, "Parameter verification failed.", {"a": "is no b"}, errors.Refused, "failed: a: is no b"),
        (501, "Method 'GET /x' not implemented", None, errors.UnexpectedAnswer, "not implemented"),
    ],
)
def test_refusals_have_a_kind_and_keep_their_text(
    status: int, reason: str, details: object, kind: type[errors.PlatformError], text: str
) -> None:
    error = error_of(status, reason, details, "GET x")
    assert isinstance(error, kind)
    assert text in str(error)


def test_numbers_come_in_many_shapes() -> None:
    assert [amount(value) for value in (1, "0.5", -1, None, True, "x", "nan")] == [
        1,
        0.5,
        0,
        None,
        None,
        None,
        None,
    ]
    assert [whole(value) for value in (7, "7", 7.4, -1, None)] == [7, 7, 7, 0, None]
    assert [size(text) for text in ("32G", "528K", "4M", "2T", "100", "", None, "1X")] == [
        32 * GIB, 528 * 1024, 4 * 1024**2, 2048 * GIB, 100, None, None, None
    ]  # fmt: skip
    assert names("a;b, c,,a") == ("a", "b", "c")
    assert names(None) == ()


def test_the_name_of_a_task_tells_its_node_and_guest() -> None:
    upid = Upid.parse("UPID:pve1:0000ABCD:00123456:65F00000:qmigrate:100:root@pam!token:")
    assert (upid.node, upid.type, upid.id, upid.started) == ("pve1", "qmigrate", "100", 0x65F00000)
    for wrong in ("", "UPID:x", "UPID:pve1:1:2:no:qmigrate:100:root@pam:"):
        with pytest.raises(errors.UnexpectedAnswer):
            Upid.parse(wrong)
