# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a plan takes: the executor's slots, waves with barriers, and the best that could be.

    .venv/bin/python benchmarks/makespan.py [--size 8x120 --size 16x400 --size 32x1000] [--seed 1 --seed 2]

Clusters are generated, plans are the planner's; a migration takes 1 to 20 units of 30 seconds, up to a
fifth more or less than the plan expects. The executor runs as it is, over a platform whose clock jumps. The
bound is what no schedule can beat: the longest chain of migrations that wait for each other, the busiest host
with its slots taken all the time, the whole cluster likewise. Ends with 1 when the executor takes more than
15 % longer than the bound. Waves cost little where a plan has few of them.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.clock import SystemClock
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.executor import Executor
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.journal import Journal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.slots import Slots
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.stopping import StopSignal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.work import Conduct, Work
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.moves import moved
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Migration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan as make_plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import (
    Capacities,
    ClusterNow,
    GuestNow,
    HostNow,
    MigrationRequest,
    MigrationState,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

UNIT = 30.0
SLOTS = Slots(cluster=16, per_host=2, per_datastore=2)


class JumpingClock(SystemClock):
    """Time passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


class TimedCluster:
    """The Platform protocol over a snapshot, on a clock that jumps; `seconds` a migration, by guest."""

    capacities = Capacities(cluster=SLOTS.cluster, per_host=SLOTS.per_host)
    notices: Sequence[str] = ()

    def __init__(self, snapshot: Snapshot, seconds: Mapping[str, float], clock: JumpingClock) -> None:
        self._snapshot = snapshot
        self._seconds = seconds
        self._clock = clock
        self._running: dict[str, tuple[MigrationRequest, float]] = {}

    def read(self) -> Snapshot:
        return self._snapshot

    def look(self, guests: Collection[str]) -> ClusterNow:
        self._advance()
        wanted = set(guests)
        return ClusterNow(
            cluster=self._snapshot.cluster.id,
            guests={
                guest.id: GuestNow(
                    host=guest.host,
                    power=guest.power,
                    busy="it is being migrated" if guest.id in self._running else None,
                )
                for guest in self._snapshot.guests
                if guest.id in wanted
            },
            hosts={
                host.id: HostNow(
                    active=host.active,
                    memory_capacity=int(host.capacity.get("memory") or 0),
                    memory_used=int(host.used.get("memory") or 0),
                )
                for host in self._snapshot.hosts
            },
        )

    def check(self, request: MigrationRequest) -> str | None:
        return None

    def start(self, request: MigrationRequest) -> str:
        self._running[request.guest] = request, self._clock.monotonic() + self._seconds[request.guest]
        return request.guest

    def find(self, request: MigrationRequest) -> str | None:
        return request.guest if request.guest in self._running else None

    def poll(self, tasks: Mapping[str, MigrationRequest]) -> Mapping[str, MigrationState]:
        self._advance()
        return {
            task: MigrationState(state="running" if task in self._running else "migrated") for task in tasks
        }

    def cancel(self, task: str) -> None:
        del self._running[task]

    def close(self) -> None:
        """There is no session."""

    def _advance(self) -> None:
        over = [guest for guest, (_, end) in self._running.items() if end <= self._clock.monotonic()]
        self._snapshot = moved(
            self._snapshot, {guest: self._running.pop(guest)[0].target for guest in over}
        )


def carried_out(snapshot: Snapshot, groups: Iterable[Sequence[Migration]], seconds: Mapping[str, float],
                policy: Policy) -> float:  # fmt: skip
    """Seconds from the first start to the last end, one group after the other has ended."""
    clock = JumpingClock()
    platform = TimedCluster(snapshot, seconds, clock)
    for group in groups:
        steps = {migration.step for migration in group}
        own = [
            replace(migration, after=tuple(step for step in migration.after if step in steps))
            for migration in group
        ]
        work = Work(cluster=snapshot.cluster, migrations=own, rules=snapshot.rules, limits=policy.limits)
        outcome = Executor(
            work, platform, slots=SLOTS, conduct=Conduct(), journal=Journal(None, ""), stop=StopSignal(),
            clock=clock, observe=lambda _progress: None,
        ).run()  # fmt: skip
        if outcome.status != "done":
            raise SystemExit(f"not done: {[step.why for step in outcome.migrations if step.why][:3]}")
    return clock.passed


def bound(migrations: Sequence[Migration], seconds: Mapping[str, float]) -> tuple[float, str]:
    """Seconds that no schedule can beat, and what they come of."""
    ends: dict[int, float] = {}
    hosts: Counter[str] = Counter()
    for migration in migrations:
        takes = seconds[migration.guest.id]
        ends[migration.step] = takes + max((ends[step] for step in migration.after), default=0.0)
        for host in (migration.source, migration.target):
            hosts[host] += takes  # type: ignore[assignment]
    return max(
        (max(ends.values()), "longest chain"),
        (max(hosts.values()) / SLOTS.per_host, "busiest host"),
        (sum(seconds[migration.guest.id] for migration in migrations) / SLOTS.cluster, "whole cluster"),
    )


def measure(size: str, seed: int) -> bool:
    """One cluster; prints a line, and tells whether it is good enough."""
    hosts, guests = map(int, size.split("x"))
    dice = random.Random(seed)
    snapshot = generate(Shape(hosts=hosts, guests=guests, seed=seed, fixed=0))
    policy = Policy(aggressiveness=5, effort=20)
    migrations = [
        replace(migration, cost=replace(migration.cost, seconds=UNIT * dice.uniform(1, 20)))
        for migration in make_plan(snapshot, policy).migrations
    ]
    seconds = {
        migration.guest.id: migration.cost.seconds * dice.uniform(0.8, 1.2) for migration in migrations
    }
    least, of = bound(migrations, seconds)
    slots = carried_out(snapshot, [migrations], seconds, policy)
    waves: dict[int, list[Migration]] = {}
    for migration in migrations:
        waves.setdefault(migration.wave, []).append(migration)
    by_wave = carried_out(snapshot, [waves[wave] for wave in sorted(waves)], seconds, policy)
    print(
        f"{size:>9} {seed:5} {len(migrations):11} {len(waves):6} {least / UNIT:8.1f} {slots / UNIT:8.1f}"
        f" {by_wave / UNIT:8.1f} {100 * slots / least - 100:+8.1f} % {slots / by_wave:8.2f}   {of}",
        flush=True,
    )
    return slots <= 1.15 * least


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", action="append", metavar="HOSTSxGUESTS")
    parser.add_argument("--seed", action="append", type=int)
    arguments = parser.parse_args()
    print("  cluster  seed  migrations  waves    bound    slots    waves  over bound  of waves")
    good = [
        measure(size, seed)
        for size in arguments.size or ["8x120", "16x400", "32x1000"]
        for seed in arguments.seed or [1, 2, 3]
    ]
    print(f"{sum(good)} of {len(good)} within 15 % of the bound")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
