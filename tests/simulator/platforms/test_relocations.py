# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A datastore of one host is emptied by the modules, on each simulator: guests take their disks along."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters as on_proxmox
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_stores, vsphere_clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import test_vsphere_storage as on_vsphere
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.following import wait_until
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.test_hosts_and_datastores import Site
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.modules import begin_module
from ansible_collections.evenkeel.cluster.tests.support.storage_runs import CALM, places, unnamed

NOTHING = {"cpu": 0.0, "memory": 0, "network_io": 0.0, "disk_io": 0.0}
PLATFORMS: list[launch.Platform] = ["vcenter", "proxmox"]


def _cluster(platform: launch.Platform) -> tuple[Snapshot, str]:
    """Two hosts with a datastore each that the other one does not have, and three guests on the first one,
    the last of them off; and the id of its datastore.
    """
    if platform == "proxmox":
        disk = replace(proxmox_stores.DISK, datastore="local-lvm")
        guests = (
            *(on_proxmox.guest(number, "pve1", disks=(disk,)) for number in (101, 102)),
            on_proxmox.idle(103, "pve1", disks=(disk,)),
        )
        whole = proxmox_stores.cluster()
        return replace(whole, guests=guests), "local-lvm@pve1"
    # The names of datastores are unique in a datacenter.
    whole = on_vsphere.stored()
    hosts = tuple(
        replace(
            host,
            datastores={
                f"{name}{host.id[-2:]}" if name == "local" else name: seen
                for name, seen in host.datastores.items()
            },
        )
        for host in whole.hosts
    )
    stores = tuple(
        replace(store, id=f"local{store.id[-2:]}{store.id[5:]}", name=f"local{store.id[-2:]}")
        if store.name == "local"
        else store
        for store in whole.datastores
    )
    guests = tuple(
        vsphere_clusters.guest(
            name, "a", disks=(on_vsphere.disk(2000, "local-a", 8, 4), on_vsphere.home("local-a"))
        )
        for name in ("one", "two")
    )
    off = vsphere_clusters.guest("three", "a", power="stopped", used=NOTHING, disks=guests[0].disks)
    guests = (*guests, off)
    found = replace(whole, hosts=hosts, guests=guests, datastores=stores, storage_rules=())
    return found, "local-a@host-a"


def _policy(platform: launch.Platform, local: str) -> dict[str, Any]:
    """The datastore is to be emptied, and none that both hosts have may take its disks."""
    others = ["ceph", "nfs", "thick"] if platform == "proxmox" else ["gold*"]
    return {
        "goal": "storage",
        "storage": {
            "relocate": True,
            "evacuate": {"names": [local]},
            "exclude": {"targets": {"names": others}},
            "other_balancers": "ignore",
        },
    }


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_local_datastore_is_emptied_and_a_second_run_has_nothing_to_do(
    platform: launch.Platform, simulator: Simulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, local = _cluster(platform)
    served = simulator(platform, cluster, **CALM[platform])
    served.switches(migration_seconds=0.05)
    site = Site(served, tmp_path, monkeypatch)
    policy = _policy(platform, local)
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


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_run_that_is_killed_is_finished_and_what_stays_behind_is_named(
    platform: launch.Platform, simulator: Simulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, local = _cluster(platform)
    served = simulator(platform, cluster, **CALM[platform])
    served.switches(migration_seconds=1.0)
    site = Site(served, tmp_path, monkeypatch)
    plan = site.plan(**_policy(platform, local))
    before = places(served)
    if platform == "proxmox":
        served.switches(break_migrations=[{"guest": "102", "phase": "end", "count": 1}])
    else:
        served.switches(fail_deletions=[{"guest": plan["migrations"][1]["guest"]["id"]}])
    process = begin_module("vm_migrate", tmp_path, site.options(plan))
    wait_until(lambda: len(served.state()["migrations"]) > 0, served.state)
    process.kill()
    process.wait()
    ran = site.run(plan)
    assert ran["summary"]["status"] == "done", ran["outcome"]
    migrations = served.state()["migrations"]
    assert Counter(str(move["guest"]) for move in migrations) == Counter(
        one["guest"]["id"] for one in plan["migrations"]
    )
    assert places(served).keys() == before.keys()
    left = [volume for one in ran["outcome"]["migrations"] for volume in one.get("left_behind", ())]
    assert left
    # The simulator of vCenter names the datastore of one host with it.
    named = [volume.replace("[local-a]", f"[{local}]") for volume in left]
    assert unnamed(served, named) == []
    assert not site.run(plan)["changed"]
