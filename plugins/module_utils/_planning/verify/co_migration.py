# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the platform moves along with a migration, for the verifier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..._model.plan import Migration
from ..._model.snapshot import Rule, Snapshot


def co_migration_defects(
    snapshot: Snapshot, rules: Sequence[Rule], migrations: Sequence[Migration]
) -> Iterable[str]:
    """Where one guest takes others along, all of them end on its target by one migration each, and as soon as
    one of them may go there is room for all.
    """
    homes = {guest.id: guest.migrating_to or guest.host for guest in snapshot.guests}
    steps_of: dict[str, list[Migration]] = {}
    for migration in migrations:
        steps_of.setdefault(migration.guest.id, []).append(migration)
    taken: set[str] = set()
    for rule in rules:
        if not rule.co_migrates or taken & set(rule.guests):
            continue
        everyone = _with_all(rule, rules) & homes.keys()
        taken |= everyone
        moving = [step for guest in sorted(everyone) for step in steps_of.get(guest, ())]
        if moving:
            yield from _defects(rule.name, everyone, homes, moving)


def _with_all(rule: Rule, rules: Sequence[Rule]) -> frozenset[str]:
    """The guests of the rule, and those that other rules tie to them."""
    found = frozenset(rule.guests)
    for _round in rules:
        for other in rules:
            if other.co_migrates and found & set(other.guests):
                found |= set(other.guests)
    return found


def _defects(
    name: str, everyone: Iterable[str], homes: Mapping[str, str], moving: Sequence[Migration]
) -> Iterable[str]:
    ends = {guest: homes[guest] for guest in everyone} | {step.guest.id: step.target for step in moving}
    if len({step.guest.id for step in moving}) < len(moving):
        yield f"rule {name}: one of its guests is migrated twice, and takes the others along each time"
    for step in moving:
        elsewhere = sorted(guest for guest, end in ends.items() if end != step.target)
        if elsewhere:
            yield (
                f"rule {name}: step {step.step} takes {', '.join(elsewhere[:5])} along to {step.target},"
                " where the plan does not want them"
            )
    own = {step.step for step in moving}
    if len({frozenset(step.after) - own for step in moving}) > 1:
        yield f"rule {name}: its guests go at once, and come after different steps"
