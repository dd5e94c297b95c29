# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage DRS: clusters of datastores, their rules, and whether it moves disks itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from xml.etree.ElementTree import Element

from ...._model.snapshot import StorageRule
from ...._model.text.wording import counted
from ..api.collector import Found
from ..api.values import find, find_all, flag, plain, text, texts, type_of
from .inventory import POD_CONFIG, POD_VM_CONFIG, Inventory

_AUTOMATED = "automated"
# What it balances by, each with an automation level of its own where it differs from the default.
_REASONS = ("spaceLoadBalanceAutomationMode", "ioLoadBalanceAutomationMode", "ruleEnforcementAutomationMode")


def pod_name(datastore: Found, inventory: Inventory) -> str | None:
    """The name of its cluster of datastores; None when it is in none, or in one that is out of sight."""
    pod = inventory.pods.get(datastore.text("parent") or "")
    return None if pod is None else plain(pod.text("name")) or pod.id


def is_in_hidden_pod(datastore: Found, inventory: Inventory) -> bool:
    """Whether it is in a cluster of datastores that the account does not see."""
    parent = datastore.values.get("parent")
    return parent is not None and parent.get("type") == "StoragePod" and parent.text not in inventory.pods


def balanced_by(datastore: Found, inventory: Inventory) -> str | None:
    """Storage DRS, where it moves disks of this datastore without asking, or where that is out of sight."""
    if is_in_hidden_pod(datastore, inventory):
        return "a datastore cluster that the account does not see"
    pod = inventory.pods.get(datastore.text("parent") or "")
    if pod is None:
        return None
    config = pod.values.get(POD_CONFIG)
    if not flag(config, "enabled"):
        return None
    default = text(config, "defaultVmBehavior")
    levels = {text(config, f"automationOverrides/{reason}") or default for reason in _REASONS}
    if _AUTOMATED in levels:
        return "Storage DRS (automated)"
    automated = sum(
        text(override, "behavior") == _AUTOMATED and flag(override, "enabled") is not False
        for override in _overrides(pod)
    )
    return f"Storage DRS (automated for {counted(automated, 'guest')})" if automated else None


def unbalanced(inventory: Inventory) -> frozenset[str]:
    """The guests that an override takes out of Storage DRS."""
    return frozenset(
        text(override, "vm") or ""
        for pod in inventory.pods.values()
        for override in _overrides(pod)
        if flag(override, "enabled") is False
    )


def storage_rules(inventory: Inventory) -> tuple[StorageRule, ...]:
    """The enabled rules of all clusters of datastores, as far as they are about guests of this cluster."""
    rules: dict[str, StorageRule] = {}
    for pod in sorted(inventory.pods.values(), key=lambda pod: pod.id):
        for rule in (*_rules_between(pod, inventory), *_rules_within(pod, inventory)):
            name, number = rule.name, 1
            while name in rules:
                number += 1
                name = f"{rule.name} ({number})"
            rules[name] = replace(rule, name=name)
    return tuple(rules.values())


def _rules_between(pod: Found, inventory: Inventory) -> Iterator[StorageRule]:
    for entry in find_all(pod.values.get(POD_CONFIG), "rule"):
        guests = tuple(guest for guest in texts(entry, "vm") if guest in inventory.guests)
        if type_of(entry) == "ClusterAntiAffinityRuleSpec" and flag(entry, "enabled") and len(guests) > 1:
            name = text(entry, "name") or f"rule {text(entry, 'key')}"
            yield StorageRule(
                name=name, kind="anti_affinity", guests=guests, source=f"storage-drs-rule:{name}"
            )


def _rules_within(pod: Found, inventory: Inventory) -> Iterator[StorageRule]:
    """About the disks of one guest: apart, or together where an override says so."""
    for override in _overrides(pod):
        guest = text(override, "vm") or ""
        if guest not in inventory.guests:
            continue
        called = plain(inventory.guests[guest].text("name")) or guest
        apart = find(override, "intraVmAntiAffinity")
        if apart is not None and flag(apart, "enabled"):
            name = text(apart, "name") or f"disks of {called}"
            yield StorageRule(
                name=name,
                kind="anti_affinity",
                guests=(guest,),
                disks=tuple(texts(apart, "diskId")),
                source=f"storage-drs-rule:{name}",
            )
        elif flag(override, "intraVmAffinity"):
            name = f"disks of {called} together"
            yield StorageRule(
                name=name, kind="affinity", guests=(guest,), source=f"storage-drs-override:{called}"
            )


def _overrides(pod: Found) -> list[Element]:
    values = pod.values.get(POD_VM_CONFIG)
    return [] if values is None else list(values)
