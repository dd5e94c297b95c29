# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spoilt inputs are refused with a message; the long run is benchmarks/fuzz.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.benchmarks.fuzz import (
    is_ansible_s_own,
    result_in,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.tests.support.fuzz import Bearers, Harmless, fuzz


@pytest.mark.parametrize("seed", range(2))
def test_a_few_inputs_of_each_kind(tmp_path: Path, seed: int) -> None:
    with open_database(f"sqlite:///{tmp_path}/state.db") as database:
        bearers = Bearers(tmp_path, database)
        quick = [name for name in bearers.targets if not name.startswith("planner")]
        assert fuzz(bearers, 50 * len(quick), seed * 1000, quick) == []
        assert fuzz(bearers, 8, seed * 1000, ["planner, snapshot", "planner, policy"]) == []


def test_the_inputs_are_right_before(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path}/state.db") as database:
        for bear in Bearers(tmp_path, database).targets.values():
            bear(Harmless(1))


def test_a_message_is_told_from_a_traceback_and_ours_from_ansible_s_own() -> None:
    ours = 'Traceback (most recent call last):\n  File "/x/ansible_collections/a.py", line 1\nError\n'
    theirs = 'Traceback (most recent call last):\n  File "/x/ansible/module_utils/basic.py", line 1\nError\n'
    # A message may well name a traceback.
    assert result_in('{"failed": true, "msg": "Traceback (most"}\n') is not None
    assert result_in(ours) is None
    assert result_in(f'{ours}{{"msg": "then this"}}\n') is None
    assert (is_ansible_s_own(ours), is_ansible_s_own(theirs), is_ansible_s_own("")) == (False, True, False)
