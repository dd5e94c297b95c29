# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage policies that were assigned after the plan: the move is not started."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._execution.storage.policy_check import (
    policies_kept,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.storage import StoragePolicy
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.errors import PermissionMissing
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.rehearsal import RehearsalPlatform
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.storage_protocol import (
    DiskMoveRequest,
)
from ansible_collections.evenkeel.cluster.tests.unit.execution.test_disk_moves import (
    Run,
    cluster_file,
    datastore,
    disk,
    guest,
    move,
    results,
)

SAID = "datastore free does not comply with storage policy gold of disk scsi0"


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    guests = [guest(name, disk("scsi0", "full")) for name in "12"]
    return cluster_file(tmp_path, guests, [datastore("full", 60, 10), datastore("free", 100, 100)])


def assign(path: Path, name: str) -> None:
    """As somebody else assigns a policy to the disk of a guest."""
    data = json.loads(path.read_text())
    for entry in data["guests"]:
        if entry["id"] == name:
            entry["disks"][0].update(storage_policy="gold", targets=["full"])
    path.write_text(json.dumps(data))


def test_what_no_longer_complies_is_not_started_and_what_depends_on_it_neither(cluster: Path) -> None:
    assign(cluster, "1")
    end = Run(cluster, [move(1, "1"), move(2, "2", after=(1,))]).run()
    assert results(end) == ["skipped", "skipped"]
    assert end.outcomes[0].why == SAID


def test_policies_that_are_to_be_ignored_are(cluster: Path) -> None:
    assign(cluster, "1")
    assert results(Run(cluster, [move(1, "1")], policies="none").run()) == ["migrated"]


def test_a_move_back_restores_what_was_there_before(cluster: Path) -> None:
    assign(cluster, "1")
    assert results(Run(cluster, [replace(move(1, "1"), kind="rollback")]).run()) == ["migrated"]


class Secretive(RehearsalPlatform):
    def policy_breach(self, request: DiskMoveRequest) -> str | None:
        raise PermissionMissing("the account lacks StorageProfile.View")


@pytest.mark.parametrize(
    ("policies", "result"), [("all", "skipped"), ("those that can be read", "migrated"), ("none", "migrated")]
)
def test_policies_that_can_t_be_read_stop_a_move_unless_that_is_allowed(
    cluster: Path, policies: str, result: str
) -> None:
    end = Run(cluster, [move(1, "1")], platform_type=Secretive, policies=policies).run()  # type: ignore[arg-type]
    assert results(end) == [result]
    assert ("StorageProfile.View" in end.outcomes[0].why) == (result == "skipped")


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (lambda plain: plain, "all"),
        (lambda plain: replace(plain, platform_rules=False), "none"),
        (
            lambda plain: replace(plain, allow_blockers=("storage_policy_unknown",)),
            "those that can be read",
        ),
        (lambda _plain: None, "all"),
    ],
)
def test_what_the_policy_says_about_them(
    change: Callable[[StoragePolicy], StoragePolicy | None], kept: str
) -> None:
    assert policies_kept(change(StoragePolicy())) == kept
