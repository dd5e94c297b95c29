# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guarantees of plans besides few migrations: convergence after one plan, stability, and short schedules."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

LIMITS = ("cpu", "memory", "cpu_for_rules", "memory_for_rules")
Figures = dict[str, Any]


def stability(full: bool) -> Figures:
    """Random clusters with all kinds of rules: plan, apply, plan again, and plan again with 2 % of noise."""
    many = 200 if full else 30
    rng = random.Random(1)
    broken = again = back = moved = reached = impossible = 0
    for seed in range(many):
        hosts = rng.randint(4, 16)
        shape = Shape(
            hosts=hosts,
            guests=hosts * rng.randint(6, 25),
            seed=seed,
            fill=rng.choice([0.5, 0.6, 0.7]),
            mixed=rng.random() < 0.5,
        )
        snapshot = generate(shape)
        asked = Policy.from_json({"aggressiveness": rng.choice([2, 3])})
        first = plan(snapshot, asked)
        after = snapshot_after(snapshot, first)
        second = plan(after, asked)
        third = plan(noisy(after, random.Random(seed)), asked)
        home = {migration.guest.id: migration.source for migration in first.migrations}
        again += bool(second.migrations)
        moved += len(first.migrations)
        back += sum(home.get(migration.guest.id) == migration.target for migration in third.migrations)
        broken += sum(violation.strict for violation in first.after.violations)
        in_order = first.status == "balanced"
        reached += in_order
        impossible += not in_order and is_proven_impossible(snapshot, asked)
    return {
        "clusters": many,
        "migrations": moved,
        "rules left broken": broken,
        "second plan not empty": again,
        "migrations back after noise": back,
        "in order after one plan": reached,
        "proven impossible, of the others": impossible,
    }


def is_proven_impossible(snapshot: Snapshot, asked: Policy) -> bool:
    """Returns whether no solution meets the policy: by the integer program, or because rules contradict each
    other.
    """
    exact = plan(snapshot, replace(asked, engine="exact", time_limit=300.0))
    bounds = exact.proof.spread_lower_bound
    return exact.status != "balanced" and all(
        "proven" in item.why
        or item.code == "rule_impossible"
        or (item.code == "spread_exceeded" and hopeless)
        for hopeless in [any(b is not None and b > asked.spread_limit(name) for name, b in bounds.items())]
        for item in exact.unresolved
    )


def noisy(snapshot: Snapshot, rng: random.Random) -> Snapshot:
    """Returns the snapshot with every guest's load changed by up to 2 %, and its host's load with it."""
    change: dict[str, dict[str, float]] = {host.id: {} for host in snapshot.hosts}
    guests = []
    for guest in snapshot.guests:
        used = {name: None if v is None else v * rng.uniform(0.98, 1.02) for name, v in guest.used.items()}
        for name, value in used.items():
            here = change[guest.host]
            here[name] = here.get(name, 0.0) + (value or 0.0) - (guest.used[name] or 0.0)
        guests.append(replace(guest, used=used))
    hosts = [
        replace(
            host,
            used={
                name: None if v is None else max(0.0, v + change[host.id].get(name, 0.0))
                for name, v in host.used.items()
            },
        )
        for host in snapshot.hosts
    ]
    return replace(snapshot, hosts=tuple(hosts), guests=tuple(guests))


def makespan(full: bool) -> Figures:
    """Compares the duration of the schedule with the lower bound of the busiest host."""
    rows = []
    for fill in (0.6, 0.7, 0.8, 0.9, 0.95):
        for seed in range(1, 11 if full else 4):
            snapshot = generate(Shape(hosts=16, guests=300, seed=seed, fill=fill))
            limits = dict.fromkeys(LIMITS, 97 if fill > 0.9 else 95)
            result = plan(snapshot, Policy.from_json({"limits": limits}))
            if result.migrations:
                rows.append(
                    {
                        "fill": fill,
                        "seed": seed,
                        "migrations": len(result.migrations),
                        "seconds": result.proof.seconds,
                        "bound": result.proof.seconds_lower_bound,
                        "ratio": result.proof.seconds / result.proof.seconds_lower_bound,
                    }
                )
    return {
        "rows": rows,
        "within 1.1 of the bound, to 90 % memory": share(r["ratio"] <= 1.1 for r in rows if r["fill"] <= 0.9),
        "worst": max(row["ratio"] for row in rows),
    }


def share(hits: Iterable[bool]) -> str:
    found = list(hits)
    return f"{sum(found)} of {len(found)}"
