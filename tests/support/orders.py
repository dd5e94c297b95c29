# Copyright (c) 2026 The Even Keel Authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small clusters with broken rules, and what can be mended at all: by trying every safe order of every
migration, one at a time, knowing nothing of the planner.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from ansible_collections.evenkeel.cluster.plugins.module_utils._model.policy.policy import Policy
from ansible_collections.evenkeel.cluster.plugins.module_utils._model.snapshot import (
    ClusterRef,
    Guest,
    Host,
    Rule,
    RuleKind,
    Snapshot,
)

GIB = 1024**3
KINDS: tuple[RuleKind, ...] = (
    "affinity",
    "anti_affinity",
    "anti_affinity",
    "even_spread",
    "host_affinity",
    "host_affinity",
    "host_anti_affinity",
)
# By guest its host; and for each affinity rule that held the host to which its guests are on their way.
Spot = tuple[tuple[str, ...], tuple[str, ...]]


def broken_cluster(seed: int) -> Snapshot:
    """Two to four hosts with little room, up to six guests that may all move, and up to four strict rules, at
    least one of them broken.
    """
    for attempt in range(1000):
        snapshot = _drawn(Random(f"{seed}.{attempt}"))
        if broken(snapshot.rules, where(snapshot), snapshot):
            return snapshot
    raise AssertionError("no cluster with a broken rule was drawn")


def _drawn(rng: Random) -> Snapshot:
    names = [f"h{number}" for number in range(rng.choice([2, 3, 3, 4, 4]))]
    closed = rng.choice(names) if len(names) > 2 and rng.random() < 0.2 else ""
    room = {name: rng.choice([24, 32, 40, 48]) for name in names}
    at: dict[str, tuple[str, int]] = {}
    for number in range(rng.randint(2, 6)):
        size = rng.choice([4, 8, 8, 12, 16, 24])
        fits = [name for name in names if sum(s for h, s in at.values() if h == name) + size <= room[name]]
        if fits:
            at[f"g{number}"] = rng.choice(fits), size
    rules = []
    for number in range(rng.randint(1, 4)):
        kind = rng.choice(KINDS)
        pins = kind.startswith("host")
        least = 1 if pins else 2
        if len(at) >= least:
            guests = rng.sample(sorted(at), min(len(at), rng.randint(least, 3)))
            hosts = tuple(sorted(rng.sample(names, rng.randint(1, len(names) - 1)))) if pins else ()
            rules.append(
                Rule(name=f"r{number}", kind=kind, guests=tuple(guests), hosts=hosts, strict=True, source="x")
            )
    return Snapshot(
        platform="test",
        cluster=ClusterRef(id="c", name="c"),
        taken_at="2026-01-01T00:00:00Z",
        window_seconds=0,
        hosts=tuple(_host(name, room[name], at, closed=name == closed) for name in names),
        guests=tuple(_guest(name, host, size) for name, (host, size) in sorted(at.items())),
        rules=tuple(rules),
    )


def _host(name: str, room: int, at: Mapping[str, tuple[str, int]], *, closed: bool) -> Host:
    here = sum(size for host, size in at.values() if host == name)
    return Host(
        id=name,
        name=name,
        status="online",
        maintenance=closed,
        schedulable=True,
        capacity={"cpu": 64.0, "memory": room * GIB},
        used={"cpu": 0.1, "memory": here * GIB},
    )


def _guest(name: str, host: str, size: int) -> Guest:
    return Guest(
        id=name,
        name=name,
        kind="vm",
        host=host,
        power="running",
        assigned={"cpu": 1, "memory": size * GIB},
        used={"cpu": 0.0, "memory": size * GIB},
        migratable=True,
    )


def where(snapshot: Snapshot) -> dict[str, str]:
    return {guest.id: guest.host for guest in snapshot.guests}


def degree(rule: Rule, at: Mapping[str, str], snapshot: Snapshot) -> int:
    """How far a rule is from holding; 0 when it does."""
    places = [at[guest] for guest in rule.guests]
    counts = Counter(places)
    if rule.kind == "affinity":
        return len(places) - max(counts.values())
    if rule.kind == "anti_affinity":
        return sum(many - 1 for many in counts.values())
    if rule.kind == "even_spread":
        numbers = [counts[host] for host in _domain(rule, snapshot)]
        return max(0, max(numbers, default=0) - min(numbers, default=0) - rule.max_skew)
    return sum((place in rule.hosts) != (rule.kind == "host_affinity") for place in places)


