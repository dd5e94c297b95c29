# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules, as processes, refuse option values that Ansible lets through and that no module can use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.tests.support.modules import run_module


@pytest.mark.parametrize(
    ("module", "options", "field"),
    [
        ("capacity_lease", {"name": "a", "vcpus": 1, "wait": float("nan")}, "wait"),
        ("capacity_lease", {"name": "a", "vcpus": 1, "owner_pid": 2**40}, "owner_pid"),
        ("capacity_lease", {"name": "a", "memory": "9" * 400 + ".5"}, "memory"),
        ("capacity_info", {"metrics_path": "/tmp/\0"}, "metrics_path"),
    ],
)
def test_modules_refuse_it(tmp_path: Path, module: str, options: dict[str, Any], field: str) -> None:
    result = run_module(module, tmp_path, options)
    assert (result["failed"], result["error"]) == (True, "InputError")
    assert result["msg"].startswith(f"{field}: ")
