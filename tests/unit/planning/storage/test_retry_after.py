# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of which a move failed a short while ago."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.disk_moves import (
    MovedDisks,
    snapshot_after_disk_moves,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import StoragePlan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan as plan_all
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.planner import plan_storage
from ansible_collections.evenkeel.cluster.tests.unit.planning.storage import test_relocations
from ansible_collections.evenkeel.cluster.tests.unit.planning.storage.test_cases import (
    cluster,
    codes,
    disk,
    guest,
    place,
    ways,
)

# Clusters are of 22:00 (test_cases.cluster).
FAILED = "2026-11-20T21:30:00Z"


def planned(
    snapshot: Snapshot, retry_after: float = 3600, now: str | None = None, **storage: object
) -> StoragePlan:
    policy = {"goal": "storage", "effort": 4, "storage": storage, "retry_after": retry_after, "now": now}
    return plan_storage(
        snapshot, Policy.from_json({name: value for name, value in policy.items() if value is not None})
    )


def full(failed: str | None = FAILED) -> Snapshot:
    """Datastore a is too full, and the cheapest disk to move is the one whose move failed."""
    guests = [guest("vm1", disk("a", 100, last_failed_at=failed)), guest("vm2", disk("a", 750))]
    return cluster([place("a"), place("b", 2000)], guests)


def test_another_disk_moves_instead() -> None:
    assert ways(planned(full(None))) == [("vm1", ("scsi0",), "a", "b", "space")]
    assert ways(planned(full())) == [("vm2", ("scsi0",), "a", "b", "space")]


@pytest.mark.parametrize(
    ("failed", "retry_after", "now", "rests"),
    [
        ("2026-11-20T21:00:01Z", 3600, None, True),
        ("2026-11-20T21:00:00Z", 3600, None, False),
        (FAILED, 0, None, False),
        (FAILED, 1800, None, False),
        (FAILED, 3600, "2026-11-20T23:00:00Z", False),
        ("2026-11-20T22:00:30Z", 60, None, True),
    ],
)
def test_by_time(failed: str, retry_after: float, now: str | None, rests: bool) -> None:
    moved = [move.guest.id for move in planned(full(failed), retry_after, now).moves]
    assert moved == (["vm2"] if rests else ["vm1"])


def test_the_cause_is_told_where_it_matters() -> None:
    snapshot = cluster([place("a"), place("b", 2000)], [guest("vm1", disk("a", 850, last_failed_at=FAILED))])
    plan = planned(snapshot)
    why = "a move of it failed at 2026-11-20T21:30:00Z, and retry_after is 3600 s"
    assert codes(plan) == ["datastore_full"]
    assert plan.unresolved[0].why.endswith(f": vm1: {why}")
    assert [one.why for one in plan.immovable] == [why]


def test_what_moves_together_rests_together() -> None:
    both = guest("vm1", disk("a", 450), disk("a", 450, "scsi1", last_failed_at=FAILED))
    snapshot = cluster([place("a"), place("b", 2000)], [both])
    assert planned(snapshot).moves == ()
    assert ways(planned(snapshot, keep_together=False)) == [("vm1", ("scsi0",), "a", "b", "space")]


def test_a_datastore_that_is_to_be_emptied_lets_nothing_rest() -> None:
    snapshot = full()
    assert {move.guest.id for move in planned(snapshot, evacuate={"names": ["a"]}).moves} == {"vm1", "vm2"}
    places = (replace(snapshot.datastores[0], maintenance=True), *snapshot.datastores[1:])
    assert {move.guest.id for move in planned(replace(snapshot, datastores=places)).moves} == {"vm1", "vm2"}


def test_a_broken_rule_and_a_violated_policy_wait() -> None:
    pair = [guest("web1", disk("a", 40, last_failed_at=FAILED)), guest("web2", disk("a", 50))]
    plan = planned(cluster([place("a"), place("b")], pair), rules=[{"by": "name_prefix"}])
    assert ways(plan) == [("web2", ("scsi0",), "a", "b", "rule")]
    gold = disk("a", 40, last_failed_at=FAILED, targets=("b",), storage_policy="Gold")
    plan = planned(cluster([place("a"), place("b")], [guest("vm1", gold)]))
    assert plan.moves == ()
    assert plan.unresolved[0].why == (
        "a does not comply with storage policy Gold; a move of it failed at 2026-11-20T21:30:00Z, and "
        "retry_after is 3600 s"
    )


def test_a_move_that_succeeds_ends_the_wait() -> None:
    moved = MovedDisks(guest="vm1", disks=("scsi0",), target="b")
    after = snapshot_after_disk_moves(full(), [moved])
    assert after.guests[0].disks[0].last_failed_at is None
    assert after.guests[1] == full().guests[1]


@pytest.mark.parametrize(("emptied", "goes"), [(False, False), (True, True)])
def test_a_guest_takes_along_no_disk_that_rests(emptied: bool, goes: bool) -> None:
    one = test_relocations.guest("vm1", "h1", ("a", 850))
    disks = tuple(replace(part, last_failed_at=FAILED) for part in one.disks)
    places = [
        test_relocations.place("a", "h1", maintenance=emptied),
        test_relocations.place("b", "h2", capacity=2000),
    ]
    snapshot = test_relocations.cluster(places, [replace(one, disks=disks)])
    policy = Policy.from_json({"goal": "storage", "effort": 4, "storage": {"relocate": True}})
    assert bool(plan_all(snapshot, policy).migrations) is goes
    assert plan_all(snapshot, replace(policy, retry_after=0)).migrations
