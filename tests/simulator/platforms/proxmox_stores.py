# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster with storages of every sort, and guests whose disks move or stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Datastore,
    Disk,
    HostDatastore,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.platform import (
    ProxmoxPlatform,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.storage_protocol import (
    DiskMoveRequest,
    DiskMoveState,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.following import wait_until
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.proxmox_clusters import GIB

SHARED = HostDatastore(shared=True, capacity=1000 * GIB, free=500 * GIB)
LOCAL = HostDatastore(shared=False, capacity=200 * GIB, free=150 * GIB)
STORES = {"ceph": SHARED, "nfs": SHARED, "thick": LOCAL, "local-lvm": LOCAL}
NODES = ("pve1", "pve2")
DISK = Disk(datastore="ceph", size=32 * GIB, used=8 * GIB)


def datastores(**changes: Mapping[str, Any]) -> tuple[Datastore, ...]:
    """`changes` by name with _ for -."""
    kinds = {**clusters.TYPES, "nfs": "nfs", "thick": "lvm"}
    found = []
    for name, seen in sorted(STORES.items()):
        for node in ("",) if seen.shared else NODES:
            place = clusters.store(name, node, seen, type=kinds[name], thin=kinds[name] != "lvm")
            place = replace(place, hosts=NODES if seen.shared else (node,))
            found.append(replace(place, **changes.get(name.replace("-", "_"), {})))
    return tuple(found)


def cluster() -> Snapshot:
    """As it is given to the simulator."""
    hosts = tuple(clusters.host(name, datastores=STORES) for name in NODES)
    nfs = Disk(datastore="nfs", size=4 * GIB, used=GIB, format="qcow2")
    guests = (
        clusters.guest(100, "pve1", disks=(DISK, replace(nfs, id="scsi1"))),
        clusters.guest(101, "pve1", disks=(replace(DISK, datastore="local-lvm"),)),
        clusters.guest(102, "pve2", disks=(DISK,), blockers=("snapshot",)),
        clusters.container(103, "pve1", disks=(DISK,)),
        clusters.container(104, "pve2", disks=(DISK, replace(nfs, format="raw")), power="stopped"),
        clusters.idle(105, "pve2", disks=(replace(DISK, datastore="thick", used=None),)),
        clusters.idle(9000, "pve2", disks=(DISK,), blockers=("template",)),
        clusters.guest(106, "pve2", disks=(replace(DISK, blockers=("linked_clone",)),)),
    )
    return replace(clusters.cluster(hosts, guests), datastores=datastores())


def move(
    guest: int, *disks: str, source: str = "ceph", target: str = "nfs", host: str = "pve1"
) -> DiskMoveRequest:
    return DiskMoveRequest(guest=str(guest), host=host, disks=disks, source=source, target=target)


def follow(
    platform: ProxmoxPlatform,
    tasks: Mapping[str, DiskMoveRequest],
    until: Callable[[Mapping[str, DiskMoveState]], bool] = lambda states: False,
) -> Mapping[str, DiskMoveState]:
    """Poll until none runs any more, or `until` is true; returns the last states, by task."""
    states: Mapping[str, DiskMoveState] = {}

    def over() -> bool:
        nonlocal states
        states = platform.poll_disk_moves(tasks)
        return until(states) or all(state.state != "running" for state in states.values())

    wait_until(over, lambda: states)
    return states


def carry_out(platform: ProxmoxPlatform, wanted: DiskMoveRequest) -> DiskMoveState:
    """Prepare, which must find no objection, start and follow one move; returns how it ended."""
    prepared = platform.prepare_disk_move(wanted)
    assert prepared.objection is None
    task = platform.start_disk_move(prepared)
    return follow(platform, {task: wanted})[task]
