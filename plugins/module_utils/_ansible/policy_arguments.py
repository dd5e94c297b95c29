# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a policy, as balance_plan takes them. Private to the collection."""

from __future__ import annotations

from typing import Any, get_args

from .._model.goals import Metric
from .._model.policy import Goal
from .._model.snapshot import RuleKind

_SELECTOR: dict[str, Any] = {
    "names": {"type": "list", "elements": "str"},
    "regex": {"type": "str"},
    "tags": {"type": "list", "elements": "str"},
    "pools": {"type": "list", "elements": "str"},
    "labels": {"type": "dict"},
}

POLICY_ARGUMENTS: dict[str, Any] = {
    "goal": {"type": "str", "choices": list(get_args(Goal)), "default": "spread"},
    "evacuate": {"type": "dict", "options": _SELECTOR},
    "metrics": {
        "type": "list",
        "elements": "str",
        "choices": list(get_args(Metric)),
        "default": ["cpu", "memory"],
    },
    "aggressiveness": {"type": "int", "choices": [1, 2, 3, 4, 5], "default": 3},
    "max_spread": {"type": "raw"},
    "demand": {"type": "str", "choices": ["used", "assigned", "max"], "default": "used"},
    "limits": {
        "type": "dict",
        "options": {
            "cpu": {"type": "float"},
            "memory": {"type": "float"},
            "cpu_for_rules": {"type": "float"},
            "memory_for_rules": {"type": "float"},
            "memory_reserve": {"type": "int"},
            "cpu_overcommit": {"type": "float"},
            "memory_overcommit": {"type": "float"},
            "max_guests": {"type": "int"},
        },
    },
    "max_migrations": {"type": "int"},
    "exclude": {
        "type": "dict",
        "options": {
            "sources": {"type": "dict", "options": _SELECTOR},
            "targets": {"type": "dict", "options": _SELECTOR},
            "guests": {"type": "dict", "options": _SELECTOR},
        },
    },
    "rules": {
        "type": "list",
        "elements": "dict",
        "options": {
            "by": {
                "type": "str",
                "required": True,
                "choices": ["name_prefix", "regex", "tag", "pool", "guests"],
            },
            "kind": {"type": "str", "required": True, "choices": list(get_args(RuleKind))},
            "pattern": {"type": "str"},
            "guests": {"type": "dict", "options": _SELECTOR},
            "hosts": {"type": "dict", "options": _SELECTOR},
            "name": {"type": "str"},
            "min_members": {"type": "int"},
            "strict": {"type": "bool"},
            "max_skew": {"type": "int"},
            "weight": {"type": "float"},
        },
    },
    "platform_rules": {"type": "bool", "default": True},
    "allow_blockers": {"type": "list", "elements": "str"},
    "migration_bandwidth": {"type": "float"},
    "max_per_host": {"type": "int"},
    "min_gain": {"type": "float"},
    "effort": {"type": "int"},
    "engine": {"type": "str", "choices": ["search", "exact"], "default": "search"},
    "time_limit": {"type": "float"},
    "other_balancers": {"type": "str", "choices": ["respect", "ignore"], "default": "respect"},
    "cool_down": {"type": "float", "default": 0},
    "retry_after": {"type": "float", "default": 3600},
    "seed": {"type": "int", "default": 1},
}

WHAT_IF_ARGUMENTS: dict[str, Any] = {
    "what_if": {
        "type": "dict",
        "options": {
            "hosts_removed": {"type": "list", "elements": "str"},
            "hosts_added": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    "like": {"type": "str", "required": True},
                },
            },
            "guests_grown": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "guest": {"type": "str", "required": True},
                    "factor": {"type": "float", "required": True},
                },
            },
            "rules_added": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    "kind": {"type": "str", "required": True, "choices": list(get_args(RuleKind))},
                    "guests": {"type": "list", "elements": "str", "required": True},
                    "hosts": {"type": "list", "elements": "str"},
                    "strict": {"type": "bool", "default": True},
                    "max_skew": {"type": "int"},
                    "weight": {"type": "float"},
                },
            },
        },
    },
}
