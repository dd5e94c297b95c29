# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a plan out on paper, in a random order that `after` allows, and looks at every moment in
between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.plan import Migration, Plan
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import Guest, Rule, Snapshot


def defects(snapshot: Snapshot, policy: Policy, rules: Sequence[Rule], plan: Plan, rng: Random) -> list[str]:
    """What goes wrong in one random execution."""
    run = _Run(snapshot, policy, rules, plan)
    waiting, running, ended = list(plan.migrations), [], set[int]()
    while waiting or running:
        ready = [migration for migration in waiting if set(migration.after) <= ended]
        if ready and (not running or rng.random() < 0.6):
            migration = rng.choice(ready)
            waiting.remove(migration)
            running.append(migration)
            run.start(migration)
        elif running:
            migration = running.pop(rng.randrange(len(running)))
            run.end(migration)
            ended.add(migration.step)
        else:
            return [*run.found, "nothing can start"]
    return run.found


class _Run:
    def __init__(self, snapshot: Snapshot, policy: Policy, rules: Sequence[Rule], plan: Plan) -> None:
        self.snapshot, self.policy, self.rules, self.plan = snapshot, policy, rules, plan
        self.guests = {guest.id: guest for guest in snapshot.guests}
        self.hosts = {host.id: host for host in snapshot.hosts}
        self.places = {guest.id: [guest.host] for guest in snapshot.guests}
        self.memory = {host.id: host.used["memory"] or 0 for host in snapshot.hosts}
        self.cpu = {host.id: host.used["cpu"] or 0.0 for host in snapshot.hosts}
        self.active = [host.id for host in snapshot.hosts if host.active]
        self.worst_skew = {rule.name: self.skew(rule) for rule in rules if rule.kind == "even_spread"}
        self.pairs = {rule.name: self.meeting(rule) for rule in rules if rule.kind == "anti_affinity"}
        self.crowds = {rule.name: self.crowd(rule) for rule in rules if rule.kind == "anti_affinity"}
        self.found: list[str] = []

    def start(self, migration: Migration) -> None:
        guest = self.guests[migration.guest.id]
        if self.places[guest.id] != [migration.source]:
            self.found.append(f"step {migration.step}: the guest is on {self.places[guest.id]}")
        self.places[guest.id] = [migration.source, migration.target]
        self.memory[migration.target] += known(guest, "memory")
        self.cpu[migration.target] += known(guest, "cpu")
        self.look(migration)

    def end(self, migration: Migration) -> None:
        guest = self.guests[migration.guest.id]
        self.places[guest.id] = [migration.target]
        self.memory[migration.source] -= known(guest, "memory")
        self.cpu[migration.source] -= known(guest, "cpu")
        self.look(migration)

    def look(self, migration: Migration) -> None:
        limits, host = self.policy.limits, self.hosts[migration.target]
        for name, loads, percent in (
            ("memory", self.memory, limits.memory_for_rules),
            ("cpu", self.cpu, limits.cpu_for_rules),
        ):
            ceiling = percent / 100 * (host.capacity[name] or 0)
            if known(self.guests[migration.guest.id], name) and loads[host.id] > ceiling * (1 + 1e-6):
                self.found.append(
                    f"step {migration.step}: {name} of {host.id} at {loads[host.id]:g} > {ceiling:g}"
                )
        for rule in self.rules:
            if not rule.strict:
                continue
            if rule.kind == "even_spread" and self.skew(rule) > max(
                rule.max_skew, self.worst_skew[rule.name]
            ):
                self.found.append(f"step {migration.step}: {rule.name} is uneven")
            if rule.kind == "anti_affinity" and (
                self.crowd(rule) > self.crowds[rule.name]
                if self.pairs[rule.name]
                else self.meeting(rule) - self.pairs[rule.name]
            ):
                self.found.append(f"step {migration.step}: guests of {rule.name} meet")

    def skew(self, rule: Rule) -> int:
        """Over the hosts that the rule's guests ever touch and that may have one of them."""
        touched = {m.target for m in self.plan.migrations if m.guest.id in rule.guests}
        touched |= {self.guests[guest].host for guest in rule.guests if guest in self.guests}
        touched -= set.intersection(
            *(self.closed(guest) for guest in rule.guests if guest in self.guests), touched
        )
        counts = Counter(self.places[guest][0] for guest in rule.guests if guest in self.places)
        numbers = [counts[host] for host in touched if host in self.active]
        return max(numbers, default=0) - min(numbers, default=0)

    def closed(self, guest: str) -> set[str]:
        """Hosts that a strict rule shuts to the guest."""
        return {
            host
            for rule in self.rules
            if rule.strict and guest in rule.guests and rule.kind.startswith("host_")
            for host in self.hosts
            if (host in rule.hosts) != (rule.kind == "host_affinity")
        }

    def meeting(self, rule: Rule) -> set[tuple[str, str]]:
        members = [guest for guest in rule.guests if guest in self.places]
        return {
            (one, other)
            for number, one in enumerate(members)
            for other in members[:number]
            if set(self.places[one]) & set(self.places[other])
        }

    def crowd(self, rule: Rule) -> int:
        """How many guests of the rule are on one host, or on their way to or from it."""
        counts = Counter(host for guest in rule.guests for host in self.places.get(guest, ()))
        return max(counts.values(), default=0)


def known(guest: Guest, resource: str) -> float:
    used = guest.used.get(resource)
    return (guest.assigned.get(resource) if used is None else used) or 0
