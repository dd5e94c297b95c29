# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that no planner made: the steps as a test writes them down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import (
    ClusterState,
    Cost,
    GuestRef,
    Migration,
    MigrationKind,
    Plan,
    Proof,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify.plan import (
    Exclusions,
    verify_plan,
)

NOTHING = ClusterState(spread={}, violations=(), hosts={})


def step(
    number: int, guest: str, source: str, target: str, *after: int, kind: MigrationKind = "rule"
) -> Migration:
    """A step in the wave that is its own number, so that waves respect whatever it comes after."""
    return Migration(
        step=number,
        wave=number,
        guest=GuestRef(id=guest, name=guest),
        source=source,
        target=target,
        kind=kind,
        why="the test says so",
        after=after,
        cost=Cost(memory=1, seconds=1),
    )


def plan_of(
    snapshot: Snapshot, policy: Policy, steps: Sequence[Migration], emptied: tuple[str, ...] = ()
) -> Plan:
    return Plan(
        cluster=snapshot.cluster,
        platform=snapshot.platform,
        snapshot_digest=snapshot.digest(),
        policy=policy,
        status="improved",
        migrations=tuple(steps),
        before=NOTHING,
        after=NOTHING,
        proof=Proof(migrations_lower_bound=0, optimal=False, spread_lower_bound={}, method="none"),
        emptied=emptied,
    )


def defects(
    snapshot: Snapshot,
    *steps: Migration,
    barred: Exclusions | None = None,
    emptied: tuple[str, ...] = (),
    **policy: Any,
) -> tuple[str, ...]:
    """What the verifier says of these steps; goal rules unless told otherwise."""
    asked = Policy.from_json({"goal": "rules", **policy})
    return verify_plan(
        snapshot, asked, snapshot.rules, plan_of(snapshot, asked, steps, emptied), barred or Exclusions()
    )
