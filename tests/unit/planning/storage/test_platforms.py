# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies for datastores on a platform that moves no disks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.support.generate_storage import (
    StorageShape,
    generate_storage,
)

CLUSTER = replace(
    generate_storage(StorageShape(datastores=3, disks=12, seed=3, fill=0.8)), platform="vmmanager"
)


@pytest.mark.parametrize("policy", [{"goal": "storage"}, {"preset": "sdrs"}])
def test_a_goal_that_only_moves_disks_is_refused(policy: dict[str, object]) -> None:
    with pytest.raises(InputError) as refused:
        plan(CLUSTER, Policy.from_json(policy))
    assert str(refused.value) == (
        "policy.goal is storage, but moves of disks between datastores are not supported by VMmanager."
        " Use another goal"
    )


def test_datastores_to_be_emptied_are_refused() -> None:
    with pytest.raises(InputError) as refused:
        plan(CLUSTER, Policy.from_json({"storage": {"evacuate": {"names": ["ds01"]}}}))
    assert str(refused.value) == (
        "policy.storage.evacuate is set, but moves of disks between datastores are not supported by"
        " VMmanager. Leave it out"
    )


def test_hosts_are_balanced_and_a_notice_says_that_disks_are_not() -> None:
    found = plan(CLUSTER, Policy.from_json({"storage": {"utilisation": 50}}))
    plain = plan(CLUSTER, Policy())
    assert found.storage is None
    assert (found.migrations, found.status) == (plain.migrations, plain.status)
    assert found.notices == (
        *plain.notices,
        "moves of disks between datastores are not supported by VMmanager, so storage of the policy has no"
        " effect",
    )
