# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Rule, Snapshot
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import FULL, Shape, generate
from ansible_collections.evenkeel.cluster.tools.run import ROOT

SHAPES = [Shape(), Shape(hosts=1, guests=5), Shape(hosts=16, guests=300, seed=7, mixed=True, maintenance=2)]


def holds(rule: Rule, cluster: Snapshot) -> bool:
    hosts = {guest.id: guest.host for guest in cluster.guests}
    places = [hosts[guest] for guest in rule.guests]
    counts = [places.count(host.id) for host in cluster.hosts]
    match rule.kind:
        case "affinity":
            return len(set(places)) == 1
        case "anti_affinity":
            return max(counts) <= 1
        case "even_spread":
            return max(counts) - min(counts) <= rule.max_skew
        case "host_affinity":
            return set(places) <= set(rule.hosts)
    raise AssertionError(rule.kind)


@pytest.mark.parametrize("shape", SHAPES)
def test_one_shape_is_one_valid_cluster(shape: Shape) -> None:
    cluster = generate(shape)
    assert generate(shape) == cluster
    assert Snapshot.from_json(json.loads(json.dumps(cluster.to_json()))) == cluster
    assert (len(cluster.hosts), len(cluster.guests)) == (shape.hosts, shape.guests)
    assert sum(host.maintenance for host in cluster.hosts) == shape.maintenance


@pytest.mark.parametrize("shape", SHAPES)
def test_hosts_hold_their_guests_and_are_not_overfull(shape: Shape) -> None:
    cluster = generate(shape)
    for host in cluster.hosts:
        guests = [guest for guest in cluster.guests if guest.host == host.id]
        for resource in ("cpu", "memory", "network_io", "disk_io"):
            load = sum(guest.used[resource] or 0 for guest in guests)
            assert load <= (host.used[resource] or 0) <= FULL * (host.capacity[resource] or 0)


def test_rules_hold_at_the_start_unless_asked_otherwise() -> None:
    orderly = generate(Shape(hosts=12, guests=200, broken=0))
    kinds = {rule.kind for rule in orderly.rules}
    assert kinds == {"affinity", "anti_affinity", "even_spread", "host_affinity"}
    assert [rule.name for rule in orderly.rules if not holds(rule, orderly)] == []
    broken = generate(Shape(hosts=12, guests=200, broken=1))
    # Chance or want of room may still keep one.
    assert sum(holds(rule, broken) for rule in broken.rules) < len(broken.rules) / 10


def test_the_example_cluster_is_the_one_that_is_generated() -> None:
    example = json.loads((ROOT / "playbooks" / "files" / "example-cluster.json").read_text())
    made = generate(Shape(seed=20, skew=5, broken=0.3))
    # The example is read by earlier versions as well.
    assert Snapshot.from_json(example) == replace(made, schema="evenkeel.cluster/snapshot/1")
