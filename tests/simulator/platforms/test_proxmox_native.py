# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The automatic rebalancing of Proxmox VE, read from a datacenter and shown beside a plan."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.native_balancer import NativeBalancer
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Rule, Snapshot
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan
from ansible_collections.evenkeel.cluster.tests.simulator.platforms import proxmox_clusters as clusters
from ansible_collections.evenkeel.cluster.tests.simulator.platforms.conftest import Simulate
from ansible_collections.evenkeel.cluster.tests.simulators.launch import Simulator

CRS = {
    "ha": "dynamic",
    "ha-auto-rebalance": 1,
    "ha-auto-rebalance-threshold": 25,
    "ha-auto-rebalance-margin": 5,
    "ha-auto-rebalance-hold-duration": 6,
}


def read(served: Simulator) -> Snapshot:
    platform = clusters.connect(served)
    snapshot = platform.read()
    platform.close()
    return Snapshot.from_json(snapshot.to_json())


def under_ha() -> Snapshot:
    apart = Rule(
        name="apart", kind="anti_affinity", guests=("100", "102"), strict=True, source="ha-rule:apart"
    )
    return replace(clusters.small(), rules=(apart,))


def test_the_settings_and_guests_of_the_datacenter_are_read_and_shown(simulator: Simulate) -> None:
    served = simulator("proxmox", under_ha())
    served.switches(options={"crs": CRS})
    found = read(served)
    assert found.native_balancer == NativeBalancer(
        enabled=True, scheduler="dynamic", threshold=0.25, margin=0.05, hold_rounds=6, guests=("100", "102")
    )
    result = plan(found, Policy.from_json({"preset": "proxmox"}))
    assert [entry.code for entry in result.unresolved] == ["other_balancer"]
    assert result.notices[-1].startswith(
        "The balancer of Proxmox VE (crs: ha=dynamic, threshold 25 %, margin 5 %) is on, and would migrate "
    )


def test_a_datacenter_without_crs_has_the_defaults_and_an_older_one_has_no_balancer(
    simulator: Simulate,
) -> None:
    served = simulator("proxmox", under_ha())
    assert read(served).native_balancer == NativeBalancer(enabled=False, guests=("100", "102"))
    older = simulator("proxmox", under_ha(), options=("--version", "9.0"))
    assert read(older).native_balancer is None
