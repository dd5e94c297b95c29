# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters for the planner's benchmark: equal hosts, four binding resources, no rules (hbal has none)."""

from __future__ import annotations

import random

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Guest,
    Host,
    Snapshot,
)

GIB = 1024**3
CAPACITY = {"cpu": 64.0, "memory": 512 * GIB, "disk_io": 4_000_000_000, "network_io": 1_250_000_000}
METRICS = tuple(CAPACITY)


def equal_hosts(hosts: int, guests: int, seed: int, fill: float = 0.5, tail: float = 1.0) -> Snapshot:
    """Returns equal hosts with guests on random hosts; each share of a resource is drawn independently.

    tail: sigma of the log-normal sizes; at 1.0 the largest of a thousand guests is about twenty times the
    median.
    """
    rng = random.Random(seed)
    shares = [[rng.lognormvariate(0.0, tail) for _ in METRICS] for _ in range(guests)]
    total = [sum(column) for column in zip(*shares, strict=True)]
    loads = [
        {
            name: share / whole * hosts * fill * CAPACITY[name]
            for name, share, whole in zip(METRICS, row, total, strict=True)
        }
        for row in shares
    ]
    places = [rng.randrange(hosts) for _ in range(guests)]
    used = [dict.fromkeys(METRICS, 0.0) for _ in range(hosts)]
    for load, place in zip(loads, places, strict=True):
        for name, value in load.items():
            used[place][name] += value
    return Snapshot(
        platform="synthetic",
        cluster=ClusterRef(id=f"{hosts}x{guests}-{seed}", name=f"{hosts}x{guests}-{seed}"),
        taken_at="2026-01-01T00:00:00Z",
        window_seconds=3600,
        hosts=tuple(
            Host(
                id=f"h{index:03d}",
                name=f"h{index:03d}",
                status="online",
                maintenance=False,
                schedulable=True,
                capacity=CAPACITY,
                used=used[index],
            )
            for index in range(hosts)
        ),
        guests=tuple(
            Guest(
                id=f"g{index:05d}",
                name=f"g{index:05d}",
                kind="vm",
                host=f"h{place:03d}",
                power="running",
                assigned={},
                used=load,
                migratable=True,
            )
            for index, (load, place) in enumerate(zip(loads, places, strict=True))
        ),
        rules=(),
    )
