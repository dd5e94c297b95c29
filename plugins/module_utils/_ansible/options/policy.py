# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a policy, as balance_plan takes them."""

from __future__ import annotations

from typing import Any, get_args

from ..._model.policy.policy import Policy
from ..._model.selector import Selector
from ..._model.snapshot import RuleKind
from .argument_spec import argument_spec

SELECTOR: dict[str, Any] = argument_spec(Selector)
POLICY_ARGUMENTS: dict[str, Any] = argument_spec(Policy)

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
