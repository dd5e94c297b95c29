# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The duration of a plan: with the executor's slots, in two kinds of waves, and the lower bound.

    .venv/bin/python benchmarks/makespan.py [--case evacuate:16x400] [--seed 1] [--per-host 2]
                                            [--durations even]

Clusters are generated and planned: `evacuate` empties a quarter of the hosts, `balance` balances all of them
as far as possible. A migration takes 1 to 20 units of 30 seconds, uniformly distributed, or skewed: as many
between 1 and 2 as between 10 and 20, which is closer to the sizes of real guests. It takes up to a fifth more
or less than the plan expects. The executor runs unchanged, with a platform whose clock jumps. Every option
may be repeated.

With waves, the next wave starts when the previous one has ended completely. Two kinds of waves are made of
the same migrations in the same order:

- sets: like the job sets of hbal. A set ends when a migration uses a host that the set already uses.
- waves: the best waves under the executor's own limits. Each migration belongs to the first wave after its
  predecessors in which its hosts and the cluster have a free slot.

The bound can't be beaten by any schedule: the longest chain of migrations that wait for each other, the
busiest host with its slots always in use, and the same for the whole cluster. If the bound is more than half
of the duration of the sets, no schedule is twice as fast: one host processes all its migrations one by one in
either case. Exits with 1 if the executor takes more than 15 % longer than the bound, or half of the duration
of the sets where that is more than 15 % longer than the bound.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from math import inf

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.clock import SystemClock
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.concurrency_limits import (
    ConcurrencyLimits,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.executor import Executor
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import (
    FailurePolicy,
    MigrationJob,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.journal import Journal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.stopping import StopSignal
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.moves import snapshot_after_moves
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Migration
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy, Selector
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan as make_plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import (
    Capacities,
    ClusterNow,
    GuestNow,
    HostNow,
    MigrationRequest,
    MigrationState,
    Prepared,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate

UNIT = 30.0
LEAST, MOST = 1.0, 20.0
NEAR = 1.15
CASES = ("evacuate:8x120", "evacuate:16x400", "evacuate:64x2000", "balance:16x400", "balance:64x2000")


def limits(per_host: int, hosts: int) -> ConcurrencyLimits:
    """Returns limits of the hosts, without a lower limit of the whole cluster."""
    return ConcurrencyLimits(cluster=hosts * per_host, per_host=per_host, per_datastore=per_host)


class JumpingClock(SystemClock):
    """A clock that advances only in sleep()."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


class TimedCluster:
    """The Platform protocol over a snapshot, with a clock that jumps; `seconds` is the duration of each
    migration, by guest.
    """

    capacities = Capacities(cluster=1, per_host=1)
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

    def prepare(self, request: MigrationRequest) -> Prepared:
        return Prepared(request=request)

    def start(self, prepared: Prepared) -> str:
        request = prepared.request
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
        """Does nothing, because there is no session."""

    def _advance(self) -> None:
        over = [guest for guest, (_, end) in self._running.items() if end <= self._clock.monotonic()]
        self._snapshot = snapshot_after_moves(
            self._snapshot, {guest: self._running.pop(guest)[0].target for guest in over}
        )


Waves = Sequence[Sequence[Migration]]


def sets(migrations: Sequence[Migration]) -> Waves:
    """Returns the migrations as sets of hbal."""
    result: list[list[Migration]] = []
    touched: set[str] = set()
    for migration in migrations:
        hosts = {migration.source, migration.target}
        if not result or hosts & touched:
            result.append([])
            touched = set()
        result[-1].append(migration)
        touched |= hosts
    return result


def waves(migrations: Sequence[Migration], slots: ConcurrencyLimits) -> Waves:
    """Returns the migrations in the earliest possible waves, with the limits of the executor in each wave."""
    result: list[list[Migration]] = []
    place: dict[int, int] = {}
    for migration in migrations:
        wave = max((place[step] + 1 for step in migration.after), default=0)
        while wave < len(result) and not slots.allows(migration, result[wave]):
            wave += 1
        if wave == len(result):
            result.append([])
        result[wave].append(migration)
        place[migration.step] = wave
    return result


def makespan(
    snapshot: Snapshot, groups: Waves, seconds: Mapping[str, float], policy: Policy, slots: ConcurrencyLimits
) -> float:
    """Returns the seconds from the first start to the last end, if each group starts after the previous one
    has ended.
    """
    clock = JumpingClock()
    platform = TimedCluster(snapshot, seconds, clock)
    for group in groups:
        steps = {migration.step for migration in group}
        own = [
            replace(migration, after=tuple(step for step in migration.after if step in steps))
            for migration in group
        ]
        # Rules are kept by the order of the plan; to go by waves must not be made harder than it is.
        work = MigrationJob(cluster=snapshot.cluster, migrations=own, rules=(), limits=policy.limits)
        outcome = Executor(
            work,
            platform,
            concurrency=slots,
            failure_policy=FailurePolicy(timeout=inf),
            journal=Journal(None, ""),
            stop=StopSignal(),
            clock=clock,
            observe=lambda _progress: None,
        ).run()
        if outcome.status != "done":
            raise SystemExit(f"not done: {[step.why for step in outcome.migrations if step.why][:3]}")
    return clock.passed


def bound(
    migrations: Sequence[Migration], seconds: Mapping[str, float], slots: ConcurrencyLimits
) -> tuple[float, str]:
    """Returns the seconds that no schedule can beat, and their cause."""
    ends: dict[int, float] = {}
    hosts: dict[str, float] = {}
    for migration in migrations:
        takes = seconds[migration.guest.id]
        ends[migration.step] = takes + max((ends[step] for step in migration.after), default=0.0)
        for host in (migration.source, migration.target):
            hosts[host] = hosts.get(host, 0.0) + takes
    return max(
        (max(ends.values()), "longest chain"),
        (max(hosts.values()) / slots.per_host, "busiest host"),
        (sum(seconds[migration.guest.id] for migration in migrations) / slots.cluster, "whole cluster"),
    )


@cache
def planned(case: str, seed: int) -> tuple[Snapshot, Policy, Sequence[Migration]]:
    """Returns a cluster and its plan; no guest is migrated twice."""
    kind, _colon, size = case.partition(":")
    hosts, guests = map(int, size.split("x"))
    snapshot = generate(Shape(hosts=hosts, guests=guests, seed=seed, fixed=0, fill=0.55))
    policy = Policy(aggressiveness=5, effort=20)
    if kind == "evacuate":
        leaving = tuple(host.id for host in snapshot.hosts[: hosts // 4])
        policy = Policy(goal="evacuate", evacuate=Selector(names=leaving), effort=20)
    found = make_plan(snapshot, policy).migrations
    if len({migration.guest.id for migration in found}) < len(found):
        raise SystemExit(f"{case}, seed {seed}: a guest is migrated twice; take another seed")
    return snapshot, policy, found


def units(durations: str, rng: random.Random) -> float:
    if durations == "even":
        return rng.uniform(LEAST, MOST)
    return LEAST * (MOST / LEAST) ** rng.random()


def measure(case: str, seed: int, per_host: int, durations: str) -> tuple[bool, bool]:
    """Prints a line. Returns whether the slots are near the bound, and whether they take less than half of
    the duration of the sets, or the bound prevents this.
    """
    snapshot, policy, found = planned(case, seed)
    rng = random.Random(f"{case} {seed} {durations}")
    migrations = [
        replace(migration, cost=replace(migration.cost, seconds=UNIT * units(durations, rng)))
        for migration in found
    ]
    seconds = {migration.guest.id: migration.cost.seconds * rng.uniform(0.8, 1.2) for migration in migrations}
    slots = limits(per_host, len(snapshot.hosts))
    least, of = bound(migrations, seconds, slots)
    by_set, by_wave = sets(migrations), waves(migrations, slots)
    took, of_sets, of_waves = (
        makespan(snapshot, groups, seconds, policy, slots) for groups in ([migrations], by_set, by_wave)
    )
    print(
        f"{case:<17} {seed:4} {per_host:8} {durations:>9} {len(migrations):10} {least / UNIT:8.1f}"
        f" {took / UNIT:8.1f} {100 * took / least - 100:+8.1f} % {len(by_set):5} {took / of_sets:6.2f}"
        f" {least / of_sets:6.2f} {len(by_wave):6} {took / of_waves:6.2f} {least / of_waves:6.2f}   {of}",
        flush=True,
    )
    return took <= NEAR * least, took < 0.5 * of_sets or NEAR * least >= 0.5 * of_sets


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", action="append", metavar="KIND:HOSTSxGUESTS")
    parser.add_argument("--seed", action="append", type=int)
    parser.add_argument("--per-host", action="append", type=int, help="migrations at once on a host")
    parser.add_argument("--durations", action="append", choices=["even", "skewed"])
    arguments = parser.parse_args()
    print(
        "case              seed per host durations migrations    bound    slots over bound"
        "  sets  ratio  least  waves  ratio  least   the bound is"
    )
    good = [
        measure(case, seed, per_host, durations)
        for case in arguments.case or CASES
        for seed in arguments.seed or [1, 2]
        for per_host in arguments.per_host or [1, 2]
        for durations in arguments.durations or ["even", "skewed"]
    ]
    near, half = (sum(flags) for flags in zip(*good, strict=True))
    print(
        f"{near} of {len(good)} within 15 % of the bound; {half} in less than half of the time of the sets,"
        " where that is possible"
    )
    return 0 if near == half == len(good) else 1


if __name__ == "__main__":
    sys.exit(main())
