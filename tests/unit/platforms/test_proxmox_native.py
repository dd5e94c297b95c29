# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The automatic rebalancing of Proxmox VE 9.2, as its datacenter is set up."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.native_balancer import NativeBalancer
from ansible_collections.evenkeel.cluster.plugins.module_utils._platforms.proxmox.read.cluster import (
    native_balancer,
)

NAME = "ha-auto-rebalance"


def test_without_options_it_is_off_and_has_the_defaults() -> None:
    assert native_balancer({}, "9.2.3", []) == NativeBalancer(enabled=False)


@pytest.mark.parametrize("version", ["8.4.1", "9.0.3", "9.1", ""])
def test_before_9_2_there_is_none(version: str) -> None:
    assert native_balancer({"crs": {NAME: 1, "ha": "dynamic"}}, version, []) is None


@pytest.mark.parametrize("version", ["9.2.0", "9.11.1", "10.0.2"])
def test_since_9_2_there_is_one(version: str) -> None:
    assert native_balancer({}, version, []) is not None


@pytest.mark.parametrize(
    "crs",
    [
        {"ha": "static", NAME: 1, f"{NAME}-threshold": 40, f"{NAME}-margin": 5},
        {"ha": "static", NAME: 1, f"{NAME}-threshold": "0.4", f"{NAME}-margin": 0.05},
        f"ha=static,{NAME}=1,{NAME}-threshold=40,{NAME}-margin=5",
    ],
)
def test_thresholds_are_percentages_or_shares(crs: Any) -> None:
    expected = NativeBalancer(enabled=True, scheduler="static", threshold=0.4, margin=0.05)
    assert native_balancer({"crs": crs}, "9.2.3", []) == expected


def test_one_is_one_percent_and_nonsense_is_the_default() -> None:
    found = native_balancer({"crs": {f"{NAME}-threshold": 1, f"{NAME}-margin": "much"}}, "9.2.3", [])
    assert found is not None
    assert (found.threshold, found.margin) == (0.01, 0.1)


def test_the_other_settings() -> None:
    crs = {"ha": "dynamic", f"{NAME}-method": "topsis", f"{NAME}-hold-duration": 0}
    found = native_balancer({"crs": crs}, "9.2.3", [])
    assert found == NativeBalancer(enabled=False, scheduler="dynamic", method="topsis", hold_rounds=0)


def test_it_may_migrate_what_ha_runs_unless_the_resource_forbids_it() -> None:
    resources = [
        {"sid": "vm:102"},
        {"sid": "ct:101", "state": "started"},
        {"sid": "vm:103", "state": "enabled", "auto-rebalance": 1},
        {"sid": "vm:104", "state": "started", "auto-rebalance": 0},
        {"sid": "vm:105", "state": "ignored"},
        {"sid": "vm:106", "state": "stopped"},
    ]
    found = native_balancer({}, "9.2.3", resources)
    assert found is not None
    assert found.guests == ("101", "102", "103")
