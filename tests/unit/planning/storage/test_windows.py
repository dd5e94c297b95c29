# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance windows of hosts, and the disks of their guests."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import DiskMove
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)

CLUSTER = generate_storage(StorageShape(datastores=5, disks=40, seed=3, fill=0.65, rules=1))
NOW = "2026-01-31T22:30:00Z"


def first_move() -> DiskMove:
    storage = plan(CLUSTER, Policy.from_json({"goal": "storage", "storage": {"utilisation": 75}})).storage
    assert storage is not None
    return storage.moves[0]


FIRST = first_move()
AWAY = FIRST.host


def planned(start: str, **policy: Any) -> Any:
    window = {"hosts": {"names": [AWAY]}, "start": start, "hours": 1}
    wanted = {"storage": {"utilisation": 75}, "maintenance_windows": [window], "now": NOW, **policy}
    found = plan(CLUSTER, Policy.from_json(wanted))
    assert found.storage is not None
    return found


def test_disks_of_guests_on_a_host_in_a_window_stay() -> None:
    empty = {"goal": "storage", "storage": {"utilisation": 95, "evacuate": {"names": [FIRST.source]}}}
    closed, opened = planned("22:00", **empty), planned("12:00", **empty)
    assert AWAY in {move.host for move in opened.storage.moves}
    assert AWAY not in {move.host for move in closed.storage.moves}
    assert closed.storage.moves
    reasons = {one.why for one in closed.storage.immovable}
    assert reasons == {
        "maintenance_window (its host is in a maintenance window of the policy: wait until that is over)"
    }
    # What a plan rests on is the cluster as it was read.
    assert closed.snapshot_digest == opened.snapshot_digest == CLUSTER.digest()


def test_disks_of_guests_that_leave_the_host_first_may_move() -> None:
    found = planned("22:00")
    assert {one.source for one in found.migrations} == {AWAY}
    left = {one.guest.id for one in found.migrations}
    assert left & {move.guest.id for move in found.storage.moves}
    assert AWAY not in {move.host for move in found.storage.moves}
