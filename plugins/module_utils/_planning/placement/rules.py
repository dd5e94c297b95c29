# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that new guests come under: those of the policy, of tags, and of the request itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate

from ..._model.errors import InputError
from ..._model.lookup import Directory
from ..._model.placement_request import PlacementRequest, WantedVm
from ..._model.policy.tag_rules import tag_rules
from ..._model.snapshot import Guest, Rule, RuleKind, Snapshot
from ..model.rules import TRAILING_DIGITS, resolve_rules
from ..model.selectors import WILDCARDS
from .cluster_index import ClusterIndex
from .requested_guests import NewGuest


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementRules:
    """rules: all rules with a new guest among their members; own: those of them that are not the policy's;
    apart: by a new guest's id, the guests that it alone must not meet.
    """

    rules: tuple[Rule, ...]
    own: tuple[Rule, ...]
    apart: Mapping[str, frozenset[str]]
    notes: tuple[str, ...]


def placement_rules(
    cluster: ClusterIndex, request: PlacementRequest, new: Sequence[NewGuest]
) -> PlacementRules:
    """Raises InputError for a guest that the request names and nobody has."""
    coming = {item.guest.id: item.guest for item in new if item.known is None}
    if not coming:
        return PlacementRules(rules=(), own=(), apart={}, notes=())
    everyone = replace(cluster.snapshot, guests=(*cluster.snapshot.guests, *coming.values()))
    of_policy, notes = _of_policy(cluster, everyone)
    found = _of_tags(cluster, everyone, coming)
    apart: dict[str, frozenset[str]] = {}
    for index, wanted in enumerate(request.vms):
        own = [item.guest for item in new if item.request == index]
        those = [guest for guest in own if guest.id in coming]
        if those:
            found += _of_request(everyone, wanted, own, f"request.vms[{index}]")
            apart.update(_apart(everyone, wanted, those, f"request.vms[{index}]"))
    alike = _alike(everyone, new)
    found += _of_names(new, alike)
    for guest, others in _apart_from_the_indifferent(new, alike).items():
        apart[guest] = apart.get(guest, frozenset()) | others
    not_of_policy = tuple(rule for rule in found if not coming.keys().isdisjoint(rule.guests))
    return PlacementRules(
        rules=(*(rule for rule in of_policy if not coming.keys().isdisjoint(rule.guests)), *not_of_policy),
        own=not_of_policy,
        apart=apart,
        notes=tuple(notes),
    )


def _of_policy(cluster: ClusterIndex, everyone: Snapshot) -> tuple[list[Rule], Iterable[str]]:
    if not cluster.policy.rules:
        return [], ()
    rules, unresolved = resolve_rules(everyone, replace(cluster.policy, platform_rules=False))
    return list(rules), [f"{item.what}: {item.why}" for item in unresolved]


def _of_tags(cluster: ClusterIndex, everyone: Snapshot, coming: Mapping[str, Guest]) -> list[Rule]:
    tags = {tag for guest in coming.values() for tag in guest.tags}
    if not tags or not cluster.policy.platform_rules:
        return []
    marked = {
        guest.id: [tag for tag in guest.tags if tag in tags]
        for guest in everyone.guests
        if guest.tags and not tags.isdisjoint(guest.tags)
    }
    known = cluster.index.host_at
    return [
        replace(rule, hosts=tuple(host for host in rule.hosts if host in known))
        for rule in tag_rules(marked, {host.name: host.id for host in cluster.hosts})
    ]


def _of_request(everyone: Snapshot, wanted: WantedVm, own: Sequence[Guest], path: str) -> list[Rule]:
    ids = [guest.id for guest in own]
    found = []
    kinds: tuple[tuple[RuleKind, Sequence[str]], ...] = (
        ("affinity", wanted.affinity),
        ("even_spread", wanted.even_spread),
    )
    for kind, names in kinds:
        if names:
            others = _meant(everyone, names, f"{path}.{kind}")
            found.append(
                Rule(
                    name=f"{kind.replace('_', ' ')} of {wanted.name}",
                    kind=kind,
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


def _alike(everyone: Snapshot, new: Sequence[NewGuest]) -> dict[str, list[str]]:
    """By prefix, for those that a new guest asks about, the guests whose names differ in trailing digits."""
    members: dict[str, list[str]] = {
        _prefix(item.guest.name): []
        for item in new
        if item.known is None and item.wanted.name_prefix != "ignore"
    }
    for guest in everyone.guests if members else ():
        prefix = _prefix(guest.name)
        if prefix in members and "template" not in guest.blockers:
            members[prefix].append(guest.id)
    return members


def _of_names(new: Sequence[NewGuest], alike: Mapping[str, Sequence[str]]) -> list[Rule]:
    """The spread is over all that are alike; apart are those that ask for it, and those that are there."""
    wishes: dict[tuple[str, str], int] = {}
    for item in new:
        if item.known is None and item.wanted.name_prefix != "ignore":
            wish = _prefix(item.guest.name), item.wanted.name_prefix
            wishes[wish] = min(wishes.get(wish, item.wanted.max_skew), item.wanted.max_skew)
    indifferent = _indifferent(new)
    return [
        Rule(
            name=f"names like {prefix}",
            kind="anti_affinity" if kind == "anti_affinity" else "even_spread",
            guests=tuple(
                guest for guest in alike[prefix] if kind == "even_spread" or guest not in indifferent
            ),
            strict=True,
            source="request",
            max_skew=skew,
        )
        for (prefix, kind), skew in wishes.items()
    ]


def _apart_from_the_indifferent(
    new: Sequence[NewGuest], alike: Mapping[str, Sequence[str]]
) -> dict[str, frozenset[str]]:
    """A new guest that does not ask to be apart may be beside others that don't, but not beside one that
    does.
    """
    indifferent = _indifferent(new)
    others = {prefix: indifferent.intersection(guests) for prefix, guests in alike.items()}
    return {
        item.guest.id: others[_prefix(item.guest.name)]
        for item in new
        if item.known is None and item.wanted.name_prefix == "anti_affinity"
    }


def _indifferent(new: Sequence[NewGuest]) -> frozenset[str]:
    return frozenset(
        item.guest.id for item in new if item.known is None and item.wanted.name_prefix != "anti_affinity"
    )


def _prefix(name: str) -> str:
    return TRAILING_DIGITS.sub("", name) or name


def _meant(everyone: Snapshot, patterns: Sequence[str], path: str) -> list[str]:
    shapes = [re.compile(translate(pattern)) for pattern in patterns if WILDCARDS & set(pattern)]
    directory = Directory(everyone.guests, "guest")
    exact = [pattern for pattern in patterns if not WILDCARDS & set(pattern)]
    named = {directory.find(pattern, path) for pattern in exact}
    if None in named:
        raise InputError(
            path,
            next(pattern for pattern in exact if directory.find(pattern, path) is None),
            "the id or name of a guest of this cluster or this request",
            hint="A shell pattern may match nothing",
        )
    return [
        guest.id
        for guest in everyone.guests
        if "template" not in guest.blockers
        and (guest.id in named or any(shape.match(guest.name) for shape in shapes))
    ]
