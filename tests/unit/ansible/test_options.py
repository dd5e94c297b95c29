# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that Ansible lets through and that no module can use."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._ansible.runner import refuse_unusable
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.errors import InputError


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
