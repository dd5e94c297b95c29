# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage policies of the platform: where a disk may go, and what is done where it violates its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Disk, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan as plan_all
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.builder import build_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.planner import (
    plan_storage,
    storage_defects,
)
from ansible_collections.evenkeel.cluster.tests.unit.planning.storage import test_relocations
from ansible_collections.evenkeel.cluster.tests.unit.planning.storage.test_cases import (
    cluster,
    codes,
    disk,
    guest,
    place,
    planned,
    ways,
)

PLACES = [place("a"), place("b"), place("c")]


def gold(where: str, size: int, *targets: str, name: str = "scsi0", **more: Any) -> Disk:
    """A disk under policy Gold, with which only these datastores comply."""
    return disk(where, size, name, storage_policy="Gold", targets=targets, **more)


def without(snapshot: Snapshot) -> Snapshot:
    """The same cluster, in which the platform keeps no storage policies."""
    guests = tuple(
        replace(one, disks=tuple(replace(part, targets=None, storage_policy=None) for part in one.disks))
        for one in snapshot.guests
    )
    return replace(snapshot, guests=guests)


def test_a_disk_goes_only_to_datastores_that_comply() -> None:
    full = cluster(PLACES, [guest("vm1", gold("a", 400, "a", "c")), guest("vm2", disk("a", 450))])
    plan = planned(full)
    assert ways(plan) == [("vm1", ("scsi0",), "a", "c", "space")]
    assert plan.proof.optimal
    assert ways(planned(without(full))) == [("vm1", ("scsi0",), "a", "b", "space")]


def test_what_no_other_datastore_may_have_is_named_with_its_policy() -> None:
    stuck = guest("vm1", gold("a", 400, "a"))
    plan = planned(cluster(PLACES, [stuck, guest("vm2", disk("a", 450, blockers=("raw_device",)))]))
    assert codes(plan) == ["datastore_full"]
    assert [one.guest.id for one in plan.immovable] == ["vm1", "vm2"]
    assert plan.immovable[0].why == (
        "no other datastore may take it: b: it does not comply with storage policy Gold; "
        "c: it does not comply with storage policy Gold"
    )


def test_a_violated_policy_is_restored_whatever_the_class_of_the_datastore() -> None:
    places = [place("a", kind="silver", cluster="pod1"), place("b", kind="silver"), place("c", kind="gold")]
    snapshot = cluster(places, [guest("vm1", gold("a", 100, "c")), guest("vm2", disk("a", 100))])
    plan = planned(snapshot)
    assert ways(plan) == [("vm1", ("scsi0",), "a", "c", "rule")]
    assert plan.moves[0].why == "a does not comply with storage policy Gold"
    assert plan.status == "balanced"
    assert [(one.rule, one.detail) for one in plan.before.violations] == [
        ("storage policy Gold", "scsi0 of vm1 is on a")
    ]
    assert plan.after.violations == ()
    alone = planned(snapshot, platform_rules=False)
    assert (alone.moves, alone.before.violations, alone.status) == ((), (), "balanced")


def test_a_violated_policy_that_nothing_can_restore_is_unresolved() -> None:
    snapshot = cluster([place("a"), place("b"), place("c", 50)], [guest("vm1", gold("a", 100, "c"))])
    plan = planned(snapshot)
    assert plan.moves == ()
    assert [(one.what, one.why, one.code, one.subject) for one in plan.unresolved] == [
        (
            "scsi0 of vm1 on a",
            "a does not comply with storage policy Gold; it is larger than the limit of each datastore "
            "that may take it",
            "rule_broken",
            "vm1",
        )
    ]
    nameless = cluster([place("a"), place("b")], [guest("vm1", disk("a", 100, targets=()))])
    plan = planned(nameless)
    assert plan.unresolved[0].why == (
        "a does not comply with the storage policy of the disk; no other datastore may take it: b: it does "
        "not comply with the storage policy of the disk"
    )


def test_a_less_shared_datastore_restores_no_policy() -> None:
    places = [place("a"), place("local", hosts=("h1",))]
    plan = planned(cluster(places, [guest("vm1", gold("a", 100, "local@h1"))]))
    assert codes(plan) == ["rule_broken"]
    assert plan.unresolved[0].why.endswith("no other datastore may take it: local: it is not shared")


def test_disks_that_move_together_go_where_all_of_them_may_be() -> None:
    both = guest("vm1", gold("a", 100, "b", "c"), disk("a", 50, "scsi1", targets=("a", "c")))
    assert ways(planned(cluster(PLACES, [both]))) == [("vm1", ("scsi0", "scsi1"), "a", "c", "rule")]
    plain = guest("vm1", gold("a", 100, "b", "c"), disk("a", 50, "scsi1"))
    assert ways(planned(cluster(PLACES, [plain])))[0][1] == ("scsi0", "scsi1")


def test_disks_that_no_datastore_may_have_together_move_apart() -> None:
    apart = guest("vm1", gold("a", 100, "b"), disk("a", 50, "scsi1", targets=("a",)), disk("a", 1, "home"))
    assert ways(planned(cluster(PLACES, [apart]))) == [("vm1", ("scsi0",), "a", "b", "rule")]
    assert ways(planned(cluster(PLACES, [apart]), keep_together=False)) == [
        ("vm1", ("scsi0",), "a", "b", "rule")
    ]


