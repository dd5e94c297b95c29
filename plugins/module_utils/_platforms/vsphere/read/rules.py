# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DRS: its rules, its overrides, and whether it moves guests itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from xml.etree.ElementTree import Element

from ...._model.snapshot import Rule
from ..api.collector import Found
from ..api.values import find, find_all, flag, plain, text, texts, type_of


def drs_rules(config: Element | None, guests: Collection[str]) -> tuple[Rule, ...]:
    """The enabled rules of a ClusterConfigInfoEx, as far as they are about these guests."""
    vm_groups = _groups(config, "ClusterVmGroup", "vm")
    host_groups = _groups(config, "ClusterHostGroup", "host")
    rules: dict[str, Rule] = {}
    for entry in find_all(config, "rule"):
        rule = _rule(entry, vm_groups, host_groups)
        if rule is None or not flag(entry, "enabled"):
            continue
        rule = replace(rule, guests=tuple(guest for guest in rule.guests if guest in guests))
        if rule.guests:
            if rule.name in rules:
                rule = replace(rule, name=f"{rule.name} ({text(entry, 'key')})")
            rules[rule.name] = rule
    return tuple(rules.values())


def fault_tolerance_rules(guests: Mapping[str, Found], taken: Collection[str]) -> tuple[Rule, ...]:
    """The primary and the secondary of a fault-tolerant guest are never on one host: vCenter refuses it.

    `taken` are the names of the other rules.
    """
    rules: list[Rule] = []
    for identity, guest in guests.items():
        pair = tuple(
            other for other in texts(guest.values.get("config.ftInfo"), "secondaries") if other in guests
        )
        if pair:
            name = f"fault tolerance of {plain(guest.text('name')) or identity}"
            if name in taken or any(rule.name == name for rule in rules):
                name = f"{name} ({identity})"
            rules.append(
                Rule(
                    name=name,
                    kind="anti_affinity",
                    guests=(identity, *pair),
                    strict=True,
                    source="fault-tolerance",
                    enforced=True,
                )
            )
    return tuple(rules)


def _groups(config: Element | None, kind: str, members: str) -> dict[str, list[str]]:
    return {
        text(group, "name") or "": texts(group, members)
        for group in find_all(config, "group")
        if type_of(group) == kind
    }


def _rule(entry: Element, vm_groups: dict[str, list[str]], host_groups: dict[str, list[str]]) -> Rule | None:
    name = text(entry, "name") or f"rule {text(entry, 'key')}"
    source = f"drs-rule:{name}"
    kind = type_of(entry)
    # DRS never breaks an enabled rule among guests, whether it is marked mandatory or not.
    if kind in ("ClusterAffinityRuleSpec", "ClusterAntiAffinityRuleSpec"):
        return Rule(
            name=name,
            kind="affinity" if kind == "ClusterAffinityRuleSpec" else "anti_affinity",
            guests=tuple(texts(entry, "vm")),
            strict=True,
            source=source,
            enforced=True,
        )
    if kind != "ClusterVmHostRuleInfo":
        return None
    pinned = text(entry, "affineHostGroupName")
    hosts = host_groups.get(pinned or text(entry, "antiAffineHostGroupName") or "", [])
    if not hosts:
        return None
    mandatory = flag(entry, "mandatory") or False
    return Rule(
        name=name,
        kind="host_affinity" if pinned else "host_anti_affinity",
        guests=tuple(vm_groups.get(text(entry, "vmGroupName") or "", [])),
        hosts=tuple(hosts),
        strict=mandatory,
        source=source,
        enforced=mandatory,
    )


def balancing_disabled(config: Element | None) -> frozenset[str]:
    """The guests that an override takes out of balancing."""
    return frozenset(
        text(override, "key") or "" for override in _overrides(config) if flag(override, "enabled") is False
    )


def other_balancers(config: Element | None) -> tuple[str, ...]:
    """DRS, where it moves guests without asking: all of them, or those that an override hands to it."""
    drs = find(config, "drsConfig")
    if not flag(drs, "enabled"):
        return ()
    if text(drs, "defaultVmBehavior") == "fullyAutomated":
        return ("DRS (fullyAutomated)",)
    automated = sum(
        text(override, "behavior") == "fullyAutomated" and flag(override, "enabled") is not False
        for override in _overrides(config)
    )
    return (f"DRS (fullyAutomated for {automated} guests)",) if automated else ()


def _overrides(config: Element | None) -> list[Element]:
    if flag(config, "drsConfig/enableVmBehaviorOverrides") is False:
        return []
    return find_all(config, "drsVmConfig")
