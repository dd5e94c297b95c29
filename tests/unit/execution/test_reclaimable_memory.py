# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that the platform calls full, since it counts a cache that shrinks when guests come."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.clock import SystemClock
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.concurrency_limits import (
    ConcurrencyLimits,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.dry_run import (
    DryRunClock,
    DryRunPlatform,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.executor import Executor
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import (
    FailurePolicy,
    MigrationJob,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.journal import Journal
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.reclaimable_memory import (
    ReclaimableMemoryPlatform,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.stopping import StopSignal
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.outcome import Outcome
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import HostMemory, Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import Platform
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.rehearsal import RehearsalPlatform

GIB = 1024**3
# The second host uses 20 of 100 GiB, but the platform says 85, for 65 are the cache.
CACHE = 65 * GIB


def cluster() -> Snapshot:
    """As the platform sees it: eight guests of 10 GiB on the one host, nothing on the other."""
    hosts = [
        {
            "id": name, "name": name, "status": "online", "maintenance": False, "schedulable": True,
            "capacity": {"cpu": 16, "memory": 100 * GIB}, "used": {"cpu": 1, "memory": used * GIB},
        }
        for name, used in (("a", 85), ("b", 85))
    ]  # fmt: skip
    guests = [
        {
            "id": f"{number}", "name": f"g{number}", "kind": "vm", "host": "a", "power": "running",
            "assigned": {"cpu": 2, "memory": 10 * GIB}, "used": {"cpu": 0.1, "memory": 10 * GIB},
            "migratable": True,
        }
        for number in range(8)
    ]  # fmt: skip
    return Snapshot.from_json(
        {
            "schema": "evenkeel.cluster/snapshot/1", "platform": "rehearsal",
            "cluster": {"id": "c", "name": "prod"}, "taken_at": "2026-01-01T00:00:00Z", "window_seconds": 0,
            "hosts": hosts, "guests": guests, "rules": [],
        }
    )  # fmt: skip


def as_hosts_see_it(snapshot: Snapshot) -> Snapshot:
    one, two = snapshot.hosts
    emptier = replace(two, used={**two.used, "memory": 20 * GIB}, reclaimable=CACHE)
    return replace(snapshot, hosts=(one, emptier))


class Shrinking(RehearsalPlatform):
    """A host whose cache gives way to guests: whatever comes, the platform calls it as full as ever."""

    def look(self, guests):  # type: ignore[no-untyped-def]
        now = super().look(guests)
        stuck = {"b": replace(now.hosts["b"], memory_used=85 * GIB)}
        return replace(now, hosts={**now.hosts, **stuck})


def carry_out(platform: Platform, made: Plan, *, dry: bool = False) -> Outcome:
    work = MigrationJob(cluster=made.cluster, migrations=made.migrations, rules=(), limits=made.policy.limits)
    memory = {item.guest.id: item.cost.memory for item in made.migrations}
    return Executor(
        work,
        DryRunPlatform(platform, memory) if dry else platform,
        concurrency=ConcurrencyLimits(cluster=1, per_host=1, per_datastore=1),
        failure_policy=FailurePolicy(poll_interval=0.01),
        journal=Journal(None, work.digest()),
        stop=StopSignal(file=None, deadline=None),
        clock=DryRunClock() if dry else SystemClock(),
        observe=lambda _progress: None,
    ).run()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "cluster.json"
    file.write_text(json.dumps(as_hosts_see_it(cluster()).to_json()))
    return file


POLICY = Policy(metrics=("memory",), max_spread=20)


@pytest.mark.parametrize("dry", [True, False])
def test_guests_go_to_where_the_cache_gives_way(path: Path, dry: bool) -> None:
    made = plan(as_hosts_see_it(cluster()), POLICY)
    assert len(made.migrations) >= 2
    assert made.reclaimable == {"b": HostMemory(used=20 * GIB, reclaimable=CACHE)}
    made = Plan.from_json(json.loads(json.dumps(made.to_json())))
    # Without it, the room that the plan rests on is not there.
    assert carry_out(Shrinking(str(path)), made, dry=True).count("skipped") == len(made.migrations)
    outcome = carry_out(
        ReclaimableMemoryPlatform(Shrinking(str(path)), made.reclaimable, made.migrations), made, dry=dry
    )
    assert outcome.count("migrated") == len(made.migrations)


def test_what_has_come_meanwhile_counts(path: Path) -> None:
    """Others have filled the host since. A cache can't be told from guests, but more than before is more."""
    made = plan(as_hosts_see_it(cluster()), POLICY)

    def fill(platform: type[RehearsalPlatform], used: int) -> Callable[[], RehearsalPlatform]:
        snapshot = cluster()
        fuller = replace(snapshot.hosts[1], used={"cpu": 1, "memory": used * GIB})
        changed = replace(snapshot, hosts=(snapshot.hosts[0], fuller))
        path.write_text(json.dumps(changed.to_json()))
        return lambda: platform(str(path))

    # 85 were 20 and the cache; now it is 98, so 33 are in use.
    filled = ReclaimableMemoryPlatform(fill(RehearsalPlatform, 98)(), made.reclaimable, made.migrations)
    assert filled.look([]).hosts["b"].memory_used == 33 * GIB
    # The cache is gone for a reason of its own: the host is no emptier than it was.
    emptied = ReclaimableMemoryPlatform(fill(RehearsalPlatform, 40)(), made.reclaimable, made.migrations)
    assert emptied.look([]).hosts["b"].memory_used == 20 * GIB
    assert emptied.look([]).hosts["a"].memory_used == 85 * GIB


def test_guests_of_the_plan_that_are_there_already_count(path: Path) -> None:
    """Also those that an earlier part of the run has brought, before it was killed."""
    made = plan(as_hosts_see_it(cluster()), POLICY)
    first = made.migrations[0]
    seen = ReclaimableMemoryPlatform(Shrinking(str(path)), made.reclaimable, made.migrations)
    carry_out(seen, replace(made, migrations=(first,)))
    now = ReclaimableMemoryPlatform(Shrinking(str(path)), made.reclaimable, made.migrations).look(
        [first.guest.id]
    )
    assert now.guests.keys() == {first.guest.id}
    assert now.hosts["b"].memory_used == 30 * GIB


def test_who_goes_and_comes_changes_what_is_in_use_by_its_own_size(path: Path) -> None:
    """A guest of the plan that has left its first host counts there no more, wherever it is now."""
    made = plan(as_hosts_see_it(cluster()), POLICY)
    first = made.migrations[0]
    memory = {
        "a": HostMemory(used=85 * GIB, reclaimable=5 * GIB),
        "b": HostMemory(used=20 * GIB, reclaimable=CACHE),
    }
    seen = ReclaimableMemoryPlatform(Shrinking(str(path)), memory, made.migrations)
    assert {host: state.memory_used for host, state in seen.look([]).hosts.items()} == {
        "a": 85 * GIB,
        "b": 20 * GIB,
    }
    carry_out(seen, replace(made, migrations=(first,)))
    now = seen.look([])
    assert (now.guests, now.hosts["a"].memory_used, now.hosts["b"].memory_used) == (
        {},
        75 * GIB,
        30 * GIB,
    )
    less = {"a": HostMemory(used=5 * GIB, reclaimable=99 * GIB)}
    assert (
        ReclaimableMemoryPlatform(Shrinking(str(path)), less, made.migrations).look([]).hosts["a"].memory_used
        == 0
    )
