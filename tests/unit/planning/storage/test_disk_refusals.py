# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that the platform refused to move to a datastore a short while ago."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import StoragePlan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import DiskRefusal, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan as plan_all
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.builder import build_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.planner import (
    plan_storage,
    storage_defects,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify.relocations import (
    relocation_defects,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify.storage_exclusions import (
    StorageExclusions,
)
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
REFUSED_AT = "2026-11-20T21:30:00Z"
WHY = "the virtual disk is too large for the file system"


def refusal(
    datastore: str, *disks: str, whose: str = "vm1", at: str = REFUSED_AT, why: str = WHY
) -> DiskRefusal:
    return DiskRefusal(guest=whose, disks=disks or ("scsi0",), datastore=datastore, why=why, at=at)


def policy(retry_refused_after: float = 86_400, **storage: object) -> Policy:
    return Policy.from_json(
        {"goal": "storage", "effort": 4, "storage": storage, "retry_refused_after": retry_refused_after}
    )


def planned(snapshot: Snapshot, retry_refused_after: float = 86_400, **storage: object) -> StoragePlan:
    return plan_storage(snapshot, policy(retry_refused_after, **storage))


def full(*refusals: DiskRefusal, others: tuple[str, ...] = ("b", "c")) -> Snapshot:
    """Datastore a is too full by one disk, and the emptiest other one is the first."""
    places = [place("a"), *(place(name, 3000 - 500 * number) for number, name in enumerate(others))]
    snapshot = cluster(places, [guest("vm1", disk("a", 100)), guest("vm2", disk("a", 750))])
    return replace(snapshot, disk_refusals=refusals)


def emptied(*refusals: DiskRefusal) -> Snapshot:
    snapshot = cluster([place("a"), place("b"), place("c")], [guest("vm1", disk("a", 100))])
    snapshot = replace(snapshot, disk_refusals=refusals)
    places = (replace(snapshot.datastores[0], maintenance=True), *snapshot.datastores[1:])
    return replace(snapshot, datastores=places)


def test_the_disk_goes_to_another_datastore_and_the_plan_says_why() -> None:
    assert ways(planned(full())) == [("vm1", ("scsi0",), "a", "b", "space")]
    found = planned(full(refusal("b")))
    assert ways(found) == [("vm1", ("scsi0",), "a", "c", "space")]
    assert found.notices == (f"the platform refuses to move scsi0 of vm1 to b: {WHY}; planned around it",)


def test_another_disk_goes_where_the_refused_one_may_not() -> None:
    assert ways(planned(full(refusal("b"), others=("b",)))) == [("vm2", ("scsi0",), "a", "b", "space")]


def test_a_disk_that_may_go_nowhere_is_named_with_the_reason() -> None:
    found = planned(emptied(refusal("b"), refusal("c", why="no")))
    assert found.moves == ()
    assert codes(found) == ["datastore_not_empty"]
    refused = f"b: the platform has refused it: {WHY}; c: the platform has refused it: no"
    why = f"no other datastore may take it: {refused}"
    assert [one.why for one in found.immovable] == [why]
    assert why in found.unresolved[0].why


@pytest.mark.parametrize(
    ("at", "retry_refused_after", "target"),
    [
        ("2026-11-19T22:00:01Z", 86_400, "c"),
        ("2026-11-19T22:00:00Z", 86_400, "b"),
        (REFUSED_AT, 0, "b"),
        (REFUSED_AT, 1800, "b"),
        (REFUSED_AT, 1801, "c"),
    ],
)
def test_by_time(at: str, retry_refused_after: float, target: str) -> None:
    found = planned(full(refusal("b", at=at)), retry_refused_after)
    assert [move.target for move in found.moves] == [target]
    assert bool(found.notices) is (target == "c")


def test_a_refusal_of_several_disks_counts_for_each_of_them() -> None:
    both = guest("vm1", disk("a", 450), disk("a", 450, "scsi1"))
    snapshot = cluster([place("a"), place("b", 2000)], [both])
    snapshot = replace(snapshot, disk_refusals=(refusal("b", "scsi0", "scsi1"),))
    assert planned(snapshot, keep_together=False).moves == ()
    one = replace(snapshot, disk_refusals=(refusal("b", "scsi0"),))
    assert planned(one).moves == ()
    assert ways(planned(one, keep_together=False)) == [("vm1", ("scsi1",), "a", "b", "space")]


def test_what_is_not_there_any_more_is_not_told() -> None:
    gone = (refusal("x"), refusal("b", whose="vm9"), refusal("b", "scsi7"))
    assert planned(full(*gone)) == planned(full())


def test_no_more_than_ten_are_told() -> None:
    many = tuple(guest(f"vm{number}", disk("a", 1)) for number in range(12))
    snapshot = cluster([place("a"), place("b")], list(many))
    refusals = tuple(refusal("b", whose=one.id) for one in many)
    told = planned(replace(snapshot, disk_refusals=refusals)).notices
    assert (len(told), told[-1]) == (11, "2 more refusals to move disks are planned around")


def test_the_verifier_finds_a_move_that_was_refused() -> None:
    found, asked = planned(full()), policy()
    assert asked.storage is not None
    for retry, text in ((86_400, "the platform has refused to move scsi0 to the target"), (0, "")):
        snapshot = full(refusal("b"))
        problem = build_problem(snapshot, asked.storage, retry_refused_after=retry)
        defects = storage_defects(snapshot, asked.storage, problem, found)
        assert [defect.partition(": ")[2] for defect in defects] == ([text] if text else [])


def relocatable() -> Snapshot:
    one = test_relocations.guest("vm1", "h1", ("a", 850))
    places = [
        test_relocations.place("a", "h1", maintenance=True),
        test_relocations.place("b", "h2", capacity=2000),
    ]
    return test_relocations.cluster(places, [one])


def test_a_guest_takes_no_disk_along_to_where_it_was_refused() -> None:
    snapshot, asked = relocatable(), policy(relocate=True)
    assert asked.storage is not None
    first = plan_all(snapshot, asked)
    assert [step.target for step in first.migrations] == ["h2"]
    moved = snapshot.guests[0].disks[0].id
    assert moved is not None
    refused = replace(snapshot, disk_refusals=(refusal("b@h2", moved),))
    assert plan_all(refused, asked).migrations == ()
    assert plan_all(refused, replace(asked, retry_refused_after=0)).migrations
    barred = StorageExclusions(retry_refused_after=86_400)
    assert relocation_defects(refused, asked.storage, (), first.migrations, barred) == (
        f"step 1, vm1 from h1 to h2: the platform has refused to move {moved} to b@h2",
    )
