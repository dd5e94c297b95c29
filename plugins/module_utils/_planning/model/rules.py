# Copyright (c) 2026 The Even Keel Authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that count: the platform's and those that the policy makes of names, tags, pools and lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from ..._model.plan import Unresolved
from ..._model.policy.policy import Policy
from ..._model.policy.rule_spec import RuleSpec
from ..._model.snapshot import Guest, Rule, Snapshot
from ..._model.text.regexes import compiled
from .choices import pins
from .move_units import co_migration_groups
from .selectors import select_guests, select_hosts

TRAILING_DIGITS = re.compile(r"[0-9]+\Z")
PINS = ("host_affinity", "host_anti_affinity")


def resolve_rules(snapshot: Snapshot, policy: Policy) -> tuple[tuple[Rule, ...], tuple[Unresolved, ...]]:
    """Every rule with the ids of guests and hosts that exist, uniquely named, and what could not be made
    sense of. Guests that are pinned by choice have a rule each, with the source CHOICE.
    """
    unresolved: list[Unresolved] = []
    rules: list[Rule] = []
    if policy.platform_rules:
        guests = frozenset(guest.id for guest in snapshot.guests)
        hosts = frozenset(host.id for host in snapshot.hosts)
        rules += [_without_unknown(rule, guests, hosts, unresolved) for rule in snapshot.rules]
        rules += _inferred(rules, snapshot)
    for index, spec in enumerate(policy.rules):
        rules += _rules_of(spec, snapshot, f"policy.rules[{index}]")
    rules += pins(snapshot, policy)
    return tuple(_named_apart(rules)), tuple(unresolved)


def _inferred(rules: Sequence[Rule], snapshot: Snapshot) -> list[Rule]:
    """Anti-affinity rules of the guests that the platform moves along with a guest that has one. As long as
    these are together its rule covers them; where they are not, each of them gets a rule of its own.
    """
    guests = {guest.id: guest for guest in snapshot.guests}
    found = []
    for names, together in co_migration_groups(rules):
        if len({guests[guest].host for guest in together}) < 2:
            continue
        for rule in rules:
            inside = together & set(rule.guests)
            if rule.kind == "anti_affinity" and rule.enforced and len(inside) == 1:
                for other in sorted(together - inside):
                    members = tuple(other if guest in inside else guest for guest in rule.guests)
                    name = f"{rule.name} for {guests[other].name}, with {names[0]}"
                    found.append(replace(rule, name=name, guests=members))
    return found


def _without_unknown(
    rule: Rule, guests: frozenset[str], hosts: frozenset[str], unresolved: list[Unresolved]
) -> Rule:
    for what, ids, known in (("guests", rule.guests, guests), ("hosts", rule.hosts, hosts)):
        unknown = sorted(set(ids) - known)
        if unknown:
            unresolved.append(
                Unresolved(
                    what=f"rule {rule.name}",
                    why=f"it names {what} that this cluster does not have: {', '.join(unknown[:10])}; "
                    "it counts for the rest",
                    code="rule_names_unknown",
                    subject=rule.name,
                )
            )
    return replace(
        rule,
        guests=tuple(dict.fromkeys(guest for guest in rule.guests if guest in guests)),
        hosts=tuple(dict.fromkeys(host for host in rule.hosts if host in hosts)),
    )


def _rules_of(spec: RuleSpec, snapshot: Snapshot, field: str) -> list[Rule]:
    hosts: tuple[str, ...] = ()
    if spec.hosts is not None:
        chosen = select_hosts(snapshot.hosts, spec.hosts, f"{field}.hosts")
        hosts = tuple(host.id for host in snapshot.hosts if host.id in chosen)
    least = least_members(spec)
    return [
        Rule(
            name=name,
            kind=spec.kind,
            guests=tuple(members),
            hosts=hosts,
            strict=spec.strict,
            source=f"policy:{spec.by}",
            max_skew=spec.max_skew,
            weight=spec.weight,
        )
        for name, members in groups(spec, snapshot, field).items()
        if len(members) >= least
    ]


def least_members(spec: RuleSpec) -> int:
    """Guests that a rule must have to be one."""
    return 1 if spec.kind in PINS else spec.min_members


def groups(spec: RuleSpec, snapshot: Snapshot, field: str) -> Mapping[str, Sequence[str]]:
    """By the name of the rule that comes of them, the guests that a spec puts together; `field` is that
    of the spec.
    """
    found: dict[str, list[str]] = {}
    # A template never runs, so where it lies says nothing about how a service is spread.
    guests = [guest for guest in snapshot.guests if "template" not in guest.blockers]
    start = spec.name or spec.by
    if spec.by == "guests":
        selected = select_guests(guests, spec.guests, f"{field}.guests") if spec.guests else frozenset()
        return {start: [guest.id for guest in guests if guest.id in selected]}
    for guest in guests:
        for key in _keys(spec, guest):
            found.setdefault(f"{start}:{key}", []).append(guest.id)
    return found


def _keys(spec: RuleSpec, guest: Guest) -> Iterable[str]:
    if spec.by == "name_prefix":
        return (TRAILING_DIGITS.sub("", guest.name) or guest.name,)
    if spec.by == "regex":
        found = compiled(spec.pattern or "").search(guest.name)
        if found is None:
            return ()
        return ((found.group(1) if found.re.groups else found.group(0)) or "",)
    values = guest.tags if spec.by == "tag" else (guest.pool,) if guest.pool else ()
    return tuple(value for value in dict.fromkeys(values) if fnmatchcase(value, spec.pattern or "*"))


def _named_apart(rules: Iterable[Rule]) -> Iterable[Rule]:
    taken: set[str] = set()
    for rule in rules:
        name, number = rule.name, 2
        while name in taken:
            name, number = f"{rule.name} ({number})", number + 1
        taken.add(name)
        yield rule if name == rule.name else replace(rule, name=name)
