# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that move disks in words: what is confirmed, how long it takes at least, what stays undone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ansible_collections.evenkeel.cluster.extensions.console.screens.plan import (
    disks_along,
    headlines,
    storage_figures,
)
from ansible_collections.evenkeel.cluster.extensions.console.screens.running import (
    least_seconds,
    what_happens,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import (
    Cost,
    GuestRef,
    Migration,
    Plan,
    Unresolved,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.storage.present import (
    present_storage,
)
from ansible_collections.evenkeel.cluster.tests.support.console import session_with
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)

SNAPSHOT = generate_storage(StorageShape(datastores=4, disks=24, seed=17, rules=2))
POLICY = Policy.from_json({"goal": "storage", "effort": 2, "storage": {"utilisation": 60}})
PLAN = plan(SNAPSHOT, POLICY)
ALONG = Migration(
    step=1,
    wave=1,
    guest=GuestRef(id="1", name="db-1"),
    source="h1",
    target="h2",
    kind="storage",
    why="local1 is to be emptied",
    after=(),
    cost=Cost(memory=2**30, seconds=9, disks=4 * 2**30),
    storage={"local1": "local2"},
)


def said(folder: Path, given: Plan) -> str:
    session = session_with({"platform": "rehearsal", "rehearsal_path": str(folder / "cluster.json")}, folder)
    return " ".join(what_happens(session, given))


def test_moves_of_disks_are_confirmed_with_their_bytes_slots_and_what_stays(tmp_path: Path) -> None:
    assert PLAN.storage is not None
    count = len(PLAN.storage.moves)
    text = said(tmp_path, PLAN)
    assert f"No guest is migrated. {count} moves of disks, {PLAN.storage.proof.bytes / 2**30:.1f} GiB" in text
    assert "At most 2 moves of disks at once for each datastore." in text
    assert "Disks that were moved stay where they are then." in text
    left = (Unresolved(what="space", why="full", code="datastore_full"),)
    both = replace(PLAN, migrations=(ALONG,), storage=replace(PLAN.storage, unresolved=left))
    text = said(tmp_path, both)
    assert "1 migration, 1.0 GiB of memory" in text
    assert f"Then {count} moves of disks" in text
    assert "It leaves 1 thing undone." in text


def test_the_least_time_is_that_of_the_busiest_datastore_or_the_longest_move() -> None:
    assert PLAN.storage is not None
    moves = PLAN.storage.moves
    longest = max(move.seconds for move in moves)
    assert longest <= least_seconds(PLAN.storage, POLICY) <= sum(move.seconds for move in moves)
    alone = replace(PLAN.storage, moves=moves[:1])
    assert least_seconds(alone, POLICY) == moves[0].seconds


def test_the_headline_is_about_what_the_plan_moves() -> None:
    assert PLAN.storage is not None
    (line,) = headlines(PLAN)
    assert line.startswith(f"datastores: {PLAN.storage.status} by {len(PLAN.storage.moves)} disk moves")
    assert line.endswith("(goal storage)")
    assert len(list(headlines(replace(PLAN, migrations=(ALONG,))))) == 2
    assert "fullest datastore" in storage_figures(PLAN.storage)
    assert disks_along(ALONG) == "disks local1 → local2"


def test_what_is_out_of_order_with_datastores_is_what_the_plan_mends() -> None:
    found = present_storage(SNAPSHOT, POLICY)
    assert PLAN.storage is not None
    full = {item.subject for item in found.wrong if item.code == "datastore_full"}
    assert full
    assert full >= {move.source for move in PLAN.storage.moves if move.kind == "space"}
    assert found.state == PLAN.storage.before
    broken = {item.subject for item in found.wrong if item.code == "rule_broken"}
    assert broken == {one.rule for one in PLAN.storage.before.violations if one.strict}
    # Where the policy says nothing about datastores, nothing about them is wrong.
    assert not present_storage(SNAPSHOT, Policy()).wrong
    assert not present_storage(SNAPSHOT, Policy()).limits
