# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The defaults of other systems, for those who come from them: each preset is a part of a policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Preset = Literal["fdrs", "vmmanager", "proxmox_rebalancing", "proxlb", "drs", "proxmox", "sdrs"]

PRESETS: Final[Mapping[str, Mapping[str, object]]] = {
    "fdrs": {
        "goal": "spread",
        "metrics": ["cpu", "memory", "disk_io", "network_io"],
        "aggressiveness": 3,
        "demand": "used",
        "limits": {"cpu": 90, "memory": 90, "cpu_for_rules": 95, "memory_for_rules": 95},
        "max_migrations": 20,
        "rules": [{"by": "name_prefix", "kind": "even_spread", "min_members": 2, "max_skew": 1}],
        "assumed_capacity": {"disk_io": 4_000_000_000, "network_io": 1_250_000_000},
    },
    "vmmanager": {
        "goal": "relieve",
        "metrics": ["vcpu", "memory"],
        "demand": "assigned",
        "relieve": {
            "overload": {"vcpus_per_core": 7.0, "memory": 70},
            "target": {"vcpus_per_core": 6.0, "memory": 80},
            "first": "smallest",
            "density_weight": 0.5,
        },
        "target_version": "not_older",
        "max_migrations": 1,
        "min_gain": 0,
        "cool_down": 3600,
        "retry_after": 86_400,
    },
    "proxmox_rebalancing": {
        "goal": "spread",
        "metrics": ["memory"],
        "demand": "used",
        "max_spread": 8,
        "allow_blockers": ["local_disk"],
    },
    "proxlb": {
        "goal": "spread",
        "metrics": ["memory"],
        "demand": "used",
        "max_spread": 10,
        "allow_blockers": ["local_disk"],
    },
    "drs": {
        "goal": "spread",
        "metrics": ["cpu", "memory"],
        "aggressiveness": 3,
        "demand": "used",
        "platform_rules": True,
        "other_balancers": "respect",
        "consolidate": {"below": 45, "fill": 81},
    },
    "proxmox": {
        "goal": "spread",
        "metrics": ["cpu", "memory"],
        "max_spread": 20,
        "demand": "used",
        "platform_rules": True,
        "other_balancers": "respect",
    },
    # Storage DRS levels no space below its threshold, so there is no max_spread. It looks every 8 hours: that
    # is for a schedule. growth is its advanced option PercentIdleMBInSpaceDemand, 25 by default.
    "sdrs": {
        "goal": "storage",
        "storage": {
            "utilisation": 80,
            "latency": 15,
            "min_difference": 5,
            "growth": 25,
            "keep_together": True,
            "platform_rules": True,
            "other_balancers": "respect",
        },
    },
}
# What a preset says is not meant when the other one is given, or when this is the goal.
_RIVALS: Final = {"aggressiveness": "max_spread"}
# Hosts that are emptied do not wait for copies of disks.
_NOT_FOR_GOAL: Final = {"evacuate": ("max_migrations", "storage"), "consolidate": ("max_migrations",)}


def with_preset(policy: object) -> object:
    """A policy's JSON with what its preset says wherever it says nothing itself, at every depth of objects.

    Lists and plain values are taken or left whole. What is no policy, or names no preset, comes back as is.
    """
    if not isinstance(policy, Mapping):
        return policy
    name = policy.get("preset")
    preset = PRESETS.get(name) if isinstance(name, str) else None
    if preset is None:
        return policy
    unwanted = {other for given, other in _RIVALS.items() if given in policy}
    unwanted.update(_NOT_FOR_GOAL.get(str(policy.get("goal")), ()))
    return _merged({key: value for key, value in preset.items() if key not in unwanted}, policy)


def _merged(defaults: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    result = {**defaults, **given}
    for key, value in given.items():
        default = defaults.get(key)
        if isinstance(value, Mapping) and isinstance(default, Mapping):
            result[key] = _merged(default, value)
    return result
