# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that a policy makes of names, tags, pools and lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from ..codec import Bounds
from ..errors import InputError
from ..selector import Selector
from ..snapshot import Id, RuleKind
from ..text.regexes import check_regex
from ..where import GUEST, HOST, check_selector


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSpec:
    """Makes rules out of names, tags, pools or a list of guests.

    name_prefix: guests whose names are alike but for trailing digits (web01, web12); a name of digits only
    stands alone. regex: guests whose names match `pattern` and agree in its first group (in the whole match
    when it has none). tag, pool: guests with the same tag or pool, for each that matches the shell pattern
    `pattern`. guests: the guests that `guests` selects.
    """

    by: Annotated[
        Literal["name_prefix", "regex", "tag", "pool", "guests"],
        "How members are found.\n"
        "V(name_prefix) groups guests whose names differ only in trailing digits, such as web01 "
        "and web12. A name of digits only forms no group.\n"
        "V(regex) groups guests whose names match O(rules[].pattern) and agree in its first "
        "group, or in the whole match when it has none.\n"
        "V(tag) and V(pool) group guests with the same tag or pool, for each that matches the "
        "shell pattern O(rules[].pattern).\n"
        "V(guests) groups the guests that O(rules[].guests) selects.",
    ]
    kind: Annotated[
        RuleKind,
        "V(affinity) keeps members together, V(anti_affinity) apart, V(even_spread) evenly "
        "distributed. V(host_affinity) keeps them on O(rules[].hosts), V(host_anti_affinity) away "
        "from them.",
    ]
    pattern: Annotated[
        str | None,
        "Regular expression for O(rules[].by=regex), shell pattern for O(rules[].by=tag) and "
        "O(rules[].by=pool).",
    ] = None
    guests: Annotated[Selector | None, "The members, for O(rules[].by=guests)."] = None
    hosts: Annotated[Selector | None, "The hosts, for V(host_affinity) and V(host_anti_affinity)."] = None
    name: Annotated[Id | None, "Prefix of the names of the resulting rules."] = None
    min_members: Annotated[
        int, Bounds(least=1), "Minimum number of members of a rule. Smaller groups form no rule."
    ] = 2
    strict: Annotated[bool, "Whether the rule must hold. With V(false) it is a preference."] = True
    max_skew: Annotated[
        int,
        Bounds(least=1),
        "Maximum difference between the numbers of members on two hosts, for V(even_spread).",
    ] = 1
    weight: Annotated[float, Bounds(least=0), "How much a preference counts."] = 1


def check_rule_spec(spec: RuleSpec, path: str) -> None:
    """Raises InputError for the first part of a spec that contradicts another."""
    if spec.by == "regex" and not spec.pattern:
        raise InputError.required(
            f"{path}.pattern", when="by is regex", hint="Set it to a regular expression"
        )
    if spec.by == "guests" and spec.guests is None:
        raise InputError.required(f"{path}.guests", when="by is guests")
    if spec.by == "name_prefix" and spec.pattern is not None:
        raise InputError.unsupported(f"{path}.pattern", "", "by: name_prefix", hint="Use by: regex")
    if spec.by != "guests" and spec.guests is not None:
        raise InputError.unsupported(f"{path}.guests", "", f"by: {spec.by}", hint="Use by: guests")
    if spec.kind in ("host_affinity", "host_anti_affinity"):
        if spec.hosts is None:
            raise InputError.required(f"{path}.hosts", when=f"kind is {spec.kind}")
    elif spec.hosts is not None:
        raise InputError.unsupported(
            f"{path}.hosts", "", f"kind: {spec.kind}", hint="Use kind: host_affinity or host_anti_affinity"
        )
    if spec.by == "regex":
        check_regex(spec.pattern, f"{path}.pattern")
    if spec.guests is not None:
        check_selector(spec.guests, f"{path}.guests", GUEST)
    if spec.hosts is not None:
        check_selector(spec.hosts, f"{path}.hosts", HOST)
