# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""With the preset proxmox, a plan says what the balancer of Proxmox VE would do with the same cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.native_balancer import NativeBalancer
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.native_balancer import MAX_SHOWN
from ansible_collections.evenkeel.cluster.plugins.module_utils._planning.planner import plan

from .preset_clusters import cluster

NODES = {"pve1": {}, "pve2": {}, "pve3": {}}
ON: dict[str, Any] = {"enabled": True, "scheduler": "dynamic"}


def planned(guests: Mapping[str, Mapping[str, Any]], native: NativeBalancer | None, **policy: Any) -> Plan:
    snapshot = cluster({"hosts": NODES, "guests": guests})
    if native is not None and native.enabled:
        snapshot = replace(snapshot, other_balancers=("Proxmox VE crs ha-auto-rebalance",))
    return plan(replace(snapshot, native_balancer=native), Policy.from_json({"preset": "proxmox", **policy}))


def guests(count: int) -> dict[str, dict[str, Any]]:
    return {f"vm{number}": {"host": "pve1", "cpu": 8, "memory": 8} for number in range(count)}


def names(count: int) -> tuple[str, ...]:
    return tuple(guests(count))


def test_a_balancer_that_is_on_is_not_fought_and_its_migrations_are_shown() -> None:
    found = planned(guests(3), NativeBalancer(guests=names(3), **ON))
    assert found.migrations == ()
    assert [entry.code for entry in found.unresolved] == ["other_balancer"]
    assert found.notices[-1] == (
        "The balancer of Proxmox VE (crs: ha=dynamic, threshold 30 %, margin 10 %) is on, and would migrate "
        "2 of 3 HA guests, one at a time: vm0 from pve1 to pve2, vm1 from pve1 to pve3; imbalance 1.00 → 0.00"
    )


def test_a_balancer_that_is_off_is_shown_beside_our_plan() -> None:
    found = planned(guests(6), NativeBalancer(enabled=False, guests=names(6)))
    assert len(found.migrations) == 3
    assert found.notices[-1].startswith(
        "The balancer of Proxmox VE (crs: ha=basic, threshold 30 %, margin 10 %) is off. If it were on, "
        "it would migrate 3 of 6 HA guests, one at a time: vm0 from pve1 to pve2"
    )


def test_only_guests_under_ha_are_migrated() -> None:
    found = planned(guests(6), NativeBalancer(enabled=False, guests=("vm5",)))
    assert "would migrate 1 of 1 HA guests, one at a time: vm5 from pve1 to pve2;" in found.notices[-1]
    found = planned(guests(6), NativeBalancer(enabled=False))
    assert found.notices[-1].endswith("nothing: no guest is an HA resource that it may migrate")


def test_the_settings_of_the_datacenter_count() -> None:
    lazy = NativeBalancer(guests=names(6), threshold=1.0, **ON)
    found = planned(guests(6), lazy, other_balancers="ignore")
    assert len(found.migrations) == 3
    assert "threshold 100 %" in found.notices[-1]
    assert found.notices[-1].endswith("nothing: the imbalance of 1.00 is not above its threshold")
    demanding = NativeBalancer(guests=names(6), margin=0.9, **ON)
    assert (
        planned(guests(6), demanding)
        .notices[-1]
        .endswith("nothing: no migration lowers the imbalance of 1.00 by its margin")
    )


def test_of_many_migrations_the_first_are_shown() -> None:
    eager = NativeBalancer(enabled=False, threshold=0.0, margin=0.0, guests=names(24))
    small = {name: {**values, "cpu": 2, "memory": 2} for name, values in guests(24).items()}
    found = planned(small, eager)
    assert f"at least {MAX_SHOWN} of 24 HA guests" in found.notices[-1]
    assert found.notices[-1].count(" from pve1 to ") == MAX_SHOWN


@pytest.mark.parametrize("preset", [None, "proxlb"])
def test_other_presets_say_nothing_of_it(preset: str | None) -> None:
    snapshot = replace(
        cluster({"hosts": NODES, "guests": guests(3)}),
        native_balancer=NativeBalancer(enabled=False, guests=names(3)),
    )
    policy = Policy.from_json({} if preset is None else {"preset": preset})
    assert not [notice for notice in plan(snapshot, policy).notices if "balancer" in notice]


def test_without_a_native_balancer_there_is_nothing_to_say() -> None:
    assert not [notice for notice in planned(guests(3), None).notices if "balancer" in notice]