def test_a_rule_that_keeps_guests_together_takes_them_where_all_may_be() -> None:
    pair = [guest("web1", gold("a", 50, "c")), guest("web2", disk("a", 40, targets=("a", "b", "c")))]
    plan = planned(cluster(PLACES, pair), rules=[{"by": "name_prefix", "kind": "affinity"}])
    assert sorted(ways(plan)) == [
        ("web1", ("scsi0",), "a", "c", "rule"),
        ("web2", ("scsi0",), "a", "c", "rule"),
    ]
    pair[1] = guest("web2", disk("a", 40, targets=("a", "b")))
    plan = planned(cluster(PLACES, pair), rules=[{"by": "name_prefix", "kind": "affinity"}])
    assert codes(plan) == ["rule_broken"]


def test_a_disk_waits_only_on_a_datastore_that_complies() -> None:
    # Both have to leave, each for where the other one is: one of them waits on a third datastore.
    guests = [guest("vm1", gold("a", 500, "b", "d")), guest("vm2", disk("b", 500, targets=("a", "c")))]
    places = [place("a", 900), place("b", 900), place("c"), place("d")]
    swap = cluster(places, guests)
    assert sorted(ways(planned(swap)))[0][3] in ("b", "d")
    tight = cluster([place("a", 700), place("b", 700), place("c"), place("d", 100)], guests)
    plan = planned(tight)
    assert {(move.guest.id, move.target) for move in plan.moves} == {("vm1", "b"), ("vm2", "c")}


def test_an_image_in_a_drive_violates_nothing() -> None:
    drive = guest("vm1", disk("a", 1, targets=("b",), blockers=("cdrom",)))
    plan = planned(cluster(PLACES, [drive]))
    assert (plan.status, plan.before.violations) == ("balanced", ())


@pytest.mark.parametrize(
    "allowed", [{"allow_blockers": ["storage_policy_unknown"]}, {"platform_rules": False}]
)
def test_a_disk_of_unknown_policy_stays_unless_that_is_allowed(allowed: dict[str, Any]) -> None:
    unknown = disk("a", 850, blockers=("storage_policy_unknown",))
    snapshot = cluster([place("a"), place("b", 2000)], [guest("vm1", unknown)])
    plan = planned(snapshot)
    assert plan.moves == ()
    assert "its storage policy could not be read" in plan.immovable[0].why
    assert ways(planned(snapshot, **allowed)) == [("vm1", ("scsi0",), "a", "b", "space")]


def test_only_the_unknown_policy_is_ignored_where_that_alone_is_allowed() -> None:
    snapshot = cluster(PLACES, [guest("vm1", gold("a", 100, "c"))])
    plan = planned(snapshot, allow_blockers=["storage_policy_unknown"])
    assert ways(plan) == [("vm1", ("scsi0",), "a", "c", "rule")]


def relocated(
    *places: Any, targets: tuple[str, ...], **storage: Any
) -> list[tuple[str, str, dict[str, str]]]:
    """The migrations that take disks along, in a cluster where vm1 is on a datastore of h1 alone."""
    one = test_relocations.guest("vm1", "h1", ("a", 100))
    disks = tuple(replace(part, storage_policy="Gold", targets=targets) for part in one.disks)
    snapshot = test_relocations.cluster(list(places), [replace(one, disks=disks)])
    policy = Policy.from_json({"goal": "storage", "effort": 4, "storage": {"relocate": True, **storage}})
    found = plan_all(snapshot, policy).migrations
    return [(step.guest.id, step.target, dict(step.storage)) for step in found]


def test_a_guest_takes_its_disks_only_to_datastores_that_comply() -> None:
    local = test_relocations.place("a", "h1")
    there = [test_relocations.place("b", "h2"), test_relocations.place("c", "h2")]
    assert relocated(local, *there, targets=("c@h2",)) == [("vm1", "h2", {"a": "c"})]
    assert relocated(local, *there, targets=("c@h2",), platform_rules=False) == []
    assert relocated(local, *there, targets=("x",)) == []
    emptied = {"evacuate": {"names": ["a"]}}
    assert relocated(local, *there, targets=("a@h1", "b@h2"), **emptied) == [("vm1", "h2", {"a": "b"})]


def test_a_guest_is_not_migrated_for_a_disk_that_a_move_alone_puts_right() -> None:
    places = [
        test_relocations.place("a", "h1"),
        test_relocations.place("c", "h1"),
        test_relocations.place("c", "h2"),
    ]
    assert relocated(*places, targets=("c@h1", "c@h2")) == []


def test_the_verifier_refuses_what_violates_a_policy() -> None:
    snapshot = cluster(PLACES, [guest("vm1", gold("a", 400, "a", "c")), guest("vm2", disk("a", 450))])
    policy = Policy.from_json({"goal": "storage", "effort": 4, "storage": {}})
    assert policy.storage is not None
    plan = plan_storage(without(snapshot), policy)
    problem = build_problem(snapshot, policy.storage)
    assert storage_defects(snapshot, policy.storage, problem, plan) == (
        "step 1, vm1 from a to b: the target does not comply with the storage policy of scsi0",
    )
    broken = cluster(PLACES, [guest("vm1", gold("a", 100, "c"))])
    balanced = plan_storage(without(broken), policy)
    assert storage_defects(broken, policy.storage, build_problem(broken, policy.storage), balanced) == (
        "it is balanced, and a does not comply with the storage policy of scsi0 of vm1",
    )
    restored = plan_storage(broken, policy)
    assert storage_defects(
        without(broken), policy.storage, build_problem(broken, policy.storage), restored
    ) == ("step 1, vm1 from a to c: no rule of it is broken",)
