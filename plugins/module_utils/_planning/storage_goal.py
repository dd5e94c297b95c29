# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans with a part for datastores: after the migrations of guests, or alone with goal storage."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from .._model.plan import Plan, Proof, StoragePlan
from .._model.policy.policy import Policy
from .._model.snapshot import Snapshot
from .report.cluster_state import present_state
from .report.notices import unread_notices
from .snapshots.after_migrations import snapshot_after
from .storage.planner import plan_storage

Status = Literal["balanced", "improved", "unchanged", "infeasible"]


def with_storage(snapshot: Snapshot, policy: Policy, found: Plan) -> Plan:
    """The plan with disk moves after all its migrations, where the policy says anything about datastores."""
    if policy.storage is None:
        return found
    first = 1 + max((migration.step for migration in found.migrations), default=0)
    storage = plan_storage(snapshot_after(snapshot, found), policy, first)
    return replace(found, storage=storage, status=_status(found, storage))


def _status(found: Plan, storage: StoragePlan) -> Status:
    both = {found.status, storage.status}
    if both == {"balanced"}:
        return "balanced"
    if found.migrations or storage.moves:
        return "improved"
    return "infeasible" if "infeasible" in both else "unchanged"


def storage_alone(snapshot: Snapshot, policy: Policy) -> Plan:
    """A plan that migrates no guest."""
    state = present_state(snapshot, policy)
    storage = plan_storage(snapshot, policy)
    return Plan(
        cluster=snapshot.cluster,
        platform=snapshot.platform,
        snapshot_digest=snapshot.digest(),
        remembered_at=snapshot.remembered_at,
        policy=policy,
        notices=tuple(unread_notices(snapshot)),
        status=storage.status,
        migrations=(),
        before=state,
        after=state,
        proof=Proof(
            migrations_lower_bound=0,
            optimal=True,
            spread_lower_bound=dict.fromkeys(policy.metrics),
            method="goal storage migrates no guest",
        ),
        storage=storage,
    )
