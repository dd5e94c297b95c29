# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules and exclusions by tags on guests: our tags, and those of ProxLB.

evenkeel-affinity-X and plb_affinity_X keep guests together, evenkeel-anti-affinity-X and plb_anti_affinity_X
keep them apart, evenkeel-pin-NODE and plb_pin_NODE keep a guest on that node (several: on one of them),
evenkeel-ignore… and plb_ignore… leave it where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..snapshot import Rule, RuleKind

_GROUPS: Mapping[str, RuleKind] = {
    "evenkeel-affinity-": "affinity",
    "plb_affinity_": "affinity",
    "evenkeel-anti-affinity-": "anti_affinity",
    "plb_anti_affinity_": "anti_affinity",
}
_PINS = ("evenkeel-pin-", "plb_pin_")
_IGNORED = ("evenkeel-ignore", "plb_ignore")


def is_ignored(tags: Iterable[str]) -> bool:
    return any(tag.startswith(_IGNORED) for tag in tags)


def tag_rules(tags_of: Mapping[str, Sequence[str]], nodes: Mapping[str, str]) -> Iterator[Rule]:
    """The rules that tags make, of guests (id → tags), on nodes (name → id). A pin may name a node that does
    not exist.
    """
    groups: dict[str, list[str]] = {}
    pins: dict[tuple[str, ...], list[str]] = {}
    for guest, tags in tags_of.items():
        for tag in tags:
            if tag.startswith(tuple(_GROUPS)):
                groups.setdefault(tag, []).append(guest)
        pinned = tuple(sorted(tag for tag in tags if tag.startswith(_PINS)))
        if pinned:
            pins.setdefault(pinned, []).append(guest)
    for tag, guests in groups.items():
        for prefix, kind in _GROUPS.items():
            if tag.startswith(prefix) and len(guests) > 1:
                yield Rule(name=tag, kind=kind, guests=tuple(guests), strict=True, source=f"tag:{tag}")
    # Tags are lower case unless the datacenter says otherwise, names of nodes need not be.
    ids = {name.lower(): identity for name, identity in nodes.items()}
    for tags, guests in pins.items():
        wanted = [_pinned_to(tag) for tag in tags]
        yield Rule(
            name="+".join(tags),
            kind="host_affinity",
            guests=tuple(guests),
            hosts=tuple(dict.fromkeys(ids.get(node.lower(), node) for node in wanted)),
            strict=True,
            source=f"tag:{'+'.join(tags)}",
        )


def _pinned_to(tag: str) -> str:
    return next(tag.removeprefix(prefix) for prefix in _PINS if tag.startswith(prefix))
