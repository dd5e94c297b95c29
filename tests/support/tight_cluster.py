# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster so full that one migration must wait for another, and a plan for it; for both simulators."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Cost, GuestRef, Migration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Disk,
    Guest,
    Host,
    HostDatastore,
    Rule,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.tests.support.fault_injection import PlannedRun

GIB = 1024**3
PLACES = {"h1": range(101, 107), "h2": range(107, 109), "h3": range(109, 115), "h4": range(115, 116)}


def host(name: str) -> Host:
    return Host(
        id=name,
        name=name,
        status="online",
        maintenance=False,
        schedulable=True,
        capacity={"cpu": 32.0, "memory": 64 * GIB},
        used={"cpu": 0.5 * len(PLACES[name]) + 1, "memory": (8 * len(PLACES[name]) + 2) * GIB},
        datastores={"san": HostDatastore(shared=True, capacity=4000 * GIB, free=2000 * GIB)},
        networks=("vmbr0",),
    )


def guest(number: int, place: str) -> Guest:
    return Guest(
        id=str(number),
        name=f"guest{number}",
        kind="vm",
        host=place,
        power="running",
        assigned={"cpu": 2, "memory": 8 * GIB},
        used={"cpu": 0.5, "memory": 8 * GIB},
        disks=(Disk(datastore="san", size=GIB),),
        networks=("vmbr0",),
        migratable=True,
    )


def step(number: int, name: int, source: str, target: str, *after: int) -> Migration:
    return Migration(
        step=number,
        wave=1 + len(after),
        guest=GuestRef(id=str(name), name=f"guest{name}"),
        source=source,
        target=target,
        kind="balance",
        why="",
        after=after,
        cost=Cost(memory=8 * GIB, seconds=1),
    )


def planned_run(*rules: Rule) -> PlannedRun:
    """Step 3 must wait for step 1: there is no room for its guest before, and the two must stay apart."""
    apart = Rule(
        name="apart",
        kind="anti_affinity",
        guests=("101", "109"),
        strict=True,
        source="drs-rule:a",
        enforced=True,
    )
    return PlannedRun(
        snapshot=Snapshot(
            platform="vsphere",
            cluster=ClusterRef(id="prod", name="prod"),
            taken_at="2026-11-20T22:00:00Z",
            window_seconds=0,
            hosts=tuple(host(name) for name in PLACES),
            guests=tuple(guest(number, name) for name, numbers in PLACES.items() for number in numbers),
            rules=rules or (apart,),
        ),
        migrations=(
            step(1, 101, "h1", "h2"),
            step(2, 102, "h1", "h4"),
            step(3, 109, "h3", "h1", 1),
            step(4, 110, "h3", "h4"),
        ),
        rules=rules or (apart,),
    )


def with_partners() -> PlannedRun:
    """The same where HA has guests in its hands: 101 and 109 are kept apart, 110 and 111 move as one."""
    plain = planned_run(
        Rule(
            name="apart",
            kind="anti_affinity",
            guests=("101", "109"),
            strict=True,
            source="ha-rule:apart",
            enforced=True,
        ),
        Rule(
            name="pair",
            kind="affinity",
            guests=("110", "111"),
            strict=True,
            source="ha-rule:pair",
            co_migrates=True,
            enforced=True,
        ),
    )
    return replace(plain, migrations=(*plain.migrations, step(5, 111, "h3", "h4")))
