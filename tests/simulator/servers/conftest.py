# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulators that are started for a test and stopped after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.tests.simulator.servers.small_cluster import snapshot
from ansible_collections.evenkeel.cluster.tests.simulators import launch

StartProxmox = Callable[..., launch.Simulator]


@pytest.fixture(name="start_proxmox")
def _start_proxmox(tmp_path: Path) -> Iterator[StartProxmox]:
    """Start a Proxmox VE with these command line options and switches, over the small cluster or another."""
    running: list[launch.Simulator] = []

    def start(
        *options: str, cluster: Mapping[str, Any] | None = None, **switches: object
    ) -> launch.Simulator:
        directory = tmp_path / f"proxmox{len(running)}"
        directory.mkdir()
        (directory / "cluster.json").write_text(json.dumps(cluster or snapshot()))
        faults = {"migration_seconds": 0.1, "ha_delay_seconds": 0.05, **switches}
        simulator = launch.start(
            "proxmox", [directory / "cluster.json"], directory, options=options, switches=faults
        )
        running.append(simulator)
        return simulator

    yield start
    for simulator in running:
        simulator.stop()
