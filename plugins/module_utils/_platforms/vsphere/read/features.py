# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which CPU features guests need that not all hosts have: what vCenter itself compares before a vMotion."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from xml.etree.ElementTree import Element

from ...errors import Refused
from ..api.collector import Found, properties, retrieve
from ..api.library import vim
from ..api.session import Session
from ..api.values import text
from .hosts import cpu_vendor
from .inventory import Inventory

_CAPABILITY = "config.featureCapability"
_REQUIREMENT = "runtime.featureRequirement"
# Such as Bool:Min:1 and Num:Min:2. What has another form is left to vCenter's own check.
_AT_LEAST = re.compile(r"(?:Bool|Num):Min:(\d+)")


@dataclass(frozen=True, slots=True)
class Features:
    """By host, those of its features that some guest may lack elsewhere; by guest, those that it requires.

    A host whose features are not known is not there, nor is a guest that runs everywhere. `trouble` is why
    only the vendors of the processors were compared.
    """

    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    guests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    trouble: str | None = None


def read_features(session: Session, inventory: Inventory) -> Features:
    """No call where EVC makes the hosts alike, one where they are alike without it, two where they differ."""
    modes = {host.text("summary.currentEVCModeKey") for host in inventory.hosts.values()}
    if len(inventory.hosts) < 2 or (len(modes) == 1 and None not in modes):
        return Features()
    try:
        capabilities = {
            host.id: _capabilities(host.values.get(_CAPABILITY))
            for host in _read(session, vim.HostSystem, list(inventory.hosts), _CAPABILITY)
            if _CAPABILITY in host.values
        }
        uneven = _uneven(capabilities.values())
        required = _requirements(session, inventory, uneven) if uneven else {}
    except Refused as refusal:
        return replace(_with_vendors(inventory, {}, {}), trouble=str(refusal))
    return _with_vendors(inventory, capabilities, required)


def _read(session: Session, kind: type, identities: Sequence[str], path: str) -> list[Found]:
    return retrieve(session, [kind(identity) for identity in identities], [properties(kind, path)])


def _capabilities(element: Element | None) -> dict[str, int]:
    """Levels by feature; 1 and 0 for those that a host has or has not."""
    levels = {}
    for entry in element if element is not None else ():
        value = text(entry, "value") or ""
        if value.isdecimal():
            levels[(text(entry, "key") or "").lower()] = int(value)
    return levels


def _uneven(capabilities: Iterable[Mapping[str, int]]) -> frozenset[str]:
    """The features of which some hosts have more than others."""
    known = list(capabilities)
    every = {feature for levels in known for feature in levels}
    return frozenset(feature for feature in every if len({levels.get(feature, 0) for levels in known}) > 1)


def _requirements(
    session: Session, inventory: Inventory, uneven: frozenset[str]
) -> dict[str, dict[str, int]]:
    """By guest, the levels that it requires of the features in which hosts differ."""
    running = [
        identity
        for identity, guest in inventory.guests.items()
        if guest.text("runtime.powerState") == "poweredOn"
    ]
    required = {}
    for guest in _read(session, vim.VirtualMachine, running, _REQUIREMENT) if running else ():
        levels = {}
        for entry in guest.values.get(_REQUIREMENT, ()):
            feature = (text(entry, "key") or "").lower()
            wanted = _AT_LEAST.fullmatch(text(entry, "value") or "")
            if feature in uneven and wanted and int(wanted[1]):
                levels[feature] = int(wanted[1])
        required[guest.id] = levels
    return required


def _with_vendors(
    inventory: Inventory,
    capabilities: Mapping[str, Mapping[str, int]],
    required: Mapping[str, Mapping[str, int]],
) -> Features:
    """Only what keeps some guest from some host, so that a snapshot stays small."""
    wanted = {item for levels in required.values() for item in levels.items()}
    missing = {
        (feature, level)
        for feature, level in wanted
        if any(levels.get(feature, 0) < level for levels in capabilities.values())
    }
    vendors = {
        identity: f"vendor:{vendor}"
        for identity, host in inventory.hosts.items()
        if (vendor := cpu_vendor(host)) is not None
    }
    mixed = len(set(vendors.values())) > 1
    hosts, guests = {}, {}
    for identity in inventory.hosts if mixed or missing else ():
        known = (not mixed or identity in vendors) and (not missing or identity in capabilities)
        if known:
            levels = capabilities.get(identity, {})
            has = {_name(feature, level) for feature, level in missing if levels.get(feature, 0) >= level}
            hosts[identity] = tuple(sorted(has | _vendor(vendors, identity, mixed)))
    for identity, guest in inventory.guests.items():
        needs = {_name(*item) for item in required.get(identity, {}).items() if item in missing}
        needs |= _vendor(vendors, guest.text("runtime.host") or "", mixed)
        if needs:
            guests[identity] = tuple(sorted(needs))
    return Features(hosts, guests)


def _vendor(vendors: Mapping[str, str], host: str, mixed: bool) -> set[str]:
    return {vendors[host]} if mixed and host in vendors else set()


def _name(feature: str, level: int) -> str:
    return feature if level == 1 else f"{feature}>={level}"
