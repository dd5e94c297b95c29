# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a policy, as balance_plan takes them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args

from ..._model.policy.goals import Metric, Thresholds
from ..._model.policy.policy import Goal
from ..._model.policy.presets import Preset
from ..._model.policy.windows import DAYS
from ..._model.snapshot import RuleKind

SELECTOR: dict[str, Any] = {
    "names": {"type": "list", "elements": "str"},
    "regex": {"type": "str"},
    "tags": {"type": "list", "elements": "str"},
    "pools": {"type": "list", "elements": "str"},
    "labels": {"type": "dict"},
    "kinds": {"type": "list", "elements": "str", "choices": ["vm", "container"]},
}
_SELECTED: dict[str, Any] = {"type": "dict", "required": True, "options": SELECTOR}
_THRESHOLDS: dict[str, Any] = {
    "type": "dict",
    "options": {part.name: {"type": "float"} for part in fields(Thresholds)},
}

# None of them has a default here: what is not given is the preset's to say, or else the policy's.
POLICY_ARGUMENTS: dict[str, Any] = {
    "preset": {"type": "str", "choices": list(get_args(Preset))},
    "goal": {"type": "str", "choices": list(get_args(Goal))},
    "evacuate": {"type": "dict", "options": SELECTOR},
    "relieve": {
        "type": "dict",
        "options": {
            "overload": _THRESHOLDS,
            "target": _THRESHOLDS,
            "first": {"type": "str", "choices": ["fewest", "smallest", "largest"]},
            "density_weight": {"type": "float"},
        },
    },
    "consolidate": {
        "type": "dict",
        "options": {
            "min_hosts": {"type": "int"},
            "below": {"type": "float"},
            "fill": {"type": "float"},
        },
    },
    "metrics": {
        "type": "list",
        "elements": "str",
        "choices": list(get_args(Metric)),
    },
    "aggressiveness": {"type": "int", "choices": [1, 2, 3, 4, 5]},
    "max_spread": {"type": "raw"},
    "level_above": {"type": "raw"},
    "demand": {"type": "str", "choices": ["used", "assigned", "max", "pressure"]},
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
    "reserves": {
        "type": "list",
        "elements": "dict",
        "options": {"hosts": _SELECTED, "memory": {"type": "int"}, "cpu": {"type": "float"}},
    },
    "assumed_capacity": {"type": "dict"},
    "target_version": {"type": "str", "choices": ["any", "not_older"]},
    "max_migrations": {"type": "int"},
    "exclude": {
        "type": "dict",
        "options": {
            "sources": {"type": "dict", "options": SELECTOR},
            "targets": {"type": "dict", "options": SELECTOR},
            "guests": {"type": "dict", "options": SELECTOR},
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
            "guests": {"type": "dict", "options": SELECTOR},
            "hosts": {"type": "dict", "options": SELECTOR},
            "name": {"type": "str"},
            "min_members": {"type": "int"},
            "strict": {"type": "bool"},
            "max_skew": {"type": "int"},
            "weight": {"type": "float"},
        },
    },
    "platform_rules": {"type": "bool"},
    "allow_blockers": {"type": "list", "elements": "str"},
    "migration_bandwidth": {"type": "float"},
    "dirty_factor": {"type": "float"},
    "max_per_host": {"type": "int"},
    "max_in_per_host": {"type": "int"},
    "max_out_per_host": {"type": "int"},
    "min_gain": {"type": "float"},
    "effort": {"type": "int"},
    "engine": {"type": "str", "choices": ["search", "exact"]},
    "time_limit": {"type": "float"},
    "other_balancers": {"type": "str", "choices": ["respect", "ignore"]},
    "cool_down": {"type": "float"},
    "retry_after": {"type": "float"},
    "retry_refused_after": {"type": "float"},
    "may_stay": {"type": "dict", "options": SELECTOR},
    "shut_down": {"type": "dict", "options": SELECTOR},
    "strict_selectors": {"type": "bool"},
    "priorities": {
        "type": "list",
        "elements": "dict",
        "options": {"guests": _SELECTED, "priority": {"type": "int", "required": True}},
    },
    "maintenance_windows": {
        "type": "list",
        "elements": "dict",
        "options": {
            "hosts": _SELECTED,
            "days": {"type": "list", "elements": "str", "choices": list(DAYS)},
            "start": {"type": "str", "required": True},
            "hours": {"type": "float", "required": True},
            "lead_minutes": {"type": "float"},
            "timezone": {"type": "str"},
        },
    },
    "now": {"type": "str"},
    "seed": {"type": "int"},
}

REFUSAL_ARGUMENTS: dict[str, Any] = {
    "refusals": {
        "type": "list",
        "elements": "dict",
        "options": {
            "guest": {"type": "str", "required": True},
            "host": {"type": "str", "required": True},
            "why": {"type": "str"},
            "at": {"type": "str"},
        },
    },
}
WHAT_IF_ARGUMENTS: dict[str, Any] = {
    "what_if": {
        "type": "dict",
        "options": {
            "hosts_removed": {"type": "list", "elements": "str"},
            "hosts_returned": {"type": "list", "elements": "str"},
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
