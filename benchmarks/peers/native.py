# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the built-in balancer of Proxmox VE (HA's automatic rebalance, 9.2) with plans of Even Keel:

    .venv/bin/python benchmarks/peers/native.py [--threshold X] [--margin X] [--markdown] [SNAPSHOT.json ...]

Without a snapshot it compares generated clusters. It follows the published rule: the load of a node is the
mean of its CPU and memory in use, as shares; the imbalance is the standard deviation of the loads divided by
their mean, as a share of its maximum. Above the threshold for some rounds in a row, one guest, or one group
that is kept together, moves to the node that leaves the least imbalance, if that is lower by the margin. Then
the balancer waits until the guest has arrived, and the count of rounds restarts.

All guests count as HA resources. Features that HA does not have are left out on both sides: other kinds of
rules, rules that are preferences, guests that can't be migrated.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ansible_collections.evenkeel.cluster.benchmarks.peers import report
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.native_balancer import (
    KINDS,
    ROUND_SECONDS,
    Run,
    Settings,
    balance,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

SPREAD: Final = 20
# Settings with which the balancer acts on clusters of more than four nodes.
TUNED: Final = Settings(threshold=0.05, margin=0.01)
PAGE: Final = report.PAGE.with_name("proxmox-native-balancer.md")
COMMON: Final = Shape(skew=12.0, broken=0.0, fixed=0.0)
CLUSTERS: Final = (
    replace(COMMON, hosts=3, guests=24, seed=4, fill=0.5),
    replace(COMMON, hosts=4, guests=60, seed=6, fill=0.4),
    replace(COMMON, hosts=8, guests=120, seed=1, fill=0.5),
    replace(COMMON, hosts=8, guests=200, seed=2, fill=0.5),
    replace(COMMON, hosts=8, guests=200, seed=7, fill=0.5, mixed=True),
    replace(COMMON, hosts=16, guests=500, seed=3, fill=0.5),
)


def seconds(snapshot: Snapshot, run: Run, settings: Settings, bandwidth: float) -> float:
    """Returns the seconds of the moves one after the other: the rounds before each, and the memory copies."""
    memory = {guest.id: guest.used.get("memory") or 0.0 for guest in snapshot.guests}
    copied = sum(memory[guest] for move in run.moves for guest in move.guests)
    return len(run.moves) * settings.hold_rounds * ROUND_SECONDS + copied / bandwidth


def comparable(snapshot: Snapshot) -> Snapshot:
    """Returns the cluster with the features of HA: strict rules of its kinds."""
    return replace(
        snapshot, rules=tuple(rule for rule in snapshot.rules if rule.strict and rule.kind in KINDS)
    )


def spread(snapshot: Snapshot, places: Mapping[str, str] | None = None) -> float:
    """Returns the points between the fullest and the emptiest host, of CPU or memory, whichever is larger."""
    moved = places or {}
    widest = 0.0
    for resource in ("cpu", "memory"):
        used = {host.id: host.used.get(resource) or 0.0 for host in snapshot.hosts}
        for guest in snapshot.guests:
            if guest.id in moved:
                used[guest.host] -= guest.used.get(resource) or 0.0
                used[moved[guest.id]] += guest.used.get(resource) or 0.0
        shares = [100 * used[host.id] / (host.capacity[resource] or 1) for host in snapshot.hosts]
        widest = max(widest, max(shares) - min(shares))
    return widest


@dataclass(frozen=True, slots=True)
class Beside:
    """Both balancers on one cluster."""

    name: str
    before: float
    defaults: Run
    defaults_spread: float
    tuned: Run
    tuned_spread: float
    forced: Run
    forced_spread: float
    forced_seconds: float
    until: int | None
    ours: Plan
    ours_spread: float


def beside(name: str, snapshot: Snapshot, tuned: Settings = TUNED) -> Beside:
    """Returns the balancer with its defaults, with other settings, and while any move is an improvement;
    and a plan.

    until: migrations after which the balancer that continues is first within the band of the plan.
    """
    known = comparable(snapshot)
    policy = Policy.from_json({"metrics": ["cpu", "memory"], "max_spread": SPREAD})
    ours = plan(known, policy)
    onward = Settings(threshold=0.0, margin=0.0)
    defaults, forced, more = balance(known), balance(known, onward), balance(known, tuned)
    places: dict[str, str] = {}
    count, until = 0, 0 if spread(known) <= SPREAD else None
    for move in forced.moves:
        places.update(dict.fromkeys(move.guests, move.target))
        count += len(move.guests)
        if until is None and spread(known, places) <= SPREAD:
            until = count
    return Beside(
        name=name,
        before=spread(known),
        defaults=defaults,
        defaults_spread=spread(known, _places(defaults)),
        tuned=more,
        tuned_spread=spread(known, _places(more)),
        forced=forced,
        forced_spread=spread(known, places),
        forced_seconds=seconds(known, forced, onward, policy.migration_bandwidth),
        until=until,
        ours=ours,
        ours_spread=spread(snapshot_after(known, ours)),
    )


def _places(run: Run) -> dict[str, str]:
    return {guest: move.target for move in run.moves for guest in move.guests}


def lines(found: Sequence[Beside], tuned: Settings = TUNED) -> str:
    """Returns a table with one row for each cluster."""
    text = [
        f"| cluster | spread | imbalance | defaults | {tuned.threshold:g} and {tuned.margin:g} "
        f"| until it rests | until {SPREAD} points | Even Keel |",
        "|---|---|---|---|---|---|---|---|",
    ]
    text += [
        f"| {row.name} | {row.before:.0f} | {row.defaults.before:.2f} "
        f"| {_ending(row.defaults.migrations, row.defaults_spread)} "
        f"| {_ending(row.tuned.migrations, row.tuned_spread)} "
        f"| {_ending(row.forced.migrations, row.forced_spread, row.forced_seconds)} "
        f"| {'never' if row.until is None else report.migrations(row.until)} "
        f"| {_ending(len(row.ours.migrations), row.ours_spread, row.ours.proof.seconds)} |"
        for row in found
    ]
    return "\n".join(text) + "\n"


def _ending(migrations: int, points: float, takes: float = 0.0) -> str:
    minutes = f", {takes / 60:.0f} minutes" if takes else ""
    return f"{report.migrations(migrations)}, spread {points:.0f}{minutes}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "snapshots", nargs="*", type=Path, metavar="SNAPSHOT", help="as cluster_facts wrote it"
    )
    parser.add_argument("--markdown", action="store_true", help="replace the table in its page in docs")
    parser.add_argument("--threshold", type=float, default=TUNED.threshold, help="of the second run, a share")
    parser.add_argument("--margin", type=float, default=TUNED.margin, help="of the second run, a share")
    asked = parser.parse_args()
    tuned = Settings(threshold=asked.threshold, margin=asked.margin)
    given = [(path.stem, Snapshot.from_json(json.loads(path.read_text()))) for path in asked.snapshots]
    clusters = given or [
        (f"{shape.hosts} × {shape.guests}{', hosts of three sizes' if shape.mixed else ''}", generate(shape))
        for shape in CLUSTERS
    ]
    table = lines([beside(name, snapshot, tuned) for name, snapshot in clusters], tuned)
    print(table, end="")
    if asked.markdown:
        report.write("native", table, PAGE)


if __name__ == "__main__":
    main()
