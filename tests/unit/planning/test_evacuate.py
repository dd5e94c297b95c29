# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goal evacuate promises, tried on small random clusters."""

from __future__ import annotations

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError, UnknownName
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import (
    Exclusions,
    Policy,
    Selector,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.errors import PlanningError
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.snapshots.after_migrations import (
    snapshot_after,
)

from .small_clusters import snapshots


@st.composite
def evacuations(draw: st.DrawFn) -> tuple[Snapshot, Policy, frozenset[str]]:
    snapshot = draw(snapshots())
    ids = [host.id for host in snapshot.hosts]
    chosen = draw(st.sets(st.sampled_from(ids), min_size=1, max_size=2))
    names = tuple(sorted(chosen))
    return snapshot, Policy(goal="evacuate", evacuate=Selector(names=names), effort=2), frozenset(chosen)


@given(evacuations())
def test_no_guest_arrives_on_a_host_that_is_to_be_emptied(
    case: tuple[Snapshot, Policy, frozenset[str]],
) -> None:
    snapshot, policy, emptied = case
    assert not {migration.target for migration in plan(snapshot, policy).migrations} & emptied


@given(evacuations())
def test_every_guest_that_stays_behind_is_named(case: tuple[Snapshot, Policy, frozenset[str]]) -> None:
    snapshot, policy, emptied = case
    result = plan(snapshot, policy)
    online = {host.id for host in snapshot.hosts if host.status == "online"}
    behind = {
        guest.id
        for guest in snapshot_after(snapshot, result).guests
        if guest.host in emptied & online and guest.power == "running"
    }
    assert {item.guest.id for item in result.immovable} == behind
    assert all(item.why for item in result.immovable)
    assert (result.status == "balanced") == (not behind)
    assert bool(result.unresolved) == bool(behind)
    assert result.proof.migrations_lower_bound <= len(result.migrations)


@given(evacuations())
def test_guests_of_other_hosts_move_only_where_that_makes_room(
    case: tuple[Snapshot, Policy, frozenset[str]],
) -> None:
    snapshot, policy, emptied = case
    result = plan(snapshot, policy)
    homes = {guest.id: guest.host for guest in snapshot.guests}
    moved = {migration.guest.id for migration in result.migrations}
    leavers = {guest for guest in moved if homes[guest] in emptied}
    event("makes room" if moved - leavers else "as it is")
    assert {migration.kind for migration in result.migrations} <= {"evacuate", "parking"}
    assert not moved or leavers


@given(snapshots())
def test_a_name_that_no_host_has_is_refused(snapshot: Snapshot) -> None:
    with pytest.raises(UnknownName, match=r"policy\.evacuate"):
        plan(snapshot, Policy(goal="evacuate", evacuate=Selector(names=("nowhere",))))
    with pytest.raises(PlanningError, match=r"policy\.evacuate.*no host"):
        plan(snapshot, Policy(goal="evacuate", evacuate=Selector(names=("nowhere*",))))


@given(snapshots())
def test_a_host_that_nothing_may_leave_is_not_emptied(snapshot: Snapshot) -> None:
    first = Selector(names=(snapshot.hosts[0].id,))
    policy = Policy(goal="evacuate", evacuate=first, exclude=Exclusions(sources=first))
    with pytest.raises(PlanningError, match=r"policy\.exclude\.sources"):
        plan(snapshot, policy)


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ({"goal": "evacuate"}, "policy.evacuate is required when goal is evacuate"),
        ({"goal": "evacuate", "evacuate": {}}, "policy.evacuate is required when goal is evacuate"),
        ({"evacuate": {"names": ["h1"]}}, "policy.evacuate does not support goal: spread"),
        ({"goal": "evacuate", "evacuate": {"regex": "("}}, "policy.evacuate.regex"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(policy: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        Policy.from_json(policy)
