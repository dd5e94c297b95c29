# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan promises where the clusters of the other promises seldom lead: chains and rings of siblings,
arrivals at a host above its limit, and spare hosts of unequal size.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.rules import resolve_rules
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.placement.placer import place
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan

from .rehearse import defects
from .test_placements import asked
from .test_scenarios import cluster


def safely_planned(short: dict[str, Any], rng: Random, **policy: Any) -> list[tuple[str, str]]:
    """Each migration by guest and target, once ten random runs of them were safe and all rules hold."""
    snapshot = cluster(short)
    wanted = Policy.from_json({"goal": "rules", **policy})
    result = plan(snapshot, wanted)
    assert [violation.rule for violation in result.after.violations] == []
    rules, _unknown = resolve_rules(snapshot, wanted)
    for _run in range(10):
        assert defects(snapshot, wanted, rules, result, rng) == []
    return [(migration.guest.name, migration.target) for migration in result.migrations]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ring", [False, True])
def test_siblings_that_stand_where_others_have_to_go_follow_each_other_safely(seed: int, ring: bool) -> None:
    """Each is pinned to the host of the next one; the last to an empty one, or in a ring to that of the
    first."""
    rng = Random(seed)
    many = rng.randrange(2, 5)
    names = [f"s{number}" for number in range(many)]
    targets = [f"h{(number + 1) % many if ring else number + 1}" for number in range(many)]
    sizes = {name: rng.randrange(1, 30) for name in names}
    short = {
        "hosts": {f"h{number}": {"memory": rng.choice([64, 128, 256])} for number in range(many + 1)},
        "guests": {name: {"host": f"h{n}", "memory": sizes[name]} for n, name in enumerate(names)},
        "rules": {
            "apart": {"kind": "anti_affinity", "guests": names},
            **{
                f"pin{name}": {"kind": "host_affinity", "guests": [name], "hosts": [target]}
                for name, target in zip(names, targets, strict=True)
            },
        },
    }
    moves = safely_planned(short, rng)
    assert len(moves) == many + ring
    assert {guest: target for guest, target in moves} == dict(zip(names, targets, strict=True))  # noqa: C416


@pytest.mark.parametrize("seed", range(6))
def test_who_has_to_come_to_a_host_above_its_limit_waits_until_enough_has_left(seed: int) -> None:
    rng = Random(100 + seed)
    there = [rng.randrange(8, 20) for _guest in range(6)]
    own = max(0, 100 + rng.randrange(0, 15) - sum(there))
    coming = rng.randrange(5, 25)
    short = {
        "hosts": {
            "h0": {"memory": 100, "own": {"memory": own}},
            "h1": {"memory": 400},
            "h2": {"memory": 300},
        },
        "guests": {
            **{f"g{n}": {"host": "h0", "memory": memory} for n, memory in enumerate(there)},
            "in": {"host": "h1", "memory": coming},
        },
        "rules": {"pin": {"kind": "host_affinity", "guests": ["in"], "hosts": ["h0"]}},
    }
    moves = safely_planned(short, rng)
    assert ("in", "h0") in moves
    left = sum(there) + own + coming - sum(there[int(g[1:])] for g, _target in moves if g != "in")
    assert left <= 95


@pytest.mark.parametrize("seed", range(40))
def test_with_spare_hosts_of_unequal_size_a_guest_is_placed_exactly_when_the_rest_carries_all(
    seed: int,
) -> None:
    rng = Random(200 + seed)
    spare = rng.randrange(1, 3)
    sizes = {f"h{n}": rng.choice([32, 64, 100, 200, 400]) for n in range(rng.randrange(2, 6))}
    taken = {name: rng.randrange(0, size // 2) for name, size in sizes.items()}
    memory = rng.randrange(1, 120)
    short = {
        "hosts": {name: {"memory": size, "cpu": 1000} for name, size in sizes.items()},
        "guests": {
            f"g{name}": {"host": name, "memory": size, "cpu": 0} for name, size in taken.items() if size
        },
    }
    free = {name: 0.9 * size - taken[name] for name, size in sizes.items()}
    lost = sum(sorted(0.9 * size for size in sizes.values())[-spare:])
    carried = len(sizes) > spare and sum(free.values()) - memory >= lost - 1e-6
    request = asked(
        {
            "vms": [{"name": "n", "memory": memory, "cpu": 0.001}],
            "spare": spare,
            "policy": {"limits": {"memory": 90}},
        }
    )
    found = place([cluster(short)], request)
    assert (found.status == "placed") is (carried and memory <= max(free.values()))
