# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pytest plugin: prints the duration of a slow test as soon as it ends, and at the end the slowest files.

A run that is stopped has thus named what took long; on SIGTERM it also names the tests that are running.
"""

from __future__ import annotations

import signal
import time
from collections import defaultdict

import pytest

LISTED_FILES = 12


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --slow."""
    parser.addoption(
        "--slow",
        type=float,
        default=3.0,
        metavar="SECONDS",
        help="Print the duration of a test at once when it is at least SECONDS. Default: %(default)s.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Watch where results arrive: in the only process, or in the one that hands tests to workers."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Durations(config), "durations")
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signal.default_int_handler)


class Durations:
    """The seconds of every test, its fixtures included, and the tests that have begun but not ended."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._fixtures: defaultdict[str, float] = defaultdict(float)
        self._running: dict[str, float] = {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins."""
        self._running[nodeid] = time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A phase of a test has ended."""
        self._seconds[report.nodeid] += report.duration
        if report.when != "call":
            self._fixtures[report.nodeid] += report.duration

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A test has ended."""
        self._running.pop(nodeid, None)
        if self._seconds[nodeid] >= self._config.getoption("slow"):
            self._say(f"{self._seconds[nodeid]:.1f} s ({self._fixtures[nodeid]:.1f} s fixtures) {nodeid}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The slowest files, and what was running when the run was stopped."""
        files: defaultdict[str, float] = defaultdict(float)
        for nodeid, seconds in self._seconds.items():
            files[nodeid.partition("::")[0]] += seconds
        terminalreporter.section("seconds by file")
        for name, seconds in sorted(files.items(), key=lambda item: -item[1])[:LISTED_FILES]:
            terminalreporter.write_line(f"{seconds:8.1f} {name}")
        for nodeid, began in self._running.items():
            terminalreporter.write_line(f"still running after {time.monotonic() - began:.1f} s: {nodeid}")

    def _say(self, line: str) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write(f"\n{line}\n", flush=True)
