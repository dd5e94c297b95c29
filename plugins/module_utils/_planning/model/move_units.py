# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that move as one: strict affinity merges them, and the platform migrates some along with others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..._model.plan import Unresolved
from ..._model.snapshot import Rule

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """Guest indices that stay together, and the affinity rules that were given up because they can't hold."""

    groups: tuple[tuple[int, ...], ...]
    given_up: frozenset[str]


def group_into_units(
    count: int,
    rules: Sequence[Rule],
    index: Mapping[str, int],
    home: Sequence[int],
    conflict: Callable[[Sequence[int]], str | None],
    unresolved: list[Unresolved],
) -> Grouping:
    """Merge the guests of strict affinity rules; `conflict` says why a set of guests can't share any host.

    A rule that holds is never given up, since its guests do share a host; of the broken ones those that lead
    to a conflict are, one by one, in the order of their names; before all, those that the platform itself
    follows are merged.
    """
    affinities = sorted(
        (rule for rule in rules if rule.kind == "affinity" and rule.strict and len(rule.guests) > 1),
        key=lambda rule: (
            len({home[index[guest]] for guest in rule.guests}) > 1,
            not rule.co_migrates,
            rule.name,
        ),
    )
    parent = list(range(count))
    members: dict[int, list[int]] = {}
    given_up: set[str] = set()

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for rule in affinities:
        roots = sorted({root(index[guest]) for guest in rule.guests})
        merged = sorted({item for top in roots for item in members.get(top, [top])})
        broken = len({home[item] for item in merged}) > 1
        why = conflict(merged) if broken else None
        if why is not None:
            given_up.add(rule.name)
            if rule.co_migrates:
                why += "; the platform moves its guests along with each other, so none of them is moved"
            unresolved.append(
                Unresolved(what=f"rule {rule.name}", why=why, code="rule_impossible", subject=rule.name)
            )
            continue
        for top in roots:
            parent[top] = roots[0]
            members.pop(top, None)
        members[roots[0]] = merged
    loners = [(item,) for item in range(count) if parent[item] == item and item not in members]
    return Grouping(
        groups=tuple(sorted([*loners, *(tuple(items) for items in members.values())])),
        given_up=frozenset(given_up),
    )


def co_migration_groups(rules: Iterable[Rule]) -> tuple[tuple[tuple[str, ...], frozenset[str]], ...]:
    """The names of rules that share guests, and all of their guests: one that is migrated takes along all of
    these.
    """
    moved = [rule for rule in rules if rule.co_migrates]
    return tuple(
        (tuple(sorted(rule.name for rule in moved if not guests.isdisjoint(rule.guests))), guests)
        for guests in joined(frozenset(rule.guests) for rule in moved)
    )


def joined(sets: Iterable[frozenset[Item]]) -> list[frozenset[Item]]:
    """The unions of sets that share items, directly or through others."""
    found: list[frozenset[Item]] = []
    for union in sets:
        for other in [other for other in found if other & union]:
            found.remove(other)
            union |= other
        found.append(union)
    return found


def without_abandoned(rules: Sequence[Rule], given_up: Collection[str]) -> dict[str, str]:
    """By guest id, why it stays: it would take along others, and no host can have all of them."""
    result = {}
    for names, guests in co_migration_groups(rules):
        broken = [name for name in names if name in given_up]
        if broken:
            why = f"rule {broken[0]} can't be kept, and the platform would move its other guests along"
            result.update(dict.fromkeys(guests, why))
    return result


def partners_of(rules: Iterable[Rule], guest: str) -> frozenset[str]:
    """Ids of the guests that come along with this one."""
    return next(
        (guests - {guest} for _names, guests in co_migration_groups(rules) if guest in guests), frozenset()
    )
