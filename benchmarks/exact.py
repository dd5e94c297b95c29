# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of small clusters, compared with the optimum: every safe order, and the fewest migrations and bytes.

    .venv/bin/python benchmarks/exact.py [--clusters 200] [--orders 500] [--seed 1] [--show]

orders: clusters of up to six guests on up to four hosts with broken rules. Every safe order is tried, and the
number of rules that the plan leaves broken is compared with the minimum. thrift: clusters whose band can or
can't be reached. HiGHS looks for the same loads with fewer migrations, and for the same number of migrations
with fewer bytes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import highspy

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Guest,
    Host,
    Rule,
    Snapshot,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)
from ansible_collections.evenkeel.cluster.tests.support.orders import Orders, broken_cluster

GIB = 1024**3
OPEN = {"cpu": 100, "memory": 100, "cpu_for_rules": 100, "memory_for_rules": 100}
TOLERANCE = 1e-6
# Fuller hosts make guests wait elsewhere on their way, which the solver knows nothing of.
FULL = 0.9


@dataclass
class Program:
    """An integer program, built column by column and row by row."""

    solver: Any = field(default_factory=highspy.Highs)
    columns: int = 0

    def __post_init__(self) -> None:
        self.solver.setOptionValue("output_flag", False)
        self.solver.setOptionValue("threads", 1)
        self.solver.setOptionValue("mip_rel_gap", 0.0)
        self.solver.setOptionValue("mip_feasibility_tolerance", 1e-7)

    def column(self, *, cost: float = 0.0, least: float = 0.0, most: float = highspy.kHighsInf) -> int:
        self.solver.addCol(cost, least, most, 0, [], [])
        self.columns += 1
        return self.columns - 1

    def whole(self) -> int:
        number = self.column(most=1.0)
        self.solver.changeColIntegrality(number, highspy.HighsVarType.kInteger)
        return number

    def row(self, columns: Sequence[int], values: Sequence[float], *, least: float, most: float) -> None:
        self.solver.addRow(least, most, len(columns), list(columns), list(values))

    def least(self, costs: Sequence[float]) -> float | None:
        """Returns the minimum cost, or None if there is no solution."""
        for number in range(self.columns):
            self.solver.changeColCost(number, costs[number] if number < len(costs) else 0.0)
        self.solver.run()
        if self.solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        return float(self.solver.getInfo().objective_function_value)


def small_cluster(seed: int) -> tuple[Snapshot, Policy]:
    """Returns three to five hosts with six to fourteen guests of a few sizes, some of them not migratable,
    under rules that hold.
    """
    rng = Random(seed)
    hosts = [f"h{number}" for number in range(rng.choice([3, 3, 4, 4, 5]))]
    metrics = rng.choice([["memory"], ["memory"], ["cpu", "memory"]])
    sizes = rng.choice([[16, 32, 48, 64, 128], [8, 16, 24, 32], [7, 11, 19, 30, 45]])
    capacity = dict.fromkeys(hosts, 256)
    if rng.random() < 0.3:
        capacity = {name: rng.choice([256, 512]) for name in hosts}
    guests: list[Guest] = []
    used = dict.fromkeys(hosts, (0.0, 0))
    for number in range(rng.randint(6, 14)):
        size, cores = rng.choice(sizes), rng.choice([0.5, 1, 2, 4, 8])
        roomy = [
            name
            for name in hosts
            if used[name][0] + cores <= 64 and used[name][1] + size <= FULL * capacity[name]
        ]
        if not roomy:
            continue
        host = rng.choice(roomy)
        used[host] = used[host][0] + cores, used[host][1] + size
        guests.append(
            Guest(
                id=f"g{number:02}",
                name=f"g{number:02}",
                kind="vm",
                host=host,
                power="running",
                assigned={"cpu": cores, "memory": size * GIB},
                used={"cpu": cores, "memory": size * GIB},
                migratable=rng.random() > 0.1,
            )
        )
    rules = []
    for number in range(rng.choice([0, 0, 1, 2])):
        pair = rng.sample(guests, 2)
        if len({guest.host for guest in pair}) == 2:
            rules.append(
                Rule(
                    name=f"r{number}",
                    kind="anti_affinity",
                    guests=tuple(sorted(guest.id for guest in pair)),
                    strict=True,
                    source="test",
                )
            )
    snapshot = Snapshot(
        platform="test",
        cluster=ClusterRef(id="c", name="c"),
        taken_at="2026-01-01T00:00:00Z",
        window_seconds=0,
        hosts=tuple(
            Host(
                id=name,
                name=name,
                status="online",
                maintenance=False,
                schedulable=True,
                capacity={"cpu": 64.0, "memory": capacity[name] * GIB},
                used={"cpu": used[name][0], "memory": used[name][1] * GIB},
            )
            for name in hosts
        ),
        guests=tuple(guests),
        rules=tuple(rules),
    )
    width = rng.choice([0, 1, 2, 5, 5, 10, 20])
    return snapshot, Policy.from_json(
        {"metrics": metrics, "max_spread": width, "limits": OPEN, "min_gain": 0}
    )


def percents(snapshot: Snapshot, metric: str) -> list[float]:
    return [100 * (host.used[metric] or 0) / (host.capacity[metric] or 1) for host in snapshot.hosts]


def outside(values: Sequence[float], width: float) -> float:
    """Returns the points outside the band at its best position."""
    corners = {corner for value in values for corner in (value, value - width)}
    return min(
        sum(max(0.0, value - floor - width) + max(0.0, floor - value) for value in values)
        for floor in corners
    )


