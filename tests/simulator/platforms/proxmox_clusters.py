# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters for the tests of the Proxmox VE adapter, as it must read them with a window of an hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

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
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.api.connection import (
    ProxmoxConnection,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.platform import (
    ProxmoxPlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

GIB = 1024**3
RELEASES = ("8.4", "9.0", "9.2")
NO_PRESSURE = {"cpu": None, "memory": None, "io": None}
NOTHING_KNOWN = {"cpu": None, "memory": None, "network_io": None, "disk_io": None}

CEPH = HostDatastore(shared=True, capacity=2000 * GIB, free=800 * GIB)
LOCAL = HostDatastore(shared=False, capacity=500 * GIB, free=400 * GIB)
ISO = HostDatastore(shared=False, capacity=90 * GIB, free=60 * GIB)


def pressure(release: str, cpu: float, memory: float, io: float) -> dict[str, float | None]:
    """8.x does not measure it."""
    return {"cpu": cpu, "memory": memory, "io": io} if release >= "9" else dict(NO_PRESSURE)


def host(name: str, release: str = "9.2", **changes: Any) -> Host:
    plain = Host(
        id=name,
        name=name,
        status="online",
        maintenance=False,
        schedulable=True,
        capacity={"cpu": 16.0, "memory": 128 * GIB, "network_io": None, "disk_io": None},
        used={"cpu": 6.5, "memory": 60 * GIB, "network_io": 1_000_000, "disk_io": None},
        pressure=pressure(release, 3.5, 0.0, 1.25),
        version=f"{release}.1",
        cpu_model="AMD EPYC 7313",
        address=f"10.0.0.{name[-1]}",
        datastores={"ceph": CEPH, "local": ISO, "local-lvm": LOCAL},
        networks=("vmbr0", "vmbr1"),
    )
    return replace(plain, **changes)


def guest(number: int, place: str, release: str = "9.2", **changes: Any) -> Guest:
    plain = Guest(
        id=str(number),
        name=f"guest{number}",
        kind="vm",
        host=place,
        power="running",
        assigned={"cpu": 4, "memory": 8 * GIB},
        used={"cpu": 0.25, "memory": 4 * GIB, "network_io": 1000, "disk_io": 2000},
        pressure=pressure(release, 0.5, 0.0, 0.25),
        disks=(Disk(datastore="ceph", size=32 * GIB),),
        networks=("vmbr0",),
        migratable=True,
        min_version=release,
    )
    return replace(plain, **changes)


def blocked(number: int, place: str, release: str, *blockers: str, **changes: Any) -> Guest:
    return guest(number, place, release, migratable=False, blockers=blockers, **changes)


def container(number: int, place: str, release: str = "9.2", **changes: Any) -> Guest:
    plain = blocked(number, place, release, "container_restart", kind="container", min_version=None)
    return replace(plain, **changes)


def idle(number: int, place: str, **changes: Any) -> Guest:
    """One that does not run: what lies in its configuration is not asked for."""
    plain = guest(
        number,
        place,
        power="stopped",
        used={"cpu": 0.0, "memory": 0, "network_io": 0, "disk_io": 0},
        pressure={},
        disks=(),
        networks=(),
        min_version=None,
    )
    return replace(plain, **changes)


# Proxmox VE does not know of rules by tag.
BY_TAG = {"co_migrates": False, "enforced": False}


def rule(name: str, kind: str, *guests: int, hosts: tuple[str, ...] = (), release: str = "9.2") -> Rule:
    return Rule(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        guests=tuple(str(number) for number in guests),
        hosts=hosts,
        strict=True,
        source=f"{'ha-rule' if release >= '9' else 'ha-group'}:{name}",
        co_migrates=kind == "affinity",
        enforced=True,
    )


def cluster(hosts: tuple[Host, ...], guests: tuple[Guest, ...], rules: tuple[Rule, ...] = ()) -> Snapshot:
    # Proxmox VE does not measure a node's disk traffic: it is what its guests make.
    disk_io = {
        host.id: sum(
            guest.used["disk_io"] or 0
            for guest in guests
            if guest.host == host.id and guest.power == "running"
        )
        for host in hosts
        if host.status == "online"
    }
    hosts = tuple(
        replace(host, used={**host.used, "disk_io": disk_io[host.id]}) if host.id in disk_io else host
        for host in hosts
    )
    return Snapshot(
        platform="proxmox",
        cluster=ClusterRef(id="prod", name="prod"),
        taken_at="2026-11-20T22:00:00Z",
        window_seconds=3600,
        hosts=hosts,
        guests=guests,
        rules=rules,
        datastores=stores_of(hosts),
    )


TYPES = {"ceph": "rbd", "local": "dir", "local-lvm": "lvmthin"}


def stores_of(hosts: tuple[Host, ...]) -> tuple[Datastore, ...]:
    """The datastores that these hosts name, each with what they say of it."""
    places = {
        (name, "" if seen.shared else host.id): [
            other.id for other in hosts if name in other.datastores and (seen.shared or other.id == host.id)
        ]
        for host in hosts
        for name, seen in host.datastores.items()
    }
    by_id = {host.id: host for host in hosts}
    return tuple(
        store(name, at, by_id[on[0]].datastores[name], hosts=tuple(on))
        for (name, at), on in sorted(places.items())
    )


def store(name: str, at: str, seen: HostDatastore, **changes: Any) -> Datastore:
    """The storage `name`, of one node where it is local."""
    kind = TYPES.get(name, "nfs" if seen.shared else "lvmthin")
    plain = Datastore(
        id=f"{name}@{at}" if at else name,
        name=name,
        shared=seen.shared,
        hosts=(at,) if at else (),
        type=kind,
        capacity=seen.capacity,
        free=seen.free,
        thin=kind != "lvm",
        content=("images", "rootdir"),
    )
    return replace(plain, **changes)


def small() -> Snapshot:
    """Three hosts, a few guests."""
    return cluster(
        (host("pve1"), host("pve2"), host("pve3")),
        (
            guest(100, "pve1"),
            guest(101, "pve1"),
            guest(102, "pve2"),
            container(103, "pve1"),
            blocked(104, "pve1", "9.2", "local_disk", disks=(Disk(datastore="local-lvm", size=8 * GIB),)),
        ),
    )


def mixed(release: str) -> Snapshot:
    """Hosts in every state; guests with everything that blocks or shapes a move; every kind of rule."""
    local = (Disk(datastore="local-lvm", size=8 * GIB),)
    hosts = (
        host("pve1", release),
        host("pve2", release, cpu_model="AMD EPYC 9354", networks=("vmbr0",)),
        host("pve3", release, maintenance=True, closed_because="the HA manager has it in maintenance mode"),
        host(
            "pve4",
            release,
            status="offline",
            capacity=NOTHING_KNOWN,
            used=NOTHING_KNOWN,
            pressure=NO_PRESSURE,
            version=None,
            cpu_model=None,
            datastores={
                name: HostDatastore(shared=name == "ceph") for name in ("ceph", "local", "local-lvm")
            },
            networks=(),
        ),
    )
    guests = (
        guest(100, "pve1", release),
        guest(101, "pve2", release),
        guest(102, "pve1", release, networks=("vmbr0", "vmbr1"), tags=("prod", "web"), pool="shop"),
        guest(
            103,
            "pve2",
            release,
            disks=(Disk(datastore="ceph", size=GIB), Disk(datastore="ceph", size=2 * GIB)),
        ),
        container(110, "pve1", release),
        container(111, "pve2", release, blockers=("local_disk", "container_restart"), disks=local),
        container(112, "pve2", release, blockers=("passthrough_device", "container_restart")),
        blocked(120, "pve1", release, "iso_mounted"),
        blocked(121, "pve1", release, "passthrough_device"),
        blocked(122, "pve1", release, "local_disk", disks=local),
        blocked(123, "pve1", release, "local_disk", "snapshot", disks=local),
        blocked(124, "pve1", release, "locked"),
        blocked(125, "pve1", release, "balancing_disabled", tags=("plb_ignore_backup",)),
        idle(126, "pve1", blockers=("template",), migratable=False),
        idle(127, "pve2"),
        guest(130, "pve1", release, tags=("plb_affinity_pair",)),
        guest(131, "pve1", release, tags=("plb_affinity_pair",)),
        guest(132, "pve1", release, tags=("evenkeel-pin-pve1",)),
        guest(
            140,
            "pve4",
            # The name is in the configuration, which only its node can show.
            name="140",
            power="unknown",
            assigned={"cpu": None, "memory": None},
            used=NOTHING_KNOWN,
            pressure={},
            disks=(),
            networks=(),
            migratable=False,
            blockers=("not_readable",),
            min_version=None,
        ),
    )
    rules: tuple[Rule, ...] = (
        rule("licence", "host_affinity", 103, hosts=("pve1", "pve2"), release=release),
        rule("web", "anti_affinity", 100, 101, release=release),
        rule("pair", "affinity", 120, 121, release=release),
        replace(rule("plb_affinity_pair", "affinity", 130, 131), source="tag:plb_affinity_pair", **BY_TAG),
        replace(
            rule("evenkeel-pin-pve1", "host_affinity", 132, hosts=("pve1",)),
            source="tag:evenkeel-pin-pve1",
            **BY_TAG,
        ),
    )
    if release < "9":
        # Groups know nodes, not each other's guests.
        rules = tuple(rule for rule in rules if rule.name not in ("web", "pair"))
    return cluster(hosts, guests, rules)


def connection(simulator: launch.Simulator, **changes: Any) -> ProxmoxConnection:
    plain = ProxmoxConnection(
        api_hosts=(simulator.host,),
        api_port=simulator.port,
        api_user=simulator.user,
        api_password=simulator.password,
        ca_path=simulator.ca_path,
        api_timeout=PATIENCE_SECONDS,
    )
    return replace(plain, **changes)


def connect(simulator: launch.Simulator, **changes: Any) -> ProxmoxPlatform:
    return ProxmoxPlatform(connection(simulator, **changes))


def request(number: int, source: str, target: str, **storage: str) -> MigrationRequest:
    return MigrationRequest(guest=str(number), source=source, target=target, storage=storage)


def calls(simulator: launch.Simulator) -> Mapping[str, int]:
    made: dict[str, int] = simulator.state()["calls"]
    return made


def place(simulator: launch.Simulator, number: int) -> str:
    where: str = simulator.state()["guests"][str(number)]["host"]
    return where
