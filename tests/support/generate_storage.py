# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate a cluster with datastores for rehearsals, tests and benchmarks: the same shape gives the same one.

Guests have one to four disks. Some datastores attract more of them than others, so that some are too full.
What is in use is what the disks take, and a little that no disk explains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Datastore,
    Disk,
    Guest,
    Host,
    HostDatastore,
    Snapshot,
    StorageRule,
)

GIB = 1024**3
SIZES = (8, 10, 16, 20, 32, 40, 50, 64, 80, 100, 128, 200, 256)


@dataclass(frozen=True)
class StorageShape:
    """What kind of cluster to generate."""

    datastores: int = 4
    disks: int = 40
    seed: int = 1
    hosts: int = 3
    fill: float = 0.6
    "share of all space that is in use"
    skew: float = 3.0
    "how many times more disks the most popular datastore attracts than the least popular one"
    local: int = 0
    "datastores of each host that no other host has"
    thin: float = 0.7
    "share of the disks that take only what was written"
    unmeasured: float = 0.0
    "share of the disks whose use is not reported"
    whole: float = field(default=0.0, repr=False)
    "share of the thin disks whose copies may take their full size"
    policies: float = field(default=0.0, repr=False)
    "share of the disks that only half of the datastores may have, by their storage policy"
    fixed: float = 0.05
    "share of the disks that can't be moved"
    rules: int = 0
    "anti-affinity rules of the platform, each over two or three guests"
    maintenance: int = 0
    "datastores in maintenance mode"
    busy: float = 0.0
    "share of the datastores whose latency is too high"
    unequal: float = 2.0
    "how many times larger the largest datastore is than the smallest one"


def generate_storage(shape: StorageShape) -> Snapshot:
    """The cluster of that shape."""
    return _Generator(shape).snapshot()


class _Generator:
    def __init__(self, shape: StorageShape) -> None:
        self.shape = shape
        self.rng = Random(f"{shape}")
        self.hosts = [f"h{number}" for number in range(1, shape.hosts + 1)]

    def snapshot(self) -> Snapshot:
        shape, rng = self.shape, self.rng
        names = [f"ds{number:02}" for number in range(1, shape.datastores + 1)]
        homes = [*((name, "") for name in names)]
        homes += [(f"local{n}", host) for n in range(1, shape.local + 1) for host in self.hosts]
        weights = [1 + (shape.skew - 1) * rng.random() for _home in homes]
        guests, used = self._guests(homes, weights)
        total = sum(used) / shape.fill if shape.fill else 0.0
        sizes = [1 + (shape.unequal - 1) * rng.random() for _home in homes]
        datastores = []
        for number, (name, host) in enumerate(homes):
            taken = used[number] + rng.randrange(1, 5 * GIB)
            capacity = max(round(total * sizes[number] / sum(sizes)), round(taken / 0.97))
            busy = number < round(shape.busy * len(homes))
            traffic = sum(
                disk.disk_io or 0
                for guest in guests
                for disk in guest.disks
                if disk.datastore == name and host in ("", guest.host)
            )
            datastores.append(
                Datastore(
                    id=f"{name}@{host}" if host else name,
                    name=name,
                    shared=not host,
                    hosts=(host,) if host else tuple(self.hosts),
                    type="lvmthin" if host else "VMFS",
                    capacity=capacity,
                    free=capacity - taken,
                    thin=number % 4 != 3,
                    latency=round(rng.uniform(18, 40) if busy else rng.uniform(1, 9), 1),
                    disk_io=traffic,
                    maintenance=number < shape.maintenance,
                )
            )
        guests = self._with_policies(guests, [place.id for place in datastores])
        return Snapshot(
            platform="vsphere",
            cluster=ClusterRef(id="storage", name="storage"),
            taken_at="2026-11-20T22:00:00Z",
            window_seconds=3600,
            hosts=tuple(self._host(host, datastores) for host in self.hosts),
            guests=guests,
            rules=(),
            datastores=tuple(datastores),
            storage_rules=self._rules(guests),
        )

    def _guests(
        self, homes: Sequence[tuple[str, str]], weights: Sequence[float]
    ) -> tuple[tuple[Guest, ...], list[int]]:
        shape, rng = self.shape, self.rng
        guests: list[Guest] = []
        used, left = [0] * len(homes), shape.disks
        while left > 0:
            host = rng.choice(self.hosts)
            seen = [number for number, (_name, only) in enumerate(homes) if only in ("", host)]
            home = rng.choices(seen, [weights[number] for number in seen])[0]
            many = min(left, rng.choice((1, 1, 1, 2, 2, 3, 4)))
            left -= many
            disks = []
            for number in range(many):
                if rng.random() < 0.1:
                    home = rng.choice(seen)
                size = rng.choice(SIZES) * GIB
                thin = rng.random() < shape.thin
                taken = size if not thin else round(size * rng.uniform(0.1, 1.0))
                hidden = rng.random() < shape.unmeasured
                used[home] += taken
                whole = shape.whole > 0 and thin and not hidden and rng.random() < shape.whole
                disks.append(
                    Disk(
                        datastore=homes[home][0],
                        id=f"scsi{number}",
                        size=size,
                        used=None if hidden else taken,
                        thin=None if hidden else thin,
                        disk_io=rng.randrange(100_000, 20_000_000),
                        copied_whole=whole,
                        migrated_whole=whole,
                        blockers=("raw_device",) if rng.random() < shape.fixed else (),
                    )
                )
            number = len(guests) + 1
            guests.append(
                Guest(
                    id=f"{100 + number}",
                    name=f"vm{number:05}",
                    kind="vm",
                    host=host,
                    power="running" if rng.random() < 0.9 else "stopped",
                    assigned={"cpu": 2, "memory": 4 * GIB},
                    used={"cpu": 0.5, "memory": 2 * GIB},
                    disks=tuple(disks),
                    migratable=True,
                )
            )
        return tuple(guests), used

    def _with_policies(self, guests: Sequence[Guest], places: Sequence[str]) -> tuple[Guest, ...]:
        """Disks under two policies; some of them are where their policy is violated."""
        # Numbers of its own, so that all else is the same without them.
        rng = Random(f"{self.shape}: policies")
        targets = {
            name: tuple(rng.sample(places, max(1, (len(places) + 1) // 2))) for name in ("gold", "silver")
        }

        def ruled(disk: Disk) -> Disk:
            if rng.random() >= self.shape.policies:
                return disk
            name = rng.choice(("gold", "silver"))
            return replace(disk, storage_policy=name, targets=targets[name])

        return tuple(replace(guest, disks=tuple(ruled(disk) for disk in guest.disks)) for guest in guests)

    def _host(self, host: str, datastores: Sequence[Datastore]) -> Host:
        return Host(
            id=host,
            name=host,
            status="online",
            maintenance=False,
            schedulable=True,
            capacity={"cpu": 64, "memory": 1024 * GIB},
            used={"cpu": 10, "memory": 300 * GIB},
            datastores={
                place.name: HostDatastore(shared=place.shared, capacity=place.capacity, free=place.free)
                for place in datastores
                if host in place.hosts
            },
        )

    def _rules(self, guests: Sequence[Guest]) -> tuple[StorageRule, ...]:
        found = []
        for number in range(self.shape.rules):
            members = self.rng.sample(
                [guest.id for guest in guests], min(len(guests), self.rng.choice((2, 3)))
            )
            if len(members) > 1:
                found.append(
                    StorageRule(
                        name=f"apart{number}",
                        kind="anti_affinity",
                        guests=tuple(members),
                        source="storage-drs-rule",
                    )
                )
        return tuple(found)
