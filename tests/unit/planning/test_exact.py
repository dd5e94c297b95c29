# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of small clusters against all placements there are, counted one by one."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.bounds import (
    highs_worker,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.bounds.departures_relaxation import (
    DeparturesModel,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.builder import build_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.stopping import (
    StoppingCriterion,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.search.solve import solve
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.tolerances import POINTS
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

LIMIT = 25.0
# Below the second, many hosts are not to begin with.
FULL = (90.0, 45.0)


def small(seed: int) -> Snapshot:
    """Three hosts, eight guests that all may move, no rules."""
    cluster = generate(Shape(hosts=3, guests=8, seed=seed, fill=0.4, skew=6.0))
    guests = tuple(replace(guest, migratable=True, blockers=()) for guest in cluster.guests)
    return replace(cluster, guests=guests, rules=())


def asked(full: float, engine: str = "search") -> Policy:
    return Policy.from_json({"max_spread": LIMIT, "limits": {"cpu": full, "memory": full}, "engine": engine})


def fewest(cluster: Snapshot, full: float) -> int | None:
    """The fewest guests on other hosts in any placement inside the band; None when there is none."""
    homes = [guest.host for guest in cluster.guests]
    best = None
    for places in itertools.product([host.id for host in cluster.hosts], repeat=len(homes)):
        moves = sum(home != place for home, place in zip(homes, places, strict=True))
        if (best is None or moves < best) and _in_band(cluster, places, full):
            best = moves
    return best


def _in_band(cluster: Snapshot, places: tuple[str, ...], full: float) -> bool:
    for metric in ("cpu", "memory"):
        used = []
        for host in cluster.hosts:
            arriving = leaving = 0.0
            for guest, place in zip(cluster.guests, places, strict=True):
                amount = guest.used[metric] or 0
                arriving += amount if place == host.id != guest.host else 0
                leaving += amount if guest.host == host.id != place else 0
            percent = 100 * ((host.used[metric] or 0) + arriving - leaving) / (host.capacity[metric] or 1)
            if arriving and percent > full:
                return False
            used.append(percent)
        if max(used) - min(used) > LIMIT:
            return False
    return True


@pytest.mark.parametrize("full", FULL)
@pytest.mark.parametrize("seed", range(8))
def test_exact_is_the_fewest_there_is_and_the_bound_never_above(seed: int, full: float) -> None:
    cluster = small(seed)
    wanted = fewest(cluster, full)
    searched = plan(cluster, asked(full))
    assert wanted is None or searched.proof.migrations_lower_bound <= wanted <= len(searched.migrations)
    found = plan(cluster, asked(full, "exact"))
    if wanted is None:
        assert found.status != "balanced"
        return
    assert (found.status, len(found.migrations), found.proof.optimal) == ("balanced", wanted, True)


def test_the_program_has_what_the_search_leaves_of_the_limit() -> None:
    cluster = generate(Shape(hosts=5, guests=40, seed=1))
    policy = Policy(max_spread=10, engine="exact", time_limit=100.0)
    proven = plan(cluster, policy, clock=lambda: 0.0)
    late = plan(cluster, policy, clock=itertools.count(0.0, 1000.0).__next__)
    assert (proven.proof.optimal, "HiGHS" in proven.proof.method) == (True, True)
    assert (late.status, "HiGHS" in late.proof.method) == ("balanced", False)


@pytest.mark.parametrize("seed", [0, 2, 3, 4, 6, 8, 10, 11])
def test_no_placement_in_order_has_fewer_departures_than_proven(seed: int) -> None:
    """Hosts of three sizes, rules of all kinds, one host in maintenance in every other cluster."""
    shape = Shape(hosts=6, guests=70, seed=seed, mixed=True, maintenance=seed % 2)
    policy = Policy.from_json({"max_spread": 20})
    problem = build_problem(generate(shape), policy)
    state = solve(problem, StoppingCriterion(policy, lambda: 0.0)).solution
    assert state.total_excess <= POINTS
    answer = highs_worker.solve(DeparturesModel(state).model(None))
    assert answer["status"] == "optimal"
    assert 0 < answer["bound"] <= state.moves + 1e-6


def test_what_was_proven_at_the_first_look_is_told_after_the_second() -> None:
    """Where the band is out of reach, a second look adds migrations to what the first one found."""
    cluster = generate(Shape(hosts=4, guests=16, seed=5, fill=0.7))
    policy = Policy.from_json({"aggressiveness": 5, "effort": 4, "engine": "exact"})
    apart = [item for item in plan(cluster, policy).unresolved if item.what.startswith("spread")]
    assert apart
    assert all("it is proven that no placement" in item.why for item in apart)
