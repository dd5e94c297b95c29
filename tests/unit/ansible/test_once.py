# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tasks of all hosts need is computed once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.once import once


def test_the_first_one_computes_and_the_others_read(tmp_path: Path) -> None:
    calls = []

    def compute() -> dict[str, int]:
        calls.append(1)
        return {"a": len(calls)}

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: once(tmp_path, "task", compute), range(40)))
    assert (found, calls) == ([{"a": 1}] * 40, [1])
    assert once(tmp_path, "another task", compute) == {"a": 2}


def test_after_a_failure_the_next_one_computes(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        once(tmp_path, "task", lambda: 1 / 0)
    assert once(tmp_path, "task", lambda: [3]) == [3]
