# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypothesis strategies: small clusters of mixed hosts with guests under every kind of rule."""

from __future__ import annotations

from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Disk,
    Guest,
    Host,
    HostDatastore,
    Rule,
    RuleKind,
    Snapshot,
)

GIB = 1024**3
KINDS: tuple[RuleKind, ...] = (
    "affinity",
    "anti_affinity",
    "even_spread",
    "host_affinity",
    "host_anti_affinity",
)


@st.composite
def guests(draw: st.DrawFn, index: int, hosts: int) -> Guest:
    blocked = draw(st.integers(0, 9)) == 0
    memory = draw(st.integers(1, 24)) * GIB
    cores = draw(st.sampled_from([1, 2, 4, 8]))
    return Guest(
        id=f"g{index}",
        name=draw(st.sampled_from(["web", "db", "app"])) + str(index),
        kind=draw(st.sampled_from(["vm", "vm", "vm", "container"])),
        host=f"h{draw(st.integers(0, hosts - 1))}",
        power=draw(st.sampled_from(["running"] * 7 + ["stopped"])),
        assigned={"cpu": cores, "memory": memory},
        used={
            "cpu": draw(st.one_of(st.none(), st.integers(0, 100).map(lambda part: cores * part / 100))),
            "memory": draw(st.one_of(st.none(), st.integers(20, 100).map(lambda part: memory * part // 100))),
        },
        disks=draw(
            st.sampled_from([(Disk(datastore="san", size=GIB),), (Disk(datastore="fast", size=GIB),)])
        ),
        networks=("lan",),
        migratable=not blocked,
        blockers=("passthrough_device",) if blocked else (),
    )


@st.composite
def rules(draw: st.DrawFn, index: int, members: int, hosts: int) -> Rule:
    kind = draw(st.sampled_from(KINDS))
    pins = kind in ("host_affinity", "host_anti_affinity")
    return Rule(
        name=f"rule{index}",
        kind=kind,
        guests=tuple(
            f"g{number}"
            for number in sorted(draw(st.sets(st.integers(0, members + 1), min_size=1, max_size=6)))
        ),
        hosts=tuple(f"h{number}" for number in sorted(draw(st.sets(st.integers(0, hosts - 1), max_size=3))))
        if pins
        else (),
        strict=draw(st.sampled_from([True, True, True, False])),
        source="test",
    )


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    hosts = draw(st.integers(1, 6))
    members = tuple(draw(guests(index, hosts)) for index in range(draw(st.integers(0, 20))))
    sizes = [draw(st.sampled_from([64, 64, 128])) for _ in range(hosts)]
    return Snapshot(
        platform="test",
        cluster=ClusterRef(id="c", name="c"),
        taken_at="2026-01-01T00:00:00Z",
        window_seconds=0,
        hosts=tuple(
            _host(draw, index, size, [guest for guest in members if guest.host == f"h{index}"])
            for index, size in enumerate(sizes)
        ),
        guests=members,
        rules=tuple(
            draw(rules(index, len(members), hosts))
            for index in range(draw(st.integers(0, 5)) if members else 0)
        ),
    )


def _host(draw: st.DrawFn, index: int, gib: int, here: list[Guest]) -> Host:
    own = draw(st.integers(0, 4)) * GIB
    return Host(
        id=f"h{index}",
        name=f"host{index}",
        status=draw(st.sampled_from(["online"] * 9 + ["offline"])),
        maintenance=draw(st.integers(0, 9)) == 0,
        schedulable=draw(st.integers(0, 9)) > 0,
        capacity={"cpu": gib / 4, "memory": gib * GIB},
        used={
            "cpu": 0.25 + sum(_known(guest, "cpu") for guest in here),
            "memory": own + sum(int(_known(guest, "memory")) for guest in here),
        },
        max_guests=draw(st.sampled_from([None, None, 6])),
        datastores={"san": HostDatastore(shared=True)}
        | ({"fast": HostDatastore(shared=True)} if draw(st.integers(0, 3)) else {}),
        networks=("lan",),
    )


def _known(guest: Guest, resource: str) -> float:
    if guest.power != "running":
        return 0
    used = guest.used[resource]
    return (guest.assigned[resource] if used is None else used) or 0


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    return Policy(
        goal=draw(st.sampled_from(["spread", "spread", "spread", "rules"])),
        aggressiveness=draw(st.integers(1, 5)),
        demand=draw(st.sampled_from(["used", "used", "assigned", "max"])),
        max_per_host=draw(st.integers(1, 3)),
        max_in_per_host=draw(st.sampled_from([None, None, 1, 2])),
        max_out_per_host=draw(st.sampled_from([None, None, 1, 2])),
        effort=2,
    )
