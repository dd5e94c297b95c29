# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that Ansible lets through and that no module can use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import refuse_unusable
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError
from ansible_collections.evenkeel.cluster.tests.support.modules import run_module


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"wait": float("nan")}, "wait: nan is not a number between"),
        ({"keep_place": float("inf")}, "keep_place: inf is not a number between"),
        ({"lifetime": 1e300}, "lifetime: 1e+300 is not a number between"),
        ({"worker_pid": 2**80}, "worker_pid: 1208925819614629174706176 is not a number between"),
        ({"journal_path": "/tmp/a\0b"}, "journal_path: '/tmp/a\\x00b' is not a text without NUL"),
        ({"evacuate": ["a", "\ud800"]}, "evacuate: '\\ud800' is not a text without NUL"),
        ({"state_url": "postgresql://u:s3cret\0@h/d"}, "state_url: 'a secret' is not a text without NUL"),
    ],
)
def test_what_is_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refusal:
        refuse_unusable(params, ["postgresql://u:s3cret\0@h/d"])
    assert str(refusal.value).startswith(message)


def test_what_is_usable() -> None:
    refuse_unusable({"a": None, "b": True, "c": 10**9, "d": 0.5, "e": ["ä", 2**62], "f": {"g": "\0"}})


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
