# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters for the tests of the vSphere adapter, and what the adapter must make of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.datastores import datastores_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Datastore,
    Disk,
    Guest,
    Host,
    HostDatastore,
    Rule,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import MigrationRequest
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.api.connection import (
    VSphereConnection,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vsphere.platform import (
    VSpherePlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

MIB = 1024**2
GIB = 1024**3
MHZ = 2600

SAN = HostDatastore(shared=True, capacity=4000 * GIB, free=1500 * GIB)
LOCAL = HostDatastore(shared=False, capacity=500 * GIB, free=400 * GIB)


def host(name: str, **changes: object) -> Host:
    """16 cores and 128 GiB; loads are whole MHz, MiB and KiB, so that vSphere's units hold them exactly."""
    plain = Host(
        id=f"host-{name}",
        name=f"{name}.example",
        status="online",
        maintenance=False,
        schedulable=True,
        capacity={"cpu": 16.0, "memory": 128 * GIB, "network_io": 1250000000.0, "disk_io": None},
        used={"cpu": 5.0, "memory": 60 * GIB, "network_io": 4000.0 * 1024, "disk_io": 8000.0 * 1024},
        version="8.0.3",
        cpu_model="intel-skylake",
        address="10.0.0.1",
        datastores={"san": SAN, "local": LOCAL},
        networks=("lan", "dmz"),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def guest(name: str, where: str, **changes: object) -> Guest:
    plain = Guest(
        id=f"vm-{name}",
        name=name,
        kind="vm",
        host=f"host-{where}",
        power="running",
        assigned={"cpu": 4, "memory": 8 * GIB},
        used={"cpu": 1.5, "memory": 4 * GIB, "network_io": 100.0 * 1024, "disk_io": 200.0 * 1024},
        disks=(Disk(datastore="san", size=32 * GIB),),
        networks=("lan",),
        migratable=True,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def blocked(name: str, where: str, *blockers: str, **changes: object) -> Guest:
    return guest(name, where, migratable=False, blockers=tuple(sorted(blockers)), **changes)


def rule(name: str, kind: str, *guests: str, hosts: tuple[str, ...] = (), strict: bool = True) -> Rule:
    return Rule(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        guests=tuple(f"vm-{guest}" for guest in guests),
        hosts=tuple(f"host-{host}" for host in hosts),
        strict=strict,
        source=f"drs-rule:{name}",
        enforced=strict,
    )


def cluster(
    hosts: tuple[Host, ...],
    guests: tuple[Guest, ...],
    rules: tuple[Rule, ...] = (),
    *,
    identity: str = "domain-c1",
    name: str = "prod",
) -> Snapshot:
    return Snapshot(
        platform="vsphere",
        cluster=ClusterRef(id=identity, name=name),
        taken_at="2026-11-20T22:00:00Z",
        window_seconds=0,
        hosts=hosts,
        guests=guests,
        rules=rules,
    )


def small() -> Snapshot:
    """Two hosts, guests on one of them."""
    return cluster((host("a"), host("b")), (guest("one", "a"), guest("three", "a"), guest("two", "a")))


def mixed() -> Snapshot:
    """Hosts in every state; guests with everything that blocks or shapes a move; every kind of rule."""
    idle = {"cpu": 0.0, "memory": 0, "network_io": 0.0, "disk_io": 0.0}
    unmeasured = {"cpu": 0.5, "memory": GIB, "network_io": None, "disk_io": None}
    hosts = (
        host("a"),
        host("b", cpu_model="intel-icelake", networks=("lan",), address="10.0.0.2"),
        host("c", maintenance=True),
        host("d", schedulable=False, closed_because="in quarantine mode, because its hardware is degraded"),
        host("e", status="offline", used={"cpu": 0.5, "memory": GIB, "network_io": None, "disk_io": None}),
        host("f", cpu_model="intel-broadwell", pressure={"cpu": 2.5}, datastores={"san": SAN}),
    )
    guests = (
        guest("agile", "a", pressure={"cpu": 12.5}),
        blocked("builder", "a", "iso_mounted"),
        blocked("cuda", "a", "passthrough_device"),
        blocked("diskful", "a", "local_disk", disks=(Disk(datastore="local", size=10 * GIB),)),
        blocked("exempt", "b", "balancing_disabled"),
        blocked("frozen", "b", "locked"),
        blocked("gold", "b", "template", power="stopped", used=idle),
        guest("halted", "b", power="stopped", used=idle),
        blocked("isolated", "e", "disconnected", used=unmeasured),
        blocked("jumbled", "a", "iso_mounted", "passthrough_device", "balancing_disabled"),
        guest("knit", "a", networks=("lan", "dmz"), tags=("prod", "web"), pool="shop"),
        guest("listed", "b", cpu_models=("intel-icelake", "intel-skylake")),
        guest("modern", "b", cpu_models=("intel-icelake",)),
        guest("numerous", "f", disks=(Disk(datastore="san", size=GIB), Disk(datastore="san", size=2 * GIB))),
        guest("on/off 100%", "f", tags=("web",)),
    )
    rules = (
        rule("apart", "anti_affinity", "agile", "knit"),
        rule("together", "affinity", "listed", "modern"),
        rule("licence", "host_affinity", "numerous", hosts=("f",)),
        rule("wish", "host_affinity", "agile", "knit", hosts=("a", "b"), strict=False),
        rule("ban", "host_anti_affinity", "halted", hosts=("c", "d")),
    )
    return cluster(hosts, guests, rules)


SMALL_HOME = MIB
_DISK_BLOCKERS = {
    **{name: name for name in ("template", "locked", "disconnected", "passthrough_device", "host_graphics")},
    "iso_mounted": "iso_mounted",
    **{name: name for name in ("agent", "vsphere_pod")},
    "fault_tolerance_unprotected": "fault_tolerance",
}


def as_read(snapshot: Snapshot) -> Snapshot:
    """What the adapter reads of a cluster that says no more of datastores than hosts see of them: the disks
    with their keys, the files beside them, and each datastore by itself.
    """
    paired = {guest for rule in snapshot.rules if rule.source == "fault-tolerance" for guest in rule.guests}
    return replace(
        snapshot,
        datastores=tuple(sorted(map(_datastore_as_read, datastores_of(snapshot)), key=lambda one: one.id)),
        guests=tuple(replace(guest, disks=_disks_as_read(guest, paired)) for guest in snapshot.guests),
    )


def _datastore_as_read(datastore: Datastore) -> Datastore:
    assert datastore.capacity is not None
    assert datastore.free is not None
    return replace(datastore, type="VMFS", thin=True, provisioned=datastore.capacity - datastore.free)


def _disks_as_read(guest: Guest, paired: Collection[str]) -> tuple[Disk, ...]:
    known = {_DISK_BLOCKERS[blocker] for blocker in guest.blockers if blocker in _DISK_BLOCKERS}
    blockers = tuple(sorted(known | ({"fault_tolerance"} if guest.id in paired else set())))
    disks = [
        replace(disk, id=str(2000 + number), used=disk.size, thin=True, blockers=blockers)
        for number, disk in enumerate(guest.disks)
    ]
    memory = int(guest.assigned["memory"] or 0)
    home = Disk(
        id="home",
        datastore=guest.disks[0].datastore,
        used=SMALL_HOME,
        # A guest that is started has a swap file for its memory.
        size=SMALL_HOME + memory,
        blockers=blockers,
    )
    return (*disks, home)


def request(guest: str, source: str, target: str) -> MigrationRequest:
    return MigrationRequest(guest=guest, source=f"host-{source}", target=f"host-{target}")


def connection(simulator: launch.Simulator, **changes: object) -> VSphereConnection:
    plain = VSphereConnection(
        hostname=simulator.host,
        port=simulator.port,
        username=simulator.user,
        password=simulator.password,
        ca_path=simulator.ca_path,
        timeout=PATIENCE_SECONDS,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def connect(simulator: launch.Simulator, **changes: object) -> VSpherePlatform:
    return VSpherePlatform(connection(simulator, **changes))


def calls(simulator: launch.Simulator) -> Mapping[str, int]:
    made: dict[str, int] = simulator.state()["calls"]
    return made
