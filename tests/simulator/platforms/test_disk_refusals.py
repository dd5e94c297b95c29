# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What vCenter refuses to move where is remembered by the state database, and planned around for a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Datastore,
    Disk,
    HostDatastore,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import vsphere_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.support.module_in_process import result

GIB = clusters.GIB
WHY = "The virtual disk is too large for the file system"


def full() -> Snapshot:
    """Datastore a is above its limit by one disk; b and c have room, and b has more."""
    free = {"a": 10, "b": 100, "c": 90}
    seen = {name: HostDatastore(shared=True, capacity=100 * GIB, free=free[name] * GIB) for name in free}
    places = tuple(
        Datastore(
            id=name,
            name=name,
            shared=True,
            hosts=("host-a",),
            type="VMFS",
            thin=True,
            capacity=100 * GIB,
            free=free[name] * GIB,
            provisioned=(100 - free[name]) * GIB,
        )
        for name in free
    )
    disks = (
        Disk(id="2000", datastore="a", size=20 * GIB, used=20 * GIB, thin=True),
        Disk(id="home", datastore="a", size=9 * GIB, used=GIB),
    )
    cluster = clusters.cluster(
        (clusters.host("a", datastores=seen),), (clusters.guest("one", "a", disks=disks),)
    )
    return replace(cluster, datastores=places)


def test_a_move_that_vcenter_refused_is_not_planned_again_for_a_day(
    simulator: Simulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {"guest": "vm-one", "error": "MigrationFault", "message": WHY}
    served = simulator("vcenter", full(), migration_seconds=0, refuse_migrations=[refused])
    options = {
        "platform": "vsphere",
        "hostname": served.host,
        "port": served.port,
        "username": served.user,
        "password": served.password,
        "ca_path": str(served.ca_path),
        "state_url": f"sqlite:///{tmp_path / 'state.db'}",
    }

    def run(module: str, **given: object) -> Mapping[str, Any]:
        return result(module, given, monkeypatch, check_mode=False)

    def read() -> Mapping[str, Any]:
        facts = run("cluster_facts", **options, storage=True)["ansible_facts"]
        snapshot: Mapping[str, Any] = facts["evenkeel_snapshot"]
        return snapshot

    def planned(**policy: object) -> Mapping[str, Any]:
        wanted = {"goal": "storage", "storage": {"utilisation": 80}, **policy}
        return run("balance_plan", snapshot=read(), **wanted)

    def targets(found: Mapping[str, Any]) -> list[str]:
        return [move["to"] for move in found["plan"]["storage"]["moves"]]

    first = planned()
    assert targets(first) == ["b"]
    ran = run("vm_migrate", **options, plan=first["plan"], poll_interval="0.1")
    (found,) = ran["disk_refusals"]
    assert (found["guest"], found["datastore"]) == ("vm-one", "b")
    assert WHY in found["why"]

    served.switches(refuse_migrations=[])
    second = planned()
    assert targets(second) == ["c"]
    assert any(f"one to b: {found['why']}; planned around it" in notice for notice in second["notices"])
    # Whoever has corrected the cause tries again at once.
    assert targets(planned(retry_refused_after=0)) == ["b"]

    # The disk that is there all the same is refused there no longer.
    run("vm_migrate", **options, plan=planned(retry_refused_after=0)["plan"], poll_interval="0.1")
    assert "disk_refusals" not in read()
