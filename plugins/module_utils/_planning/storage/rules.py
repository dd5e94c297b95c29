# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules for datastores that count: the platform's and those that the policy makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..._model.plan import Unresolved
from ..._model.policy.rule_spec import RuleSpec
from ..._model.policy.storage import DatastoreRule, StoragePolicy
from ..._model.snapshot import Disk, Guest, Snapshot, StorageRule
from ..model.rules import groups
from ..model.selectors import select_guests

# What is no disk of the guest's own: it says nothing about where its data lies.
NO_DATA = ("home",)


def counts_for_rules(disk: Disk) -> bool:
    """Whether rules are about this disk: an image in a drive is not the guest's own."""
    return "cdrom" not in disk.blockers


def resolve_storage_rules(
    snapshot: Snapshot, storage: StoragePolicy
) -> tuple[tuple[StorageRule, ...], tuple[Unresolved, ...]]:
    """Every rule with the ids of guests that exist, uniquely named, and what could not be made sense of."""
    unresolved: list[Unresolved] = []
    rules: list[StorageRule] = []
    if storage.platform_rules:
        known = frozenset(guest.id for guest in snapshot.guests)
        rules += [_without_unknown(rule, known, unresolved) for rule in snapshot.storage_rules]
    for index, spec in enumerate(storage.rules):
        rules += _rules_of(spec, snapshot, f"policy.storage.rules[{index}]")
    return tuple(_named_apart(rule for rule in rules if rule.guests)), tuple(unresolved)


def _without_unknown(rule: StorageRule, known: frozenset[str], unresolved: list[Unresolved]) -> StorageRule:
    unknown = sorted(set(rule.guests) - known)
    if unknown:
        unresolved.append(
            Unresolved(
                what=f"rule {rule.name}",
                why=f"it names guests that this cluster does not have: {', '.join(unknown[:10])}; it counts "
                "for the rest",
                code="rule_names_unknown",
                subject=rule.name,
            )
        )
    # A rule over several guests must not become one over the disks of the only one that is left.
    rest = tuple(dict.fromkeys(guest for guest in rule.guests if guest in known))
    return replace(rule, guests=rest if len(rest) > 1 or len(set(rule.guests)) == 1 else ())


def _rules_of(spec: DatastoreRule, snapshot: Snapshot, field: str) -> Iterator[StorageRule]:
    if spec.by == "disks":
        yield from _own_disks(spec, snapshot, field)
        return
    plain = RuleSpec(
        by=spec.by,
        kind=spec.kind,
        pattern=spec.pattern,
        guests=spec.guests,
        name=spec.name,
        min_members=spec.min_members,
        strict=spec.strict,
    )
    for name, members in groups(plain, snapshot, field).items():
        if len(members) >= max(2, spec.min_members):
            yield StorageRule(
                name=name,
                kind=spec.kind,
                guests=tuple(members),
                strict=spec.strict,
                source=f"policy:{spec.by}",
            )


def _own_disks(spec: DatastoreRule, snapshot: Snapshot, field: str) -> Iterator[StorageRule]:
    chosen = select_guests(snapshot.guests, spec.guests, f"{field}.guests") if spec.guests else frozenset()
    for guest in snapshot.guests:
        disks = own_disks(guest)
        if guest.id in chosen and "template" not in guest.blockers and len(disks) >= max(2, spec.min_members):
            yield StorageRule(
                name=f"{spec.name or spec.by}:{guest.name}",
                kind=spec.kind,
                guests=(guest.id,),
                disks=disks,
                strict=spec.strict,
                source="policy:disks",
            )


def own_disks(guest: Guest) -> tuple[str, ...]:
    """Ids of the disks of a guest that hold its data."""
    return tuple(
        disk.id
        for disk in guest.disks
        if disk.id is not None and disk.id not in NO_DATA and counts_for_rules(disk)
    )


def _named_apart(rules: Iterable[StorageRule]) -> Iterator[StorageRule]:
    taken: set[str] = set()
    for rule in rules:
        name, number = rule.name, 2
        while name in taken:
            name, number = f"{rule.name} ({number})", number + 1
        taken.add(name)
        yield rule if name == rule.name else replace(rule, name=name)
