# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations followed to their end, on any platform, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.protocol import (
    MigrationRequest,
    MigrationState,
    Platform,
)
from ansible_collections.evenkeel.cluster.tests.support.patience import PATIENCE_SECONDS

POLL_SECONDS = 0.02


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def wait_until(true: Callable[[], bool], seen: Callable[[], object] = lambda: None) -> None:
    """Wait for what has to come; `seen` returns what a failure shows."""
    alarm = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < alarm, seen()
        time.sleep(POLL_SECONDS)


def follow(
    platform: Platform, tasks: Mapping[str, MigrationRequest], until: Callable[[], bool] = lambda: False
) -> Mapping[str, MigrationState]:
    """Poll until none runs any more, or `until` is true; returns the last states, by task."""
    states: Mapping[str, MigrationState] = {}

    def over() -> bool:
        nonlocal states
        states = dict(platform.poll(tasks))
        return until() or all(state.state != "running" for state in states.values())

    wait_until(over, lambda: states)
    return states


def migrate(platform: Platform, wanted: MigrationRequest) -> MigrationState:
    """Prepare, which must find no objection, start and follow one migration; returns how it ended."""
    prepared = platform.prepare(wanted)
    assert prepared.objection is None
    task = platform.start(prepared)
    return follow(platform, {task: wanted})[task]
