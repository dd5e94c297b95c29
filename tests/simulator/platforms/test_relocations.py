# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A datastore of one host is emptied by the modules, on each simulator: guests take their disks along."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters as on_proxmox
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_stores
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import test_vsphere_storage as on_vsphere
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import vsphere_clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.test_hosts_and_datastores import Site
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.storage_runs import CALM, places

PLATFORMS: list[launch.Platform] = ["vcenter", "proxmox"]


def _cluster(platform: launch.Platform) -> tuple[Snapshot, str]:
    """Two hosts with a datastore each that the other one does not have, and three guests on the first one;
    and the id of its datastore.
    """
    if platform == "proxmox":
        disk = replace(proxmox_stores.DISK, datastore="local-lvm")
        guests = tuple(on_proxmox.guest(number, "pve1", disks=(disk,)) for number in (101, 102, 103))
        whole = proxmox_stores.cluster()
        return replace(whole, guests=guests), "local-lvm@pve1"
    whole = on_vsphere.stored()
    guests = tuple(
        vsphere_clusters.guest(
            name, "a", disks=(on_vsphere.disk(2000, "local", 8, 4), on_vsphere.home("local"))
        )
        for name in ("one", "two", "three")
    )
    return replace(whole, guests=guests, storage_rules=()), "local@host-a"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_local_datastore_is_emptied_and_a_second_run_has_nothing_to_do(
    platform: launch.Platform, simulator: Simulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, local = _cluster(platform)
    served = simulator(platform, cluster, **CALM[platform])
    served.switches(migration_seconds=0.05)
    site = Site(served, tmp_path, monkeypatch)
    policy: dict[str, Any] = {
        "goal": "storage",
        "storage": {
            "relocate": True,
            "evacuate": {"names": [local]},
            "exclude": {
                "targets": {"names": ["ceph", "nfs", "thick"] if platform == "proxmox" else ["gold*"]}
            },
            "other_balancers": "ignore",
        },
    }
    plan = site.plan(**policy)
    assert (plan["status"], plan["storage"]["unresolved"]) == ("balanced", [])
    assert [step["kind"] for step in plan["migrations"]] == ["storage"] * 3
    before = places(served)
    dry = site.run(plan, check_mode=True)
    assert (dry["summary"]["planned"], places(served)) == (3, before)
    ran = site.run(plan)
    assert (ran["summary"]["status"], ran["summary"]["migrated"]) == ("done", 3)
    assert {one.get("left_behind", []) == [] for one in ran["outcome"]["migrations"]} == {True}
    after = places(served)
    assert after.keys() == before.keys()
    assert set(after.values()).isdisjoint({local})
    assert not site.run(plan)["changed"]
    again = site.plan(**policy)
    assert (again["migrations"], again["storage"]["moves"]) == ([], [])
