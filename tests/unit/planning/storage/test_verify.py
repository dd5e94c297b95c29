# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verifier of plans for datastores finds what is wrong with them: plans are spoilt on purpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import DiskMove, StoragePlan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Disk, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.builder import build_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.planner import (
    plan_storage,
    storage_defects,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.verify.worst_sum import worst_sum
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)
from ansible_collections.evenkeel.cluster.tests.support.replay_storage import every_defect

SHAPE = StorageShape(datastores=4, disks=24, seed=17, rules=2)
Spoil = Callable[[Sequence[DiskMove]], Sequence[DiskMove]]


@cache
def _whole() -> tuple[Snapshot, StoragePlan]:
    snapshot = generate_storage(SHAPE)
    return snapshot, plan_storage(
        snapshot, Policy.from_json({"goal": "storage", "effort": 4, "storage": {"max_spread": 10}})
    )


def spoilt(
    moves: Callable[[Sequence[DiskMove]], Sequence[DiskMove]] = lambda given: given,
    snapshot: Callable[[Snapshot], Snapshot] = lambda given: given,
    proof: dict[str, Any] | None = None,
    **storage: Any,
) -> tuple[str, ...]:
    """The defects of a plan that was made for the untouched cluster."""
    before, plan = _whole()
    assert len(plan.moves) > 2
    policy = Policy.from_json({"goal": "storage", "effort": 4, "storage": {"max_spread": 10, **storage}})
    assert policy.storage is not None
    given = tuple(moves(plan.moves))
    total = sum(move.bytes for move in given)
    plan = replace(
        plan,
        moves=given,
        proof=replace(
            plan.proof, **{"bytes": total, "bytes_lower_bound": 0, "optimal": False, **(proof or {})}
        ),
    )
    after = snapshot(before)
    return storage_defects(after, policy.storage, build_problem(after, policy.storage), plan)


def changed(number: int, **fields: Any) -> Spoil:
    return lambda moves: [replace(move, **fields) if i == number else move for i, move in enumerate(moves)]


def test_the_plan_itself_is_legal() -> None:
    assert spoilt() == ()


@pytest.mark.parametrize(
    ("moves", "text"),
    [
        (changed(0, step=2), "is there twice"),
        (changed(0, after=(9,)), "does not stand before it"),
        (changed(1, after=(1,), wave=1), "in no later wave"),
        (changed(0, target="nowhere"), "no such guest or datastore"),
        (changed(0, disks=("scsi9",)), "does not have just these disks"),
        (changed(0, host="h9"), "is on host"),
        (
            lambda moves: [replace(moves[0], source=moves[0].target), *moves[1:]],
            "not all of the disks are there",
        ),
        (changed(0, bytes=1), "it copies"),
        (changed(0, room=1), "it takes"),
        (changed(0, kind="evacuate"), "not to be emptied"),
        (changed(0, kind="placement"), "placement allows"),
        (changed(0, kind="parking"), "it may only wait"),
        (lambda moves: moves[:-1], "bytes in use, not"),
        (lambda moves: [*moves, replace(moves[-1], step=99)], "not all of the disks are there"),
    ],
)
def test_a_spoilt_step_is_found(moves: Spoil, text: str) -> None:
    assert any(text in defect for defect in spoilt(moves)), spoilt(moves)


@pytest.mark.parametrize(
    ("proof", "text"),
    [
        ({"bytes": 5}, "the proof counts 5 bytes"),
        ({"bytes_lower_bound": 1 << 60}, "does not go with"),
        ({"optimal": True}, "does not go with"),
    ],
)
def test_a_spoilt_proof_is_found(proof: dict[str, Any], text: str) -> None:
    assert any(text in defect for defect in spoilt(proof=proof))


def _datastores(**fields: Any) -> Callable[[Snapshot], Snapshot]:
    return lambda snapshot: replace(
        snapshot, datastores=tuple(replace(place, **fields) for place in snapshot.datastores)
    )


def _guests(**fields: Any) -> Callable[[Snapshot], Snapshot]:
    return lambda snapshot: replace(
        snapshot, guests=tuple(replace(guest, **fields) for guest in snapshot.guests)
    )


def _disks(change: Callable[[Disk], Disk]) -> Callable[[Snapshot], Snapshot]:
    return lambda snapshot: replace(
        snapshot,
        guests=tuple(
            replace(guest, disks=tuple(change(disk) for disk in guest.disks)) for guest in snapshot.guests
        ),
    )


