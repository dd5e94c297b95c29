# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spoilt inputs through modules, each in a process of its own."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.evenkeel.cluster.benchmarks.fuzz import through_modules
from ansible_collections.evenkeel.cluster.plugins.module_utils._state.database import open_database
from ansible_collections.evenkeel.cluster.tests.support.fuzz import Bearers


def test_a_few_through_modules(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path}/state.db") as database:
        assert through_modules(Bearers(tmp_path, database), tmp_path, 5, 0).failures == []
