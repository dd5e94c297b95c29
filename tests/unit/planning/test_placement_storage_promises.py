# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of new guests against every way to place them, by the check of answers."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.datastores import datastores_of
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.placement_request import (
    PlacementRequest,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.storage import StoragePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    Datastore,
    Snapshot,
    StorageRule,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place_in
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.rules import (
    resolve_storage_rules,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify.placement import (
    DiskRules,
    Seated,
    verify_placement,
)

from .storage.test_cases import GIB, cluster, disk, guest, place

CASES = 150


def random_cluster(rng: random.Random) -> Snapshot:
    places: list[Datastore] = []
    for name in "abcd"[: rng.randint(1, 4)]:
        more: dict[str, Any] = {}
        if rng.random() < 0.2:
            more["hosts"] = (rng.choice(("h1", "h2")),)
        if rng.random() < 0.1:
            more["maintenance"] = True
        if rng.random() < 0.1:
            more["content"] = ("iso",)
        if rng.random() < 0.2:
            more["latency"] = rng.choice((5.0, 30.0))
        if rng.random() < 0.2:
            more["arriving"] = rng.randint(0, 20) * GIB
        places.append(place(name, rng.randint(50, 100), used=rng.randint(0, 60) // 2, **more))
    guests = []
    for number in range(rng.randint(0, 4)):
        host = rng.choice(("h1", "h2"))
        there = [store.name for store in places if host in store.hosts]
        if there:
            size = rng.randint(1, 10)
            part = disk(rng.choice(there), size, used=rng.choice((None, size // 2)))
            guests.append(guest(f"{rng.choice(('web', 'db'))}{number}", part, host=host))
    return cluster(places, guests)


def random_policy(rng: random.Random, places: tuple[Datastore, ...]) -> dict[str, Any]:
    names = [store.name for store in places]
    rules = [
        {"by": "name_prefix", "kind": rng.choice(("anti_affinity", "affinity"))},
        {"by": "disks", "guests": {"names": ["web*"]}},
    ]
    storage: dict[str, Any] = {
        "utilisation": rng.choice((60, 80, 100)),
        "reserve": rng.choice((0, 10)) * GIB,
        "growth": rng.choice((0, 50)),
        "latency": rng.choice((None, 15)),
        "rules": [rule for rule in rules if rng.random() < 0.4],
    }
    if rng.random() < 0.3:
        storage["placement"] = [
            {"guests": {"names": ["web*"]}, "datastores": {"names": rng.sample(names, 1)}}
        ]
    return {"storage": storage}


def some_way(snapshot: Snapshot, request: PlacementRequest) -> bool:
    """Whether the check accepts any host and datastores for the one guest of a request."""
    (wanted,) = request.vms
    storage = request.policy.storage or StoragePolicy()
    new = replace(
        guest(wanted.name, *(disk("", 1, f"disk{number}") for number in range(len(wanted.disks)))),
        id=f"new:{wanted.name}",
    )
    everyone = replace(snapshot, guests=(*snapshot.guests, new))
    found: tuple[StorageRule, ...] = resolve_storage_rules(everyone, storage)[0]
    chosen = frozenset(storage.placement[0].datastores.names) if storage.placement else None
    places = datastores_of(snapshot)
    allowed = frozenset(store.id for store in places if chosen is None or store.name in chosen)
    rules = DiskRules(
        rules=tuple(rule for rule in found if new.id in rule.guests),
        allowed={new.id: allowed} if wanted.name.startswith("web") else {},
    )
    return any(
        not verify_placement(
            snapshot,
            request.policy,
            [Seated(id=new.id, wanted=wanted, host=host.id, datastores=names)],
            [],
            {},
            frozenset(),
            0,
            rules,
        )
        for host in snapshot.hosts
        for names in product(host.datastores, repeat=len(wanted.disks))
    )


def test_a_guest_has_a_place_where_there_is_one_and_only_there() -> None:
    ends = {"placed": 0, "impossible": 0}
    for seed in range(CASES):
        rng = random.Random(seed)
        snapshot = random_cluster(rng)
        sizes = [rng.randint(1, 40) for _disk in range(rng.randint(1, 2))]
        vm = {
            "name": f"{rng.choice(('web', 'db'))}9",
            "cpu": 1,
            "memory": GIB,
            "disks": [{"size": size * GIB} for size in sizes],
        }
        request = PlacementRequest.from_json({"vms": [vm], "policy": random_policy(rng, snapshot.datastores)})
        found = place_in(snapshot, request)
        assert (found.status == "placed") == some_way(snapshot, request), seed
        ends[found.status] += 1
    assert min(ends.values()) > CASES // 10, ends