def _domain(rule: Rule, snapshot: Snapshot) -> list[str]:
    """The hosts that take part, unless strict host rules shut them to every guest of the rule."""
    return [
        host.id
        for host in snapshot.hosts
        if host.active
        and any(
            all(
                (host.id in pin.hosts) == (pin.kind == "host_affinity")
                for pin in snapshot.rules
                if pin.kind.startswith("host_") and guest in pin.guests
            )
            for guest in rule.guests
        )
    ]


def broken(rules: tuple[Rule, ...], at: Mapping[str, str], snapshot: Snapshot) -> set[str]:
    return {rule.name for rule in rules if degree(rule, at, snapshot)}


@dataclass
class Orders:
    """All placements that safe orders lead to."""

    snapshot: Snapshot
    policy: Policy

    def fewest_broken(self) -> int:
        """How many rules stay broken at the end of the best safe order."""
        self.ids = [guest.id for guest in self.snapshot.guests]
        self.first = where(self.snapshot)
        self.ties = [
            frozenset(rule.guests)
            for rule in self.snapshot.rules
            if rule.kind == "affinity" and not degree(rule, self.first, self.snapshot)
        ]
        self.start_degree = {
            rule.name: degree(rule, self.first, self.snapshot) for rule in self.snapshot.rules
        }
        start: Spot = tuple(self.first.values()), ("",) * len(self.ties)
        seen, queue = {start}, deque([start])
        best = len(broken(self.snapshot.rules, self.first, self.snapshot))
        while queue:
            spot = queue.popleft()
            at = dict(zip(self.ids, spot[0], strict=True))
            if not any(spot[1]) and self._may_end(at):
                best = min(best, len(broken(self.snapshot.rules, at, self.snapshot)))
            for following in self._following(spot, at):
                if following not in seen:
                    seen.add(following)
                    queue.append(following)
        return best

    def _may_end(self, at: Mapping[str, str]) -> bool:
        return all(
            degree(rule, at, self.snapshot) == 0
            for rule in self.snapshot.rules
            if not self.start_degree[rule.name]
        )

    def _following(self, spot: Spot, at: dict[str, str]) -> Iterator[Spot]:
        for guest in self.snapshot.guests:
            for host in self.snapshot.hosts:
                if host.id == at[guest.id] or not host.active or not self._has_room(guest, host, at):
                    continue
                after = {**at, guest.id: host.id}
                towards = self._towards(spot[1], at, after, guest.id, host.id)
                if towards is not None and all(
                    self._is_safe(rule, at, after, guest.id) for rule in self.snapshot.rules
                ):
                    yield tuple(after.values()), towards

    def _has_room(self, guest: Guest, host: Host, at: Mapping[str, str]) -> bool:
        sizes = {other.id: other.used["memory"] or 0 for other in self.snapshot.guests}
        here = sum(size for other, size in sizes.items() if at[other] == host.id)
        top = (host.capacity["memory"] or 0) * self.policy.limits.memory / 100
        return here + sizes[guest.id] <= top

    def _towards(
        self, towards: tuple[str, ...], at: Mapping[str, str], after: Mapping[str, str], guest: str, host: str
    ) -> tuple[str, ...] | None:
        """Guests of an affinity rule that held go one by one to one host; None where that is not so."""
        result = list(towards)
        for number, tie in enumerate(self.ties):
            if guest in tie:
                if towards[number] and towards[number] != host:
                    return None
                result[number] = "" if len({after[one] for one in tie}) == 1 else host
        return tuple(result)

    def _is_safe(self, rule: Rule, at: Mapping[str, str], after: Mapping[str, str], guest: str) -> bool:
        """What held goes on holding, and what is broken is never worse than at the beginning."""
        tied = rule.kind == "affinity" and frozenset(rule.guests) in self.ties
        if guest not in rule.guests or tied:
            return True
        if rule.kind.startswith("host_"):
            wanted = [
                (place in rule.hosts) == (rule.kind == "host_affinity") for place in (at[guest], after[guest])
            ]
            return wanted[1] or not wanted[0]
        before, then = degree(rule, at, self.snapshot), degree(rule, after, self.snapshot)
        # Guests that go one after the other may be evenly spread half way.
        holds = before == 0 and (rule.kind != "even_spread" or not self.start_degree[rule.name])
        return then == 0 if holds else then <= self.start_degree[rule.name]
