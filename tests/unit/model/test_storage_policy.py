# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy says of datastores: defaults, the preset, and parts that contradict each other."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.storage import StoragePolicy


def test_goal_storage_has_defaults() -> None:
    assert Policy.from_json({"goal": "storage"}).storage == StoragePolicy()
    assert Policy.from_json({"goal": "spread"}).storage is None


def test_the_preset_has_what_storage_drs_does_by_default() -> None:
    policy = Policy.from_json({"preset": "sdrs", "storage": {"utilisation": 85}})
    assert policy.goal == "storage"
    assert policy.storage is not None
    storage = policy.storage
    assert (storage.utilisation, storage.latency, storage.min_difference) == (85, 15, 5)
    assert (storage.keep_together, storage.max_spread) == (True, None)


def test_the_preset_moves_no_disks_where_hosts_are_to_be_emptied() -> None:
    wanted = {"preset": "sdrs", "goal": "evacuate", "evacuate": {"names": ["h1"]}}
    assert Policy.from_json(wanted).storage is None
    asked = Policy.from_json({**wanted, "storage": {"utilisation": 85}}).storage
    assert asked is not None
    assert asked.utilisation == 85


@pytest.mark.parametrize(
    ("storage", "text"),
    [
        ({"evacuate": {}}, "policy.storage.evacuate is required"),
        (
            {"evacuate": {"names": ["a"]}, "exclude": {"sources": {"names": ["a"]}}},
            "policy.storage.evacuate.names: 'a' is in exclude.sources, too",
        ),
        ({"max_spread": 3}, "policy.storage.min_difference (5, the default) must not exceed max_spread (3)"),
        ({"max_spread": 8, "min_difference": 9}, "min_difference (9) must not exceed max_spread (8)"),
        ({"rules": [{"by": "disks"}]}, "policy.storage.rules[0].guests is required when by is disks"),
        ({"rules": [{"by": "guests", "guests": {}}]}, "rules[0].guests is required when by is guests"),
        ({"rules": [{"by": "regex"}]}, "policy.storage.rules[0].pattern is required when by is regex"),
        ({"rules": [{"by": "regex", "pattern": "("}]}, "policy.storage.rules[0].pattern"),
        ({"rules": [{"by": "name_prefix", "pattern": "x"}]}, "does not support by: name_prefix"),
        ({"rules": [{"by": "tag", "guests": {"names": ["a"]}}]}, "does not support by: tag"),
        (
            {"placement": [{"guests": {}, "datastores": {"names": ["a"]}}]},
            "policy.storage.placement[0].guests is required",
        ),
        (
            {"placement": [{"guests": {"names": ["a"]}, "datastores": {}}]},
            "policy.storage.placement[0].datastores is required",
        ),
        ({"exclude": {"targets": {"regex": "("}}}, "policy.storage.exclude.targets.regex"),
        ({"evacuate": {"where": "shred"}}, "policy.storage.evacuate.where"),
        ({"utilisation": 101}, "policy.storage.utilisation"),
    ],
)
def test_what_contradicts_is_refused_with_its_field(storage: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as error:
        Policy.from_json({"goal": "storage", "storage": storage})
    assert text in str(error.value)


def test_the_exact_engine_is_for_hosts() -> None:
    with pytest.raises(InputError, match="does not support goal: storage"):
        Policy.from_json({"goal": "storage", "engine": "exact"})
