# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit tests open no socket, start no process and do not sleep; one that does fails.

Properties are tried with few examples, always the same; EVENKEEL_EXAMPLES=2000 tries that many others.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "evenkeel",
    max_examples=int(os.environ.get("EVENKEEL_EXAMPLES", "40")),
    deadline=None,
    derandomize="EVENKEEL_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("evenkeel")

IMPURE = frozenset(
    ("os.exec", "os.fork", "os.posix_spawn", "os.system", "socket.__new__", "subprocess.Popen", "time.sleep")
)
_testing = False


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if _testing and event in IMPURE:
        raise AssertionError(f"{event}{arguments!r:.200} in a unit test. Move it to another suite of tests.")


sys.addaudithook(_refuse)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    global _testing
    _testing = True
    try:
        return (yield)
    finally:
        _testing = False
