# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is proven of small mixed clusters, against all placements there are, counted one by one.

Loads are multiples of five percent of a host, so that many placements are exactly at a limit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Rule, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.bounds import (
    highs_worker,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.bounds.assignment_milp import (
    AssignmentModel,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.bounds.combinatorial import (
    band_migrations_lower_bound,
    spread_lower_bound,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.bounds.departures_relaxation import (
    DeparturesModel,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.builder import build_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.model.solution import Solution
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan

from .test_scenarios import cluster

KINDS = ("affinity", "anti_affinity", "host_affinity", "host_anti_affinity")
METRICS = ("cpu", "memory")
LIMITS = ("cpu", "memory", "cpu_for_rules", "memory_for_rules")
TOLERANCE = 1e-6
Places = Sequence[str]


def small(seed: int) -> Snapshot:
    """Three hosts of one or two sizes with own loads, one in maintenance at times; six guests, some of which
    stay, under up to two strict rules.
    """
    rng = Random(seed)
    hosts: dict[str, dict[str, Any]] = {}
    for name in ("h1", "h2", "h3"):
        size, own = rng.choice([100, 100, 200]), rng.choice([0, 5, 10])
        hosts[name] = {"cpu": size, "memory": size, "own": {"cpu": own, "memory": own}}
    hosts["h3"]["maintenance"] = rng.random() < 0.3
    guests: dict[str, dict[str, Any]] = {}
    for number in range(6):
        guests[f"g{number}"] = {
            "host": rng.choice(["h1", "h1", "h2", "h3"]),
            "cpu": rng.choice([5, 10, 15, 20, 30]),
            "memory": rng.choice([5, 10, 15, 20, 30]),
            "blockers": ["snapshot"] if rng.random() < 0.1 else [],
        }
    rules = {}
    for number in range(rng.choice([0, 1, 1, 2])):
        kind = rng.choice(KINDS)
        pins = kind.startswith("host")
        rules[f"r{number}"] = {
            "kind": kind,
            "guests": rng.sample(sorted(guests), 1 if pins else 2),
            "hosts": rng.sample(sorted(hosts), rng.choice([1, 2])) if pins else [],
        }
    return cluster({"hosts": hosts, "guests": guests, "rules": rules})


def asked(seed: int, **more: object) -> Policy:
    rng = Random(seed)
    spread = {name: rng.choice([10, 20, 30, 40]) for name in METRICS}
    limits = dict.fromkeys(LIMITS, rng.choice([60, 80, 100]))
    return Policy.from_json({"max_spread": spread, "limits": limits, "effort": 5, **more})


def in_order(snapshot: Snapshot, policy: Policy) -> Iterable[tuple[int, Mapping[str, float]]]:
    """Of every placement that limits and strict rules allow: how many guests are away, and its spreads."""
    for away, spreads, _places in in_order_with(snapshot, policy):
        yield away, spreads


def in_order_with(
    snapshot: Snapshot, policy: Policy
) -> Iterable[tuple[int, Mapping[str, float], Mapping[str, str]]]:
    """As in_order, with the host of each guest."""
    open_ = [host.id for host in snapshot.hosts if host.active]
    choices = [
        [guest.host] if not guest.migratable else sorted({guest.host, *open_}) for guest in snapshot.guests
    ]
    for places in itertools.product(*choices):
        if all(holds(rule, snapshot, places) for rule in snapshot.rules) and all(
            host.active or host.id not in places for host in snapshot.hosts
        ):
            spreads = {name: spread(snapshot, policy, places, name) for name in METRICS}
            if None not in spreads.values():
                away = sum(guest.host != place for guest, place in zip(snapshot.guests, places, strict=True))
                known = {name: value for name, value in spreads.items() if value is not None}
                yield away, known, dict(zip((one.id for one in snapshot.guests), places, strict=True))


def holds(rule: Rule, snapshot: Snapshot, places: Places) -> bool:
    at = [place for guest, place in zip(snapshot.guests, places, strict=True) if guest.id in rule.guests]
    if rule.kind == "affinity":
        return len(set(at)) == 1
    if rule.kind == "anti_affinity":
        return len(set(at)) == len(at)
    return all((place in rule.hosts) == (rule.kind == "host_affinity") for place in at)


def spread(snapshot: Snapshot, policy: Policy, places: Places, name: str) -> float | None:
    """Points between the hosts that count; None where a guest came to a host that is too full."""
    percents = []
    for host in snapshot.hosts:
        came = left = 0.0
        for guest, place in zip(snapshot.guests, places, strict=True):
            came += (guest.used[name] or 0) * (place == host.id != guest.host)
            left += (guest.used[name] or 0) * (place != host.id == guest.host)
        percent = 100 * ((host.used[name] or 0) + came - left) / (host.capacity[name] or 1)
        if came and percent > policy.limits.cpu + TOLERANCE:
            return None
        if host.active:
            percents.append(percent)
    return max(percents) - min(percents)


@pytest.mark.parametrize("seed", range(60))
def test_nothing_better_than_what_is_proven(seed: int) -> None:
    snapshot, policy = small(seed), asked(seed)
    placements = list(in_order(snapshot, policy))
    inside = [
        away
        for away, spreads in placements
        if all(value <= policy.spread_limit(name) + TOLERANCE for name, value in spreads.items())
    ]
    fewest = min(inside, default=None)
    problem = build_problem(snapshot, policy)
    for name, least in zip(problem.metrics.names, spread_lower_bound(problem), strict=True):
        assert all(least is None or least <= spreads[name] + TOLERANCE for _away, spreads in placements)
    if fewest is not None:
        assert band_migrations_lower_bound(problem, banded=True) <= fewest
        state = Solution(problem)
        models = [AssignmentModel(state, None)]
        models += [] if min(problem.unit_home, default=0) < 0 else [DeparturesModel(state)]
        for model in models:
            answer = highs_worker.solve(model.model(None))
            assert answer["status"] == "optimal"
            assert answer["bound"] <= fewest + TOLERANCE
    found = plan(snapshot, asked(seed, engine="exact"))
    assert fewest is not None or found.status != "balanced"
    assert fewest is None or found.status != "infeasible"
    assert not found.proof.optimal or len(found.migrations) == fewest
    assert found.proof.migrations_lower_bound <= (len(found.migrations) if fewest is None else fewest)
