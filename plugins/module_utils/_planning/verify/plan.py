# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a finished plan against its snapshot, knowing nothing of how it was made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ..._model.plan import Migration, Plan
from ..._model.policy.policy import Policy
from ..._model.snapshot import Guest, Host, Rule, Snapshot
from ..._model.text.moments import later
from .choices import choice_defects
from .co_migration import co_migration_defects
from .goals import goal_defects
from .interleavings import Replay


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusions:
    """Ids that the policy's exclusions name. shelters: hosts that take part no more, but are on, so that a
    guest may be parked there. may_stay: guests that do not leave hosts in maintenance."""

    sources: frozenset[str] = field(default_factory=frozenset)
    targets: frozenset[str] = field(default_factory=frozenset)
    guests: frozenset[str] = field(default_factory=frozenset)
    may_stay: frozenset[str] = field(default_factory=frozenset)
    shelters: frozenset[str] = field(default_factory=frozenset)


def verify_plan(
    snapshot: Snapshot, policy: Policy, rules: Sequence[Rule], plan: Plan, barred: Exclusions
) -> tuple[str, ...]:
    """Everything that is wrong with the plan, in sentences; empty for a legal one."""
    defects = list(_order_defects(plan.migrations))
    if policy.max_migrations is not None and len(plan.migrations) > policy.max_migrations:
        many = len(plan.migrations)
        defects.append(f"{many} migrations are more than max_migrations, {policy.max_migrations}")
    if not defects:
        defects += _step_defects(snapshot, policy, plan.migrations, barred)
    if defects:
        return tuple(defects)
    replay = Replay(snapshot, policy, rules, plan.migrations)
    return (
        *replay.capacity_defects(),
        *(text for rule in rules for text in replay.rule_defects(rule)),
        *co_migration_defects(snapshot, rules, plan.migrations),
        *goal_defects(snapshot, policy, plan, barred.may_stay),
        *choice_defects(snapshot, policy.choices, plan),
    )


def _order_defects(migrations: Sequence[Migration]) -> Iterable[str]:
    waves: dict[int, int] = {}
    for migration in migrations:
        for step in migration.after:
            if step not in waves:
                yield f"step {migration.step} comes after step {step}, which does not stand before it"
            elif waves[step] >= migration.wave:
                yield f"step {migration.step} is in no later wave than step {step}, which it comes after"
        waves[migration.step] = migration.wave


def _step_defects(
    snapshot: Snapshot, policy: Policy, migrations: Sequence[Migration], barred: Exclusions
) -> Iterable[str]:
    hosts = {host.id: host for host in snapshot.hosts}
    guests = {guest.id: guest for guest in snapshot.guests}
    refused = _refused(snapshot, policy)
    before: dict[str, tuple[int, str]] = {}
    earlier: dict[int, set[int]] = {}
    for migration in migrations:
        label = f"step {migration.step}, {migration.guest.id} from {migration.source} to {migration.target}"
        earlier[migration.step] = set(migration.after).union(*(earlier[s] for s in migration.after))
        guest, target = guests.get(migration.guest.id), hosts.get(migration.target)
        if guest is None or target is None or migration.source not in hosts:
            yield f"{label}: no such guest or host"
            continue
        last, where = before.get(guest.id, (0, guest.host))
        if where != migration.source or migration.source == migration.target:
            yield f"{label}: the guest is on {where}"
        if last and last not in earlier[migration.step]:
            yield f"{label}: it is not ordered after step {last}, which moves the same guest"
        before[guest.id] = (migration.step, migration.target)
        waits = migration.kind == "parking" and target.id in barred.shelters
        why = _may_not_move(guest, hosts[guest.host], policy, barred) or _may_not_arrive(
            guest, hosts[guest.host], replace(target, maintenance=False) if waits else target, policy, barred
        )
        if not why and (guest.id, target.id) in refused:
            why = "the platform has refused this a short while ago"
        if why:
            yield f"{label}: {why}"
    for name, (step, place) in before.items():
        if place in barred.shelters:
            yield f"step {step}, {name}: it stays on {place}, where it may only wait"


def _may_not_move(guest: Guest, host: Host, policy: Policy, barred: Exclusions) -> str:
    if guest.power != "running" or guest.id in barred.guests:
        return "the guest may not move"
    if guest.platform_managed:
        return "the guest is for the platform to move"
    if guest.migrating_to is not None and guest.migrating_to != guest.host:
        return "the guest is being migrated already"
    if host.maintenance and guest.id in barred.may_stay:
        return "the guest may stay on its host"
    if not guest.migratable and not (guest.blockers and set(guest.blockers) <= set(policy.allow_blockers)):
        return "the guest can't be migrated"
    if host.status != "online" or host.id in barred.sources:
        return "nothing may leave its host"
    return ""


def _may_not_arrive(guest: Guest, home: Host, target: Host, policy: Policy, barred: Exclusions) -> str:
    if not target.active or target.id in barred.targets:
        return "the target takes no guests"
    if target.dedicated is not home.dedicated:
        return "dedicated hosts and others exchange no guests"
    for disk in guest.disks:
        there, here = target.datastores.get(disk.datastore), home.datastores.get(disk.datastore)
        if there is None or (here is not None and here.shared != there.shared):
            return f"the target lacks datastore {disk.datastore}"
        if here is not None and not here.shared and there.closed_because is not None:
            return f"the target's datastore {disk.datastore} takes no new disks"
    if not set(guest.networks) <= set(target.networks):
        return "the target lacks a network"
    if guest.cpu_models is not None and target.cpu_model and target.cpu_model not in guest.cpu_models:
        return f"the target's CPU model is {target.cpu_model}"
    if guest.targets is not None and target.id not in guest.targets:
        return "the target is none of those that it can be migrated to"
    lacks = set(guest.cpu_features) - set(target.cpu_features or ())
    same = target.cpu_features is None and target.cpu_model is not None and target.cpu_model == home.cpu_model
    if lacks and not same:
        return f"the target is not known to have CPU feature {min(lacks)}"
    for least in (guest.min_version, home.version if policy.target_version == "not_older" else None):
        have, want = _numbers(target.version or ""), _numbers(least or "")
        if have and want and have < want:
            return f"the target's version is {target.version}"
    return ""


def _refused(snapshot: Snapshot, policy: Policy) -> set[tuple[str, str]]:
    if not policy.retry_refused_after or not snapshot.refusals:
        return set()
    since = later(snapshot.taken_at, -policy.retry_refused_after)
    return {(refusal.guest, refusal.host) for refusal in snapshot.refusals if refusal.at > since}


def _numbers(version: str) -> list[int]:
    parts = [int(part) for part in re.findall("[0-9]+", version)]
    while parts and parts[-1] == 0:
        parts.pop()
    return parts
