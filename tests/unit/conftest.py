# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit tests open no socket, start no process and do not sleep; one that does fails."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

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
