# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that the platform takes along when another one is migrated: all of them move, or none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ..._model.snapshot import Rule


def co_migration_groups(rules: Iterable[Rule]) -> tuple[tuple[tuple[str, ...], frozenset[str]], ...]:
    """The names of rules that share guests, and all of their guests: one that is migrated takes along all of
    these.
    """
    found: list[tuple[tuple[str, ...], frozenset[str]]] = []
    for rule in rules:
        if not rule.co_migrates:
            continue
        names, guests = [rule.name], frozenset(rule.guests)
        for other in [bundle for bundle in found if bundle[1] & guests]:
            found.remove(other)
            names += other[0]
            guests |= other[1]
        found.append((tuple(sorted(names)), guests))
    return tuple(found)


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