@pytest.mark.parametrize(
    ("snapshot", "text"),
    [
        (_datastores(closed_because="not accessible"), "takes no disk"),
        (_datastores(maintenance=True), "takes no disk"),
        (_datastores(content=("iso",)), "does not hold images"),
        (_datastores(balanced_by="Storage DRS"), "no disk may leave"),
        (_datastores(arriving=1 << 40), "is its limit"),
        (_datastores(arriving=1), "bytes in use, not"),
        (_guests(platform_managed=True), "not to be touched"),
        (_guests(power="unknown"), "not to be touched"),
        (_guests(blockers=("template",)), "has a blocker"),
        (_guests(blockers=("locked",)), "has a blocker"),
        (_guests(blockers=("being_migrated",)), "has a blocker"),
        (_disks(lambda disk: replace(disk, blockers=("raw_device",))), "has a blocker"),
        (_disks(lambda disk: replace(disk, size=None)), "is not known"),
    ],
)
def test_a_plan_for_another_cluster_is_refused(snapshot: Callable[[Snapshot], Snapshot], text: str) -> None:
    assert any(text in defect for defect in spoilt(snapshot=snapshot))


@pytest.mark.parametrize(
    ("storage", "text"),
    [
        ({"max_moves": 1}, "more than max_moves"),
        ({"max_bytes": 1}, "more than max_bytes"),
        ({"exclude": {"guests": {"names": ["*"]}}}, "the guest is excluded"),
        ({"exclude": {"sources": {"names": ["*"]}}}, "no disk may leave"),
        ({"exclude": {"targets": {"names": ["*"]}}}, "takes no part"),
        ({"utilisation": 30}, "is its limit"),
        (
            {"placement": [{"guests": {"names": ["*"]}, "datastores": {"names": ["ds04"]}}]},
            "placement does not allow",
        ),
        ({"max_spread": 90, "min_difference": 90}, "minimum difference"),
    ],
)
def test_a_plan_for_another_policy_is_refused(storage: dict[str, Any], text: str) -> None:
    assert any(text in defect for defect in spoilt(**storage))


def test_missing_dependencies_are_found_wherever_they_matter() -> None:
    """Without one of its `after` a plan is unsafe by the verifier whenever some interleaving is."""
    found = 0
    for seed in (2, 4, 6, 26, 27, 36, 38, 52, 54, 68, 76):
        snapshot = generate_storage(
            StorageShape(datastores=3, disks=9, seed=seed, fill=0.7, rules=2, unequal=1.2, fixed=0)
        )
        policy = Policy.from_json({"goal": "storage", "effort": 4, "storage": {"max_spread": 25}})
        assert policy.storage is not None
        plan = plan_storage(snapshot, policy)
        if not any(move.after for move in plan.moves) or len(plan.moves) > 5:
            continue
        problem = build_problem(snapshot, policy.storage)
        rules = [members.rule for members in problem.rules]
        for number, move in enumerate(plan.moves):
            if not move.after:
                continue
            worse = _without_after(plan, number)
            unsafe = every_defect(snapshot, policy.storage, rules, worse)
            defects = storage_defects(snapshot, policy.storage, problem, worse)
            if unsafe:
                found += 1
                assert defects
        if found > 5:
            return
    assert found


def _without_after(plan: StoragePlan, number: int) -> StoragePlan:
    moves = [replace(move, after=(), wave=1) if i == number else move for i, move in enumerate(plan.moves)]
    waves: dict[int, int] = {}
    for index, move in enumerate(moves):
        waves[move.step] = 1 + max((waves[step] for step in move.after), default=0)
        moves[index] = replace(move, wave=waves[move.step])
    return replace(plan, moves=tuple(moves))


@pytest.mark.parametrize("seed", range(30))
def test_the_worst_sum_is_that_of_some_set_of_steps(seed: int) -> None:
    rng = Random(seed)
    count = rng.randint(2, 8)
    ancestors: list[int] = []
    for step in range(count):
        mask = 0
        for other in range(step):
            if rng.random() < 0.3:
                mask |= ancestors[other] | 1 << other
        ancestors.append(mask)
    gains = {step: rng.randint(1, 9) for step in range(count) if rng.random() < 0.6}
    reliefs = {step: rng.randint(1, 9) for step in range(count) if rng.random() < 0.6}
    most = 0
    for ended in range(1 << count):
        if any(ended >> step & 1 and ancestors[step] & ~ended for step in range(count)):
            continue
        begun = [step for step in range(count) if not ancestors[step] & ~ended]
        most = max(
            most,
            sum(gains.get(step, 0) for step in begun)
            - sum(size for step, size in reliefs.items() if ended >> step & 1),
        )
    assert worst_sum(ancestors, gains, reliefs) == pytest.approx(most)
