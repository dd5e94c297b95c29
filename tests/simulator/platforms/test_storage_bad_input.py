# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in which all that can't be used or moved occurs: it is named and left alone, the rest goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Datastore,
    Disk,
    Guest,
    HostDatastore,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.test_hosts_and_datastores import Site
from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support.storage_runs import CALM, lost_or_doubled, places

GIB = clusters.GIB
HOSTS = ("pve1", "pve2")
# Of each in GiB: the size and what is free.
SIZES = {"leaving": (1000, 100), "first": (200, 190), "second": (200, 180), "blind": (500, 500)}
TWINS = {"twin-a": (300, 300), "twin-b": (300, 300)}
LARGE, PLAIN, TOGETHER, CHAIN, CLONE, RAW, APART = "100", "101", "102", "103", "104", "105", "106"


def _guest(guest: str, used: int, *blockers: str, name: str = "") -> Guest:
    disk = Disk(
        id="2000",
        datastore="leaving",
        size=(used + 5) * GIB,
        used=used * GIB,
        thin=True,
        format="raw",
        blockers=blockers,
    )
    return clusters.guest(int(guest), "pve1", name=name or f"vm{guest}", disks=(disk,))


def troubled(platform: launch.Platform) -> Snapshot:
    """A datastore to be emptied, two that can take its disks, and three that can't."""
    sizes = {**SIZES, **TWINS}
    seen = {
        name: HostDatastore(shared=True, capacity=size * GIB, free=free * GIB)
        for name, (size, free) in sizes.items()
    }
    kind = "nfs" if platform == "proxmox" else "NFS"
    places_ = tuple(
        Datastore(
            id=name,
            name=name,
            shared=True,
            hosts=HOSTS,
            type=kind,
            thin=True,
            capacity=size * GIB,
            free=free * GIB,
            content=("images", "rootdir"),
        )
        for name, (size, free) in sorted(sizes.items())
    )
    guests = (
        _guest(LARGE, 600),
        _guest(PLAIN, 20),
        _guest(TOGETHER, 15),
        _guest(APART, 12),
        _guest(CHAIN, 10, *(() if platform == "proxmox" else ("snapshot_chain",))),
        _guest(CLONE, 10, "linked_clone"),
        _guest(RAW, 10, *(() if platform == "proxmox" else ("raw_device",))),
    )
    if platform == "proxmox":
        guests = tuple(
            replace(
                guest,
                disks=tuple(replace(disk, id="scsi0") for disk in guest.disks),
                blockers=("snapshot",) if guest.id == CHAIN else (),
            )
            for guest in guests
        )
    hosts = tuple(clusters.host(name, datastores=seen) for name in HOSTS)
    return replace(clusters.cluster(hosts, guests), datastores=places_)


def _spoil(served: launch.Simulator, platform: launch.Platform) -> None:
    """What no snapshot can say."""
    if platform == "vcenter":
        served.change_storage("blind", reported_capacity=0)
        served.change_storage("twin-b", remote_path="/export/twin-a")
    else:
        served.change_storage("blind", inactive=list(HOSTS))
        served.change_storage("twin-b", settings={"export": "/export/twin-a"})
        served.change_guest(RAW, config={"scsi1": "/dev/disk/by-id/scsi-lun7,size=50G"})


def _policy(**more: object) -> dict[str, Any]:
    def rule(kind: str) -> dict[str, Any]:
        return {"by": "guests", "kind": kind, "guests": {"names": [f"vm{TOGETHER}", f"vm{APART}"]}}

    return {
        "goal": "storage",
        "storage": {
            "utilisation": 90,
            "evacuate": {"names": ["leaving"]},
            "rules": [rule("affinity"), rule("anti_affinity")],
            **more,
        },
    }


@pytest.mark.parametrize("platform", ["vcenter", "proxmox"])
def test_what_cannot_be_moved_or_used_is_named_and_the_rest_goes_on(
    platform: launch.Platform, simulator: Simulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = simulator(platform, troubled(platform), **CALM[platform])
    _spoil(served, platform)
    site = Site(served, tmp_path, monkeypatch)
    before = places(served)
    plan = site.plan(**_policy())
    storage: Mapping[str, Any] = plan["storage"]
    assert storage["status"] == "improved"
    notices = " ".join([*plan.get("notices", ()), *storage.get("notices", ())])
    assert "datastore blind: it is left alone, because its capacity" in notices
    assert "twin-a, twin-b are one place under several names" in notices
    stays = {item["guest"]["id"]: item["why"].partition(" ")[0] for item in storage["immovable"]}
    assert (stays[CHAIN], stays[CLONE]) == ("snapshot_chain", "linked_clone")
    if platform == "proxmox":
        # It is on no storage, so that it is no disk of the plan; the other disk of its guest moves.
        assert f"Disks of guest {RAW} are devices of a node and not on a storage (raw_device)" in notices
    else:
        assert stays[RAW] == "raw_device"
    unresolved = {item["code"]: item["why"] for item in storage["unresolved"]}
    assert unresolved["rule_impossible"].endswith("wants the opposite of 2 members")
    assert f"vm{LARGE}: it is larger than the limit of each datastore" in unresolved["datastore_not_empty"]
    assert f"vm{CHAIN}: snapshot_chain" in unresolved["datastore_not_empty"]
    moves = {move["guest"]["id"]: move for move in storage["moves"] if set(move["disks"]) != {"home"}}
    assert moves.keys() == {PLAIN, TOGETHER, APART} | ({RAW} if platform == "proxmox" else set())
    assert not {"blind", "twin-b"}.intersection(move["to"] for move in storage["moves"])
    # Between the plan and its run somebody fills what one of them was to go to.
    full = moves[PLAIN]["to"]
    served.change_storage(full, free=1)
    ran = site.run(plan)
    results = {
        (one["guest"]["id"], one["to"]): one
        for one in ran["outcome"]["disk_moves"]
        if set(one["disks"]) != {"home"}
    }
    for (guest, target), one in results.items():
        assert (guest, one["result"]) == (guest, "skipped" if target == full else "migrated"), one["why"]
        assert target != full or f"datastore {full} has too little free space" in one["why"]
    assert {one["result"] for one in results.values()} == {"migrated", "skipped"}
    after = places(served)
    assert not lost_or_doubled(before, after)
    stayed = {LARGE, CHAIN, CLONE, *(() if platform == "proxmox" else (RAW,))}
    stayed |= {guest for guest, target in results if target == full}
    assert stayed == {guest for (guest, disk), on in after.items() if on == "leaving" and disk != "home"}
