# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters for the tests of the VMmanager adapter, as it must read them when the statistics are named."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Disk,
    Guest,
    Host,
    HostDatastore,
    Rule,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import MigrationRequest
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.api.connection import (
    Metric,
    VMManagerConnection,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.vmmanager.platform import (
    VMManagerPlatform,
)
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

GIB = 1024**3
SHAPES = (2022, 2026)
CEPH = HostDatastore(shared=True)
LOCAL = HostDatastore(shared=False, capacity=500 * GIB, free=400 * GIB)
UNKNOWN = {"cpu": None, "memory": None, "network_io": None, "disk_io": None}
PACE = 20.0
"""Seconds that seem to pass in one, where the adapter waits for something."""


def _metrics() -> tuple[Metric, ...]:
    """As the simulator names its series; the real names are not public."""
    kinds: tuple[Literal["vm", "node"], ...] = ("vm", "node")
    return tuple(
        metric
        for kind in kinds
        for metric in (
            Metric(of=kind, metric="cpu", target="cpu_load", unit="percent", interval="1hour"),
            Metric(of=kind, metric="memory", target="ram_used", unit="bytes", interval="1hour"),
            Metric(of=kind, metric="network_io", target="net_io", unit="bytes", interval="1hour"),
            Metric(of=kind, metric="disk_io", target="disk_io", unit="bytes", interval="1hour"),
        )
    )


METRICS = _metrics()


def host(number: int, **changes: Any) -> Host:
    plain = Host(
        id=str(number),
        name=f"node{number}",
        status="online",
        maintenance=False,
        schedulable=True,
        capacity={"cpu": 16, "memory": 128 * GIB, "network_io": None, "disk_io": None},
        used={"cpu": 6.5, "memory": 60 * GIB, "network_io": 1_000_000, "disk_io": 2_000_000},
        version="6.2.0",
        address=f"10.0.0.{number}",
        datastores={"ceph": CEPH, "local": LOCAL},
        labels={"kernel": "5.14.0-427.el9", "os": "AlmaLinux 9.4"},
    )
    return replace(plain, **changes)


def guest(number: int, place: int, **changes: Any) -> Guest:
    plain = Guest(
        id=str(number),
        name=f"guest{number}",
        kind="vm",
        host=str(place),
        power="running",
        assigned={"cpu": 4, "memory": 8 * GIB},
        used={"cpu": 0.25, "memory": 4 * GIB, "network_io": 1000, "disk_io": 2000},
        disks=(Disk(datastore="ceph", size=32 * GIB),),
        migratable=True,
        min_version="6.2.0",
    )
    return replace(plain, **changes)


def blocked(number: int, place: int, *blockers: str, **changes: Any) -> Guest:
    return guest(number, place, migratable=False, blockers=blockers, **changes)


def idle(number: int, place: int, **changes: Any) -> Guest:
    """One that does not run."""
    nothing = {"cpu": 0.0, "memory": 0, "network_io": 0, "disk_io": 0}
    return guest(number, place, power="stopped", used=nothing, min_version=None, **changes)


def cluster(
    hosts: tuple[Host, ...], guests: tuple[Guest, ...], rules: tuple[Rule, ...] = (), name: str = "prod"
) -> Snapshot:
    return Snapshot(
        platform="vmmanager",
        cluster=ClusterRef(id="1", name=name, instance="127.0.0.1"),
        taken_at="2026-11-20T22:00:00Z",
        window_seconds=3600,
        hosts=hosts,
        guests=guests,
        rules=rules,
    )


def small() -> Snapshot:
    """Three hosts, a few guests."""
    return cluster(
        (host(1), host(2), host(3)),
        (
            guest(100, 1),
            guest(101, 1),
            guest(102, 2),
            blocked(104, 1, "local_disk", disks=(Disk(datastore="local", size=8 * GIB),)),
        ),
    )


def mixed() -> Snapshot:
    """Hosts in every state; guests with everything that blocks or shapes a move; rules by tags."""
    hosts = (
        host(1),
        host(2, version="7.0.0", labels={}, max_guests=20),
        host(3, maintenance=True, closed_because="in maintenance mode"),
        host(4, status="offline", used=UNKNOWN, version=None),
        host(
            5,
            schedulable=False,
            closed_because="creating virtual machines on it is blocked in VMmanager",
        ),
        host(6, status="unknown", used=UNKNOWN, closed_because="its state is unknown"),
    )
    guests = (
        guest(100, 1),
        guest(101, 2, min_version="7.0.0"),
        guest(102, 1, tags=("prod", "web"), last_migrated_at="2026-11-19T10:00:00Z"),
        guest(103, 1, disks=(Disk(datastore="ceph", size=GIB), Disk(datastore="ceph", size=2 * GIB))),
        guest(104, 1, last_failed_at="2026-11-19T11:00:00Z"),
        blocked(120, 1, "iso_mounted"),
        blocked(121, 1, "snapshot"),
        blocked(122, 1, "local_disk", disks=(Disk(datastore="local", size=8 * GIB),)),
        blocked(123, 1, "balancing_disabled"),
        blocked(124, 1, "locked"),
        blocked(125, 1, "rescue_mode"),
        blocked(126, 1, "disabled"),
        blocked(127, 1, "nested_virtualization"),
        blocked(128, 1, "host_cpu"),
        blocked(129, 1, "balancing_disabled", tags=("evenkeel-ignore",)),
        blocked(130, 1, "disabled", "iso_mounted", "snapshot"),
        idle(140, 2),
        idle(141, 2, migratable=False, blockers=("iso_mounted",)),
        guest(150, 1, tags=("evenkeel-affinity-pair",)),
        guest(151, 1, tags=("evenkeel-affinity-pair",)),
        guest(152, 1, tags=("evenkeel-pin-NODE2",)),
        blocked(160, 4, "disconnected", power="unknown", used=UNKNOWN, min_version=None),
    )
    rules = (
        Rule(
            name="evenkeel-affinity-pair",
            kind="affinity",
            guests=("150", "151"),
            strict=True,
            source="tag:evenkeel-affinity-pair",
        ),
        Rule(
            name="evenkeel-pin-NODE2",
            kind="host_affinity",
            guests=("152",),
            hosts=("2",),
            strict=True,
            source="tag:evenkeel-pin-NODE2",
        ),
    )
    return cluster(hosts, guests, rules)


def connection(simulator: launch.Simulator, **changes: Any) -> VMManagerConnection:
    plain = VMManagerConnection(
        host=simulator.host,
        port=simulator.port,
        username=simulator.user,
        password=simulator.password,
        ca_path=simulator.ca_path,
        timeout=PATIENCE_SECONDS,
        metrics=METRICS,
        window_seconds=3600,
    )
    return replace(plain, **changes)


def connect(simulator: launch.Simulator, **changes: Any) -> VMManagerPlatform:
    """Its waits are over in a moment."""
    return VMManagerPlatform(
        connection(simulator, **changes),
        sleep=lambda seconds: time.sleep(seconds / PACE),
        monotonic=lambda: time.monotonic() * PACE,
    )


def request(number: int, source: int, target: int, **storage: str) -> MigrationRequest:
    return MigrationRequest(guest=str(number), source=str(source), target=str(target), storage=storage)


def calls(simulator: launch.Simulator) -> Mapping[str, int]:
    made: dict[str, int] = simulator.state()["calls"]
    return made


def place(simulator: launch.Simulator, number: int) -> str:
    where: str = simulator.state()["guests"][str(number)]["host"]
    return where
