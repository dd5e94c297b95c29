# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulators that are started for a test and stopped after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.evenkeel.cluster.tests.simulators import launch

Simulate = Callable[..., launch.Simulator]


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulate]:
    """Start a simulator of a platform over one or several clusters; what else is named are switches."""
    running: list[launch.Simulator] = []

    def start(
        platform: launch.Platform, *clusters: Snapshot, options: Sequence[str] = (), **switches: object
    ) -> launch.Simulator:
        directory = tmp_path / f"{platform}{len(running)}"
        directory.mkdir()
        files = []
        for number, cluster in enumerate(clusters):
            files.append(directory / f"cluster{number}.json")
            files[-1].write_text(json.dumps(cluster.to_json()))
        started = launch.start(platform, files, directory, options=options, switches=switches)
        running.append(started)
        return started

    yield start
    for started in running:
        started.stop()
