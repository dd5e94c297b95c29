# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that new guests come under: those of the policy, of tags, and of the request itself.

Private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate

from ..._model.errors import InputError
from ..._model.placement_request import PlacementRequest, WantedVm
from ..._model.snapshot import Guest, Rule, Snapshot
from ..._model.tag_rules import tag_rules
from ..rules import TRAILING_DIGITS, resolve
from ..select import WILDCARDS
from .asked import NewGuest
from .world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Bonds:
    """rules: all rules with a new guest among their members; apart: by a new guest's id, the guests that it
    alone must not meet.
    """

    rules: tuple[Rule, ...]
    apart: Mapping[str, frozenset[str]]
    notes: tuple[str, ...]


def bonds(world: World, request: PlacementRequest, new: Sequence[NewGuest]) -> Bonds:
    """Raises InputError for a guest that the request names and nobody has."""
    coming = {item.guest.id: item.guest for item in new if item.known is None}
    if not coming:
        return Bonds(rules=(), apart={}, notes=())
    everyone = replace(world.snapshot, guests=(*world.snapshot.guests, *coming.values()))
    found, notes = _of_policy(world, everyone)
    found += _of_tags(world, everyone, coming)
    apart: dict[str, frozenset[str]] = {}
    for index, wanted in enumerate(request.vms):
        own = [item.guest for item in new if item.request == index]
        those = [guest for guest in own if guest.id in coming]
        if those:
            found += _of_request(everyone, wanted, own, f"request.vms[{index}]")
            apart.update(_apart(everyone, wanted, those, f"request.vms[{index}]"))
    found += _of_names(everyone, new)
    return Bonds(
        rules=tuple(rule for rule in found if any(guest in coming for guest in rule.guests)),
        apart=apart,
        notes=tuple(notes),
    )


def _of_policy(world: World, everyone: Snapshot) -> tuple[list[Rule], Iterable[str]]:
    if not world.policy.rules:
        return [], ()
    rules, unresolved = resolve(everyone, replace(world.policy, platform_rules=False))
    return list(rules), [f"{item.what}: {item.why}" for item in unresolved]


def _of_tags(world: World, everyone: Snapshot, coming: Mapping[str, Guest]) -> list[Rule]:
    tags = {tag for guest in coming.values() for tag in guest.tags}
    if not tags or not world.policy.platform_rules:
        return []
    marked = {
        guest.id: [tag for tag in guest.tags if tag in tags]
        for guest in everyone.guests
        if guest.tags and not tags.isdisjoint(guest.tags)
    }
    known = {host.id for host in world.hosts}
    return [
        replace(rule, hosts=tuple(host for host in rule.hosts if host in known))
        for rule in tag_rules(marked, {host.name: host.id for host in world.hosts})
    ]


def _of_request(everyone: Snapshot, wanted: WantedVm, own: Sequence[Guest], path: str) -> list[Rule]:
    ids = [guest.id for guest in own]
    found = []
    if wanted.affinity:
        others = _meant(everyone, wanted.affinity, f"{path}.affinity")
        found.append(
            Rule(
                name=f"affinity of {wanted.name}",
                kind="affinity",
                guests=tuple(dict.fromkeys([*ids, *others])),
                strict=True,
                source="request",
            )
        )
    if wanted.even_spread:
        others = _meant(everyone, wanted.even_spread, f"{path}.even_spread")
        found.append(
            Rule(
                name=f"even spread of {wanted.name}",
                kind="even_spread",
                guests=tuple(dict.fromkeys([*ids, *others])),
                strict=True,
                source="request",
                max_skew=wanted.max_skew,
            )
        )
    return found


def _apart(
    everyone: Snapshot, wanted: WantedVm, those: Sequence[Guest], path: str
) -> Mapping[str, frozenset[str]]:
    if not wanted.anti_affinity:
        return {}
    others = frozenset(_meant(everyone, wanted.anti_affinity, f"{path}.anti_affinity"))
    return {guest.id: others - {guest.id} for guest in those}


def _of_names(everyone: Snapshot, new: Sequence[NewGuest]) -> list[Rule]:
    """Guests whose names are alike but for trailing digits."""
    wishes: dict[tuple[str, str], int] = {}
    for item in new:
        if item.known is None and item.wanted.name_prefix != "ignore":
            prefix = _prefix(item.guest.name)
            known = wishes.get((prefix, item.wanted.name_prefix), item.wanted.max_skew)
            wishes[prefix, item.wanted.name_prefix] = min(known, item.wanted.max_skew)
    if not wishes:
        return []
    members: dict[str, list[str]] = {prefix: [] for prefix, _kind in wishes}
    for guest in everyone.guests:
        prefix = _prefix(guest.name)
        if prefix in members and "template" not in guest.blockers:
            members[prefix].append(guest.id)
    return [
        Rule(
            name=f"names like {prefix}",
            kind="anti_affinity" if kind == "anti_affinity" else "even_spread",
            guests=tuple(members[prefix]),
            strict=True,
            source="request",
            max_skew=skew,
        )
        for (prefix, kind), skew in wishes.items()
    ]


def _prefix(name: str) -> str:
    return TRAILING_DIGITS.sub("", name) or name


def _meant(everyone: Snapshot, patterns: Sequence[str], path: str) -> list[str]:
    found = []
    exact = set(patterns)
    named = {pattern for pattern in patterns if not WILDCARDS & set(pattern)}
    shapes = [re.compile(translate(pattern)) for pattern in patterns if pattern not in named]
    for guest in everyone.guests:
        meant = guest.id in exact or guest.name in exact or any(shape.match(guest.name) for shape in shapes)
        if meant and "template" not in guest.blockers:
            found.append(guest.id)
            named -= {guest.id, guest.name}
    if named:
        raise InputError(
            path,
            min(named),
            "the id or name of a guest of this cluster or this request",
            hint="A shell pattern may match nothing",
        )
    return found
