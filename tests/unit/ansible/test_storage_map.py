# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that go along go where the option says, unless the plan says something else itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.options.storage_map import (
    local_datastores,
    redirected,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import HostDatastore
from ansible_collections.evenkeel.cluster.tests.support.tight_cluster import planned_run, step

PLANNED = {"local": "local", "fast": "fast", "old": "new"}


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (None, PLANNED),
        ("1", PLANNED),
        ("ceph", {"local": "ceph", "fast": "ceph", "old": "new"}),
        ("local:ceph", {"local": "ceph", "fast": "fast", "old": "new"}),
        ("local:ceph,old:other", {"local": "ceph", "fast": "fast", "old": "new"}),
    ],
)
def test_where_disks_go(option: str | None, expected: dict[str, str]) -> None:
    plain = step(2, 102, "h1", "h2")
    found = redirected([replace(plain, storage=PLANNED), plain], option)
    assert [dict(migration.storage) for migration in found] == [expected, {}]


def test_pairs_that_are_none() -> None:
    with pytest.raises(InputError, match=r"target_storage: 'a:' is not the name of a storage, or pairs"):
        redirected([], "a:")


def test_a_datastore_is_local_or_not_by_host() -> None:
    snapshot = planned_run().snapshot
    first, *others = snapshot.hosts
    own = replace(first, datastores={**first.datastores, "own": HostDatastore(shared=False)})
    assert local_datastores(replace(snapshot, hosts=(own, *others))) == {("h1", "own")}
