# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters in which something else moves guests by itself."""

from __future__ import annotations

from .._model.plan import Plan, Proof, Unresolved
from .._model.policy.policy import Policy
from .._model.snapshot import Snapshot
from .model.goal_traits import traits_of
from .report.cluster_state import present_state
from .report.notices import unread_notices


def defers(snapshot: Snapshot, policy: Policy) -> bool:
    """Whether the field is left to another balancer: two with different aims would move guests to and fro.

    Emptying a host is a wish of its own, which no other balancer has.
    """
    respected = policy.other_balancers == "respect" and not traits_of(policy).names_hosts
    return respected and bool(snapshot.other_balancers)


def active_balancer(snapshot: Snapshot) -> str:
    """The names of the balancers, and the way to disable them."""
    names = snapshot.other_balancers
    verb, them = ("balances", "it") if len(names) == 1 else ("balance", "them")
    return (
        f"{' and '.join(names)} already {verb} this cluster. Disable {them}, or set other_balancers: ignore"
    )


def deferred_plan(snapshot: Snapshot, policy: Policy) -> Plan:
    """A plan without migrations that says who is in charge."""
    state = present_state(snapshot, policy)
    return Plan(
        cluster=snapshot.cluster,
        platform=snapshot.platform,
        snapshot_digest=snapshot.digest(),
        remembered_at=snapshot.remembered_at,
        policy=policy,
        notices=tuple(unread_notices(snapshot)),
        status="unchanged",
        migrations=(),
        before=state,
        after=state,
        proof=Proof(
            migrations_lower_bound=0,
            optimal=False,
            spread_lower_bound=dict.fromkeys(policy.metrics),
            method="nothing was planned",
        ),
        unresolved=(
            Unresolved(
                what=f"cluster {snapshot.cluster.name}",
                why=active_balancer(snapshot),
                code="other_balancer",
            ),
        ),
    )