def fewest(snapshot: Snapshot, policy: Policy, found: Plan) -> tuple[int, float]:
    """Returns the fewest migrations to a solution whose hosts differ no more, and have no more points outside
    the band, than after this plan; and the minimum of GiB with that number of migrations.
    """
    after = snapshot_after(snapshot, found)
    program = Program()
    goes = {
        (guest.id, host.id): program.whole()
        for guest in snapshot.guests
        for host in snapshot.hosts
        if guest.migratable or host.id == guest.host
    }
    for guest in snapshot.guests:
        own = [column for (name, _host), column in goes.items() if name == guest.id]
        program.row(own, [1.0] * len(own), least=1.0, most=1.0)
    for rule in snapshot.rules:
        for host in snapshot.hosts:
            own = [goes[name, host.id] for name in rule.guests if (name, host.id) in goes]
            program.row(own, [1.0] * len(own), least=0.0, most=1.0)
    for metric in policy.metrics:
        width, reached = policy.spread_limit(metric), percents(after, metric)
        apart = max(width, max(reached) - min(reached)) + TOLERANCE
        floor, band = program.column(), program.column()
        excess = []
        for host in snapshot.hosts:
            share = 100 / (host.capacity[metric] or 1)
            here = [(g, goes[g.id, host.id]) for g in snapshot.guests if (g.id, host.id) in goes]
            columns = [column for _guest, column in here]
            values = [share * (guest.used[metric] or 0) for guest, _column in here]
            program.row(columns, values, least=0.0, most=100.0 + TOLERANCE)
            program.row([*columns, floor], [*values, -1.0], least=0.0, most=apart)
            over, under = program.column(), program.column()
            excess += [over, under]
            program.row([*columns, band, over], [*values, -1.0, -1.0], least=-1e9, most=width)
            program.row([*columns, band, under], [*values, -1.0, 1.0], least=0.0, most=1e9)
        total = outside(reached, width) + TOLERANCE
        program.row(excess, [1.0] * len(excess), least=0.0, most=total)
    homes = {guest.id: guest.host for guest in snapshot.guests}
    away = [0.0] * program.columns
    memory = [0.0] * program.columns
    sizes = {guest.id: (guest.used["memory"] or 0) / GIB for guest in snapshot.guests}
    for (guest_id, host_id), column in goes.items():
        if host_id != homes[guest_id]:
            away[column] = 1.0
            memory[column] = sizes[guest_id]
    migrations = program.least(away)
    if migrations is None:
        raise AssertionError("the plan itself is a solution")
    moved = [column for column, cost in enumerate(away) if cost]
    program.row(moved, [1.0] * len(moved), least=0.0, most=round(migrations) + 0.5)
    return round(migrations), program.least(memory) or 0.0


def thrift(first: int, many: int, *, show: bool) -> None:
    more = heavier = unreached = waiting = 0
    slowest = 0.0
    for seed in range(first, first + many):
        snapshot, policy = small_cluster(seed)
        started = time.process_time()
        found = plan(snapshot, policy)
        slowest = max(slowest, time.process_time() - started)
        migrations, memory = fewest(snapshot, policy, found)
        homes = {guest.id: guest.host for guest in snapshot.guests}
        ends = {step.guest.id: step for step in found.migrations}
        # Who only steps aside for a while and goes home is no part of the placement.
        last = {guest: step for guest, step in ends.items() if step.target != homes[guest]}
        planned = sum(step.cost.memory for step in last.values()) / GIB
        unreached += found.status != "balanced"
        waiting += len(last) < len(found.migrations)
        wasted = len(last) > migrations
        heavy = not wasted and planned > memory + 1e-3
        more += wasted
        heavier += heavy
        if show and (wasted or heavy):
            print(f"  seed {seed}: {len(last)} of {planned:g} GiB, not {migrations} of {memory:g}")
    print(
        f"thrift: {many} clusters, of {unreached} the band can't be reached; more migrations than needed for "
        f"the same loads: {more}; more bytes: {heavier}; with a guest that waits elsewhere on its way: "
        f"{waiting}; slowest plan {slowest:.1f} s"
    )


def orders(first: int, many: int, *, show: bool) -> None:
    missed = 0
    slowest = 0.0
    for seed in range(first, first + many):
        snapshot = broken_cluster(seed)
        for goal in ("rules", "spread"):
            policy = Policy.from_json({"goal": goal, "limits": OPEN, "max_spread": 100})
            started = time.process_time()
            found = plan(snapshot, policy)
            slowest = max(slowest, time.process_time() - started)
            least = Orders(snapshot, policy).fewest_broken()
            left = len(found.after.violations)
            missed += left > least
            if show and left > least:
                print(f"  seed {seed}, goal {goal}: {left} rules stay broken, {least} have to")
    print(
        f"orders: {many} clusters, goals rules and spread; rules that could be restored and were not in "
        f"{missed}; slowest plan {slowest:.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clusters", type=int, default=200, help="for thrift")
    parser.add_argument("--orders", type=int, default=500, help="for orders")
    parser.add_argument("--seed", type=int, default=1, help="of the first cluster")
    parser.add_argument("--show", action="store_true", help="each plan that is not as good")
    asked = parser.parse_args()
    thrift(asked.seed, asked.clusters, show=asked.show)
    orders(asked.seed, asked.orders, show=asked.show)


if __name__ == "__main__":
    main()
