# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a snapshot's rules become HA rules (9.x) or groups (8.x), and which guests HA looks after."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.cluster.tests.simulators.kit.errors import SnapshotError

from .ha import HaGroup, HaResource, HaRule, HaState, check_rules
from .state import Guest

HA_KINDS = ("affinity", "anti_affinity", "host_affinity")


@dataclass(frozen=True, slots=True)
class HaChoice:
    """What the caller wants under HA: strict rules from elsewhere too, and guests that no rule names."""

    rules_as_ha: bool = True
    guests: Sequence[int] = ()


def load_ha(
    snapshot: Mapping[str, Any], guests: Mapping[int, Guest], nodes: list[str], major: int, choice: HaChoice
) -> HaState:
    """The HA state of a cluster that has just settled: every resource in the state that is asked for."""
    state = HaState()
    for vmid in choice.guests:
        if vmid not in guests:
            raise SnapshotError(f"guest {vmid} is to be under HA but is not in the snapshot")
        _manage(state, guests[vmid])
    for rule in snapshot["rules"]:
        if not _is_ha(rule, choice.rules_as_ha):
            continue
        members = [guests[int(name)] for name in rule["guests"] if int(name) in guests]
        if not members:
            continue
        if major >= 9:
            _add_rule(state, rule, members)
        elif rule["kind"] == "host_affinity":
            _add_group(state, rule, members)
    check_rules(state.rules, len(nodes))
    return state


def _is_ha(rule: Mapping[str, Any], others_too: bool) -> bool:
    if rule["kind"] not in HA_KINDS:
        return False
    source = rule["source"]
    if source.startswith(("ha-rule", "ha-group")):
        return True
    return others_too and bool(rule["strict"]) and not source.startswith("tag:")


def _manage(state: HaState, guest: Guest) -> HaResource:
    wanted = "stopped" if guest.power == "stopped" else "started"
    return state.resources.setdefault(guest.sid, HaResource(guest.sid, guest.vmid, wanted, wanted))


def _add_rule(state: HaState, rule: Mapping[str, Any], members: list[Guest]) -> None:
    name = _name(rule["name"], state.rules)
    sids = [_manage(state, guest).sid for guest in members]
    if rule["kind"] == "host_affinity":
        nodes = dict.fromkeys(rule["hosts"], 0)
        state.rules[name] = HaRule(name, "node-affinity", sids, nodes, bool(rule["strict"]))
    else:
        affinity = "positive" if rule["kind"] == "affinity" else "negative"
        state.rules[name] = HaRule(name, "resource-affinity", sids, affinity=affinity)


def _add_group(state: HaState, rule: Mapping[str, Any], members: list[Guest]) -> None:
    name = _name(rule["name"], state.groups)
    state.groups[name] = HaGroup(name, dict.fromkeys(rule["hosts"], 0), bool(rule["strict"]))
    for guest in members:
        resource = _manage(state, guest)
        if resource.group is None:
            resource.group = name


def _name(wanted: str, taken: Mapping[str, object]) -> str:
    """A configuration id like the rule's name."""
    name = re.sub(r"[^A-Za-z0-9_-]", "-", wanted)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]+", name):
        name = f"rule-{name}"
    number = 2
    unique = name
    while unique in taken:
        unique, number = f"{name}-{number}", number + 1
    return unique
