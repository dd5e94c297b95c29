# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulators that serve one case after the other: starting one takes longer than most of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.tests.simulators import launch
from ansible_collections.evenkeel.cluster.tests.support import tight_cluster
from ansible_collections.evenkeel.cluster.tests.support.fault_injection import PlannedRun, put_back

Reset = Callable[[str], tuple[launch.Simulator, PlannedRun]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one platform follow each other, so that a worker needs few simulators. Those of none begin:
    they take longest.
    """

    def platform(item: pytest.Item) -> str:
        given = getattr(item, "callspec", None)
        return str(given.params.get("platform", "")) if given else ""

    items.sort(key=platform)


def apart_by_tag() -> PlannedRun:
    """The rule is ours alone: on Proxmox VE no guest is in the hands of HA."""
    return tight_cluster.planned_run()


@pytest.fixture(scope="session")
def simulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], launch.Simulator]]:
    running: dict[str, launch.Simulator] = {}

    def running_one(name: str) -> launch.Simulator:
        if name not in running:
            folder = tmp_path_factory.mktemp(name)
            if name in ("vcenter", "vmmanager"):
                running[name] = tight_cluster.planned_run().on(name).start(name, folder)
            elif name == "proxmox":
                running[name] = tight_cluster.planned_run().start("proxmox", folder, ["--no-rules-as-ha"])
            else:
                running[name] = tight_cluster.with_partners().start("proxmox", folder)
        return running[name]

    yield running_one
    for started in running.values():
        started.stop()


@pytest.fixture
def reset(simulators: Callable[[str], launch.Simulator], tmp_path: Path) -> Reset:
    """A simulator, vcenter, proxmox, vmmanager or ha (Proxmox VE with guests under HA), as it was before any
    run.
    """

    def ready(name: str) -> tuple[launch.Simulator, PlannedRun]:
        planned = tight_cluster.with_partners() if name == "ha" else tight_cluster.planned_run().on(name)
        simulator = simulators(name)
        put_back(simulator, planned)
        return simulator, planned

    return ready
