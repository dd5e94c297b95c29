# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single moves of disks left out of a plan: the best plan without them, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import UnknownName
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan, StoragePlan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.choices import (
    Choices,
    DisksLeftOut,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.errors import PlanningError
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.builder import build_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.planner import (
    storage_defects,
)
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)

SNAPSHOT = generate_storage(StorageShape(datastores=4, disks=24, seed=17, rules=2))
POLICY = Policy.from_json({"goal": "storage", "effort": 4, "storage": {"max_spread": 10}})


def made(*left_out: DisksLeftOut) -> StoragePlan:
    found: Plan = plan(SNAPSHOT, replace(POLICY, choices=Choices(disks_left_out=left_out)))
    assert found.storage is not None
    return found.storage


FIRST = made()
MOVE = FIRST.moves[0]


def test_disks_that_are_left_out_stay_and_the_plan_says_so() -> None:
    found = made(DisksLeftOut(guest=MOVE.guest.name, disks=MOVE.disks))
    assert MOVE.guest.id not in {move.guest.id for move in found.moves if set(move.disks) & set(MOVE.disks)}
    if found.unresolved:
        whys = [item.why for item in (*found.unresolved, *found.immovable)]
        assert any("its move is left out by choice" in why for why in whys)
    else:
        assert found.proof.method.endswith("; among plans that respect its choices")


def test_disks_are_kept_from_one_datastore_only() -> None:
    found = made(DisksLeftOut(guest=MOVE.guest.id, disks=MOVE.disks, datastore=MOVE.target))
    assert not [move for move in found.moves if move.guest == MOVE.guest and move.target == MOVE.target]


def test_all_disks_of_a_guest_are_meant_where_none_is_named() -> None:
    found = made(DisksLeftOut(guest=MOVE.guest.id))
    assert MOVE.guest.id not in {move.guest.id for move in found.moves}


@pytest.mark.parametrize(
    ("choice", "kind", "text"),
    [
        (DisksLeftOut(guest="nobody"), UnknownName, "no guest has the name or id 'nobody'"),
        (DisksLeftOut(guest=MOVE.guest.id, disks=("scsi99",)), PlanningError, "has no disk 'scsi99'"),
        (
            DisksLeftOut(guest=MOVE.guest.id, datastore="nfs99"),
            UnknownName,
            "no datastore has the name or id 'nfs99'",
        ),
    ],
)
def test_a_choice_about_what_there_is_not_is_refused(
    choice: DisksLeftOut, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        made(choice)


@pytest.mark.parametrize("datastore", [None, MOVE.target])
def test_the_verifier_finds_moves_that_were_left_out(datastore: str | None) -> None:
    assert POLICY.storage is not None
    left_out = DisksLeftOut(guest=MOVE.guest.id, disks=MOVE.disks, datastore=datastore)
    problem = build_problem(SNAPSHOT, POLICY.storage, left_out=(left_out,))
    defects = storage_defects(SNAPSHOT, POLICY.storage, problem, FIRST)
    assert any("is left out by choice" in defect for defect in defects), defects
