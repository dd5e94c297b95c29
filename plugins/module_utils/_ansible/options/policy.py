# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a policy, as balance_plan takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..._model.overrides import Overrides
from ..._model.policy.policy import Policy
from ..._model.quantities import in_plain_numbers
from ..._model.selector import Selector
from ..._model.snapshot import RuleKind
from .argument_spec import argument_spec

SELECTOR: dict[str, Any] = argument_spec(Selector)
POLICY_ARGUMENTS: dict[str, Any] = argument_spec(Policy)


@dataclass(frozen=True, kw_only=True)
class RefusalOptions:
    """An entry of refusals, as vm_migrate returns it."""

    guest: str
    host: str
    why: str | None = None
    at: str | None = None


@dataclass(frozen=True, kw_only=True)
class DiskRefusalOptions:
    """An entry of disk_refusals, as vm_migrate returns it."""

    guest: str
    disks: Sequence[str]
    datastore: str
    why: str | None = None
    at: str | None = None


@dataclass(frozen=True, kw_only=True)
class RuleOptions:
    """An entry of what_if.rules_added."""

    name: str
    kind: RuleKind
    guests: Sequence[str]
    hosts: Sequence[str] | None = None
    strict: bool = True
    max_skew: int = 1
    weight: float = 1


REFUSAL = argument_spec(RefusalOptions)
DISK_REFUSAL = argument_spec(DiskRefusalOptions)
WHAT_IF = argument_spec(Overrides)
WHAT_IF["rules_added"]["options"] = argument_spec(RuleOptions)

# Of pressures, less than a percent may be much.
_POINTS = ("max_spread", "level_above")


def policy_in_plain_numbers(given: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """A policy's JSON as a user wrote it, with plain numbers for sizes and times. Raises InputError."""
    points = {name: given[name] for name in _POINTS if name in given and given.get("demand") == "pressure"}
    others = {name: value for name, value in given.items() if name not in points}
    return {**in_plain_numbers(Policy, others, path), **points}
