# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plugin of pytest: which lines of the product each test reaches, and how long the test takes.

    pytest -p ansible_collections.evenkeel.cluster.tools.reach --reach FILE TESTS

FILE is JSON: by test, its seconds and, by module, the numbers of the lines. Lines that run when a module is
imported belong to no test. Other processes that a test starts are not seen.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

PRODUCT = "/plugins/module_utils/"


class Reach:
    """Collects lines while a test runs, in all threads."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lines: dict[str, set[int]] = {}
        self._found: dict[str, tuple[float, dict[str, list[int]]]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """One test, from its fixtures to their end."""
        self._lines = {}
        began = time.monotonic()
        threading.settrace(self._trace)
        sys.settrace(self._trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            lines = {module: sorted(numbers) for module, numbers in self._lines.items()}
            self._found[item.nodeid] = (time.monotonic() - began, lines)

    def pytest_sessionfinish(self) -> None:
        """Leave what was found."""
        self._file.write_text(json.dumps(self._found), encoding="utf-8")

    def _trace(self, frame: FrameType, _event: str, _argument: object) -> Any:
        module = frame.f_code.co_filename
        if PRODUCT not in module:
            return None
        lines = self._lines.setdefault(module, set())
        lines.add(frame.f_lineno)

        def within(frame: FrameType, _event: str, _argument: object) -> Any:
            lines.add(frame.f_lineno)
            return within

        return within


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reach", type=Path, help="where the lines that each test reaches are written to")


def pytest_configure(config: pytest.Config) -> None:
    file = config.getoption("reach")
    if file is not None:
        config.pluginmanager.register(Reach(file), "reach")
