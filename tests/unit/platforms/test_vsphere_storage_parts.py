# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the vSphere adapter makes of datastores and disks such as no simulator has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.api.collector import Found
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read import (
    datastore_loads as loads,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read import (
    storage_drs as drs,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read.datastores import (
    closed_because,
    datastores,
    identities,
    mounting,
    same_places,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read.disks import disks
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read.hardware import (
    installs_tools,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read.inventory import (
    POD_CONFIG,
    POD_VM_CONFIG,
    Inventory,
    datastore_names,
    shared_datastores,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.read.tags import Tags

MIB = 1024**2


def value(inside: str, kind: str = "") -> Element:
    """A value as vCenter would send it."""
    typed = f' type="{kind}"' if kind else ""
    return ElementTree.fromstring(
        f'<val xmlns="urn:vim25" xmlns:vim25="urn:vim25"{typed}'
        f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{inside}</val>'
    )


def found(kind: str, identity: str, **values: str) -> Found:
    return Found(kind, identity, {path.replace("__", "."): value(inside) for path, inside in values.items()})


def host(identity: str, *datastores: str) -> Found:
    members = "".join(f"<ManagedObjectReference>{item}</ManagedObjectReference>" for item in datastores)
    return found("HostSystem", identity, name=identity, datastore=members)


def inventory(
    hosts: tuple[Found, ...], datastores: Mapping[str, Found], pods: Mapping[str, Found] | None = None
) -> Inventory:
    shared = shared_datastores(hosts, datastores)
    namesakes, names = datastore_names(hosts, datastores, shared)
    return Inventory(
        config=None,
        hosts={item.id: item for item in hosts},
        guests={name: found("VirtualMachine", name, name=name) for name in ("vm-1", "vm-2")},
        datastores=datastores,
        shared=shared,
        datastore_names=names,
        network_names={},
        pool_names={},
        unseen=(),
        tasks={},
        homeless=(),
        unusable={},
        hidden_pools=frozenset(),
        pods=pods or {},
        namesakes=namesakes,
        with_files=True,
    )


def test_datastores_of_one_name_are_told_apart() -> None:
    named = {item: found("Datastore", item, name="san") for item in ("ds-1", "ds-2", "ds-3", "ds-4")}
    seen = inventory((host("a", "ds-1", "ds-2", "ds-3"), host("b", "ds-1", "ds-2"), host("c", "ds-4")), named)
    assert seen.namesakes == {"ds-1", "ds-2", "ds-3"}
    hosts = mounting(seen.hosts, seen.datastores)
    assert identities(seen.datastore_names, hosts, seen.shared) == {
        "ds-1": "san (ds-1)",
        "ds-2": "san (ds-2)",
        "ds-3": "san (ds-3)@a",
        # Another host's own datastore may have any name.
        "ds-4": "san@c",
    }


def test_an_export_that_is_mounted_twice_is_one_place() -> None:
    def export(identity: str, server: str, path: str) -> Found:
        nas = f"<nas><remoteHost>{server}</remoteHost><remotePath>{path}</remotePath></nas>"
        return found("Datastore", identity, name=identity, info=nas, summary__url=f"ds:///{identity}/")

    stores = {
        "ds-1": export("ds-1", "Filer.example", "/vol1/"),
        "ds-2": export("ds-2", "filer.example", "/vol1"),
        "ds-3": export("ds-3", "filer.example", "/vol2"),
        "ds-4": found("Datastore", "ds-4", name="ds-4", summary__url="ds:///vmfs/volumes/1/"),
    }
    seen = inventory((host("a", *stores), host("b", *stores)), stores)
    assert same_places(seen) == [("ds-1", "ds-2")]
    closed = {one.id: one.closed_because for one in datastores(seen, loads.StoreLoads(), Tags())}
    assert closed == {
        "ds-1": "it is the same place as ds-2",
        "ds-2": "it is the same place as ds-1",
        "ds-3": None,
        "ds-4": None,
    }


def test_a_datastore_that_no_host_can_use_is_closed() -> None:
    store = found("Datastore", "ds-1", summary__maintenanceMode="normal")
    unusable = {"a": "mounted read-only on this host", "b": "not mounted on this host"}
    assert closed_because(store, unusable, ("a", "b")) == (
        "mounted read-only on this host; not mounted on this host"
    )
    assert closed_because(store, unusable, ("a", "b", "c")) is None


def pod(config: str, *overrides: str) -> Found:
    values = {"name": value("gold"), POD_CONFIG: value(config)}
    values[POD_VM_CONFIG] = value(
        "".join(f"<StorageDrsVmConfigInfo>{one}</StorageDrsVmConfigInfo>" for one in overrides)
    )
    return Found("StoragePod", "group-p1", values)


ON = "<enabled>true</enabled><defaultVmBehavior>manual</defaultVmBehavior>"
AUTOMATED = "<enabled>true</enabled><defaultVmBehavior>automated</defaultVmBehavior>"
SOME = "<{0}>manual</{0}>"
BY_HAND = "".join(
    SOME.format(name)
    for name in (
        "spaceLoadBalanceAutomationMode",
        "ioLoadBalanceAutomationMode",
        "ruleEnforcementAutomationMode",
    )
)


@pytest.mark.parametrize(
    ("config", "overrides", "balancer"),
    [
        (AUTOMATED, (), "Storage DRS (automated)"),
        (AUTOMATED.replace("true", "false"), (), None),
        (ON, (), None),
        (AUTOMATED + f"<automationOverrides>{BY_HAND}</automationOverrides>", (), None),
        (
            ON + "<automationOverrides><ioLoadBalanceAutomationMode>automated</ioLoadBalanceAutomationMode>"
            "</automationOverrides>",
            (),
            "Storage DRS (automated)",
        ),
        (
            ON,
            ("<vm>vm-1</vm><behavior>automated</behavior>", "<vm>vm-2</vm><enabled>false</enabled>"),
            "Storage DRS (automated for 1 guest)",
        ),
    ],
)
def test_storage_drs_balances_what_it_moves_without_asking(
    config: str, overrides: tuple[str, ...], balancer: str | None
) -> None:
    inside = Found("Datastore", "ds-1", {"parent": value("group-p1", "StoragePod")})
    seen = inventory((host("a", "ds-1"),), {"ds-1": inside}, {"group-p1": pod(config, *overrides)})
    assert drs.balanced_by(inside, seen) == balancer
    assert drs.unbalanced(seen) == ({"vm-2"} if overrides else set())


def test_a_datastore_cluster_out_of_sight_may_be_balanced() -> None:
    hidden = Found("Datastore", "ds-1", {"parent": value("group-p9", "StoragePod")})
    beside = Found("Datastore", "ds-2", {"parent": value("group-s1", "Folder")})
    seen = inventory((host("a", "ds-1", "ds-2"),), {"ds-1": hidden, "ds-2": beside})
    assert drs.balanced_by(hidden, seen) == "a datastore cluster that the account does not see"
    assert (drs.pod_name(hidden, seen), drs.balanced_by(beside, seen)) == (None, None)


def test_rules_of_storage_drs_that_are_on_and_about_these_guests() -> None:
    def apart(name: str, on: str, *guests: str) -> str:
        members = "".join(f"<vm>{guest}</vm>" for guest in guests)
        return (
            f'<rule xsi:type="ClusterAntiAffinityRuleSpec"><name>{name}</name><enabled>{on}</enabled>'
            f"{members}</rule>"
        )

    config = ON + apart("web", "true", "vm-1", "vm-2") + apart("off", "false", "vm-1", "vm-2")
    config += apart("elsewhere", "true", "vm-1", "vm-77")
    overrides = (
        "<vm>vm-1</vm><intraVmAntiAffinity><name>web</name><enabled>true</enabled><diskId>2000</diskId>"
        "<diskId>2001</diskId></intraVmAntiAffinity>",
        "<vm>vm-2</vm><intraVmAffinity>true</intraVmAffinity>",
    )
    rules = drs.storage_rules(inventory((), {}, {"group-p1": pod(config, *overrides)}))
    assert [(rule.name, rule.kind, rule.guests, rule.disks) for rule in rules] == [
        ("web", "anti_affinity", ("vm-1", "vm-2"), ()),
        ("web (2)", "anti_affinity", ("vm-1",), ("2000", "2001")),
        ("disks of vm-2 together", "affinity", ("vm-2",), ()),
    ]


def test_latency_is_weighted_by_the_requests_of_each_host() -> None:
    reads, writes = loads._READS, loads._WRITES
    busy = {loads._READ_LATENCY: {"1": 10, "2": 10}, reads: {"1": 90, "2": 0}}
    quiet = {
        loads._READ_LATENCY: {"1": 50, "2": 30},
        loads._WRITE_LATENCY: {"1": 20},
        reads: {"1": 5, "2": 0},
        writes: {"1": 5},
    }
    # At the second moment nobody asked for anything.
    assert loads._latencies([busy, quiet]) == [(90 * 10 + 5 * 50 + 5 * 20) / 100, 30]
    controlled = {**busy, loads._NORMALIZED: {"1": 2500, "2": 0}}
    assert loads._latencies([controlled]) == [2.5, 10]
    assert loads.percentile(range(1, 11)) == 9
    assert loads.percentile([7]) == 7


def machine(devices: str, files: str, chains: str, memory: int = 4096) -> Found:
    return found(
        "VirtualMachine",
        "vm-1",
        config__hardware__device=devices,
        config__files__vmPathName="[san] web/web.vmx",
        config__hardware__memoryMB=str(memory),
        config__memoryAllocation__reservation="1024",
        layoutEx__file=files,
        layoutEx__disk=chains,
    )


def entry(key: int, path: str, kind: str, size: int) -> str:
    inside = f"<key>{key}</key><name>[san] {path}</name><type>{kind}</type><size>{size}</size>"
    return f"<FileInfo>{inside}</FileInfo>"


CLONE = (
    '<VirtualDevice xsi:type="VirtualDisk"><key>2000</key><controllerKey>1000</controllerKey>'
    '<backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[san] web/web-000001.vmdk</fileName>'
    "<datastore>ds-1</datastore><thinProvisioned>true</thinProvisioned>"
    "<parent><fileName>[san] web/web.vmdk</fileName>"
    "<parent><fileName>[san] golden/golden.vmdk</fileName></parent></parent></backing>"
    "<capacityInBytes>1000</capacityInBytes></VirtualDevice>"
)
BUS = (
    '<VirtualDevice xsi:type="VirtualLsiLogicSASController"><key>1000</key>'
    "<sharedBus>physicalSharing</sharedBus></VirtualDevice>"
)
FILES = (
    entry(0, "web/web.vmx", "config", 10)
    + entry(1, "web/web-1.vswp", "swap", 3000 * MIB)
    + entry(2, "golden/golden-flat.vmdk", "diskExtent", 700)
    + entry(3, "web/web-delta.vmdk", "diskExtent", 30)
    + entry(4, "web/web-000001-delta.vmdk", "diskExtent", 5)
    + entry(5, "web/web-Snapshot1.vmsn", "snapshotData", 20)
)
CHAIN = (
    "<DiskLayout><key>2000</key><chain><fileKey>2</fileKey></chain><chain><fileKey>3</fileKey></chain>"
    "<chain><fileKey>4</fileKey></chain></DiskLayout>"
)


def test_a_disk_takes_its_own_files_and_home_the_rest_with_room_for_all_memory() -> None:
    names = {"ds-1": "san"}
    (disk, home) = disks(machine(CLONE + BUS, FILES, CHAIN), names, names, (), {}, with_files=True)
    assert (disk.used, disk.size, disk.thin) == (35, 1000, True)
    assert disk.blockers == ("linked_clone", "shared_disk", "snapshot_chain")
    assert disk.copied_whole
    assert (home.id, home.used, home.size) == ("home", 30 + 3000 * MIB, 30 + 3072 * MIB)
    (_disk, larger) = disks(machine(CLONE, FILES, CHAIN, 2048), names, names, (), {}, with_files=True)
    # The swap file is there: it does not shrink before the next start.
    assert larger.size == larger.used
    unknown = machine(CLONE, FILES, CHAIN)
    silent = replace(unknown, values={k: v for k, v in unknown.values.items() if "layoutEx" not in k})
    assert [(one.used, one.size) for one in disks(silent, names, names, (), {}, with_files=True)] == [
        (None, 1000),
        (None, None),
    ]


def test_a_swap_file_or_snapshots_elsewhere_are_no_part_of_what_moves_with_home() -> None:
    names = {"ds-1": "san"}
    elsewhere = FILES.replace("[san] web/web-1.vswp", "[local] web-1.vswp")
    (_disk, home) = disks(machine(CLONE, elsewhere, CHAIN), names, names, (), {}, with_files=True)
    assert (home.used, home.size) == (30, 30)
    elsewhere = FILES.replace("[san] web/web-Snapshot1.vmsn", "[nfs] web/web-Snapshot1.vmsn")
    (_disk, home) = disks(machine(CLONE, elsewhere, CHAIN), names, names, (), {}, with_files=True)
    assert (home.used, home.size) == (10 + 3000 * MIB, 10 + 3072 * MIB)


@pytest.mark.parametrize(
    ("path", "connected", "installs"),
    [
        ("[] /usr/lib/vmware/isoimages/linux.iso", "true", True),
        ("[] /usr/lib/vmware/isoimages/linux.iso", "false", False),
        ("[san] iso/install.iso", "true", False),
    ],
)
def test_an_image_of_the_host_keeps_the_disks_of_a_running_guest(
    path: str, connected: str, installs: bool
) -> None:
    drive = (
        '<VirtualDevice xsi:type="VirtualCdrom"><backing xsi:type="VirtualCdromIsoBackingInfo">'
        f"<fileName>{path}</fileName></backing><connectable><connected>{connected}</connected></connectable>"
        "</VirtualDevice>"
    )
    assert installs_tools(value(drive)) is installs


def test_a_disk_that_is_not_persistent_keeps_all_disks_of_a_running_guest() -> None:
    names = {"ds-1": "san"}
    scratch = (
        '<VirtualDevice xsi:type="VirtualDisk"><key>2001</key><backing>'
        "<fileName>[san] web/web_1.vmdk</fileName><datastore>ds-1</datastore>"
        "<diskMode>independent_nonpersistent</diskMode></backing></VirtualDevice>"
    )
    off = machine(CLONE + scratch, FILES, CHAIN)
    runs = replace(off, values={**off.values, "runtime.powerState": value("poweredOn")})
    for guest, kept in ((off, [False, True, False]), (runs, [True, True, False])):
        found = disks(guest, names, names, (), {}, with_files=True)
        assert ["independent_disk" in disk.blockers for disk in found] == kept
