# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollback promises, whatever the plan, whichever migrations fail and however often it is killed:
every guest is where it was, unless that would break a rule which the run has restored; none was migrated more
often than there and back; and no host was filled past its limit nor a rule broken on the way.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.job import FailurePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.progress import Progress
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import Prepared
from ansible_collections.evenkeel.cluster.tests.support.generate_cluster import Shape, generate
from ansible_collections.evenkeel.cluster.tests.unit.execution.slow import CLUSTER, HandClock, Run, Slow

SEEDS = range(24)
MAX_KILLS = 4


@dataclass
class Watched(Slow):
    """Takes note of what must not be whenever a migration is started."""

    cluster: Snapshot | None = None
    wrong: list[str] = field(default_factory=list)

    def start(self, prepared: Prepared) -> str:
        request = prepared.request
        task = super().start(prepared)
        snapshot = self.read()
        under_way = {
            moving.guest: moving.target for name, (moving, _at) in self.tasks.items() if name not in self.over
        }
        self.wrong += self._overfilled(snapshot, request.target, under_way)
        where = {guest.id: {guest.host, under_way.get(guest.id, guest.host)} for guest in snapshot.guests}
        first = {guest.id: guest.host for guest in self._first.guests}
        for rule in snapshot.rules:
            if rule.kind == "anti_affinity" and rule.strict:
                homes = [first[guest] for guest in rule.guests]
                sharing = [guest for guest in rule.guests if request.target in where[guest]]
                if len(set(homes)) == len(homes) and len(sharing) > 1:
                    self.wrong.append(f"{rule.name}: {sharing} on {request.target}")
        return task

    def _overfilled(self, snapshot: Snapshot, target: str, under_way: dict[str, str]) -> list[str]:
        host = next(host for host in snapshot.hosts if host.id == target)
        before = next(host for host in self._first.hosts if host.id == target)
        coming = sum(
            guest.used.get("memory") or 0
            for guest in snapshot.guests
            if under_way.get(guest.id) == target and guest.host != target
        )
        used = (host.used.get("memory") or 0) + coming
        limit = (host.capacity.get("memory") or 0) * Policy().limits.memory_for_rules / 100
        return (
            [f"{target}: {used} of {limit}"] if used > max(limit, before.used.get("memory") or 0) + 1 else []
        )

    @property
    def _first(self) -> Snapshot:
        assert self.cluster is not None
        return self.cluster


def drawn(rng: Random) -> tuple[Snapshot, Plan]:
    """A cluster and a plan of at least four migrations for it."""
    while True:
        shape = Shape(
            hosts=rng.randint(3, 5),
            guests=rng.randint(12, 30),
            seed=rng.randrange(10**9),
            fill=rng.uniform(0.4, 0.7),
            broken=0.3,
            fixed=0,
            unequal=rng.choice([1.0, 2.0]),
            chains=rng.choice([0, 1]),
        )
        snapshot = replace(generate(shape), cluster=CLUSTER)
        made = plan(snapshot, Policy(aggressiveness=4, effort=5))
        if len(made.migrations) >= 4:
            return snapshot, made


@pytest.mark.parametrize("seed", SEEDS)
def test_a_rollback_that_is_killed_again_and_again_brings_all_guests_home(seed: int, tmp_path: Path) -> None:
    rng = Random(seed)
    snapshot, made = drawn(rng)
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps(snapshot.to_json()))
    moved = sorted({step.guest.id for step in made.migrations})
    slow = Watched(
        str(path),
        HandClock(),
        cluster=snapshot,
        seconds={guest: rng.uniform(5, 60) for guest in moved},
        # Not the first to go, so that there is something to undo.
        fails={rng.choice([step.guest.id for step in made.migrations[2:]])},
    )
    kills = rng.randint(1, MAX_KILLS)
    for number in range(kills + 1):
        run = Run(
            slow,
            made.migrations,
            FailurePolicy(on_failure="rollback"),
            rules=snapshot.rules,
            journal=tmp_path / "journal",
        )
        left = rng.randint(0, 6)

        def maybe(progress: Progress, number: int = number) -> None:
            """Killed so many rounds after it began to go home."""
            nonlocal left
            going_home = any(moving.step > len(made.migrations) for moving in progress.moving)
            left -= going_home
            if going_home and left < 0 and number < kills:
                raise KeyboardInterrupt

        run.told = maybe
        try:
            outcome = run.run()
        except KeyboardInterrupt:
            continue
        break
    assert slow.wrong == []
    homes = {guest.id: guest.host for guest in snapshot.guests}
    now = {guest.id: guest.host for guest in slow.read().guests}
    # A rule that the run has restored is not broken again.
    kept = {
        step.guest.id
        for step in outcome.migrations[len(made.migrations) :]
        if "it would break rule" in step.why or step.why.startswith("depends on step")
    }
    assert {guest for guest, host in now.items() if host != homes[guest]} <= kept
    assert outcome.status == ("partial" if kept else "rolled_back")
    planned = Counter(step.guest.id for step in made.migrations)
    begun = Counter(guest for guest, _at in slow.starts)
    assert all(begun[guest] <= 2 * planned[guest] for guest in begun), begun
    assert not (tmp_path / "journal").exists()
